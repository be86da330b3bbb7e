"""profiles/aws-batch/install: the account's names into a profile, or what is wrong with each of them."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml

INSTALL = Path(__file__).parents[2] / "profiles/aws-batch/install"
NAMES = {
    "FISHLADDER_REGION": "eu-west-1",
    "FISHLADDER_QUEUE": "work",
    "FISHLADDER_JOB_ROLE": "arn:aws:iam::123456789012:role/job",
    "FISHLADDER_EXECUTION_ROLE": "arn:aws:iam::123456789012:role/path/execution",
    "FISHLADDER_RUNTIME": "/opt/fishladder/0123",
    "FISHLADDER_PREFIX": "s3://bucket/runs/one",
}


def install(folder: Path, text: str, **environment: str) -> subprocess.CompletedProcess:
    (folder / "account.env").write_text(text)
    places = {"ACCOUNT": str(folder / "account.env"), "XDG_CONFIG_HOME": str(folder)}
    clean = {name: value for name, value in os.environ.items() if not name.startswith("FISHLADDER_")}
    return subprocess.run([INSTALL], env=clean | places | environment, capture_output=True, text=True, timeout=60)


def lines(names: dict[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in names.items())


def test_every_name_comes_into_the_profile_however_the_file_is_written(tmp_path):
    text = (
        lines(NAMES)
        .replace("=work", "='work'")
        .replace("\n", "\r\n")
        .replace("FISHLADDER_REGION", "export FISHLADDER_REGION")
    )
    done = install(tmp_path, f"# my account\n\n{text}")
    assert done.returncode == 0, done.stderr
    profile = (tmp_path / "snakemake/aws-batch/config.yaml").read_text()
    assert "$FISHLADDER" not in profile
    assert set(NAMES.values()) | {"/aws/batch/job"} <= set(map(str, yaml.safe_load(profile).values()))


def test_what_the_file_lacks_comes_from_the_environment(tmp_path):
    rest = {name: value for name, value in NAMES.items() if name != "FISHLADDER_QUEUE"}
    assert install(tmp_path, lines(rest), FISHLADDER_QUEUE="other").returncode == 0
    assert "other" in (tmp_path / "snakemake/aws-batch/config.yaml").read_text()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FISHLADDER_REGION", "eu_west"),
        ("FISHLADDER_QUEUE", "my queue"),
        ("FISHLADDER_QUEUE", "$(touch executed)"),
        ("FISHLADDER_JOB_ROLE", "role"),
        ("FISHLADDER_EXECUTION_ROLE", "arn:aws:iam::123:role/x"),
        ("FISHLADDER_RUNTIME", "opt/fishladder"),
        ("FISHLADDER_PREFIX", "bucket/folder"),
        ("FISHLADDER_PREFIX", "s3://bucket"),
    ],
)
def test_a_value_that_cannot_be_right_is_refused_by_name_and_never_executed(tmp_path, name, value):
    done = install(tmp_path, lines(NAMES | {name: value}))
    assert done.returncode == 1
    assert [path.name for path in tmp_path.iterdir()] == ["account.env"]
    row = list(NAMES).index(name) + 1
    said = (
        f"{tmp_path}/account.env, row {row}: {name} is '{value}': it has not the form of what is wanted, for example "
    )
    assert done.stderr.startswith(said)
    example = done.stderr.splitlines()[0].removeprefix(said).split(",")[0]
    assert install(tmp_path, lines(NAMES | {name: example})).returncode == 0


def test_a_value_of_the_environment_that_cannot_be_right_is_told_without_a_row(tmp_path):
    rest = {name: value for name, value in NAMES.items() if name != "FISHLADDER_QUEUE"}
    done = install(tmp_path, lines(rest), FISHLADDER_QUEUE="my queue")
    assert done.returncode == 1
    assert done.stderr.startswith("FISHLADDER_QUEUE is 'my queue': it has not the form")


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path):
    assert install(tmp_path, "\ufeff" + lines(NAMES)).returncode == 0


def test_a_name_that_is_given_twice_is_refused_with_both_rows(tmp_path):
    done = install(tmp_path, lines(NAMES) + "FISHLADDER_QUEUE=other\n")
    assert done.returncode == 1
    first = done.stderr.splitlines()[0]
    assert first == f"{tmp_path}/account.env, row 7: FISHLADDER_QUEUE is in row 2 already: remove one of them"


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        ("FISHLADDER_QUEUE: work", "write NAME=value, with = in place of the colon"),
        ("FISHLADDER_QUEUE = work", "write NAME=value, without spaces around the ="),
        ("FISHLADDER_QUEUE= work", "write NAME=value, without spaces around the ="),
        ("FISHLADDER_QUEUE work", "write NAME=value"),
    ],
)
def test_a_line_of_another_form_is_told_what_is_wrong_with_it(tmp_path, line, remedy):
    done = install(tmp_path, lines(NAMES).replace("FISHLADDER_QUEUE=work", line))
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == f"{tmp_path}/account.env, row 2: {remedy}"


def test_all_mistakes_are_told_at_once_with_their_rows(tmp_path):
    names = {name: value for name, value in NAMES.items() if name != "FISHLADDER_QUEUE"}
    done = install(tmp_path, lines(names) + "FISHLADER_QUEUE=work\nbad line\n")
    account = tmp_path / "account.env"
    first, second, third, *_ = done.stderr.splitlines()
    assert first.startswith(f"{account}, row 6: no such name: FISHLADER_QUEUE; known: FISHLADDER_REGION ")
    assert second == f"{account}, row 7: write NAME=value"
    assert third == "these names of your account are missing: FISHLADDER_QUEUE"
