"""From two lanes of DNA reads to recalibrated alignments and metrics, against redun's chain of the same tools.

In turns, in one run, on the same cores: ours (`snakemake`, all that a sample gets), redun's chain
(`peer_redun_align.py`) and bwa mem alone on both lanes, which is the floor. The reference is indexed beforehand for
all. The reads are simulated from a seed, 800,000 pairs over 4.9 million bases; and once more, a set of 120,000 pairs in
shared/, where that is.

Then redun's chain goes over our trimmed reads, with our read groups and flags: records, duplicate flags, recalibration
table and recalibrated qualities must all be the same, and Picard's metrics too.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from measure import Cost, measure, middle, tell
from simulate_dna import simulate

ROOT = Path(__file__).resolve().parents[1]
REAL = ROOT.parent / "shared" / "data" / "dna" / "sim_chr20_1mb"
SNAKEMAKE = ["snakemake", "--snakefile", ROOT / "workflow" / "Snakefile", "--cores", "2"]
DUPLICATE = 0x400
METRICS = ("alignment_metrics.txt", "insert_metrics.txt")


@dataclass(frozen=True)
class Data:
    """Lanes of one sample, the genome in `directory` with what the tools want beside it, and known variants."""

    directory: Path
    lanes: Sequence[tuple[Path, Path]]

    @property
    def genome(self) -> Path:
        return self.directory / "genome.fa"

    @property
    def sites(self) -> Path:
        return self.directory / "known.vcf.gz"


def prepare(data: Data) -> None:
    """Index genome and variants for the tools that are called one by one."""
    genome = data.genome
    for command in (
        ["bwa", "index", genome],
        ["samtools", "faidx", genome],
        ["samtools", "dict", "-o", genome.with_suffix(".dict"), genome],
        ["tabix", "--force", "--preset", "vcf", data.sites],
    ):
        subprocess.run(list(map(str, command)), check=True, capture_output=True)


def simulated(directory: Path, pairs: int) -> Data:
    simulate(directory, pairs, genome_size=4_900_000, seed=1)
    subprocess.run(["bgzip", directory / "known.vcf"], check=True)
    reads = [[directory / f"donor_FCX1_L{lane}_{mate}.fastq.gz" for mate in (1, 2)] for lane in (1, 2)]
    return Data(directory, [tuple(lane) for lane in reads])


def real(directory: Path) -> Data:
    for name in ("genome.fa", "known.vcf.gz"):
        shutil.copyfile(REAL / name, directory / name)
    reads = [[REAL / f"donorA_FC1_L{lane}_{mate}.fastq.gz" for mate in (1, 2)] for lane in (1, 2)]
    return Data(directory, [tuple(lane) for lane in reads])


def lay_out(directory: Path, data: Data) -> None:
    """The tables of a run that aligns the sample, up to what is prepared once for a genome."""
    (directory / "config").mkdir(parents=True)
    settings = {
        "align": {"static_quantized_quals": [10, 20, 30], "optical_distance": 2500},
        "trim": {"max_n": 0.1},
    }
    (directory / "config" / "config.yaml").write_text(json.dumps(settings))
    (directory / "config" / "organisms.tsv").write_text(
        f"organism\tassembly\tgenome\tknown_sites\nbench\t1\t{data.genome}\t{data.sites}\n"
    )
    rows = [f"donor\tL{lane}\talign\tbench\t{fq1}\t{fq2}\n" for lane, (fq1, fq2) in enumerate(data.lanes, start=1)]
    (directory / "config" / "samples.tsv").write_text("sample\tlane\tanalyses\torganism\tfq1\tfq2\n" + "".join(rows))
    for words in (["lock"], ["--until", "index_bwa", "merge_known_sites"]):
        subprocess.run([*SNAKEMAKE, *words], cwd=directory, check=True, capture_output=True)


def run_ours(directory: Path, data: Data) -> Cost:
    lay_out(directory, data)
    return measure([*SNAKEMAKE, "results/align/alignments.tsv"], directory)


def peer(directory: Path, data: Data, *words: str | Path) -> list[str | Path]:
    return [sys.executable, ROOT / "bench" / "peer_redun_align.py", data.genome, data.sites, directory / "work", *words]


def run_peer(directory: Path, data: Data) -> Cost:
    directory.mkdir()
    return measure(peer(directory, data, *(path for lane in data.lanes for path in lane)), directory)


def run_floor(directory: Path, data: Data) -> Cost:
    directory.mkdir()
    runs = [f"bwa mem -t 2 -K 100000000 -Y {data.genome} {fq1} {fq2} >/dev/null" for fq1, fq2 in data.lanes]
    return measure(["bash", "-c", " && ".join(runs)], directory)


def check_same(directory: Path, ours: Path, data: Data) -> None:
    """Let redun's chain go over our trimmed reads; raise RuntimeError where an answer is another."""
    lay_out(directory, data)
    subprocess.run([*SNAKEMAKE, "--notemp", "--until", "trim_lane"], cwd=directory, check=True, capture_output=True)
    bam = ours / "results" / "align" / "donor" / "donor.recal.bam"
    header = subprocess.run(["samtools", "head", bam], check=True, capture_output=True, text=True).stdout
    groups = sorted(line for line in header.splitlines() if line.startswith("@RG"))
    lanes = [
        {
            "name": f"L{lane}",
            "read_group": group.replace("\t", r"\t"),
            "reads": [
                str(directory / f"results/align/donor/lanes/L{lane}/trimmed/R{mate}.fastq.gz") for mate in (1, 2)
            ],
        }
        for lane, group in enumerate(groups, start=1)
    ]
    subprocess.run(peer(directory, data, "--as-ours", json.dumps(lanes)), check=True)
    results, work = bam.parent, directory / "work"
    differing = [name for name, same in compare_records(bam, work / "recalib.bam").items() if not same]
    if (results / "recalibration" / "donor.recal.table").read_bytes() != (work / "recal.table").read_bytes():
        differing.append("the recalibration table")
    differing += [name for name in METRICS if figures(results / "metrics" / f"donor.{name}") != figures(work / name)]
    if differing:
        raise RuntimeError(f"not the same as of redun's chain: {', '.join(differing)}")


