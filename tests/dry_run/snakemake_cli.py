"""Run the real `snakemake` command on tables that a test writes."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOCK_COLUMNS = (
    "requested organism division assembly release genome_url genome_checksum annotation_url annotation_checksum"
)


def snakemake(folder: Path, *options: str) -> subprocess.CompletedProcess:
    command = ["snakemake", "--snakefile", ROOT / "workflow" / "Snakefile", "--directory", folder, *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def write_tables(folder: Path, organisms: dict[str, str], samples: dict[str, str], config: str = "trim: {}\n") -> None:
    """Write a configuration, organisms (with their lock) by division, and single-end samples with their reads."""
    (folder / "config").mkdir(parents=True, exist_ok=True)
    (folder / "config" / "config.yaml").write_text(config)
    wanted = ["organism\tdivision", *(f"{organism}\t{division}" for organism, division in organisms.items())]
    lock = [LOCK_COLUMNS.split(), *map(lock_row, organisms, organisms.values())]
    lanes = ["sample\torganism\tfq1", *(f"{name}\t{organism}\treads/{name}.fq" for name, organism in samples.items())]
    (folder / "config" / "organisms.tsv").write_text("\n".join(wanted) + "\n")
    (folder / "config" / "organisms.lock.tsv").write_text("".join("\t".join(row) + "\n" for row in lock))
    (folder / "config" / "samples.tsv").write_text("\n".join(lanes) + "\n")
    (folder / "reads").mkdir(exist_ok=True)
    for name in samples:
        if not (reads := folder / "reads" / f"{name}.fq").exists():
            reads.write_text("@r\nA\n+\nI\n")


def lock_row(organism: str, division: str) -> list[str]:
    address = f"http://127.0.0.1:9/{organism}"
    return [organism, organism, division, "v1", "57", f"{address}.fa.gz", "sum:1 1", f"{address}.gtf.gz", "sum:1 1"]


def planned(run: subprocess.CompletedProcess) -> set[str]:
    """Find the jobs that a dry run plans, as `rule wildcards`."""
    assert run.returncode == 0, run.stdout + run.stderr
    blocks = re.findall(r"^(?:local)?rule (\w+):\n((?:    .*\n)*)", run.stdout, re.MULTILINE)
    values = ((rule, re.search(r"wildcards: (.*)", body)) for rule, body in blocks)
    return {f"{rule} {found[1] if found else ''}".strip() for rule, found in values}
