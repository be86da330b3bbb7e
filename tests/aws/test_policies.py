"""The policies of infra/batch.yaml: enough for a run, and nothing beyond the project's folder and the cache."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from tests.aws import driver
from tests.aws.policies import BUCKET, PREFIX, act_as_role, act_as_user, deploy, enforced

RULES = """
rule all:
    input: "told.json"
rule first:
    output: "first.txt"
    cache: True
    shell: "echo one > {output}"
rule ask:
    input: "first.txt"
    output: "told.json"
    script: "ask.py"
"""
# What a job may do, by S3's own answers.
ASK = """
import json
import boto3
from botocore.exceptions import ClientError

s3, told = boto3.client("s3"), []
for call, words in QUESTIONS:
    try:
        getattr(s3, call)(Bucket="project", **words)
        told.append("ok")
    except ClientError as error:
        told.append(error.response["Error"]["Code"])
with open(snakemake.output[0], "w") as file:
    json.dump(told, file)
"""
pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse AWS..S3..BucketPolicy")
QUESTIONS = [
    ("get_object", {"Key": f"{PREFIX}/first.txt"}, "ok"),
    ("put_object", {"Key": f"{PREFIX}/own.txt", "Body": "x"}, "ok"),
    ("delete_object", {"Key": f"{PREFIX}/own.txt"}, "ok"),
    ("list_objects_v2", {"Prefix": f"{PREFIX}/"}, "ok"),
    ("get_object", {"Key": "cache/kept.txt"}, "ok"),
    ("put_object", {"Key": "cache/new.txt", "Body": "x"}, "ok"),
    ("list_objects_v2", {"Prefix": "cache/kept"}, "ok"),
    ("delete_object", {"Key": "cache/kept.txt"}, "AccessDenied"),
    ("get_object", {"Key": "other/secret.txt"}, "AccessDenied"),
    ("put_object", {"Key": "other/new.txt", "Body": "x"}, "AccessDenied"),
    ("delete_object", {"Key": "other/secret.txt"}, "AccessDenied"),
    ("list_objects_v2", {"Prefix": "other/"}, "AccessDenied"),
    ("list_objects_v2", {}, "AccessDenied"),
    ("get_object", {"Key": f"{PREFIX}x/near.txt"}, "AccessDenied"),
    ("get_object", {"Key": "runtime/x.tar.gz"}, "AccessDenied"),
    ("put_bucket_policy", {"Policy": "{}"}, "AccessDenied"),
]


@pytest.fixture
def account(batch_server, monkeypatch) -> Iterator[dict]:
    """The stack; a driver and jobs that act as it says; foreign files beside the project's; what was refused."""
    told = deploy(batch_server)
    s3 = batch_server.client("s3")
    for key in ("other/secret.txt", "cache/kept.txt", f"{PREFIX}x/near.txt", "runtime/x.tar.gz"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"theirs")
    batch_server.credentials |= act_as_role(batch_server, told["FISHLADDER_JOB_ROLE"])
    for name, value in act_as_user(batch_server, told["DriverPolicy"]).items():
        monkeypatch.setenv(name, value)
    with enforced() as refused:
        yield told | {"refused": refused}


def run(folder: Path, account: dict, rules: str, *words: str) -> tuple[int, str]:
    (folder / "Snakefile").write_text(rules)
    for command in (["init", "--quiet"], ["add", "Snakefile", *(path.name for path in folder.glob("*.py"))]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    words += ("--shared-fs-usage", "none", "--default-storage-provider", "fishladder")
    words += ("--default-storage-prefix", account["FISHLADDER_PREFIX"])
    words += ("--fishladder-prefix", f"{account['FISHLADDER_PREFIX']}/.fishladder")
    words += (
        "--fishladder-queue",
        account["FISHLADDER_QUEUE"],
        "--fishladder-log-group",
        account["FISHLADDER_LOG_GROUP"],
    )
    words += ("--fishladder-job-role", account["FISHLADDER_JOB_ROLE"])
    words += ("--fishladder-execution-role", account["FISHLADDER_EXECUTION_ROLE"])
    return driver.run(folder, *words, "--cache", env={"SNAKEMAKE_OUTPUT_CACHE": f"s3://{BUCKET}/cache"})


def test_a_job_reaches_its_project_and_the_cache_and_nothing_else(batch_server, tmp_path, account):
    asked = [(call, words) for call, words, _ in QUESTIONS]
    (tmp_path / "ask.py").write_text(ASK.replace("QUESTIONS", repr(asked)))
    code, said = run(tmp_path, account, RULES, "-n")
    assert code == 0 and "This was a dry-run" in said, said[-5000:]
    code, said = run(tmp_path, account, RULES)
    assert code == 0, said[-5000:]

    # The driver's own rights read the result: no call of it was refused either.
    assert len(account["refused"]) == sum(answer == "AccessDenied" for *_, answer in QUESTIONS), account["refused"]
    body = boto3.client("s3").get_object(Bucket=BUCKET, Key=f"{PREFIX}/told.json")["Body"]
    told = json.loads(body.read())
    assert [(*question[:2], answer) for question, answer in zip(QUESTIONS, told, strict=True)] == QUESTIONS


def test_a_job_that_reads_elsewhere_fails_and_says_why(batch_server, tmp_path, account):
    read = "import boto3; boto3.client('s3').get_object(Bucket='project', Key='other/secret.txt')"
    rule = f'rule read:\n    output: "secret.txt"\n    shell: """{sys.executable} -c "{read}" >{{output}}"""\n'
    code, said = run(tmp_path, account, rule)
    assert code != 0
    assert "AccessDenied" in said
    assert "The rule's own command failed" in said
    assert account["refused"] == [("s3:GetObject", f"arn:aws:s3:::{BUCKET}/other/secret.txt")]
