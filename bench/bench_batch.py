"""Many jobs of one rule that end at once, through AWS Batch: our executor against snakemake-executor-plugin-aws-batch.

One stand-in for AWS (tests/aws/batch_server.py) in this process, drivers as processes of their own. Every output is in
the bucket before (`--forceall`), so that nothing but submitting, looking and telling is measured. `floor` is Snakemake
with our storage and an executor that does nothing; driver_cpu_ms_per_job is what a driver takes beyond it, so that of
the peer includes what its storage takes beyond ours. From `--local-from` jobs on, ours and floor use local files, since
moto answers S3 too slowly to wait for; the peer cannot. All of them let Snakemake choose among a thousand jobs at a
time, since its choice is quadratic in their number. `end_to_knowing_s` is a median over jobs of 3 to 27 seconds. A peer
that reaches `--peer-limit` is stopped: its counts and its CPU time are then what it had come to, not what it needs.

Each job asks for another disk_mb, as rules do that go by the size of their input. The bench fails where ours calls
SubmitJob more than once for 100 jobs, or registers more than one definition for the one image, or any in a second run.

    python bench/bench_batch.py --jobs 1000 10000 --peer-limit 900
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "bench"), str(ROOT / "src")]

from measure import Cost, measure, tell  # noqa: E402

from tests.aws.batch_server import BatchServer  # noqa: E402

PEER = ["snakemake==9.27.1", "snakemake-executor-plugin-aws-batch==0.2.1", "snakemake-storage-plugin-s3==0.3.6"]
CALLS = {
    "SubmitJob": "submitjob",
    "DescribeJobs": "describejobs",
    "ListJobs": "listjobs",
    "RegisterJobDefinition": "registerjobdefinition",
    "DescribeJobDefinitions": "describejobdefinitions",
    "DeregisterJobDefinition": "deregisterjobdefinition",
    "TerminateJob": "terminatejob",
}
RULES = """
rule all:
    input: expand("out/{{i}}.txt", i=range({jobs}))
rule make:
    output: "out/{{i}}.txt"
    resources: mem_mb=2048, disk_mb=lambda wildcards: 1000 + int(wildcards.i)
    shell: "echo {{wildcards.i}} > {{output}}"
