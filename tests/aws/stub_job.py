"""What a job does in tests that count jobs: the job's real start-up, and in Snakemake's place a few words in a file.

Every start of `make:i=7` adds a line to runs/7, every end writes out/7.txt. Tests only.
"""

import stat
import sys
from pathlib import Path

STUB = """#!{python}
import os, re, runpy, signal, sys, time
if sys.argv[2].endswith(".inside"):
    sys.argv = sys.argv[2:]
    runpy.run_module(sys.argv[0], run_name="__main__")
number = re.search(r"make:i=(\\d+)", " ".join(sys.argv))[1]
with open(f"runs/{{number}}", "a") as runs:
    print(os.environ.get("AWS_BATCH_JOB_ID"), os.environ.get("AWS_BATCH_JOB_ATTEMPT"), file=runs, flush=True)
time.sleep({seconds})
{act}
os.makedirs("out", exist_ok=True)  # a driver that gives up removes empty folders
with open(f"out/{{number}}.txt", "w") as out:
    print(number, file=out)
"""

RULES = """
rule all:
    input: expand("out/{{i}}.txt", i=range({jobs}))
rule make:
    output: "out/{{i}}.txt"
    {more}
    shell: "sleep 1; echo {{wildcards.i}} {{resources.mem_mb}} > {{output}}"
"""


def prepare(folder: Path, jobs: int, seconds: float = 0.3, act: str = "", more: str = "") -> str:
    """Write a workflow of so many jobs into a folder; return the Python that its jobs are to use."""
    for name in ("runs", "out"):
        (folder / name).mkdir()
    (folder / "Snakefile").write_text(RULES.format(jobs=jobs, more=more))
    stub = folder / "python"
    stub.write_text(STUB.format(python=sys.executable, seconds=seconds, act=act))
    stub.chmod(stub.stat().st_mode | stat.S_IXUSR)
    return str(stub)


def runs(folder: Path) -> dict[int, list[str]]:
    """The starts of each job: Batch job and attempt."""
    return {int(path.name): path.read_text().splitlines() for path in (folder / "runs").iterdir()}


def lost(folder: Path, jobs: int) -> list[int]:
    return [i for i in range(jobs) if not (folder / "out" / f"{i}.txt").exists()]


def doubled(folder: Path) -> dict[int, list[str]]:
    """Jobs that were started by more than one Batch job."""
    started = {number: {line.split()[0] for line in lines} for number, lines in runs(folder).items()}
    return {number: sorted(ids) for number, ids in started.items() if len(ids) > 1}
