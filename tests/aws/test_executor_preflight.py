"""The check before a run: each line ok, or what to do."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from botocore.exceptions import EndpointConnectionError
from snakemake_interface_common.exceptions import WorkflowError

from snakemake_executor_plugin_fishladder import preflight
from snakemake_executor_plugin_fishladder.clients import Clients
from snakemake_executor_plugin_fishladder.executor import Executor
from snakemake_executor_plugin_fishladder.ledger import Ledger
from snakemake_executor_plugin_fishladder.settings import ExecutorSettings
from snakemake_executor_plugin_fishladder.trial import try_images
from tests.aws import driver
from tests.aws.batch_server import ACCOUNT, EXPIRED, REGION, Fault, Trouble


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
    assert f"{image}: a job ran in it" in told["image"]
    assert len(batch_server.jobs) == 1
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
    assert told["images"].startswith("?") and "first the rest has to be right" in told["images"]
    assert not batch_server.jobs


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
    assert (
        "FAIL settings: --fishladder-prefix: 'lab/state' is not allowed. To do: give s3://bucket/folder\n"
        in capsys.readouterr().out
    )


def ready(server) -> list[str]:
    server.client("logs").create_log_group(logGroupName="/aws/batch/job")
    return ["--queue", "work", "--prefix", "s3://lab/state", "--image", "quay.io/tool:7"]


@pytest.mark.parametrize(
    ("fault", "told_of_it"),
    [
        (Fault(0, "Task failed to start", "CannotPullContainerError: manifest unknown"), "Its image cannot be pulled"),
        (Fault(0, None, "CannotStartContainerError: exec: no such file"), "Its container cannot start"),
        (Fault(0, "Host EC2 (instance i-0) terminated."), "The instance failed"),
    ],
)
def test_an_image_in_which_no_job_can_run_is_found_by_a_job(batch_server, capsys, fault, told_of_it):
    batch_server.fault = lambda job, attempt: fault
    code, told = lines(capsys, *ready(batch_server))
    assert code == 1
    assert told["image"].startswith("FAIL") and told_of_it in told["image"]
    assert batch_server.client("s3").list_objects_v2(Bucket="lab").get("KeyCount") == 0


def test_instances_without_the_runtime_are_found_by_a_job(batch_server, capsys):
    code, told = lines(capsys, *ready(batch_server), "--runtime", "/opt/fishladder/other")
    assert code == 1
    assert "check --fishladder-runtime and the instances' launch template" in told["image"]


def only(folder: Path, **programs: str) -> str:
    """A PATH with nothing else on it."""
    folder.mkdir()
    for name, program in programs.items():
        (folder / name).write_text(f'#!/bin/sh\nexec {program} "$@"\n')
        (folder / name).chmod(0o755)
    return str(folder)


@pytest.mark.parametrize(
    ("programs", "told_of_it"),
    [
        ({"python3": sys.executable}, "it has no bash"),
        ({"python3": f"{sys.executable} -S", "bash": "/bin/bash"}, "Snakemake does not start in it"),
    ],
)
def test_an_image_that_lacks_something_is_found_by_a_job(
    batch_server, capsys, tmp_path, monkeypatch, programs, told_of_it
):
    words = ready(batch_server)
    monkeypatch.setenv("PATH", only(tmp_path / "bin", **programs))
    code, told = lines(capsys, *words)
    assert code == 1
    assert told_of_it in told["image"]


def test_a_trial_that_never_starts_is_told_and_ended(batch_server):
    batch_server.hold.set()
    settings = ExecutorSettings(queue="work", region=REGION, poll_interval=0.2)
    ledger = Ledger(Clients(REGION), "s3://lab/state", "preflight")
    ((image, ok, told),) = try_images(settings, ledger, ["tool:1"], limit_s=1)
    assert (image, ok) == ("tool:1", None)
    assert "has not ended within" in told
    assert batch_server.active() == []
    assert batch_server.client("s3").list_objects_v2(Bucket="lab").get("KeyCount") == 0


def test_tables_that_jobs_would_not_get_are_told(batch_server, tmp_path):
    (tmp_path / "Snakefile").write_text('configfile: "c.yaml"\nrule make:\n    output: "a"\n    shell: "touch a"\n')
    (tmp_path / "c.yaml").write_text("samples: samples.tsv\nmore: {list: [lists/a.tsv], name: absent.tsv}\n")
    (tmp_path / "samples.tsv").touch()
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/a.tsv").touch()
    words = ["--fishladder-preflight", "--shared-fs-usage", "none", "--default-storage-provider", "fishladder"]
    words += ["--default-storage-prefix", "s3://lab/work"]
    assert "is in no git repository. To do: git init" in driver.run(tmp_path, *words)[1]
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "Snakefile", "lists"], cwd=tmp_path, check=True)
    assert "FAIL sources: git does not list samples.tsv: jobs" in driver.run(tmp_path, *words)[1]
    subprocess.run(["git", "add", "samples.tsv"], cwd=tmp_path, check=True)
    assert "ok   sources: git lists the tables" in driver.run(tmp_path, *words)[1]


def test_snakemake_checks_the_images_of_the_run_and_ends(batch_server, tmp_path):
    (tmp_path / "Snakefile").write_text(
        'rule make:\n    output: "a"\n    container: "docker://quay.io/tool:7"\n    shell: "touch a"\n'
    )
    code, said = driver.run(tmp_path, "--fishladder-preflight", "--fishladder-registry", "mine.example/x")
    assert code == 1  # the log group does not exist
    assert "mine.example/x/tool:7" in said
    assert "ok   queue: work" in said
    assert batch_server.calls["submitjob"] == 0


def test_a_rule_without_an_image_is_a_line_among_the_others(batch_server, tmp_path):
    rules = 'rule all:\n    input: "a", "b"\n    localrule: True\n'
    rules += 'rule bare:\n    output: "a"\n    shell: "touch a"\n'
    rules += 'rule good:\n    output: "b"\n    container: "docker://quay.io/tool:7"\n    shell: "touch b"\n'
    (tmp_path / "Snakefile").write_text(rules)
    code, said = driver.run(tmp_path, "--fishladder-preflight", "--fishladder-image", "")
    assert code == 1
    assert "Traceback" not in said
    assert "FAIL image: Rule bare names no container: add `container:` to it, or set --fishladder-image." in said
    assert "image: quay.io/tool:7" in said and "ok   queue: work" in said
    assert said.count("Rule bare") == 1


@pytest.mark.parametrize("more", [(), ("--fishladder-preflight",)])
def test_the_region_may_come_from_aws_region_alone(batch_server, tmp_path, monkeypatch, more):
    batch_server.client("logs").create_log_group(logGroupName="/aws/batch/job")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_REGION", REGION)
    (tmp_path / "Snakefile").write_text('rule make:\n    output: "a"\n    shell: "touch a"\n')
    code, said = driver.run(tmp_path, *more)
    assert code == 0, said
    assert len(batch_server.jobs) == 1
    assert (f"ok   region: {REGION}" in said) is bool(more)


class Unreached:
    """Clients in a region that does not exist."""

    region = "eu-west-9"

    def __getitem__(self, service: str):
        raise EndpointConnectionError(endpoint_url=f"https://{service}.eu-west-9.amazonaws.com/")


def test_a_region_that_does_not_exist_is_what_to_look_at():
    settings = ExecutorSettings(queue="work", job_role=f"arn:aws:iam::{ACCOUNT}:role/job")
    ledger = Ledger(Unreached(), "s3://lab/state", "preflight")
    told = [str(line) for line in preflight.Checks(settings, ledger, [], Unreached()).run() if line.ok is False]
    assert told[0].startswith("FAIL credentials and clock: Could not connect to the endpoint URL")
    assert len(told) >= 4
    for line in told:
        assert '". To do: check the region (eu-west-9: --fishladder-region or AWS_REGION)' in line


def test_a_run_in_a_region_that_does_not_exist_ends_without_a_traceback(monkeypatch):
    run = SimpleNamespace(
        settings=ExecutorSettings(queue="work"),
        refuse_early=lambda: None,
        trace=SimpleNamespace(event=lambda *_, **__: None),
        ledger=Ledger(Unreached(), "s3://lab/state", "preflight"),
        sender=SimpleNamespace(with_credentials=lambda call: call()),
        orphans=SimpleNamespace(load=lambda: Unreached()["s3"]),
        run_settings=SimpleNamespace(region="eu-west-9"),
    )
    monkeypatch.setattr("signal.signal", lambda *_: None)
    with pytest.raises(WorkflowError, match=r"Could not connect .*To do: check the region \(eu-west-9: "):
        Executor.begin(run)
