"""Dry runs against S3: requests and time, empty, half done and done, beside the same dry run on local files.

    python bench/bench_s3.py [--samples 1000 10000] [--foreign 1000000] [--peer-samples 300] [--repeats 3]

The server is MinIO on this machine. The workflow has six rules a sample, which write into folders of the sample. Keys
of ours are written by PUT, rule after rule, as a run would. Foreign keys are laid into MinIO's own folder, each as a
link to one object's file, since a million PUTs would take an hour; its listing then reads them like any other.
Everything lies in memory (/dev/shm) where there is such a place, because no disk is what is measured. Requests are
MinIO's own count, by kind. The peer is snakemake-storage-plugin-s3 0.3.6 in an environment of its own.
"""

import argparse
import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.request
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

from measure import Cost, measure, middle

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.aws import minio  # noqa: E402

PEER = ["snakemake==9.27.1", "snakemake-storage-plugin-s3==0.3.6"]
RULES = {
    "trim": ("reads/{sample}.fq.gz", "results/trimmed/{sample}/reads.fq.gz"),
    "check": ("results/trimmed/{sample}/reads.fq.gz", "results/qc/{sample}/fastp.json"),
    "align": ("results/trimmed/{sample}/reads.fq.gz", "results/align/{sample}/aligned.bam"),
    "quantify": ("results/trimmed/{sample}/reads.fq.gz", "results/quant/{sample}/quant.sf"),
    "sum": ("results/quant/{sample}/quant.sf", "results/quant/{sample}/genes.tsv"),
    "call": ("results/align/{sample}/aligned.bam", "results/calls/{sample}/variants.vcf.gz"),
}
ENDS = ["results/qc/{sample}/fastp.json", "results/quant/{sample}/genes.tsv", "results/calls/{sample}/variants.vcf.gz"]


MEMORY = Path("/dev/shm")
PLACE = str(MEMORY) if MEMORY.is_dir() else None


def snakefile(samples: int) -> str:
    rules = [f'SAMPLES = [f"S{{n:05}}" for n in range({samples})]']
    rules += [f"rule all:\n    input: expand({ENDS!r}, sample=SAMPLES)"]
    rules += [
        f'rule {name}:\n    input: "{source}"\n    output: "{target}"\n    shell: "cp {{input}} {{output}}"'
        for name, (source, target) in RULES.items()
    ]
    return "\n\n".join(rules) + "\n"


def files(samples: int, done: float) -> list[list[str]]:
    """What exists when this part of the samples is done, in the order in which a run writes it."""
    ready = int(samples * done)
    rows = [[f"reads/S{n:05}.fq.gz" for n in range(samples)]]
    return rows + [[target.format(sample=f"S{n:05}") for n in range(ready)] for _, target in RULES.values()]


def s3(url: str):
    import boto3

    os.environ.update(minio.KEYS | minio.NOT_THE_MACHINES_OWN)
    return boto3.client("s3", endpoint_url=url)


def make_bucket(url: str) -> str:
    """A bucket that everybody may write to, so that filling it costs no signatures."""
    bucket = f"bench-{uuid.uuid4().hex[:12]}"
    client = s3(url)
    client.create_bucket(Bucket=bucket)
    allowed = {"Effect": "Allow", "Principal": "*", "Action": ["s3:PutObject"], "Resource": f"arn:aws:s3:::{bucket}/*"}
    client.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [allowed]}))
    return bucket


def put(url: str, bucket: str, keys: Iterable[str]) -> None:
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    for key in keys:
        connection.request("PUT", f"/{bucket}/{key}", body=b"x")
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"PUT {key}: {answer.status}")


def fill(url: str, bucket: str, rows: list[list[str]]) -> None:
    for row in rows:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda keys: put(url, bucket, keys), [[f"project/{k}" for k in row[n::4]] for n in range(4)]))


def add_foreign(data: Path, url: str, bucket: str, count: int) -> None:
    """Lay foreign objects beside ours: an archive before our folders, and one between them."""
    put(url, bucket, ["project/archive/first"])
    first = data / bucket / "project" / "archive" / "first" / "xl.meta"
    for n in range(count):
        folder = "archive/old" if n % 2 else "results/per_run"
        target = data / bucket / "project" / folder / f"{n // 1000:05}" / f"{n:08}.bin"
        target.mkdir(parents=True)
        # 60,000 links to one file are what every file system allows
        if n % 50_000 == 0:
            (target / "xl.meta").write_bytes(first.read_bytes())
            first = target / "xl.meta"
        else:
            os.link(first, target / "xl.meta")


def requests(url: str) -> dict[str, int]:
    """How many requests MinIO has answered, by kind."""
    with urllib.request.urlopen(f"{url}/minio/metrics/v3/api/requests") as answer:
        text = answer.read().decode()
    counts: dict[str, int] = {}
    for name, count in re.findall(r'^minio_api_requests_total\{[^}]*name="(\w+)"[^}]*\} (\S+)$', text, re.MULTILINE):
        counts[name] = counts.get(name, 0) + int(float(count))
    return counts


def dry_run(python: Path | str, directory: Path, *words: str) -> Cost:
    """Run Snakemake with no plugin of this repository but the storage."""
    plugin = "snakemake_storage_plugin_fishladder"
    (directory / "plugins").mkdir(exist_ok=True)
    if python == sys.executable:
        (directory / "plugins" / plugin).symlink_to(ROOT / "src" / plugin)
    here = {"PYTHONPATH": str(directory / "plugins"), "XDG_CACHE_HOME": str(directory)}
    environment = minio.KEYS | minio.NOT_THE_MACHINES_OWN | here
    return measure([python, "-m", "snakemake", "--dry-run", "--quiet", "--cores", "1", *words], directory, environment)