def compare_records(*bams: Path) -> dict[str, bool]:
    """Whether two files hold the same, whatever the order of records at one place."""
    sums = [sum_records(bam) for bam in bams]
    return {name: len({one[name] for one in sums}) == 1 for name in sums[0]}


def sum_records(bam: Path) -> dict[str, tuple[int, int]]:
    """Number and sum of hashes of the records' alignments, duplicate flags and qualities."""
    number = alignments = duplicates = qualities = 0
    with subprocess.Popen(["samtools", "view", bam], stdout=subprocess.PIPE) as process:
        for record in process.stdout:
            name, flag, *alignment, quality = record.rstrip(b"\n").split(b"\t", 11)[:11]
            plain = (name, int(flag) & ~DUPLICATE, *alignment[:3])
            number += 1
            alignments += hash((*plain, *alignment))
            duplicates += hash((*plain, int(flag) & DUPLICATE))
            qualities += hash((*plain, quality))
    if process.returncode:
        raise RuntimeError(f"samtools view {bam} ended with {process.returncode}")
    return {
        "the alignments": (number, alignments),
        "the duplicate flags": (number, duplicates),
        "the qualities": (number, qualities),
    }


def figures(path: Path) -> list[str]:
    """What is counted in a file of Picard's metrics: all but its comments."""
    return [line for line in path.read_text().splitlines() if line and not line.startswith("#")]


def compete(data: Data, work: Path, rounds: int) -> dict[str, dict[str, float]]:
    prepare(data)
    costs: dict[str, list[Cost]] = {"ours": [], "peer": [], "floor": []}
    for number in range(rounds):
        for side, run in (("ours", run_ours), ("peer", run_peer), ("floor", run_floor)):
            costs[side].append(run(work / f"{side}{number}", data))
            print(side, costs[side][-1], file=sys.stderr, flush=True)  # it takes minutes
        shutil.rmtree(work / f"peer{number}")
    check_same(work / "check", work / "ours0", data)
    return {side: middle(found) for side, found in costs.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--pairs", type=int, default=800_000, help="fewer for a quick look; 0: the shared set only")
    arguments = parser.parse_args()
    results: dict[str, dict] = {"ours": {}, "peer": {}, "floor": {}}
    with tempfile.TemporaryDirectory() as work:
        if arguments.pairs:
            directory = Path(work) / "simulated"
            directory.mkdir()
            results = compete(simulated(directory, arguments.pairs), directory, arguments.rounds)
        if REAL.is_dir():
            directory = Path(work) / "chr20"
            directory.mkdir()
            for side, found in compete(real(directory), directory, arguments.rounds).items():
                results[side] |= {f"chr20_1mb_{name}": value for name, value in found.items()}
    tell("align", results)


if __name__ == "__main__":
    main()
