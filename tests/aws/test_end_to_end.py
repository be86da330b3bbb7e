"""The whole toy workflow on AWS Batch and S3 (moto), every job in a container of its own, held against a local run.

The tools' images hold no Python; that of the rules that check reads and pack indices holds nothing but busybox and a
static bash. What runs Snakemake in all of them is the runtime, mounted read-only.
"""

import csv
import gzip
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars
import pytest
import yaml

from tests.aws.container_server import ContainerServer, scratch_folder
from tests.aws.podman import ROOT, Engine, bare, build_image, engine, runtime_folder
from tests.toy.make_all import Wishes, make_all
from tests.toy.serve import addresses, serving

__all__ = ["bare", "engine", "runtime_folder"]  # fixtures

pytestmark = pytest.mark.slow

WISHES = Wishes(genome_size=60_000, fungus_size=120_000, samples=2, fragments=5_000, broken="truncated")
PREFIX = "runs/toy"
TOOLS = {row["tool"]: row for row in csv.DictReader((ROOT / "containers/versions.tsv").open(), delimiter="\t")}


def snakemake(folder: Path, *words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "snakemake", *words]
    return subprocess.run(
        command, cwd=folder, env={**os.environ, **(env or {})}, capture_output=True, text=True, timeout=1500
    )


def check_out(folder: Path) -> None:
    """A working copy as a user has it: what git lists is what the jobs get."""
    for name in ("workflow", "resources"):
        ignored = shutil.ignore_patterns("__pycache__", ".snakemake")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    (folder / "containers").mkdir()
    shutil.copy(ROOT / "containers/versions.tsv", folder / "containers")
    (folder / ".gitignore").write_text(".snakemake/\nresults/\nlogs/\nbenchmarks/\nreads/\ntruth/\nensembl/\n")


@dataclass
class Runs:
    local: Path
    cloud: Path
    server: ContainerServer
    said: subprocess.CompletedProcess
    again: subprocess.CompletedProcess
    jobs: int

    def results(self) -> dict[str, bytes]:
        """What the bucket holds below the prefix, by relative path."""
        s3, found = self.server.client("s3"), {}
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket="lab", Prefix=f"{PREFIX}/results/"):
            for one in page.get("Contents", []):
                body = s3.get_object(Bucket="lab", Key=one["Key"])["Body"].read()
                found[one["Key"].removeprefix(f"{PREFIX}/")] = body
        for name, body in found.items():  # to look at, where they differ
            (self.local.parent / "bucket" / name).parent.mkdir(parents=True, exist_ok=True)
            (self.local.parent / "bucket" / name).write_bytes(body)
        return found


def profile(runtime: Path, scratch: Path) -> list[str]:
    return [
        *("--executor", "fishladder", "--jobs", "100", "--shared-fs-usage", "none", "--scheduler", "greedy"),
        *("--default-storage-provider", "fishladder", "--default-storage-prefix", f"s3://lab/{PREFIX}"),
        *("--fishladder-queue", "work", "--fishladder-runtime", str(runtime), "--fishladder-scratch", str(scratch)),
        *("--fishladder-poll-interval", "0.5", "--fishladder-poll-limit", "2", "--keep-going"),
    ]


def images(engine: Engine, bare: str) -> dict[str, str]:
    """Our own images in place of the public ones; where reads are checked, the barest of all: no Python, no libc."""
    made = {row["image"]: build_image(engine, tool) for tool, row in TOOLS.items() if tool != "dnaio"}
    return made | {TOOLS["dnaio"]["image"]: bare}


