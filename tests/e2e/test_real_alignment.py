"""Real and simulated DNA through the workflow, held against the chain of redun's bioinformatics example run by hand.

The chain is given our trimmed reads, read groups and aligner flags, so that what is compared is the rest:
https://github.com/insitro/redun/tree/main/examples/06_bioinfo_batch
"""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

DATA = Path(__file__).parents[3] / "shared/data/dna"
SNAKEFILE = Path(__file__).parents[2] / "workflow/Snakefile"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.is_dir(), reason="the real data are not beside the project (../shared/data)"),
]

SIMULATED, SAREK, REDUN = DATA / "sim_chr20_1mb", DATA / "sarek_tiny", DATA / "redun_example"
ORGANISMS = {
    "chr20": (SIMULATED / "genome.fa", [SIMULATED / "known.vcf.gz"]),
    "sarek": (
        SAREK / "ref/human_g1k_v37_decoy.small.fasta",
        [
            SAREK / f"ref/{name}.b37.small.vcf.gz"
            for name in ("dbsnp_138", "Mills_and_1000G_gold_standard.indels", "1000G_phase1.indels")
        ],
    ),
}
# What GATK can read of the known sites: its own would refuse headers and contigs of some of these files.
READABLE = {"sarek": sorted(SAREK.glob("ref/*.fixed.vcf.gz"))}
SAMPLES = {
    "donorA": ("chr20", [sorted(SIMULATED.glob(f"donorA_FC1_L{lane}_*.fastq.gz")) for lane in (1, 2)]),
    "normal": ("sarek", [sorted(SAREK.glob(f"normal/tiny_n_L00{lane}_R*.gz")) for lane in (1, 2, 4, 7, 8)]),
    # Reads of a whole genome, of which a tenth fit this megabase, and no pair does.
    "sample1": ("chr20", [sorted(REDUN.glob(f"sample1/expt_FC1_L{lane}_*.fastq.gz")) for lane in (4, 5)]),
}
STATIC = ("10", "20", "30")