"""
SHARED = ["-m", "snakemake", "--until", "make", "--forceall", "--jobs", "100000", "--scheduler", "greedy", "--nolock"]
SHARED += ["--scheduler-subsample", "1000", "--max-jobs-per-timespan", "1000/1s"]
OURS = ["--executor", "fishladder", "--fishladder-queue", "work", "--fishladder-image", "t"]
OURS += ["--fishladder-prefix", "s3://lab/state"]
THEIRS = ["--executor", "aws-batch", "--aws-batch-region", "eu-central-1", "--aws-batch-job-queue", "work"]
THEIRS += ["--aws-batch-job-role", "arn:aws:iam::123456789012:role/job"]
SILENCES = (3.0, 5.5, 9.0, 16.0, 27.0)  # seconds that jobs run whose end is waited for


def storage(name: str, folder: str, url: str) -> list[str]:
    if name == "local":
        return ["--fishladder-volumes", "/tmp:/tmp"]
    words = ["--shared-fs-usage", "none"]
    words += ["--default-storage-provider", name, "--default-storage-prefix", f"s3://lab/{folder}"]
    return words if name == "fishladder" else [*words, "--storage-s3-endpoint-url", url]


def peer_python(given: str | None) -> str:
    """The Python of a virtual environment that holds the peer; made where there is none."""
    if given:
        return given
    folder = ROOT / "build" / "peer-batch"
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PEER], check=True)
    return str(python)


class Bench:
    def __init__(self, server: BatchServer, peer: str, folder: Path) -> None:
        self.server, self.peer, self.folder = server, peer, folder

    def prepare(self, jobs: int) -> Path:
        """A workflow of so many jobs, whose outputs are in the bucket already."""
        place = self.folder / str(jobs)
        place.mkdir()
        (place / "Snakefile").write_text(RULES.format(jobs=jobs))
        (place / "out").mkdir()
        for i in range(jobs):
            (place / "out" / f"{i}.txt").write_text("x")
        s3 = self.server.client("s3")
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda i: s3.put_object(Bucket="lab", Key=f"{jobs}/out/{i}.txt", Body=b"x"), range(jobs)))
        return place

    def run(self, python: str, words: Sequence[str], place: Path, limit: float | None = None) -> tuple[Cost, dict]:
        """One driver to its end: what it cost and what it called."""
        self.server.calls.clear()
        environment = {
            **self.server.environment(),
            "PYTHONPATH": "" if python == self.peer else f"{ROOT / 'src'}:{ROOT / 'bench' / 'floor'}",
            "SNAKEMAKE_STORAGE_S3_ACCESS_KEY": "testing",
            "SNAKEMAKE_STORAGE_S3_SECRET_KEY": "testing",
        }
        command = ["timeout", "--foreground", "--signal=KILL", str(limit or 86_400), python, *SHARED, *words]
        return measure(command, place, environment), {name: self.server.calls[call] for name, call in CALLS.items()}

    def delay(self, python: str, words: Sequence[str], place: Path, seconds: float) -> float:
        """Seconds from the end of jobs that ran for `seconds` to the driver's telling of the first."""
        self.server.hold.set()
        self.server.calls.clear()
        process = subprocess.Popen(
            [python, *SHARED, *words],
            cwd=place,
            env={
                **os.environ,
                **self.server.environment(),
                "PYTHONPATH": "" if python == self.peer else str(ROOT / "src"),
                "SNAKEMAKE_STORAGE_S3_ACCESS_KEY": "testing",
                "SNAKEMAKE_STORAGE_S3_SECRET_KEY": "testing",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        while not self.server.calls["describejobs"]:
            time.sleep(0.05)
        time.sleep(seconds)
        self.server.hold.clear()
        ended, known = time.monotonic(), None
        for line in process.stdout:
            if known is None and line.startswith("Finished jobid"):
                known = time.monotonic() - ended
        process.wait()
        assert known is not None
        return round(known, 2)


def row(jobs: int, cost: Cost, calls: dict[str, int], floor: Cost | None) -> dict[str, Any]:
    beyond = round((cost.cpu_s - floor.cpu_s) * 1000 / jobs, 2) if floor else ""
    return {"jobs": jobs, **calls, "driver_cpu_ms_per_job": beyond, **vars(cost)}


def check(name: str, jobs: int, calls: dict[str, int]) -> None:
    """End the bench where ours calls more than its arrays and the one image allow."""
    allowed = {"SubmitJob": -(-jobs // 100), "RegisterJobDefinition": 0 if name == "ours again" else 1}
    for call, most in allowed.items():
        if calls[call] > most:
            sys.exit(f"bench-batch: {name}, {jobs} jobs: {calls[call]} {call}, at most {most} allowed")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--local-from", type=int, default=10_000, help="jobs from which ours and floor use local files")
    parser.add_argument("--peer-python", help="Python with the peer installed; default: a new environment in build/")
    parser.add_argument(
        "--peer-limit", type=float, default=900, help="seconds after which a run of the peer is stopped"
    )
    given = parser.parse_args()
    os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")
    server = BatchServer(run=False).start()
    try:
        location = {"LocationConstraint": "eu-central-1"}
        server.client("s3").create_bucket(Bucket="lab", CreateBucketConfiguration=location)
        server.queue()
        with tempfile.TemporaryDirectory() as folder:
            results = compare(Bench(server, peer_python(given.peer_python), Path(folder)), given)
        tell("batch", results)
    finally:
        server.stop()


def compare(bench: Bench, given: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Columns of the table: at each number of jobs ours, ours again (nothing left to register), peer, and floors."""
    results: dict[str, dict[str, Any]] = {}
    for jobs in given.jobs:
        place, last = bench.prepare(jobs), jobs == given.jobs[-1]
        files = storage("local" if jobs >= given.local_from else "fishladder", str(jobs), bench.server.url)
        theirs = [*THEIRS, *storage("s3", str(jobs), bench.server.url)]
        floor, none = bench.run(sys.executable, ["--executor", "instant", *files], place)
        mark = "" if last else f" {jobs}"
        results[f"floor{mark}"] = row(jobs, floor, none, None)
        for name in ("ours", "ours again"):
            cost, calls = bench.run(sys.executable, [*OURS, *files], place)
            results[f"{name}{mark}"] = row(jobs, cost, calls, floor)
            check(name, jobs, calls)
            print(name, results[f"{name}{mark}"], file=sys.stderr, flush=True)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        try:
            cost, calls = bench.run(bench.peer, theirs, place, given.peer_limit)
            # the peer beyond Snakemake with our storage, which costs less than with its own: see the docstring
            results[f"peer{mark}"] = row(jobs, cost, calls, floor)
        except RuntimeError:
            told = {name: bench.server.calls[call] for name, call in CALLS.items()}
            used = resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu = round(used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime, 2)
            least = round((cpu - floor.cpu_s) * 1000 / jobs, 2)  # it was not done
            stopped = {"driver_cpu_ms_per_job": least, "cpu_s": cpu, "stopped_after_s": given.peer_limit}
            results[f"peer{mark}"] = {"jobs": jobs, **told, **stopped}
        print("peer", results[f"peer{mark}"], file=sys.stderr, flush=True)
    place = bench.prepare(10)
    for name, python, words, provider in (
        ("ours", sys.executable, OURS, "fishladder"),
        ("peer", bench.peer, THEIRS, "s3"),
    ):
        told = [bench.delay(python, [*words, *storage(provider, "10", bench.server.url)], place, s) for s in SILENCES]
        results[name]["end_to_knowing_s"] = median(told)
    return results


if __name__ == "__main__":
    main()