def in_s3(url: str, bucket: str, samples: int, plugin: str, python: Path | str) -> dict:
    """Dry run on the bucket, from a directory that knows nothing: its costs and its requests."""
    with tempfile.TemporaryDirectory(dir=PLACE) as folder:
        (Path(folder) / "Snakefile").write_text(snakefile(samples))
        words = ["--default-storage-provider", plugin, "--default-storage-prefix", f"s3://{bucket}/project"]
        before = requests(url)
        cost = dry_run(python, Path(folder), *words, f"--storage-{plugin}-endpoint-url", url)
        made = {kind: count - before.get(kind, 0) for kind, count in requests(url).items()}
    return {"requests": sum(made.values()), **asdict(cost), "by_kind": {k: n for k, n in made.items() if n}}


def on_disk(samples: int, rows: list[list[str]]) -> Cost:
    """The same dry run on the same files, here."""
    with tempfile.TemporaryDirectory(dir=PLACE) as folder:
        (Path(folder) / "Snakefile").write_text(snakefile(samples))
        for age, row in enumerate(rows):
            for name in row:
                path = Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"x")
                os.utime(path, (1_700_000_000 + age, 1_700_000_000 + age))
        return dry_run(sys.executable, Path(folder))


def peer_python() -> Path | None:
    """The peer's own environment, kept for the next time; None where it cannot be installed."""
    python = minio.CACHE.parent / "peer-storage-s3" / "bin" / "python"
    if not (python.parent / "snakemake").exists():
        subprocess.run([sys.executable, "-m", "venv", python.parents[1]], check=True)
        if subprocess.run([python, "-m", "pip", "install", "--quiet", *PEER]).returncode:
            return None
    return python


@contextmanager
def filled(samples: int, done: float, foreign: int = 0) -> Iterator[tuple[str, str, list[list[str]]]]:
    """A server with a bucket in which this part of the samples is done."""
    os.environ["MINIO_PROMETHEUS_AUTH_TYPE"] = "public"
    with tempfile.TemporaryDirectory(dir=PLACE) as folder, minio.serve(Path(folder) / "data") as url:
        bucket, rows = make_bucket(url), files(samples, done)
        fill(url, bucket, rows)
        if foreign:
            add_foreign(Path(folder) / "data", url, bucket, foreign)
        yield url, bucket, rows


def compare(samples: int, done: float, repeats: int, foreign: int = 0) -> dict:
    """One case: ours in S3 and on disk, in turns; the median of each, and the most requests."""
    with filled(samples, done, foreign) as (url, bucket, rows):
        turns = [
            (in_s3(url, bucket, samples, "fishladder", sys.executable), on_disk(samples, rows)) for _ in range(repeats)
        ]
    keys = sum(map(len, rows))
    ours = {key: median(run[key] for run, _ in turns) for key in asdict(turns[0][1])}
    local = middle([cost for _, cost in turns])
    return {
        "samples": samples,
        "done": done,
        "foreign": foreign,
        "keys": keys,
        "requests": max(run["requests"] for run, _ in turns),
        "allowed_requests": round(10 + keys / 1000),
        **ours,
        **{f"local_{key}": value for key, value in local.items()},
        "ratio": round(median(run["wall_s"] / cost.wall_s for run, cost in turns), 2),
        "cpu_ratio": round(median(run["cpu_s"] / cost.cpu_s for run, cost in turns), 2),
    }


def table(rows: list[dict], columns: list[str]) -> None:
    for row in [columns, ["---"] * len(columns), *([row.get(column, "") for column in columns] for row in rows)]:
        print("| " + " | ".join(map(str, row)) + " |", flush=True)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--samples", type=int, nargs="+", default=[1000, 10_000])
    options.add_argument("--foreign", type=int, default=1_000_000)
    options.add_argument("--peer-samples", type=int, default=300)
    options.add_argument("--done", type=float, nargs="+", default=[0.0, 0.5, 1.0])
    options.add_argument("--repeats", type=int, default=3)
    given = options.parse_args()
    cases = [compare(samples, done, given.repeats) for samples in given.samples for done in given.done]
    if given.foreign:
        cases += [compare(given.samples[0], done, given.repeats, given.foreign) for done in (0.0, 1.0)]
    columns = ["samples", "done", "foreign", "keys", "requests", "allowed_requests", "wall_s", "local_wall_s", "ratio"]
    table(cases, [*columns, "cpu_s", "local_cpu_s", "cpu_ratio", "rss_mb", "local_rss_mb", "written_mb"])

    peers = []
    python = peer_python() if given.peer_samples else None
    if python:
        for done in (0.0, 1.0):
            with filled(given.peer_samples, done) as (url, bucket, rows):
                for name, program in {"fishladder": sys.executable, "s3": python}.items():
                    cost = in_s3(url, bucket, given.peer_samples, name, program)
                    peers.append({"storage": name, "done": done, "keys": sum(map(len, rows)), **cost})
        print(f"\n{given.peer_samples} samples, beside snakemake-storage-plugin-s3 0.3.6:\n")
        table(peers, ["storage", "done", "keys", "requests", "by_kind", "wall_s", "cpu_s", "rss_mb", "written_mb"])

    largest = max((case for case in cases if not case["foreign"]), key=lambda case: case["keys"])
    peer = next((row for row in peers if row["storage"] == "s3" and row["done"] == 1), {})
    floor = {
        "requests": -(-largest["keys"] // 1000),
        "wall_s": largest["local_wall_s"],
        "cpu_s": largest["local_cpu_s"],
    }
    result = {"bench": "s3", "ours": largest, "peer": peer, "floor": floor, "cases": cases, "peer_cases": peers}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
