"""The whole toy workflow on AWS Batch and S3 (moto), every job in a container of its own, held against a local run.

The tools' images hold no Python; that of the rules that check reads and pack indices holds nothing but busybox and a
static bash. What runs Snakemake in all of them is the runtime, mounted read-only.
"""

import csv
import hashlib
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.aws.batch_server import ACCOUNT, REGION
from tests.aws.comparison import same
from tests.aws.container_server import ContainerServer, scratch_folder
from tests.aws.podman import ROOT, Engine, bare, build_image, engine, runtime_folder
from tests.toy.make_all import Wishes, make_all
from tests.toy.make_hla_samples import hla_settings
from tests.toy.serve import addresses, serving

__all__ = ["bare", "engine", "runtime_folder"]  # fixtures

pytestmark = pytest.mark.slow

WISHES = Wishes(
    genome_size=60_000,
    fungus_size=120_000,
    samples=2,
    fragments=5_000,
    broken="truncated",
    hla_samples=1,
    dna_fragments=1_000,
)
PREFIX = "runs/toy"
TOOLS = {row["tool"]: row for row in csv.DictReader((ROOT / "containers/versions.tsv").open(), delimiter="\t")}
# GATK runs where the configuration asks for it only.
USED = set(TOOLS) - {"gatk4"}


def snakemake(folder: Path, *words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["snakemake", *words],
        cwd=folder,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=1500,
    )


def check_out(folder: Path) -> None:
    """A working copy as a user has it: what git lists is what the jobs get."""
    for name in ("workflow", "resources"):
        ignored = shutil.ignore_patterns("__pycache__", ".snakemake")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    (folder / "containers").mkdir()
    shutil.copy(ROOT / "containers/versions.tsv", folder / "containers")
    (folder / ".gitignore").write_text(".snakemake/\nresults/\nlogs/\nbenchmarks/\nreads/\ntruth/\nensembl/\nimgt/\n")


@dataclass
class Runs:
    local: Path
    cloud: Path
    server: ContainerServer
    said: subprocess.CompletedProcess
    again: subprocess.CompletedProcess

    def results(self) -> dict[str, bytes]:
        """What the bucket holds below the prefix, by relative path."""
        s3, found = self.server.client("s3"), {}
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket="lab", Prefix=f"{PREFIX}/results/"):
            for one in page.get("Contents", []):
                body = s3.get_object(Bucket="lab", Key=one["Key"])["Body"].read()
                found[one["Key"].removeprefix(f"{PREFIX}/")] = body
        for name, body in found.items():  # for tools, and to look at where they differ
            (self.bucket / name).parent.mkdir(parents=True, exist_ok=True)
            (self.bucket / name).write_bytes(body)
        return found

    @property
    def bucket(self) -> Path:
        """The results of the bucket, as files."""
        return self.local.parent / "bucket"


def install_profile(base: Path, runtime: Path) -> dict[str, str]:
    """Put the account's names into the profile by `make aws-profile`; return where Snakemake then finds it."""
    names = {
        "FISHLADDER_REGION": REGION,
        "FISHLADDER_QUEUE": "work",
        "FISHLADDER_JOB_ROLE": f"arn:aws:iam::{ACCOUNT}:role/job",
        "FISHLADDER_EXECUTION_ROLE": f"arn:aws:iam::{ACCOUNT}:role/execution",
        "FISHLADDER_RUNTIME": str(runtime),
        "FISHLADDER_PREFIX": f"s3://lab/{PREFIX}",
    }
    (base / "account.env").write_text("".join(f"{name}={value!r}\n" for name, value in names.items()))
    places = {"XDG_CONFIG_HOME": str(base / "config"), "ACCOUNT": str(base / "account.env")}
    subprocess.run(["make", "-C", ROOT, "aws-profile"], env={**os.environ, **places}, check=True, capture_output=True)
    return {"XDG_CONFIG_HOME": places["XDG_CONFIG_HOME"]}


