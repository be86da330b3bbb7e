"""Two Salmon indices of one organism against refine.bio's flow, and a fleet of 200 small bacterial genomes.

In turns, in one run, on the same cores: ours (`snakemake`, from the same FASTA and GTF), refine.bio's flow for each k
one after the other (`peer_refinebio_index.py`), and the two bare `salmon index` runs, which are the floor. All must
give the same transcripts and the same k-mers. Beside the floor, what Snakemake takes for as many jobs that do nothing.
"""

import argparse
import gzip
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import textwrap
from pathlib import Path

from measure import Cost, measure, middle, tell

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
DATA = ROOT.parent / "shared" / "data" / "rna" / "yeast_r64"
GENOME = DATA / "Saccharomyces_cerevisiae.R64-1-1.dna.toplevel.fa.gz"
ANNOTATION = DATA / "Saccharomyces_cerevisiae.R64-1-1.96.gtf.gz"
KMERS = (31, 23)
SNAKEMAKE = ["snakemake", "--snakefile", ROOT / "workflow" / "Snakefile", "--cores", "2"]
# The jobs of one organism with nothing in them. It ends at once, as ours does (end_at_once in lookups.smk).
BARE = """
    import threading

    rule all:
        input: "archive31", "archive23"

    rule fetch:
        output: "{file}.fetched"
        script: "nothing.py"

    rule clean:
        input: "genome.fetched", "annotation.fetched"
        output: "cleaned"
        script: "nothing.py"

    rule transcripts:
        input: "cleaned"
        output: "transcripts"
        shell: "touch {output}"

    rule index:
        input: "transcripts"
        output: "index{k}"
        threads: 2
        shell: "touch {output}"

    rule pack:
        input: "index{k}"
        output: "archive{k}"
        threads: 2
        script: "nothing.py"

    onsuccess:
        for clock in threading.enumerate():
            if isinstance(clock, threading.Timer): clock.cancel()
"""
SHIM = """#!/usr/bin/env bash
# Runs the real tool and writes down its CPU seconds.
TIMEFORMAT='%U %S'
{{ time {tool} "$@" 2>&3; }} 3>&2 2>>{log}
"""


def lay_out(directory: Path) -> None:
    """The tables of a run that indexes yeast from its own files."""
    (directory / "config").mkdir(parents=True)
    (directory / "config" / "config.yaml").write_text("{}\n")
    (directory / "config" / "organisms.tsv").write_text(
        f"organism\tassembly\tgenome\tannotation\nyeast\tR64-1-1\t{GENOME}\t{ANNOTATION}\n"
    )
    (directory / "config" / "samples.tsv").write_text("sample\torganism\n")
    subprocess.run([*SNAKEMAKE, "lock"], cwd=directory, check=True, capture_output=True)


def run_ours(directory: Path) -> Cost:
    lay_out(directory)
    return measure([*SNAKEMAKE, "--until", "pack_index"], directory)


def run_peer(directory: Path) -> Cost:
    directory.mkdir()
    kmers = [str(k) for k in KMERS]
    script = ROOT / "bench" / "peer_refinebio_index.py"
    return measure([sys.executable, script, GENOME, ANNOTATION, directory / "work", *kmers], directory)


def run_floor(directory: Path, transcripts: Path) -> Cost:
    directory.mkdir()
    runs = " && ".join(
        f"salmon --no-version-check index --transcripts {transcripts} --kmerLen {k} --threads 2 --index k{k}"
        for k in KMERS
    )
    return measure(["bash", "-c", runs], directory)


def run_bare(directory: Path) -> Cost:
    """What Snakemake takes for itself."""
    directory.mkdir()
    (directory / "Snakefile").write_text(textwrap.dedent(BARE))
    (directory / "nothing.py").write_text("open(snakemake.output[0], 'w').close()\n")
    return measure(["snakemake", "--cores", "2", "--scheduler", "greedy"], directory)


def transcripts_of(path: Path) -> dict[str, str]:
    """Read a FASTA file, plain or gzip, into a dictionary by name."""
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    records = text.decode().split(">")[1:]
    return {record.split(None, 1)[0]: "".join(record.split("\n")[1:]) for record in records}


