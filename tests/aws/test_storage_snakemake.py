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
    keys = moto_bucket.names()
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


def test_refuses_a_whole_bucket_as_prefix_unless_told(project, moto_bucket):
    words = ("--dry-run", "--storage-fishladder-part-size-mb", "8")
    refused = snakemake(project, moto_bucket, *words, prefix="", ok=False)
    assert "is a whole bucket" in refused and "--storage-fishladder-allow-bucket-root" in refused
    for name in "abc":
        moto_bucket.write(f"reads/{name}.txt", b"line\n")
    assert "rule count" in snakemake(project, moto_bucket, *words, "--storage-fishladder-allow-bucket-root", prefix="")


def test_wildcard_constraints_of_a_rule_hold_in_s3(tmp_path, moto_bucket):
    (tmp_path / "Snakefile").write_text(
        textwrap.dedent("""
            rule all:
                input: "out/12.txt", "out/word.txt"
            rule number:
                output: "out/{n}.txt"
                wildcard_constraints: n=r"\\d+"
                shell: "echo number > {output}"
            rule word:
                output: "out/{w}.txt"
                wildcard_constraints: w="[a-z]+"
                shell: "echo word > {output}"
        """)
    )
    snakemake(tmp_path, moto_bucket)
    assert moto_bucket.read("project/out/12.txt") == b"number\n"
    assert moto_bucket.read("project/out/word.txt") == b"word\n"


def test_single_files_in_s3_stand_beside_local_ones_with_settings_by_tag(tmp_path, moto_bucket):
    moto_bucket.write("raw/a.txt", b"from s3\n")
    (tmp_path / "Snakefile").write_text(
        textwrap.dedent(f"""
            storage lab:
                provider="fishladder",
                endpoint_url="{moto_bucket.url}",
                storage_class="STANDARD_IA"

            rule all:
                input: "copy/a.txt", storage.lab("s3://{moto_bucket.name}/back/a.txt")
            rule copy:
                input: storage.lab("s3://{moto_bucket.name}/raw/{{name}}.txt")
                output: "copy/{{name}}.txt"
                shell: "cp {{input}} {{output}}"
            rule back:
                input: "copy/{{name}}.txt"
                output: storage.lab("s3://{moto_bucket.name}/back/{{name}}.txt")
                shell: "cp {{input}} {{output}}"
        """)
    )
    environment = os.environ | {"PYTHONPATH": str(SRC), "XDG_CACHE_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "snakemake", "--cores", "2"]
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "copy" / "a.txt").read_bytes() == b"from s3\n"
    head = moto_bucket.client.head_object(Bucket=moto_bucket.name, Key="back/a.txt")
    assert head["StorageClass"] == "STANDARD_IA"


def test_touch_and_delete_work_on_what_is_in_s3(project, moto_bucket):
    snakemake(project, moto_bucket)
    moto_bucket.write("project/reads/a.txt", b"line\n")
    snakemake(project, moto_bucket, "--touch")
    assert "Nothing to be done" in snakemake(project, moto_bucket, "--dry-run")
    snakemake(project, moto_bucket, "--delete-all-output")
    left = [key for key in moto_bucket.names() if not key.startswith("project/logs/")]
    assert left == [f"project/reads/{name}.txt" for name in "abc"]
    assert moto_bucket.client.head_bucket(Bucket=moto_bucket.name)["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_no_credential_is_on_the_command_line_of_a_job(project, moto_bucket):
    told = snakemake(project, moto_bucket, "--verbose", "--forcerun", "count", "--until", "count")
    assert minio.KEYS["AWS_SECRET_ACCESS_KEY"] not in told
    assert "--storage-fishladder-endpoint-url" in told, "settings do not reach the jobs"
