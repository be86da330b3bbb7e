"""The whole main job on toy data: `python -m tests.toy.demo DIRECTORY`. Run again, it does what is left to do."""

import json
import re
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

import yaml

from tests.toy.make_all import Wishes, make_all
from tests.toy.make_hla_samples import hla_settings
from tests.toy.serve import addresses, serving

SNAKEFILE = Path(__file__).resolve().parents[2] / "workflow" / "Snakefile"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


def lay_out(directory: Path) -> None:
    """Make the toy Ensembl, the reads and the tables, and the configuration that takes the one for the real one."""
    print("making toy data: two organisms of Ensembl; six samples of RNA, one of DNA, two of HLA genes", flush=True)
    make_all(directory, Wishes(broken="", dna_fragments=10_000, hla_samples=2), "reads")
    ensembl = addresses(f"http://127.0.0.1:{free_port()}")
    (directory / "config" / "config.yaml").write_text(yaml.safe_dump({"ensembl": ensembl} | hla_settings()))


def snakemake(directory: Path, *arguments: str) -> None:
    """Run Snakemake and tell each tenth of its way; where it fails, tell all that it said."""
    command = ["snakemake", "--snakefile", str(SNAKEFILE), *arguments]
    print(" ".join(["snakemake", *arguments]), flush=True)
    said, told = [], 0
    with subprocess.Popen(command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
        for line in run.stdout:
            said.append(line)
            progress = re.match(r"\d+ of \d+ steps \((\d+)%\) done", line)
            if progress and (tenth := int(progress[1]) // 10) > told:
                told = tenth
                print(f"  {line.strip()}", flush=True)
    if run.returncode:
        sys.exit(f"{''.join(said)}\nthe demo failed (`{' '.join(command)}`, code {run.returncode}); see above")


def findings(directory: Path) -> str:
    """Say in a few lines what the run found, and where."""
    results = directory / "results"
    records = [json.loads(path.read_text()) for path in sorted(results.glob("quant/*/record.json"))]
    passed = [record for record in records if record["success"]]
    typed = [json.loads(path.read_text()) for path in sorted(results.glob("hla/*/record.json"))]
    aligned = [json.loads(path.read_text()) for path in sorted(results.glob("align/*/record.json"))]
    indices = sorted(results.glob("index/*.tar.gz"))
    lines = [
        f"{len(passed)} of {len(records)} samples of RNA came through; "
        f"{median(record['mapping_rate'] for record in passed):.1f} % of reads mapped in the median sample",
        *(f"alignments of {one['sample']}: {alignment_words(one, results)}" for one in aligned),
        *(f"HLA types of {one['sample']}: {hla_words(one)}" for one in typed),
        f"{len(indices)} Salmon indices: {', '.join(path.name for path in indices)}",
        f"gene counts: {', '.join(str(path) for path in sorted(results.glob('counts/*.gene_counts.tsv')))}",
        f"report: {results / 'report' / 'index.html'}",
    ]
    return "\n".join(lines)


def alignment_words(record: dict, results: Path) -> str:
    (bam,) = results.glob(f"align/{record['sample']}/*.bam")
    measures = f"{record['mapped_percent']:.1f} % mapped, {record['duplicate_percent']:.1f} % duplicates"
    return f"{measures}, depth {record['mean_depth']:.0f}; {bam}"


def hla_words(record: dict) -> str:
    """The types of the loci that are there; DRB3, 4 and 5 are not in everybody."""
    pairs = (found["two_field"] for found in record["types"].values())
    return ", ".join("+".join(pair) for pair in pairs if set(pair) != {"absent"})


def toy_port(directory: Path) -> int:
    """The port of the toy Ensembl: the lock holds its addresses, so it is the same in every run."""
    configuration = yaml.safe_load((directory / "config" / "config.yaml").read_text())
    return urlsplit(configuration["ensembl"]["rest"]).port


def run(directory: Path) -> None:
    if not (directory / "config" / "organisms.lock.tsv").exists():
        snakemake(directory, "lock")
    snakemake(directory)


def main(directory: Path) -> None:
    if not (directory / "config" / "config.yaml").exists():
        lay_out(directory)
    port = toy_port(directory)
    with ExitStack() as server:
        try:
            server.enter_context(serving(directory / "ensembl", port))
        except OSError as error:
            sys.exit(f"cannot serve the toy Ensembl at port {port} of 127.0.0.1 ({error}); remove {directory}/")
        run(directory)
    print(findings(directory))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