def kmers_in(archive: Path) -> int:
    with tarfile.open(archive) as members:
        name = next(name for name in members.getnames() if name.endswith("info.json") and "meta" not in name)
        return json.load(members.extractfile(name))["num_kmers"]


def check_same(ours: Path, peer: Path) -> None:
    """Raise RuntimeError where the two did not give the same transcripts and k-mers."""
    built = next(ours.glob("results/reference/yeast/*/transcripts.fa.gz"))
    if transcripts_of(built) != transcripts_of(peer / "work" / "k31" / "rsem_index" / "genome.transcripts.fa"):
        raise RuntimeError("the transcripts are not the same")
    for k in KMERS:
        archives = next(ours.glob(f"results/index/*k{k}.tar.gz")), peer / "work" / f"k{k}" / "index.tar.gz"
        if len(set(map(kmers_in, archives))) != 1:
            raise RuntimeError(f"the indices of k {k} do not hold the same k-mers")


def one_organism(rounds: int, work: Path) -> dict[str, dict]:
    costs: dict[str, list[Cost]] = {"ours": [], "peer": [], "floor": [], "bare": []}
    for number in range(rounds):
        ours, peer = work / f"ours{number}", work / f"peer{number}"
        costs["ours"].append(run_ours(ours))
        costs["peer"].append(run_peer(peer))
        transcripts = peer / "work" / "k31" / "rsem_index" / "genome.transcripts.fa"
        costs["floor"].append(run_floor(work / f"floor{number}", transcripts))
        costs["bare"].append(run_bare(work / f"bare{number}"))
        check_same(ours, peer)
    results = {side: middle(found) for side, found in costs.items()}
    bare = results.pop("bare")
    results["floor"] |= {"snakemake_wall_s": bare["wall_s"], "snakemake_cpu_s": bare["cpu_s"]}
    return results


def shims(directory: Path) -> tuple[dict[str, str], Path]:
    """An environment in which Salmon and RSEM write down their CPU seconds, and where they do."""
    directory.mkdir()
    log = directory / "cpu.txt"
    for tool in ("salmon", "rsem-prepare-reference"):
        path = directory / tool
        path.write_text(SHIM.format(tool=shutil.which(tool), log=log))
        path.chmod(0o755)
    return {"PATH": f"{directory}:{os.environ['PATH']}"}, log


def fleet(bacteria: int, work: Path) -> dict[str, float]:
    """CPU seconds an organism of all that is neither Salmon nor RSEM, over a fleet that is indexed in one run."""
    from tests.toy.make_all import Wishes, make_all
    from tests.toy.serve import addresses, serving

    make_all(work, Wishes(more_bacteria=bacteria - 1, genome_size=20000, samples=0), "reads")
    (work / "config" / "samples.tsv").write_text("sample\torganism\n")
    environment, log = shims(work / "shims")
    with serving(work / "ensembl") as url:
        (work / "config" / "config.yaml").write_text(json.dumps({"ensembl": addresses(url)}))
        subprocess.run([*SNAKEMAKE, "lock"], cwd=work, check=True, capture_output=True)
        organisms = len((work / "config" / "organisms.lock.tsv").read_text().splitlines()) - 1
        cost = measure([*SNAKEMAKE, "--quiet", "all"], work, environment)
    tools = sum(float(number) for line in log.read_text().splitlines() for number in line.split())
    archives = len(list(work.glob("results/index/*.tar.gz")))
    if archives != organisms * len(KMERS):
        raise RuntimeError(f"{archives} indices of {organisms} organisms")
    return {
        "fleet_organisms": organisms,
        "fleet_wall_s": cost.wall_s,
        "fleet_tools_cpu_s_each": round(tools / organisms, 2),
        "fleet_around_cpu_s_each": round((cost.cpu_s - tools) / organisms, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="0: the fleet only")
    parser.add_argument("--bacteria", type=int, default=200, help="0: no fleet")
    arguments = parser.parse_args()
    results: dict[str, dict] = {"ours": {}, "peer": {}, "floor": {}}
    with tempfile.TemporaryDirectory() as work:
        if arguments.rounds:
            results = one_organism(arguments.rounds, Path(work))
        if arguments.bacteria:
            results["ours"] |= fleet(arguments.bacteria, Path(work) / "fleet")
    tell("index", results)


if __name__ == "__main__":
    main()
