"""The storage as a user meets it: the snakemake command, every file in S3, on moto."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.aws import minio

pytest_plugins = ["tests.aws.storage_servers"]

SRC = Path(__file__).parents[2] / "src"
SNAKEFILE = """
    SAMPLES = glob_wildcards(storage.fishladder("s3://BUCKET/project/reads/{sample}.txt")).sample

    rule all:
        input: "summary.txt", expand("parts/{sample}", sample=SAMPLES)

    rule count:
        input: "reads/{sample}.txt"
        output: temp("counts/{sample}.txt")
        log: "logs/{sample}.log"
        wildcard_constraints: sample="[abc]"
        shell: "wc -l < {input} > {output} 2> {log}"

    rule split:
        input: "reads/{sample}.txt"
        output: directory("parts/{sample}")
        shell: "mkdir -p {output}/empty && split -l 1 {input} {output}/part."

    rule sum:
        input: counts=expand("counts/{sample}.txt", sample=SAMPLES), parts=expand("parts/{sample}", sample=SAMPLES)
        output: "summary.txt"
        script: "sum.py"
"""
SCRIPT = """
    from pathlib import Path
    total = sum(int(Path(count).read_text()) for count in snakemake.input.counts)
    files = sum(1 for folder in snakemake.input.parts for file in Path(folder).glob("part.*"))
    empty = sum((Path(folder) / "empty").is_dir() for folder in snakemake.input.parts)
    Path(snakemake.output[0]).write_text(f"{total} lines, {files} parts, {empty} empty folders\\n")
"""


@pytest.fixture
def project(tmp_path, moto_bucket):
    for name, lines in {"a": 1, "b": 2, "c": 3}.items():
        moto_bucket.write(f"project/reads/{name}.txt", b"line\n" * lines)
    (tmp_path / "Snakefile").write_text(textwrap.dedent(SNAKEFILE).replace("BUCKET", moto_bucket.name))
    (tmp_path / "sum.py").write_text(textwrap.dedent(SCRIPT))
    return tmp_path


def snakemake(directory, bucket, *words, prefix="project", ok=True):
    """Run the command; return what it printed."""
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--default-storage-provider", "fishladder"]
    command += ["--default-storage-prefix", f"s3://{bucket.name}/{prefix}".rstrip("/")]
    command += ["--storage-fishladder-endpoint-url", bucket.url, *words]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= minio.KEYS | minio.NOT_THE_MACHINES_OWN | {"PYTHONPATH": str(SRC), "XDG_CACHE_HOME": str(directory)}
    ended = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, timeout=300)
    assert (ended.returncode == 0) == ok, ended.stderr
    return ended.stdout + ended.stderr


def test_a_workflow_keeps_every_file_in_s3_and_makes_only_what_is_missing(project, moto_bucket):
    snakemake(project, moto_bucket)
    assert moto_bucket.read("project/summary.txt") == b"6 lines, 6 parts, 3 empty folders\n"
    keys = moto_bucket.keys()
    assert {"project/parts/b/part.aa", "project/parts/b/part.ab", "project/parts/b/empty/"} <= set(keys)
    assert "project/logs/a.log" in keys
    assert not [key for key in keys if key.startswith("project/counts/")], "temp() files were left"
    assert not list((project / ".snakemake" / "storage").rglob("*.txt")), "local copies were left"

    assert "Nothing to be done" in snakemake(project, moto_bucket)

    moto_bucket.client.delete_object(Bucket=moto_bucket.name, Key="project/summary.txt")
    again = snakemake(project, moto_bucket, "--dry-run")
    assert "rule sum" in again and "rule split" not in again

    for key in [key for key in keys if key.startswith("project/parts/b/")]:
        moto_bucket.client.delete_object(Bucket=moto_bucket.name, Key=key)
    made = snakemake(project, moto_bucket)
    assert made.count("rule split") == 1 and "rule sum" in made
    assert moto_bucket.read("project/summary.txt") == b"6 lines, 6 parts, 3 empty folders\n"
    assert "Nothing to be done" in snakemake(project, moto_bucket)