def run(*command: object, folder: Path | None = None) -> str:
    done = subprocess.run(list(map(str, command)), cwd=folder, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def write_tables(folder: Path) -> None:
    (folder / "config").mkdir()
    rows = [f"{name}\tv1\t{fasta}\t{';'.join(map(str, sites))}" for name, (fasta, sites) in ORGANISMS.items()]
    (folder / "config/organisms.tsv").write_text("\n".join(["organism\tassembly\tgenome\tknown_sites", *rows]) + "\n")
    rows = [
        f"{sample}\t{number}\talign\t{organism}\t{fq1}\t{fq2}"
        for sample, (organism, lanes) in SAMPLES.items()
        for number, (fq1, fq2) in enumerate(lanes, start=1)
    ]
    header = "sample\tlane\tanalyses\torganism\tfq1\tfq2"
    (folder / "config/samples.tsv").write_text("\n".join([header, *rows]) + "\n")
    config = f"align: {{optical_distance: 2500, static_quantized_quals: [{', '.join(STATIC)}]}}\n"
    (folder / "config/config.yaml").write_text(config)


@dataclass
class Job:
    folder: Path

    def file(self, sample: str, name: str) -> Path:
        return self.folder / f"results/align/{sample}/{name}"

    def fasta(self, sample: str) -> Path:
        return self.folder / f"results/reference/{SAMPLES[sample][0]}/v1.own/fasta/genome.fa"


@pytest.fixture(scope="module")
def job(tmp_path_factory) -> Job:
    """One run over all samples; what goes in between is kept, for the chain by hand."""
    folder = tmp_path_factory.mktemp("real alignment")
    write_tables(folder)
    run("snakemake", "--snakefile", SNAKEFILE, "--cores", "2", "lock", folder=folder)
    run("snakemake", "--snakefile", SNAKEFILE, "--cores", "2", "--notemp", folder=folder)
    return Job(folder)


@dataclass
class Chain:
    folder: Path
    marked: Path
    table: Path
    final: Path
    duplicates: Path
    metrics: Path


def gatk(*arguments: object) -> None:
    run("gatk", "--java-options", "-Xmx2g -XX:+UseSerialGC", *arguments)


def align_by_hand(job: Job, sample: str, folder: Path) -> list[Path]:
    """bwa, sorted by Picard, a file a lane, with the read groups and command lines that our header names."""
    header = run("samtools", "head", job.file(sample, f"{sample}.recal.bam"))
    commands = re.findall(r"^@PG\t.*CL:(bwa mem .*)$", header, re.M)
    assert len(commands) == len(SAMPLES[sample][1])
    lanes = []
    for number, command in enumerate(commands):
        lanes.append(folder / f"{number}.bam")
        # samtools writes the tabs of a command line as they were typed, \t, as bwa wants them.
        group, files = re.fullmatch(r"bwa mem -t \d+ -K 100000000 -Y -R (@RG\S*) (.*)", command).groups()
        sam = folder / f"{number}.sam"
        bwa = ["bwa", "mem", "-t", "2", "-K", "100000000", "-Y", "-R", group, "-o", sam, *files.split()]
        run(*bwa, folder=job.folder)
        gatk("SortSam", "--INPUT", sam, "--OUTPUT", folder / "sorted.bam", "--SORT_ORDER", "coordinate")
        tags = ["--OUTPUT", lanes[-1], "--REFERENCE_SEQUENCE", job.fasta(sample)]
        gatk("SetNmMdAndUqTags", "--INPUT", folder / "sorted.bam", *tags)
        sam.unlink()
    return lanes


@pytest.fixture(scope="module", params=SAMPLES)
def both(request, job, tmp_path_factory) -> tuple[str, Job, Chain]:
    """The same sample by the workflow and by the chain, with GATK and its Picard."""
    sample = request.param
    folder = tmp_path_factory.mktemp(sample)
    chain = Chain(folder, *(folder / name for name in ("marked.bam", "table", "final.bam", "duplicates", "metrics")))
    lanes = [word for lane in align_by_hand(job, sample, folder) for word in ("--INPUT", lane)]
    marking = ["--OPTICAL_DUPLICATE_PIXEL_DISTANCE", 2500, "--VALIDATION_STRINGENCY", "SILENT"]
    gatk("MarkDuplicates", *lanes, "--OUTPUT", chain.marked, "--METRICS_FILE", chain.duplicates, *marking)
    organism = SAMPLES[sample][0]
    known = [word for vcf in readable(organism, folder) for word in ("--known-sites", vcf)]
    reads = ["--input", chain.marked, "--use-original-qualities"]
    gatk("BaseRecalibrator", "--reference", job.fasta(sample), *known, *reads, "--output", chain.table)
    static = [word for quality in STATIC for word in ("--static-quantized-quals", quality)]
    gatk("ApplyBQSR", *reads, "--bqsr-recal-file", chain.table, *static, "--output", chain.final)
    options = ["--REFERENCE_SEQUENCE", job.fasta(sample), "--INPUT", chain.final, "--OUTPUT", chain.metrics]
    gatk("CollectAlignmentSummaryMetrics", *options)
    return sample, job, chain


def readable(organism: str, folder: Path) -> list[Path]:
    """The known sites as GATK reads them: with an index of GATK's beside each."""
    made = []
    for vcf in READABLE.get(organism, ORGANISMS[organism][1]):
        made.append(folder / vcf.name)
        made[-1].write_bytes(vcf.read_bytes())
        gatk("IndexFeatureFile", "--input", made[-1])
    return made


def records(bam: Path) -> list[str]:
    """All records in one order, without the tags that only the chain writes (UQ, PG) and the order of the others."""
    rows = []
    for line in run("samtools", "view", bam).splitlines():
        cells = line.split("\t")
        tags = sorted(tag for tag in cells[11:] if not tag.startswith(("UQ:", "PG:")))
        rows.append("\t".join([*cells[:11], *tags]))
    return sorted(rows)


def test_records_duplicate_flags_and_recalibrated_qualities_are_those_of_the_chain(both):
    sample, job, chain = both
    ours, theirs = records(job.file(sample, f"{sample}.recal.bam")), records(chain.final)
    different = [(one, other) for one, other in zip(ours, theirs, strict=True) if one != other]
    assert different[:3] == []


def test_the_recalibration_table_is_the_chain_s_to_the_byte(both):
    sample, job, chain = both
    tables = [job.file(sample, f"recalibration/{sample}.recal.table").read_text(), chain.table.read_text()]
    # The first table of the report tells the arguments, among them nothing of our paths.
    assert tables[0] == tables[1]


def picard_rows(path: Path) -> str:
    """The rows of a table of Picard's, without the command line and the time before it."""
    return "\n".join(line for line in path.read_text().splitlines() if not line.startswith("#"))


def test_metrics_of_duplicates_and_alignments_are_the_chain_s(both):
    sample, job, chain = both
    assert picard_rows(job.file(sample, f"duplicates/{sample}.markdup.metrics.txt")) == picard_rows(chain.duplicates)
    assert picard_rows(job.file(sample, f"metrics/{sample}.alignment_metrics.txt")) == picard_rows(chain.metrics)


def test_as_many_duplicates_are_found_as_were_simulated(job):
    """A pair whose copy is lost (random, mostly N, split, placed elsewhere) is none any more."""
    simulated = len(pd.read_csv(SIMULATED / "donorA.truth.tsv", sep="\t").query("dup_of >= 0"))
    lines = run("samtools", "view", "--require-flags", 1024, job.file("donorA", "donorA.recal.bam")).splitlines()
    assert len({line.split("\t")[0] for line in lines}) == pytest.approx(simulated, rel=0.02)


def rows(command: str) -> list[list[str]]:
    return [line.split("\t") for line in run("bash", "-c", f"set -o pipefail; {command}").splitlines()]


def snvs(variants: str, fasta: Path) -> set[tuple[str, ...]]:
    """Contig, place and both alleles of each SNV that a command writes, each allele by itself in its shortest form."""
    apart = f"bcftools norm -m- -f '{fasta}' -Ou | bcftools view -Ou -v snps"
    return set(map(tuple, rows(f"{variants} | {apart} | bcftools query -f '%CHROM\\t%POS\\t%REF\\t%ALT\\n'")))


def shown(true: set[tuple[str, ...]], bam: Path, fasta: Path) -> set[tuple[str, ...]]:
    """Those at which 10 reads or more lie and two fifths of them show the other base."""
    places = f"bcftools query -f '%CHROM\\t%POS\\n' '{SIMULATED}/truth.vcf.gz'"
    depths = "bcftools query -f '%CHROM\\t%POS\\t%REF\\t%ALT[\\t%AD]\\n'"
    found = set()
    for *place, alleles, counts in rows(f"bcftools mpileup -a AD -f '{fasta}' -T <({places}) -Ou '{bam}' | {depths}"):
        reads = list(map(int, counts.split(",")))
        if sum(reads) >= 10:
            others = zip(alleles.split(","), reads[1:], strict=True)
            found |= {(*place, allele) for allele, number in others if 5 * number >= 2 * sum(reads)}
    return found & true


def test_every_variant_that_the_reads_show_is_called_and_no_false_one(job):
    """SNVs of the simulation's truth, by bcftools with its defaults.

    Of 1,470 at depth >= 10 it misses 12, all heterozygous ones of which 1 to 4 of 12 to 18 reads happen to show the
    other base: so all are asked for that two fifths of the reads show. It calls 2 false ones, both within 2 bases of a
    true indel. The records are those of GATK's chain, one by one, so the calls from them are, too.
    """
    bam, fasta = job.file("donorA", "donorA.recal.bam"), job.fasta("donorA")
    # Alleles that the panel has and the donor lacks are left out (-a).
    true = snvs(f"bcftools view -a -Ou '{SIMULATED}/truth.vcf.gz'", fasta)
    called = snvs(f"bcftools mpileup -f '{fasta}' -Ou '{bam}' | bcftools call -mv -Ou", fasta)
    wanted = shown(true, bam, fasta)
    assert len(wanted) > 1200
    assert wanted - called == set()
    indels = rows(f"bcftools view -H -v indels '{SIMULATED}/truth.vcf.gz'")
    beside = {(contig, str(int(position) + by)) for contig, position, *_ in indels for by in range(-2, 3)}
    assert {variant for variant in called - true if variant[:2] not in beside} == set()
