"""The check before a run: each line ok, or what to do."""

import json

import pytest

from snakemake_executor_plugin_fishladder import preflight
from tests.aws import driver
from tests.aws.batch_server import ACCOUNT, EXPIRED, REGION, Trouble


def lines(capsys, *words: str) -> tuple[int, dict[str, str]]:
    code = preflight.main([*words, "--region", REGION])
    told = [line for line in capsys.readouterr().out.splitlines() if ":" in line]
    return code, {line[5:].split(":")[0]: line for line in told}


def test_everything_is_ready(batch_server, capsys):
    role = batch_server.client("iam").create_role(RoleName="job", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    batch_server.client("logs").create_log_group(logGroupName="/aws/batch/job")
    ecr = batch_server.client("ecr")
    ecr.create_repository(repositoryName="tool")
    kind = "application/vnd.docker.distribution.manifest.v2+json"
    manifest = json.dumps({"schemaVersion": 2, "mediaType": kind, "config": {"digest": "sha256:0"}, "layers": []})
    ecr.put_image(repositoryName="tool", imageManifest=manifest, imageTag="1")
    image = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/tool:1"
    words = ["--queue", "work", "--prefix", "s3://lab/state", "--job-role", role, "--execution-role", role]
    code, told = lines(capsys, *words, "--image", image)

    assert code == 0, told
    checked = {"credentials", "region", "clock", "queue", "compute environment", "instances", "job role", "image"}
    assert checked | {"execution role", "bucket", "log group"} == told.keys()
    assert all(line.startswith("ok") for line in told.values())
    assert batch_server.client("s3").list_objects_v2(Bucket="lab").get("KeyCount") == 0


def test_each_mistake_says_what_to_do(batch_server, capsys):
    role = f"arn:aws:iam::{ACCOUNT}:role/none"
    image = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/none:1"
    words = ["--queue", "other", "--prefix", "s3://absent/state", "--job-role", role, "--image", image]
    code, told = lines(capsys, *words)
    assert code == 1
    for what in ("queue", "job role", "bucket", "log group", "image"):
        assert told[what].startswith("FAIL"), told
        assert "To do: " in told[what]
    assert told["execution role"].startswith("?")


def test_disabled_queue_is_told(batch_server, capsys):
    batch_server.client("batch").update_job_queue(jobQueue="work", state="DISABLED")
    code, told = lines(capsys, "--queue", "work", "--prefix", "s3://lab/state")
    assert code == 1
    assert told["queue"].startswith("FAIL") and "DISABLED" in told["queue"]


@pytest.mark.parametrize(
    ("trouble", "what", "sign"),
    [(EXPIRED, "credentials and clock", "FAIL"), (Trouble(403, "AccessDeniedException"), "log group", "?")],
)
def test_refused_calls_are_lines_too(batch_server, capsys, trouble, what, sign):
    batch_server.trouble = lambda call, key: trouble if call == "other" else None
    code, told = lines(capsys, "--queue", "work", "--prefix", "s3://lab/state")
    assert told[what].startswith(sign), told
    assert "To do: " in told[what]
    assert code == 1


def test_a_prefix_that_is_none_is_told(capsys, monkeypatch):
    monkeypatch.setenv("AWS_REGION", REGION)
    assert preflight.main(["--queue", "work", "--prefix", "lab/state"]) == 1
    assert "is not s3://bucket/folder. To do" in capsys.readouterr().out


def test_snakemake_checks_the_images_of_the_run_and_ends(batch_server, tmp_path):
    (tmp_path / "Snakefile").write_text(
        'rule make:\n    output: "a"\n    container: "docker://quay.io/tool:7"\n    shell: "touch a"\n'
    )
    code, said = driver.run(tmp_path, "--fishladder-preflight", "--fishladder-registry", "mine.example/x")
    assert code == 1  # the log group does not exist
    assert "mine.example/x/tool:7" in said
    assert "ok   queue: work" in said
    assert batch_server.calls["submitjob"] == 0
