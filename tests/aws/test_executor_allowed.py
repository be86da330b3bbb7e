"""Values that settings may not have: all refused at once, with option, value and remedy, before anything is asked."""

import pytest

from snakemake_executor_plugin_fishladder import allowed, preflight
from snakemake_executor_plugin_fishladder.settings import ExecutorSettings
from tests.aws import driver
from tests.aws.batch_server import REGION

ROLE = "arn:aws:iam::123456789012:role/lab/job"
PARAMETER = "arn:aws:ssm:eu-west-1:123456789012:parameter/lab/key"
SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:lab-AbCdEf"
RIGHT = {
    "prefix": ["s3://bucket", "s3://bucket/a/b/"],
    "registry": ["mine.example", "localhost:5000/lab", "123456789012.dkr.ecr.eu-west-1.amazonaws.com/lab/"],
    "job_role": [ROLE],
    "execution_role": [ROLE.replace("arn:aws:", "arn:aws-cn:")],
    "runtime": ["/mnt/runtime", ""],
    "scratch": ["/scratch"],
    "scratch_mb": [0, 100_000],
    "volumes": ["/a:/b", "/a:/b:ro, /c:/d,", ""],
    "secrets": [f"KEY={SECRET},TOKEN_2={PARAMETER}"],
    "tags": ["cost=lab", "a=b,c="],
    "memory_mb": [4, 2048],
    "timeout": [0, 1, 600],
    "host_attempts": [1, 10],
    "memory_growth": [1.0, 1.5],
    "array_size": [1, 2, 10_000],
    "submit_rate": [0.5, 50.0],
    "runnable_limit": [0.0, 30.0],
    "poll_interval": [0.2, 20.0],
    "poll_limit": [1.0, 600.0],
    "credentials_wait": [0, 10],
}
WRONG = {
    "prefix": ["bucket/a", "s3://"],
    "registry": ["https://mine.example/x", "mine.example/a b", "/x"],
    "job_role": ["job", "arn:aws:iam::123:role/x", "arn:aws:iam::123456789012:user/x", ROLE + "\n"],
    "execution_role": ["role/x"],
    "runtime": ["mnt/runtime", "s3://b/runtime"],
    "scratch": ["scratch"],
    "scratch_mb": [-1],
    "volumes": ["/a", "a:/b", "/a:/b:rx"],
    "secrets": ["KEY", f"={SECRET}", "KEY=geheim", f"2KEY={SECRET}", "KEY=arn:aws:s3:::bucket/key"],
    "tags": ["a", "=b"],
    "memory_mb": [0, -5, 3],
    "timeout": [-1],
    "host_attempts": [0, 11],
    "memory_growth": [0.5, -1.0, float("inf"), float("nan")],
    "array_size": [0, -1, 10_001, 20_000],
    "submit_rate": [0.0, -1.0, float("nan"), float("inf")],
    "runnable_limit": [-1.0],
    "poll_interval": [0.0, -1.0],
    "poll_limit": [0.0, float("inf")],
    "credentials_wait": [-1],
}


def settings(**given) -> ExecutorSettings:
    return ExecutorSettings(**{"region": REGION, "prefix": "s3://lab/state", **given})


def of_each(values: dict[str, list]) -> list[tuple[str, object]]:
    return [(name, value) for name, those in values.items() for value in those]


def test_defaults_are_allowed():
    assert allowed.mistakes(settings()) == []


@pytest.mark.parametrize(("name", "value"), of_each(RIGHT))
def test_values_that_are_right_are_taken(name, value):
    assert allowed.mistakes(settings(**{name: value})) == []


@pytest.mark.parametrize(("name", "value"), of_each(WRONG))
def test_a_value_that_is_wrong_is_told_with_option_value_and_remedy(name, value):
    found = list(allowed.wrong_values(settings(**{name: value})))
    assert len(found) == 1
    assert found[0].startswith(f"--fishladder-{name.replace('_', '-')}: {value!r} is not allowed. To do: give ")


def test_of_several_values_only_the_wrong_ones_are_told():
    found = allowed.mistakes(settings(volumes="/a:/b,c,/d:/e:rx", tags="a=b,wrong"))
    assert [one.split(" is not")[0] for one in found] == [
        "--fishladder-volumes: 'c'",
        "--fishladder-volumes: '/d:/e:rx'",
        "--fishladder-tags: 'wrong'",
    ]


def test_polling_no_oftener_than_at_most_is_a_mistake():
    (found,) = allowed.mistakes(settings(poll_interval=30.0))
    assert found.startswith("--fishladder-poll-interval: 30.0 is above --fishladder-poll-limit, 20.0. To do: ")


def test_what_is_missing_is_told_together_with_what_is_wrong(monkeypatch, tmp_path):
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    found = allowed.mistakes(ExecutorSettings(array_size=0))
    assert [one.split(":")[0] for one in found] == [
        "--fishladder-array-size",
        "no AWS region",
        "jobs fetch their commands from S3",
    ]


OPTIONS = ("--fishladder-array-size", "0", "--fishladder-job-role", "job", "--fishladder-memory-growth", "0.5")


@pytest.mark.parametrize(("more", "sign"), [((), "--fish"), (("--fishladder-preflight",), "FAIL settings: --fish")])
def test_a_run_with_wrong_values_asks_aws_for_nothing(batch_server, tmp_path, more, sign):
    (tmp_path / "Snakefile").write_text('rule make:\n    output: "a"\n    shell: "touch a"\n')
    before = batch_server.calls.total()
    code, said = driver.run(tmp_path, *OPTIONS, *more)
    assert code == 1
    for told in ("array-size: 0 is", "job-role: 'job' is", "memory-growth: 0.5 is"):
        assert f"{sign}ladder-{told} not allowed. To do: give " in said
    assert "Traceback" not in said
    assert batch_server.calls.total() == before


def test_the_preflight_alone_tells_all_wrong_values(capsys):
    words = ["--queue", "work", "--prefix", "lab/state", "--region", REGION, "--job-role", "job", "--runtime", "x"]
    assert preflight.main(words) == 1
    told = capsys.readouterr().out.splitlines()
    assert [line.split(" is ")[0] for line in told] == [
        "FAIL settings: --fishladder-prefix: 'lab/state'",
        "FAIL settings: --fishladder-job-role: 'job'",
        "FAIL settings: --fishladder-runtime: 'x'",
        "3 to do",
    ]