@pytest.fixture(scope="module")
def runs(engine, bare, runtime_folder, tmp_path_factory) -> Iterator[Runs]:
    base = tmp_path_factory.mktemp("end to end")
    cloud = base / "cloud"
    cloud.mkdir()
    make_all(cloud, WISHES, "reads")
    with serving(cloud / "ensembl") as site:
        (cloud / "config/config.yaml").write_text(yaml.safe_dump({"ensembl": addresses(site)}))
        check_out(cloud)
        locked = snakemake(cloud, "lock", "--cores", "1")
        assert locked.returncode == 0, locked.stderr
        for words in (["init", "--quiet"], ["add", "--all"]):
            subprocess.run(["git", *words], cwd=cloud, check=True)
        local = shutil.copytree(cloud, base / "local")
        snakemake(local, "--cores", "2")

        server = ContainerServer(engine=engine, images=images(engine, bare)).start()
        s3 = server.client("s3")
        s3.create_bucket(Bucket="lab", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        server.queue()
        for file in sorted((cloud / "reads").iterdir()):
            s3.upload_file(str(file), "lab", f"{PREFIX}/reads/{file.name}")
        shutil.rmtree(cloud / "reads")
        try:
            words = profile(runtime_folder, scratch_folder(base))
            said = snakemake(cloud, *words, env=server.environment())
            jobs = len(server.ran)
            again = snakemake(cloud, *words, "--dry-run", env=server.environment())
            yield Runs(local, cloud, server, said, again, jobs)
        finally:
            server.stop()


def local_results(runs: Runs) -> dict[str, bytes]:
    folder = runs.local / "results"
    return {f"results/{path.relative_to(folder)}": path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_run_ends_as_the_local_one_does_with_a_verdict_on_the_broken_sample(runs):
    said = runs.said.stdout + runs.said.stderr
    assert runs.said.returncode == 1, said
    assert "broken" in said.splitlines()[-1] or "check_reads" in "\n".join(said.splitlines()[-40:])
    finished = {name for name in local_results(runs) if name.endswith("report/index.html")}
    assert finished <= set(runs.results())


def test_every_job_ran_in_the_image_of_its_rule_and_none_failed_for_want_of_python(runs):
    names = Counter(image for _, image in runs.server.ran)
    assert set(names) == {row["image"] for row in TOOLS.values()}
    ends = Counter(job.status for job in runs.server.jobs.values() if not job._child_jobs)
    assert set(ends) == {"SUCCEEDED"}


def test_all_files_are_those_of_the_local_run(runs):
    found, wanted = runs.results(), local_results(runs)
    assert set(found) == set(wanted)
    different = [name for name in sorted(wanted) if not same(name, found[name], wanted[name])]
    assert different == []


# What tells when and how long something ran, where it was, or in which order threads finished.
UNEQUAL = ("fastp.html", "multiqc.html", "index.html", "meta_info.json", "cmd_info.json", "lib_format_counts.json")


def same(name: str, found: bytes, wanted: bytes) -> bool:
    if name.endswith(UNEQUAL) or "/logs/" in name or name.endswith((".log", "eq_classes.txt.gz", "unmapped_names.txt")):
        return bool(found) == bool(wanted)
    if name.endswith((".sf", ".tsv")):
        return alike(found.decode().splitlines(), wanted.decode().splitlines())
    if name.endswith(".parquet"):
        return polars.read_parquet(found).columns == polars.read_parquet(wanted).columns
    if name.endswith(".tar.gz"):
        return True  # compared below, by what is in them
    if name.endswith(".json"):
        return set(json.loads(found)) == set(json.loads(wanted))
    if name.endswith(".gz"):
        return gzip.decompress(found) == gzip.decompress(wanted)
    return found == wanted


def alike(found: list[str], wanted: list[str]) -> bool:
    """Row by row, field by field; numbers but for what Salmon's threads do to the last digits."""
    fields = [[row.split("\t") for row in rows] for rows in (found, wanted)]
    if [len(row) for row in fields[0]] != [len(row) for row in fields[1]]:
        return False
    pairs = (pair for rows in zip(*fields, strict=True) for pair in zip(*rows, strict=True))
    return all(one == other or close(one, other) for one, other in pairs)


def close(one: str, other: str) -> bool:
    try:
        return float(one) == pytest.approx(float(other), rel=1e-2, abs=1e-2)
    except ValueError:
        return False


def test_a_second_run_finds_everything_done_but_the_verdict(runs):
    said = runs.again.stdout + runs.again.stderr
    assert runs.again.returncode == 0, said
    assert "quantify" not in said
    assert "salmon_index" not in said


def test_nothing_of_the_run_is_left_in_the_working_copy_or_in_the_bucket_s_state(runs):
    assert not (runs.cloud / "results").exists() or not any((runs.cloud / "results").rglob("*.sf"))
    listed = runs.server.client("s3").list_objects_v2(Bucket="lab", Prefix=f"{PREFIX}/.fishladder/")
    assert [
        one["Key"] for one in listed.get("Contents", []) if "/claims/" in one["Key"] or "/ends/" in one["Key"]
    ] == []