def images(engine: Engine, bare: str) -> dict[str, str]:
    """Our own images in place of the public ones; where reads are checked, the barest of all: no Python, no libc."""
    made = {TOOLS[tool]["image"]: build_image(engine, tool) for tool in USED - {"dnaio"}}
    return made | {TOOLS["dnaio"]["image"]: bare}


@pytest.fixture(scope="module")
def runs(engine, bare, runtime_folder, tmp_path_factory) -> Iterator[Runs]:
    base = tmp_path_factory.mktemp("end to end")
    cloud = base / "cloud"
    cloud.mkdir()
    make_all(cloud, WISHES, "reads")
    with serving(cloud / "ensembl") as site:
        (cloud / "config/config.yaml").write_text(yaml.safe_dump({"ensembl": addresses(site)} | hla_settings()))
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
        for folder in (cloud / "reads", cloud / "imgt"):
            for file in sorted(path for path in folder.rglob("*") if path.is_file()):
                s3.upload_file(str(file), "lab", f"{PREFIX}/{file.relative_to(cloud)}")
            shutil.rmtree(folder)
        try:
            env = {**server.environment(), **install_profile(base, runtime_folder)}
            env["SNAKEMAKE_FISHLADDER_SCRATCH"] = str(scratch_folder(base))  # the containers' /tmp is this machine's
            said = snakemake(cloud, "--profile", "aws-batch", env=env)
            again = snakemake(cloud, "--profile", "aws-batch", "--dry-run", env=env)
            yield Runs(local, cloud, server, said, again)
        finally:
            server.stop()


def local_results(runs: Runs) -> dict[str, bytes]:
    """The rules' files; the page of a failed run is none of them, and only written where the results are local."""
    folder = runs.local / "results"
    files = [path for path in folder.rglob("*") if path.is_file() and path != folder / "report/unfinished.html"]
    return {f"results/{path.relative_to(folder)}": path.read_bytes() for path in files}


def test_the_run_ends_as_the_local_one_does_with_a_verdict_on_the_broken_sample(runs):
    said = runs.said.stdout + runs.said.stderr
    assert runs.said.returncode == 1, said
    assert "ends in the middle of its gzip stream" in "\n".join(said.splitlines()[-40:])
    assert f"report: s3://lab/{PREFIX}/results/report/index.html" in said
    assert "results/report/index.html" in runs.results()


def test_every_job_ran_in_the_image_of_its_rule_and_none_failed_for_want_of_python(runs):
    names = Counter(image for _, image in runs.server.ran)
    assert set(names) == {TOOLS[tool]["image"] for tool in USED}
    ends = Counter(job.status for job in runs.server.jobs.values() if not job._child_jobs)
    assert set(ends) == {"SUCCEEDED"}


def test_all_files_are_those_of_the_local_run(runs):
    found, wanted = runs.results(), local_results(runs)
    assert set(found) == set(wanted)
    different = [name for name in sorted(wanted) if not same(name, found[name], wanted[name])]
    assert different == []


def test_the_checksum_and_the_index_of_a_bam_are_its_own(runs):
    found, bams = runs.results(), 0
    for name in (name for name in found if name.endswith(".bam")):
        bams += 1
        assert found[f"{name}.md5"].split()[0].decode() == hashlib.md5(found[name]).hexdigest()
        cloud, local = (
            subprocess.run(["samtools", "idxstats", folder / name], capture_output=True, text=True, check=True).stdout
            for folder in (runs.bucket, runs.local)
        )
        assert cloud == local
    assert bams == 1


def test_a_second_run_finds_everything_done_but_the_verdict(runs):
    said = runs.again.stdout + runs.again.stderr
    assert runs.again.returncode == 0, said
    assert "quantify" not in said
    assert "salmon_index" not in said


def test_nothing_of_the_run_is_left_in_the_working_copy_or_in_the_bucket_s_state(runs):
    assert not (runs.cloud / "results").exists() or not any((runs.cloud / "results").rglob("*.sf"))
    listed = runs.server.client("s3").list_objects_v2(Bucket="lab", Prefix=f"{PREFIX}/.fishladder/")
    assert [one["Key"] for one in listed.get("Contents", [])] == []
