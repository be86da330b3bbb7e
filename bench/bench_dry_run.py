"""What planning costs: `snakemake -n` of N samples, against a bare workflow of as many jobs a sample.

The bare workflow has the same rules a sample, with nothing in them but names: what Snakemake itself takes is the floor.
Also how long a lock of 20,000 organisms takes to read. Nothing is run.
"""

import argparse
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import yaml
from measure import Cost, measure, tell

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))
STEPS = ["check_reads", "trim_reads", "quantify", "count_genes", "record_sample"]
BARE = """
    rule all:
        input: expand("record_sample/{sample}", sample=[f"s{i}" for i in range(int(config["samples"]))])
"""
BARE_STEP = """
    rule NAME:
        input: "EARLIER/{sample}"
        output: "NAME/{sample}"
        shell: "touch {output}"
"""
LOCK_COLUMNS = [
    *("requested", "requested_assembly", "organism", "division", "assembly", "release"),
    *("genome_url", "genome_checksum", "annotation_url", "annotation_checksum"),
]


def lay_out(directory: Path, samples: int, organisms: int = 1) -> None:
    """Write the tables of a run of many samples of one organism, with reads that exist and are empty."""
    (directory / "config").mkdir(parents=True)
    (directory / "reads").mkdir()
    (directory / "config" / "config.yaml").write_text("{}\n")
    names = [f"organism_{number}" for number in range(organisms)]
    write_table(
        directory / "config" / "organisms.tsv", ["organism", "division"], [[name, "EnsemblFungi"] for name in names]
    )
    site = "http://127.0.0.1:9"
    lock = [
        [
            *(name, "", name, "EnsemblFungi", "A1", "57"),
            *(f"{site}/{name}.fa.gz", "sum:1 1", f"{site}/{name}.gtf.gz", "sum:1 1"),
        ]
        for name in names
    ]
    write_table(directory / "config" / "organisms.lock.tsv", LOCK_COLUMNS, lock)
    rows = [[f"s{number}", names[0], f"reads/s{number}.fastq.gz"] for number in range(samples)]
    write_table(directory / "config" / "samples.tsv", ["sample", "organism", "fq1"], rows)
    for _, _, reads in rows:
        (directory / reads).touch()


def write_table(path: Path, header: list[str], rows: list[list[str]]) -> None:
    path.write_text("".join("\t".join(row) + "\n" for row in [header, *rows]))


def lay_out_bare(directory: Path, samples: int) -> None:
    (directory / "reads").mkdir(parents=True)
    for number in range(samples):
        (directory / "reads" / f"s{number}").touch()
    steps = [
        textwrap.dedent(BARE_STEP).replace("NAME", step).replace("EARLIER", earlier)
        for earlier, step in zip(["reads", *STEPS], STEPS, strict=False)
    ]
    (directory / "Snakefile").write_text(textwrap.dedent(BARE) + "".join(steps))


def plan(samples: int, work: Path) -> tuple[Cost, Cost]:
    """Measure the plan of our workflow and of the bare one, in this order."""
    ours, bare = work / f"ours{samples}", work / f"bare{samples}"
    lay_out(ours, samples)
    lay_out_bare(bare, samples)
    snakemake = ["snakemake", "--dry-run", "--quiet", "all"]
    return (
        measure([*snakemake, "--snakefile", ROOT / "workflow" / "Snakefile"], ours),
        measure([*snakemake, "--cores", "1", "--config", f"samples={samples}"], bare),
    )


def read_big_lock(organisms: int, work: Path) -> float:
    """Seconds of wall time to read and check a lock of many organisms."""
    from _genomes import read_genomes

    lay_out(work, samples=0, organisms=organisms)
    schemas = [
        yaml.safe_load((ROOT / "workflow" / "schemas" / f"{name}.schema.yaml").read_text())
        for name in ("organisms", "organisms.lock")
    ]
    start = time.monotonic()
    genomes, problems = read_genomes(
        work / "config" / "organisms.tsv", work / "config" / "organisms.lock.tsv", *schemas
    )
    seconds = time.monotonic() - start
    if len(genomes.locked) != organisms or problems:
        raise RuntimeError(f"{len(genomes.locked)} of {organisms} genomes were read: {problems[:3]}")
    return round(seconds, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, nargs="+", default=[100, 1000, 10000])
    parser.add_argument("--organisms", type=int, default=20000)
    arguments = parser.parse_args()
    results: dict[str, dict] = {"ours": {"rules_a_sample": len(STEPS)}, "floor": {"rules_a_sample": len(STEPS)}}
    with tempfile.TemporaryDirectory() as work:
        for samples in arguments.samples:
            for side, cost in zip(results, plan(samples, Path(work)), strict=True):
                results[side][f"wall_s_{samples}"] = cost.wall_s
                results[side] |= {**vars(cost), "samples": samples}
        results["ours"]["lock_organisms"] = arguments.organisms
        results["ours"]["lock_s"] = read_big_lock(arguments.organisms, Path(work) / "lock")
    tell("dry-run", results)


if __name__ == "__main__":
    main()
