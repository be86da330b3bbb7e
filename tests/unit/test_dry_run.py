import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from _dry_run import SHORT, count, plan_table
from snakemake.jobs import Reason

SCRIPTS = Path(__file__).parents[2] / "workflow/scripts"

SNAKEFILE = f"""
import sys
sys.path.insert(0, {str(SCRIPTS)!r})
from _dry_run import explain_at_exit
explain_at_exit(workflow)

rule all:
    input: expand("b/{{s}}", s=[1, 2, 3])

rule first:
    output: "a/{{s}}"
    shell: "touch {{output}}"

rule second:
    input: "a/{{s}}"
    output: "b/{{s}}"
    params: extra=config.get("extra", "none")
    shell: "echo {{params.extra}} >{{output}}"
"""

FRESH = """
What would run, and why:
rule    jobs  why
-----------------------------------------------------------
all        1  input updated by another job
first      3  output missing
second     3  input updated by another job · output missing
total      7
"""


@pytest.fixture
def snakemake(tmp_path: Path):
    (tmp_path / "Snakefile").write_text(SNAKEFILE)

    def run(*arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-m", "snakemake", "--cores", "1", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env={**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache"), "HOME": str(tmp_path)},
        )

    return run


def test_counts_the_jobs_of_a_rule_and_their_reasons():
    jobs = [("a", ["forced"]), ("a", ["code has changed since last execution", "updated input files"]), ("b", [])]
    assert count(jobs) == {
        "a": (2, Counter({"forced": 1, "code changed": 1, "input newer than output": 1})),
        "b": (1, Counter()),
    }


def test_gives_a_number_only_to_the_reasons_of_some_jobs():
    table = plan_table({"quant": (12000, Counter({"output missing": 12000, "code changed": 7}))})
    assert "quant  12,000  output missing · code changed (7)\n" in table
    assert table.endswith("total  12,000")


def test_knows_every_reason_that_snakemake_has():
    reason = Reason()
    reason.updated_input.add("x")
    reason.updated_input_run.add("x")
    reason.missing_output.add("x")
    reason.incomplete_output.add("x")
    for name in ["forced", "noio", "nooutput", "pipe", "service", "input_changed", "code_changed", "params_changed"]:
        setattr(reason, name, True)
    reason.software_stack_changed = True
    assert set(reason.get_names()) == set(SHORT)


@pytest.mark.parametrize("quiet", [(), ("--quiet",)])
def test_ends_a_dry_run(snakemake, quiet):
    run = snakemake("-n", *quiet)
    assert run.returncode == 0
    assert run.stdout.endswith(FRESH), run.stdout
    assert ("This was a dry-run" in run.stdout) == (quiet != ("--quiet",))


def test_tells_what_changed_and_says_nothing_in_a_real_run(snakemake, tmp_path):
    run = snakemake()
    assert run.returncode == 0
    assert "What would run" not in run.stdout + run.stderr

    run = snakemake("-n")
    assert "Nothing to be done" in run.stdout
    assert "What would run" not in run.stdout

    run = snakemake("-n", "--config", "extra=salt")
    assert "\nsecond     3  params changed\n" in run.stdout

    (tmp_path / "a/1").unlink()
    run = snakemake("-n", "--config", "extra=salt")
    assert "\nsecond     3  params changed · input updated by another job (1)\n" in run.stdout


@pytest.mark.parametrize("option", ["--rulegraph", "--summary"])
def test_keeps_out_of_other_output(snakemake, option):
    run = snakemake(option)
    assert "What would run" not in run.stdout + run.stderr
    assert "Traceback" not in run.stderr


def test_keeps_quiet_when_the_dry_run_fails(snakemake, tmp_path):
    (tmp_path / "Snakefile").write_text(SNAKEFILE.replace('"a/{s}"\n    shell', '"other/{s}"\n    shell'))
    run = snakemake("-n")
    assert run.returncode == 1
    assert "MissingInputException" in run.stdout + run.stderr
    assert "What would run" not in run.stdout + run.stderr
    assert "_dry_run" not in run.stderr
