"""A job that fills its scratch: told as that, with nothing half-written left, and without harm to others."""

import csv
import subprocess

import pytest

from tests.aws import driver
from tests.aws.container_server import ContainerServer, scratch_folder
from tests.aws.podman import bare, engine, runtime_folder

__all__ = ["bare", "engine", "runtime_folder"]  # fixtures

pytestmark = pytest.mark.slow

RULES = """
rule all:
    input: expand("out/{name}.txt", name=["small", "output", "temporary"])
rule make:
    output: "out/{name}.txt"
    container: "docker://lab/bare:1"
    params: megabytes=lambda wildcards: {"small": 1, "output": 90, "temporary": 90}[wildcards.name]
    shell:
        '''
        [ {wildcards.name} = temporary ] && file="$TMPDIR/big" || file={output}
        head -c {params.megabytes}000000 /dev/zero >"$file"
        cat "$file" >{output}.copy; rm "$file"; mv {output}.copy {output}
        '''
"""


def test_a_full_disk_is_told_and_leaves_nothing_half_written(engine, bare, runtime_folder, tmp_path, monkeypatch):
    (tmp_path / "Snakefile").write_text(RULES)
    for words in (["init", "--quiet"], ["add", "Snakefile"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    server = ContainerServer(engine=engine, images={"lab/bare:1": bare}, scratch_mb=64).start()
    try:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        place = {"LocationConstraint": "eu-central-1"}
        server.client("s3").create_bucket(Bucket="lab", CreateBucketConfiguration=place)
        server.queue()
        words = ["--shared-fs-usage", "none", "--default-storage-provider", "fishladder", "--keep-going"]
        words += ["--default-storage-prefix", "s3://lab/work", "--fishladder-scratch", str(scratch_folder(tmp_path))]
        words += ["--fishladder-runtime", str(runtime_folder), "--retries", "1"]
        python = "/opt/fishladder/bin/python"
        code, said = driver.run(tmp_path, *words, python=python)
        listed = server.client("s3").list_objects_v2(Bucket="lab").get("Contents", [])
    finally:
        server.stop()

    assert code != 0
    assert "/scratch was full" in said
    assert "Its scratch is too small or was full" in said
    assert [one["Key"] for one in listed] == ["work/out/small.txt"]
    rows = list(csv.DictReader((tmp_path / "fishladder-trace.tsv").open(), delimiter="\t"))
    assert sorted((row["wildcards"], row["outcome"]) for row in rows) == [
        *[("name=output", "disk")] * 2,
        ("name=small", "success"),
        *[("name=temporary", "disk")] * 2,
    ]
