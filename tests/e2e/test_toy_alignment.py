"""From lanes to recalibrated alignments on toy DNA, by the real command: what comes out, and what of each fault."""

import gzip
import json
import os
import random
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from tests.toy.make_dna import LANES, NAME, make_dna
from tests.toy.make_genomes import random_bases

pytestmark = pytest.mark.slow

SNAKEFILE = Path(__file__).parents[2] / "workflow/Snakefile"
CONTIGS = {"I": 40_000, "II": 25_000}
PAIRS = 3_000
SAMPLE_COLUMNS = "sample\tlane\tanalyses\torganism\tfq1\tfq2\tbam\tlibrary\n"
LEFT_OUT = 3  # of each kind: with many unknown bases (max_n), of poor quality (fastp's own limit)
SOUND = {f"reads/{name}" for lane in LANES for name in lane.files()}


def run(*command: object, folder: Path | None = None) -> str:
    done = subprocess.run(list(map(str, command)), cwd=folder, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def snakemake(folder: Path, *options: str) -> subprocess.CompletedProcess:
    command = ["snakemake", "--snakefile", SNAKEFILE, "--cores", "2", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=900)


def row(sample: str, lane: str, organism: str, fq1: str = "", fq2: str = "", bam: str = "", library: str = "") -> str:
    return "\t".join([sample, lane, "align", organism, fq1, fq2, bam, library]) + "\n"


def sound_rows(sample: str, organism: str) -> str:
    """The rows of the sound sample."""
    lanes = ((lane.name, [f"reads/{name}" for name in lane.files()], lane.library) for lane in LANES)
    return "".join(row(sample, name, organism, *files, "", library) for name, files, library in lanes)


def write_organisms(folder: Path) -> None:
    """One genome four times: with known sites, without, and with those of other contigs and of another assembly."""
    sites = f"reads/{NAME}_known_sites.vcf"
    text = (folder / sites).read_text()
    (folder / "reads/renamed.vcf").write_text(re.sub(r"^(I+)\t", r"chr\1\t", text, flags=re.M))
    (folder / "reads/longer.vcf").write_text(text.replace("length=40000", "length=40001"))
    own = {"toy": sites, "plain": "", "renamed": "reads/renamed.vcf", "longer": "reads/longer.vcf"}
    rows = "".join(f"{name}\tv1\tgenome.fa\t{known}\n" for name, known in own.items())
    (folder / "config/organisms.tsv").write_text("organism\tassembly\tgenome\tknown_sites\n" + rows)
    (folder / "config/config.yaml").write_text("trim: {max_n: 0.1}\nalign: {warn: {min_mean_depth: 15}}\n")


def write_faulty(folder: Path) -> str:
    """Reads with one fault each, from copies of sound ones; return their rows."""
    sound = {name: (folder / name).read_bytes() for name in SOUND}
    first, second = (sound[f"reads/{name}"] for name in LANES[0].files())
    other = sound[f"reads/{LANES[1].files()[1]}"]
    rng = random.Random(1)
    foreign = [
        "".join(f"@f{n}\n{random_bases(rng, 100, False)}\n+\n{'I' * 100}\n" for n in range(200)).encode()
        for _ in range(2)
    ]
    poor = "".join(
        f"@p{n}\n{'N' * unknown}{random_bases(rng, 100 - unknown, False)}\n+\n{quality * 100}\n"
        for n, (unknown, quality) in enumerate([(10, "F")] * 2 + [(11, "F"), (0, "#")] * LEFT_OUT)
    ).encode()
    files = {
        "truncated": (first[: len(first) // 2], second),
        "out_of_step": (first, other),
        "empty_lane": (gzip.compress(b""), gzip.compress(b"")),
        "foreign": tuple(map(gzip.compress, foreign)),
        "beside_empty": (first, second),
        "single": (first + gzip.compress(poor),),
        "renamed": (first, second),
        "longer": (first, second),
    }
    for name, mates in files.items():
        for mate, content in enumerate(mates, start=1):
            (folder / f"reads/{name}_{mate}.fq.gz").write_bytes(content)
    pair = {name: [f"reads/{name}_{mate}.fq.gz" for mate in range(1, len(mates) + 1)] for name, mates in files.items()}
    return (
        row("truncated", "1", "toy", *pair["truncated"])
        + row("out_of_step", "1", "toy", *pair["out_of_step"])
        + row("empty_lane", "1", "toy", *pair["empty_lane"])
        + row("empty_lane", "2", "toy", *pair["beside_empty"])
        + row("foreign", "1", "toy", *pair["foreign"])
        + row("single", "1", "plain", *pair["single"])
        + row("renamed", "1", "renamed", *pair["renamed"])
        + row("longer", "1", "longer", *pair["longer"])
    )


REASONS = {
    "truncated": ("check_reads", "truncated_1.fq.gz ends in the middle of its gzip stream"),
    "out_of_step": ("check_reads", "out_of_step_2.fq.gz are no mates of each other"),
    "empty_lane": ("check_reads", "hold no reads; leave the lane out"),
    "foreign": ("mark_duplicates", "none of 400 reads maps; is it the right organism?"),
    "renamed": ("merge_known_sites", "renamed.vcf lies on other contigs (chrI, chrII) than the genome (I, II)"),
    "longer": ("merge_known_sites", "longer.vcf has 40001 bases of contig I, the genome 40000"),
}


@dataclass
class Toy:
    folder: Path
    said: subprocess.CompletedProcess

    def record(self, sample: str) -> dict:
        return json.loads((self.folder / f"results/align/{sample}/record.json").read_text())

    def truth(self) -> pd.DataFrame:
        return pd.read_csv(self.folder / f"truth/{NAME}.duplicates.tsv", sep="\t")


@pytest.fixture(scope="module")
def toy(tmp_path_factory) -> Iterator[Toy]:
    """One run over the sound sample and those with a fault each."""
    folder = tmp_path_factory.mktemp("toy alignment")
    for name in ("config", "reads", "truth"):
        (folder / name).mkdir()
    rng = random.Random(5)
    genome = {name: random_bases(rng, length, True) for name, length in CONTIGS.items()}
    (folder / "genome.fa").write_text("".join(f">{name} toy\n{bases}\n" for name, bases in genome.items()))
    make_dna(genome, [], PAIRS, 1, folder / "reads", folder / "truth")
    write_organisms(folder)
    (folder / "config/samples.tsv").write_text(SAMPLE_COLUMNS + sound_rows(NAME, "toy") + write_faulty(folder))
    assert snakemake(folder, "lock").returncode == 0
    yield Toy(folder, snakemake(folder))


def flagged(bam: Path, reference: Path | None = None) -> set[str]:
    """The names of the pairs of which both mates are marked as duplicates."""
    options = ["--reference", reference] if reference else []
    names = run("samtools", "view", "--require-flags", "1024", *options, bam).splitlines()
    counts = pd.Series([line.split("\t")[0] for line in names]).value_counts()
    assert set(counts) == {2}
    return set(counts.index)


def test_duplicates_are_found_exactly_across_lanes_of_a_library_and_never_across_libraries(toy):
    truth = toy.truth()
    assert set(truth["kind"]) == {"optical", "far", "other lane"}
    assert flagged(toy.folder / f"results/align/{NAME}/{NAME}.recal.bam") == set(truth["name"])
    record = toy.record(NAME)
    pairs = {library: len(truth[truth["library"] == library]) for library in "AB"}
    assert {name: round(share, 2) for name, share in record["libraries"].items()} == {
        name: round(100 * twice / (PAIRS + twice), 2) for name, twice in pairs.items()
    }
    assert record["optical_duplicate_percent"] == pytest.approx(
        100 * sum(truth["kind"] == "optical") / (2 * PAIRS + len(truth)), abs=0.05
    )


def test_each_lane_is_a_read_group_of_its_own(toy):
    header = run("samtools", "head", toy.folder / f"results/align/{NAME}/{NAME}.recal.bam")
    lines = [line.split("\t")[1:] for line in header.splitlines() if line.startswith("@RG")]
    groups = [dict(field.split(":", 1) for field in fields) for fields in lines]
    assert {group["ID"]: (group["SM"], group["LB"], group["PL"], group["PU"]) for group in groups} == {
        f"{NAME}.{lane.name}": (NAME, lane.library, "ILLUMINA", f"TOYFCX1.{lane.number}") for lane in LANES
    }
    assert re.match(r"@HD\t.*SO:coordinate", header)


def test_every_variant_of_the_sample_is_called_and_no_other(toy):
    bam, fasta = (
        toy.folder / f"results/align/{NAME}/{NAME}.recal.bam",
        toy.folder / "results/reference/toy/v1.own/fasta",
    )
    pileup = f"bcftools mpileup -f '{fasta}/genome.fa' '{bam}' | bcftools call -mv --ploidy 1 -Ov | grep -v '^#'"
    called = {tuple(line.split("\t")[n] for n in (0, 1, 3, 4)) for line in run("bash", "-c", pileup).splitlines()}
    text = (toy.folder / f"truth/{NAME}.variants.vcf").read_text().splitlines()
    truth = {tuple(line.split("\t")[n] for n in (0, 1, 3, 4)) for line in text if not line.startswith("#")}
    assert called == truth and len(truth) > 100


def test_qualities_that_claim_too_much_are_corrected_and_the_others_are_left(toy):
    """Lane 2 claims 4 Phred more than is true; too few errors are counted here for the last Phred."""
    lines = run("samtools", "view", toy.folder / f"results/align/{NAME}/{NAME}.recal.bam").splitlines()
    total: dict[str, list[float]] = {"1": [], "2": []}
    for line in lines:
        cells = line.split("\t")
        quality = sum(10 ** ((33 - ord(one)) / 10) for one in cells[10]) / len(cells[10])
        total[cells[0].split(":")[3]].append(quality)
    true = sum(10 ** (-one / 10) for one in (37, 33, 27)) / 3
    for lane, shares in total.items():
        # A tenth of the pairs are second copies, with 8 Phred less.
        expected = true * (0.95 + 0.05 * 10**0.8)
        assert sum(shares) / len(shares) == pytest.approx(expected, rel=0.2), lane


def off_by_read_group(toy: Toy, folder: str) -> dict[str, float]:
    """How far the qualities of each read group are off, by a table."""
    text = (toy.folder / f"results/align/{NAME}/{folder}/{NAME}.recal.table").read_text()
    rows = text.partition("#:GATKTable:RecalTable0")[2].partition("\n\n")[0].splitlines()[2:]
    return {row.split()[0]: abs(float(row.split()[2]) - float(row.split()[3])) for row in rows}


@pytest.mark.parametrize("run_over", ["toy", "given"])
def test_qualities_are_what_they_claim_after_recalibration_in_every_read_group(run_over, request):
    before, after = (
        off_by_read_group(request.getfixturevalue(run_over), folder) for folder in ("recalibration", "recalibrated")
    )
    assert max(before.values()) > 3
    assert max(after.values()) < 1
    assert before.keys() == after.keys()


def test_the_files_that_people_look_for_are_there_and_whole(toy):
    folder = toy.folder / f"results/align/{NAME}"
    bam = folder / f"{NAME}.recal.bam"
    run("samtools", "quickcheck", bam)
    assert (folder / f"{NAME}.recal.bam.md5").read_text().strip() == run("md5sum", bam).split()[0]
    assert int(run("samtools", "view", "--count", bam, "II")) > 0  # by the index
    for name in (
        f"duplicates/{NAME}.markdup.metrics.txt",
        f"metrics/{NAME}.alignment_metrics.txt",
        f"metrics/{NAME}.insert_metrics.txt",
        f"depth/{NAME}.mosdepth.summary.txt",
        f"depth/{NAME}.thresholds.bed.gz",
        f"recalibration/{NAME}.recal.table",
        f"recalibrated/{NAME}.recal.table",
        "lanes/A1/fastp/fastp.json",
    ):
        assert (folder / name).stat().st_size > 0, name
    assert (folder / f"metrics/{NAME}.insert_metrics.status").read_text() == "ok"


@pytest.mark.parametrize("sample", REASONS)
def test_a_sample_with_a_fault_fails_alone_with_one_plain_reason(toy, sample):
    step, reason = REASONS[sample]
    record = toy.record(sample)
    assert (record["success"], record["failed_step"]) == (False, step)
    assert reason in record["reason"]
    (told,) = [line for line in toy.said.stderr.splitlines() if line.strip().startswith(f"{sample}: {step}: ")][:1]
    assert reason in told
    page = (toy.folder / "results/report/index.html").read_text()
    assert sample in page
    for bam in (toy.folder / f"results/align/{sample}").glob("*.bam"):
        assert bam.read_text().startswith("# no result: "), "no half a result under the final name"


def test_where_no_variants_are_known_qualities_stay_and_the_table_says_so(toy):
    folder = toy.folder / "results/align/single"
    assert not list(folder.glob("*.recal.*"))
    run("samtools", "quickcheck", folder / "single.markdup.bam")
    reads = [line.split("\t") for line in run("samtools", "view", folder / "single.markdup.bam").splitlines()]
    written = {usual - worse for usual in (37, 33, 27) for worse in (0, 8)}
    assert {ord(letter) - 33 for cells in reads for letter in cells[10]} == written
    assert (folder / "metrics/single.insert_metrics.status").read_text() == "fail"  # single ends have no inserts
    table = pd.read_csv(toy.folder / "results/align/alignments.tsv", sep="\t", index_col="sample")
    assert table.loc["single", "recalibrated"].startswith("no: ")
    assert table.loc[NAME, "recalibrated"] == "yes"


def test_the_table_tells_how_many_reads_trimming_left_out(toy):
    table = pd.read_csv(toy.folder / "results/align/alignments.tsv", sep="\t", index_col="sample")
    assert list(table.loc[[NAME, "single"], "reads_left_out"]) == [0, 2 * LEFT_OUT]
    for sample, state in ((NAME, "recal"), ("single", "markdup")):
        bam = toy.folder / f"results/align/{sample}/{sample}.{state}.bam"
        came = int(run("samtools", "view", "--count", "--exclude-flags", "2304", bam))
        assert came == table.loc[sample, "reads"] - table.loc[sample, "reads_left_out"]


def test_the_table_holds_samples_against_the_limits_of_the_configuration(toy):
    table = pd.read_csv(toy.folder / "results/align/alignments.tsv", sep="\t", index_col="sample")
    assert list(table.loc[[NAME, "single"], "quality"]) == ["pass", "warn"]
    assert re.search(r"mean_depth is \d[\d.]*, at least 15 is wanted", table.loc["single", "why"])
    assert set(table.loc[list(REASONS), "status"]) == {"failed"}


def test_multiqc_shows_every_lane_and_every_sample(toy):
    found = re.findall(r"(\w+) \| Found (?:reports for )?(\d+)", (toy.folder / "logs/multiqc.txt").read_text())
    trimmed = list(toy.folder.glob("results/align/*/lanes/*/fastp/fastp.json"))
    assert len(trimmed) == 9  # of 12 lanes, three have reads that cannot be used
    assert {("fastp", "9"), ("mosdepth", "2"), ("picard", "2"), ("base_recalibrator", "2")} <= set(found)


GIVEN_REASONS = {
    "other_name": (
        "take_alignments",
        f"other_name.bam is of the sample {NAME} (read group {NAME}.A1, SM), not of other_name",
    ),
    "cut": ("take_alignments", "cut.bam is no BAM or CRAM, or ends early; bring the file again"),
    "reads": ("take_alignments", "reads.bam is no BAM or CRAM, or ends early; bring the file again"),
    "elsewhere": (
        "take_alignments",
        "elsewhere.bam has 39999 bases of I, the organism 40000; it was aligned to another",
    ),
    "nobody": ("take_alignments", "nobody.bam has no read groups; add one: samtools addreplacerg -r ID:1 -r SM:nobody"),
}


@pytest.fixture(scope="module")
def given(toy, tmp_path_factory) -> Toy:
    """A run from files of alignments: in the order of names with original qualities, as CRAM, and with a fault each."""
    folder = tmp_path_factory.mktemp("given")
    for name in ("reads", "truth", "genome.fa"):
        (folder / name).symlink_to(toy.folder / name)
    (folder / "config").mkdir()
    for name in ("organisms.tsv", "organisms.lock.tsv"):
        (folder / "config" / name).write_bytes((toy.folder / "config" / name).read_bytes())
    (folder / "config/config.yaml").write_text("align: {format: cram}\n")
    bam = toy.folder / f"results/align/{NAME}/{NAME}.recal.bam"
    fasta = toy.folder / "results/reference/toy/v1.own/fasta/genome.fa"

    def write(name: str, edit: str, *options: object) -> None:
        (folder / "sam").write_text(run("sed", edit, made))
        run("samtools", "view", "--no-PG", *options, "--output", folder / name, folder / "sam")

    made = folder / "made.sam"
    run("samtools", "view", "--with-header", "--no-PG", "--output", made, bam)

    # Q40 for every base, where most are worse.
    original = re.sub(
        r"^(?!@)(?:\S+\t){10}(\S+).*",
        lambda line: f"{line[0]}\tOQ:Z:{'I' * len(line[1])}",
        made.read_text(),
        flags=re.M,
    )
    (folder / "sam").write_text(original)
    run("samtools", "sort", "-n", "--no-PG", "-o", folder / "by_name.bam", folder / "sam")
    write("as_cram.cram", rf"s/SM:{NAME}/SM:as_cram/", "--cram", "--reference", fasta)
    (folder / "other_name.bam").write_bytes(bam.read_bytes())
    (folder / "cut.bam").write_bytes(bam.read_bytes()[:100_000])
    (folder / "reads.bam").write_text("@r1\nACGT\n+\nIIII\n")
    write("elsewhere.bam", rf"s/LN:40000/LN:39999/;s/SM:{NAME}/SM:elsewhere/", "--bam")
    write("nobody.bam", "/^@RG/d;s/\tRG:Z:[^\t]*//", "--bam")
    names = {NAME: "by_name.bam", "as_cram": "as_cram.cram"} | {name: f"{name}.bam" for name in GIVEN_REASONS}
    rows = "".join(row(sample, "1", "toy", bam=file) for sample, file in names.items())
    (folder / "config/samples.tsv").write_text(SAMPLE_COLUMNS + rows)
    return Toy(folder, snakemake(folder))


@pytest.mark.parametrize("sample", [NAME, "as_cram"])
def test_alignments_that_are_given_enter_at_duplicates_whatever_their_order_and_form(given, sample):
    cram = given.folder / f"results/align/{sample}/{sample}.recal.cram"
    fasta = given.folder / "results/reference/toy/v1.own/fasta/genome.fa"
    # Which of two copies is kept goes by their qualities, and these are corrected ones; a copy has the number after the
    # first one's.
    copies = {int(name.split(":")[1]) for name in given.truth()["name"]}
    found = [int(name.split(":")[1]) for name in flagged(cram, fasta)]
    assert {number if number in copies else number + 1 for number in found} == copies
    assert len(found) == len(copies)
    assert cram.read_bytes()[:4] == b"CRAM"
    assert cram.with_name(cram.name + ".crai").stat().st_size > 0
    assert not list(cram.parent.glob("*.bam"))
    assert int(run("samtools", "view", "--count", "--exclude-flags", "2304", "--reference", fasta, cram)) == 2 * (
        2 * PAIRS + len(given.truth())
    )


@pytest.mark.parametrize("sample", GIVEN_REASONS)
def test_alignments_with_a_fault_fail_alone_with_one_plain_reason(given, sample):
    step, reason = GIVEN_REASONS[sample]
    record = given.record(sample)
    assert (record["success"], record["failed_step"]) == (False, step)
    assert reason in record["reason"]


def test_a_disk_that_fills_fails_the_job_with_its_word_and_leaves_nothing_under_the_final_name(toy, tmp_path):
    """The results lie on a disk of 3 MB, which the marked duplicates fill."""
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", small], capture_output=True).returncode:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("only root may make a small disk")
    try:
        for name in ("reads", "genome.fa"):
            (tmp_path / name).symlink_to(toy.folder / name)
        (tmp_path / "config").mkdir()
        for name in ("organisms.tsv", "organisms.lock.tsv"):
            (tmp_path / "config" / name).write_bytes((toy.folder / "config" / name).read_bytes())
        (tmp_path / "config/config.yaml").write_text("pathvars: {results: small}\n")
        (tmp_path / "config/samples.tsv").write_text(SAMPLE_COLUMNS + sound_rows(NAME, "toy"))
        said = snakemake(tmp_path)
        assert said.returncode == 1
        assert "No space left on device" in said.stderr
        assert not list(small.glob("align/*/*.bam"))
    finally:
        subprocess.run(["umount", small], check=True)
