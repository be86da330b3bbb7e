"""What a job takes before its rule's own command starts, with a sample table of N rows.

The whole way, with the runtime's Python: fetch the command, unpack the sources, start Snakemake, read the tables, fetch
the job's inputs from S3. The tool (fastp) is a shim that adds up the CPU time of its ancestors, and of what these have
waited for, from /proc. The job is a process of this machine, through the tests' stand-in for AWS. `floor` is
such a job of a workflow that is nothing but one rule.

    python bench/bench_start.py --samples 10000 --turns 3
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "bench"), str(ROOT / "src")]

from bench_dry_run import lay_out  # noqa: E402
from measure import tell  # noqa: E402

from tests.aws import driver  # noqa: E402
from tests.aws.batch_server import BatchServer  # noqa: E402

LIMIT_CPU_S = 3.0
SHIM = """#!{python}
import os
from pathlib import Path
ticks, pid = 0, os.getppid()
while pid > 1 and pid != {above}:
    fields = Path(f"/proc/{{pid}}/stat").read_text().rpartition(")")[2].split()
    ticks += sum(map(int, fields[11:15]))  # its own user and system time, and that of its children
    pid = int(fields[1])
Path({told!r}).open("a").write(f"{{ticks / os.sysconf('SC_CLK_TCK')}}\\n")
"""
BARE = """
rule all:
    input: "trimmed.txt"
rule trim_reads:
    input: "reads/s0.fastq.gz"
    output: "trimmed.txt"
    shell: "fastp"
"""


def check_out(folder: Path) -> None:
    """A working copy as jobs get it: what git lists."""
    for name in ("workflow", "resources", "containers"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".snakemake"))


def list_files(folder: Path) -> None:
    (folder / ".gitignore").write_text("reads/\nresults/\nlogs/\n.snakemake/\n")
    for words in (["init", "--quiet"], ["add", "--all"]):
        subprocess.run(["git", *words], cwd=folder, check=True)


def run(server: BatchServer, folder: Path, python: str, target: str, told: Path) -> float:
    """Run one job; return the CPU seconds before its tool was first called."""
    before = told.read_text().splitlines() if told.exists() else []
    words = ["--shared-fs-usage", "none", "--default-storage-provider", "fishladder"]
    words += ["--default-storage-prefix", f"s3://lab/{folder.name}", "--until", "trim_reads", "--nolock"]
    _, said = driver.run(folder, *words, target, python=python)  # it fails: the shim makes no file
    figures = told.read_text().splitlines()[len(before) :] if told.exists() else []
    if not figures:
        raise RuntimeError(f"the job did not get to its tool:\n{said[-3000:]}")
    return float(figures[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--turns", type=int, default=3)
    given = parser.parse_args()
    built = subprocess.run([ROOT / "containers/runtime/build_runtime"], capture_output=True, text=True, check=True)
    python = built.stdout.strip().removesuffix(".tar.gz") + "/bin/python"
    with tempfile.TemporaryDirectory() as place:
        base = Path(place)
        samples = [
            f"s{given.samples // 2 + turn}" for turn in range(given.turns)
        ]  # a sample has its reads trimmed once
        (base / "bin").mkdir()
        shim, told = base / "bin/fastp", base / "told"
        shim.write_text(SHIM.format(python=sys.executable, above=os.getpid(), told=str(told)))
        shim.chmod(0o755)
        os.environ["PATH"] = f"{base / 'bin'}:{os.environ['PATH']}"
        lay_out(base / "ours", given.samples)
        check_out(base / "ours")
        (base / "bare").mkdir()
        (base / "bare/Snakefile").write_text(BARE)
        server = BatchServer().start()
        try:
            os.environ.update(server.environment())
            s3, location = server.client("s3"), {"LocationConstraint": "eu-central-1"}
            s3.create_bucket(Bucket="lab", CreateBucketConfiguration=location)
            server.queue()
            keys = [f"ours/reads/{sample}.fastq.gz" for sample in samples]
            keys += [f"ours/results/quant/{sample}/reads/reads.json" for sample in samples]
            for key in (*keys, "bare/reads/s0.fastq.gz"):
                s3.put_object(Bucket="lab", Key=key, Body=b"{}")
            folders = {"ours": base / "ours", "floor": base / "bare"}
            for folder in folders.values():
                list_files(folder)
            seconds: dict[str, list[float]] = {name: [] for name in folders}
            for sample in samples:
                target = {"ours": f"results/quant/{sample}/fastp", "floor": "trimmed.txt"}
                for name, folder in folders.items():
                    seconds[name].append(run(server, folder, python, target[name], told))
        finally:
            server.stop()
    rows = {
        name: {"samples": given.samples if name == "ours" else 1, "cpu_s_before_command": median(seconds[name])}
        for name in seconds
    }
    rows["ours"]["worst_cpu_s"], rows["ours"]["limit_cpu_s"] = max(seconds["ours"]), LIMIT_CPU_S
    tell("start", rows)


if __name__ == "__main__":
    main()
