"""Whole runs of Snakemake through moto's Batch, jobs as processes of this machine."""

import csv
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

from tests.aws import driver, stub_job

THREE_RULES = """
rule all:
    input: "all.txt"
rule make:
    output: "out/{i}.txt"
    threads: 4
    shell: "echo {wildcards.i} {threads} > {output}"
rule join:
    input: expand("out/{i}.txt", i=range(3))
    output: "joined.txt"
    shell: "cat {input} > {output}"
rule last:
    input: "joined.txt"
    output: "all.txt"
    shell: "sort {input} > {output}"
"""


def left_in_bucket(server) -> list[str]:
    return [found["Key"] for found in server.client("s3").list_objects_v2(Bucket="lab").get("Contents", [])]


def test_three_rules_go_through_batch_and_leave_nothing_behind(batch_server, tmp_path):
    Path(tmp_path, "Snakefile").write_text(THREE_RULES)
    code, said = driver.run(tmp_path, "--cores", "1")

    assert code == 0, said
    # --cores is the driver's: jobs keep the threads of their rule
    assert Path(tmp_path, "all.txt").read_text() == "0 4\n1 4\n2 4\n"
    arrays = [job for job in batch_server.jobs.values() if job._child_jobs]
    assert [len(job._child_jobs) for job in arrays] == [3]
    assert sum(batch_server.started.values()) == 5
    assert len(batch_server.definitions()) == 1  # one image, two sizes
    assert batch_server.active() == []
    assert left_in_bucket(batch_server) == []

    trace = Path(tmp_path, "fishladder-trace.tsv").read_text().splitlines()
    rows = list(csv.DictReader(trace, delimiter="\t"))
    assert sorted(row["rule"] for row in rows) == ["join", "last", "make", "make", "make"]
    for row in rows:
        assert row["submitted"] <= row["started"] <= row["stopped"]
        assert (row["outcome"], row["exit"], row["memory_asked_mb"]) == ("success", "0", "500")
        assert int(row["memory_used_mb"]) > 0

    events = [json.loads(line) for line in Path(tmp_path, "fishladder-trace.jsonl").read_text().splitlines()]
    assert [event["event"] for event in events if event["event"] != "ended"] == ["begin", *["submitted"] * 3, "end"]
    sent = [event for event in events if event["event"] == "submitted"]
    assert [(event["rule"], len(event["jobids"])) for event in sent] == [("make", 3), ("join", 1), ("last", 1)]
    assert sent[0]["memory_mb"] == 500
    told = [event for event in events if event["event"] == "ended"]
    # Each row is an event too, with the same facts.
    assert [{key: value for key, value in row.items() if value} for row in rows] == [
        {key: str(value) for key, value in event.items() if key not in ("time", "event") and str(value)}
        for event in told
    ]
    assert events[-1]["done"] == {"make": 3, "join": 1, "last": 1}


def test_a_second_run_registers_nothing(batch_server, tmp_path):
    python = stub_job.prepare(tmp_path, 3, seconds=0)
    assert driver.run(tmp_path, python=python)[0] == 0
    assert batch_server.calls["registerjobdefinition"] == 1
    code, said = driver.run(tmp_path, "--forceall", python=python)
    assert code == 0, said[-3000:]
    assert batch_server.calls["registerjobdefinition"] == 1
    assert batch_server.calls["submitjob"] == 2


def test_sizes_share_a_definition_and_only_what_batch_is_asked_for_parts_arrays(batch_server, tmp_path):
    jobs = 30
    size = "mem_mb=lambda wildcards: 500 * (1 + int(wildcards.i) % 3), disk_mb=lambda wildcards: 1 + int(wildcards.i)"
    python = stub_job.prepare(tmp_path, jobs, more=f"resources: {size}")
    for i in range(jobs):
        (tmp_path / "out" / f"{i}.txt").touch()
    batch_server.run = False
    words = ("--forceall", "--until", "make", "--max-jobs-per-timespan", "1000/1s")
    for number in (1, 2):
        code, said = driver.run(tmp_path, *words, python=python)
        assert code == 0, said
        assert (batch_server.calls["submitjob"], batch_server.calls["registerjobdefinition"]) == (3 * number, 1)

    children = [job for job in batch_server.jobs.values() if not job._child_jobs]
    asked = [job._get_container_property("resourceRequirements", []) for job in children]
    had = Counter(tuple(sorted((one["type"], one["value"]) for one in each)) for each in asked)
    assert had == {(("MEMORY", str(memory)), ("VCPU", "1")): 20 for memory in (500, 1000, 1500)}
    for row in csv.DictReader((tmp_path / "fishladder-trace.tsv").open(), delimiter="\t"):
        i = int(row["wildcards"].removeprefix("i="))
        assert (row["memory_asked_mb"], row["disk_asked_mb"]) == (str(500 * (1 + i % 3)), str(1 + i))


def test_a_job_that_asks_for_more_scratch_than_there_is_says_so_and_its_array_runs_on(batch_server, tmp_path):
    more = "resources: disk_mb=lambda wildcards: 10**9 if wildcards.i == '1' else 1"
    python = stub_job.prepare(tmp_path, 3, more=more)
    code, said = driver.run(tmp_path, "--keep-going", python=python)
    assert code != 0
    assert "the rule asks for 1000000000 MB of scratch" in said.replace("\n", " ")
    assert batch_server.calls["submitjob"] == 1
    assert (stub_job.lost(tmp_path, 3), sorted(stub_job.runs(tmp_path))) == ([1], [0, 2])


def test_a_request_that_no_instance_holds_is_refused_before_anything_is_submitted(batch_server, tmp_path):
    Path(tmp_path, "Snakefile").write_text(
        """
rule all:
    input: "b.txt"
rule small:
    output: "a.txt"
    shell: "touch {output}"
rule huge:
    input: "a.txt"
    output: "b.txt"
    resources: mem_mb=999_999
    shell: "touch {output}"
"""
    )
    code, said = driver.run(tmp_path)
    assert code != 0
    assert "Rule huge can never run" in said
    assert "The largest is c5.2xlarge with 8 vCPUs, 15276 MB" in said
    assert batch_server.calls["submitjob"] == 0


def test_rules_of_a_group_must_share_their_image(batch_server, tmp_path):
    Path(tmp_path, "Snakefile").write_text(
        """
rule all:
    input: "b.txt"
rule one:
    output: "a.txt"
    group: "both"
    container: "docker://tool/one:1"
    shell: "touch {output}"
rule two:
    input: "a.txt"
    output: "b.txt"
    group: "both"
    container: "docker://tool/two:1"
    shell: "touch {output}"
"""
    )
    code, said = driver.run(tmp_path)
    assert code != 0
    assert "one: docker://tool/one:1; two: docker://tool/two:1" in said
    assert "take one of them out of the group" in said
    assert batch_server.calls["submitjob"] == 0


def test_a_group_runs_as_one_job(batch_server, tmp_path):
    Path(tmp_path, "Snakefile").write_text(
        """
rule all:
    input: "b.txt"
rule one:
    output: "a.txt"
    group: "both"
    shell: "echo a > {output}"
rule two:
    input: "a.txt"
    output: "b.txt"
    group: "both"
    shell: "cat {input} > {output}"
"""
    )
    code, said = driver.run(tmp_path)
    assert code == 0, said[-3000:]
    assert Path(tmp_path, "b.txt").read_text() == "a\n"
    assert len(batch_server.jobs) == 1


def test_jobs_that_share_nothing_with_the_driver_are_not_sent_as_if_they_did(batch_server, tmp_path):
    Path(tmp_path, "Snakefile").write_text(THREE_RULES)
    command = [sys.executable, "-m", "snakemake", "--executor", "fishladder", "--jobs", "1"]
    command += ["--fishladder-queue", "work", "--fishladder-prefix", "s3://lab/state"]
    environment = {**batch_server.environment(), "PYTHONPATH": str(driver.ROOT / "src"), "PATH": "/usr/bin:/bin"}
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert ended.returncode != 0
    assert "--shared-fs-usage none" in ended.stdout + ended.stderr


def test_a_job_of_the_image_without_runtime_says_so(batch_server, tmp_path):
    python = stub_job.prepare(tmp_path, 1)
    code, said = driver.run(tmp_path, "--fishladder-python", "/opt/fishladder/bin/python", python=python)
    assert code != 0
    assert "this job finds no /opt/fishladder/bin/python" in said
    assert "check --fishladder-runtime" in said


def test_the_error_of_a_job_with_many_files_is_among_its_last_lines(batch_server, tmp_path):
    """Snakemake tells of each input that it removes after the error."""
    (tmp_path / "Snakefile").write_text(
        """
rule join:
    input: expand("in/{i}.txt", i=range(200))
    output: "joined.txt"
    shell: "echo sample 7 has no reads >&2; exit 3"
"""
    )
    git = ["git", "-C", str(tmp_path)]
    for words in (["init", "-q"], ["add", "Snakefile"]):
        subprocess.run([*git, *words], check=True)
    for i in range(200):
        batch_server.client("s3").put_object(Bucket="lab", Key=f"many/in/{i}.txt", Body=b"x")
    words = ["--shared-fs-usage", "none", "--default-storage-provider", "fishladder"]
    code, said = driver.run(tmp_path, *words, "--default-storage-prefix", "s3://lab/many")
    assert code != 0
    last = said[said.index("last lines:") :]
    assert "returned non-zero exit status 3" in last
    assert "Removing local copy" not in last
    assert "Retrieving from" not in last


def test_the_last_lines_of_a_failed_rule_s_log_are_brought_from_storage_and_told(batch_server, tmp_path):
    (tmp_path / "Snakefile").write_text(
        """
rule count:
    output: "counted.txt"
    log: "logs/count.txt"
    shell: "exec &> {log}; echo sample 7 has no reads; exit 3"
"""
    )
    for words in (["init", "-q"], ["add", "Snakefile"]):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True)
    words = ["--shared-fs-usage", "none", "--default-storage-provider", "fishladder"]
    code, said = driver.run(tmp_path, *words, "--default-storage-prefix", "s3://lab/many")
    assert code != 0
    told = [line.strip() for line in said[said.index("last lines:") :].splitlines()]
    assert told[told.index(".snakemake/storage/fishladder/lab/many/logs/count.txt:") + 1] == "sample 7 has no reads"


CACHED = """
rule all:
    input: "all.txt"
rule reference:
    output: "reference.txt"
    cache: True
    shell: "date +%s%N > {output}"
rule last:
    input: "reference.txt"
    output: "all.txt"
    script: "duplicate.py"
"""


def test_nothing_shared_but_the_bucket_and_a_cache_between_runs(batch_server, tmp_path):
    """Sources travel through S3, files through the storage, and a second workflow takes the reference of the first."""
    Path(tmp_path, "Snakefile").write_text(CACHED)
    Path(tmp_path, "duplicate.py").write_text("import shutil\nshutil.copy(snakemake.input[0], snakemake.output[0])\n")
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "sources"]):
        subprocess.run([*git, *words], cwd=tmp_path, check=True)
    s3, told = batch_server.client("s3"), []
    for run in ("first", "second"):
        words = ["--shared-fs-usage", "none", "--default-storage-provider", "fishladder"]
        words += ["--default-storage-prefix", f"s3://lab/{run}", "--cache", "reference"]
        code, said = driver.run(tmp_path, *words, env={"SNAKEMAKE_OUTPUT_CACHE": "s3://lab/cache"})
        assert code == 0, said[-3000:]
        told.append(s3.get_object(Bucket="lab", Key=f"{run}/all.txt")["Body"].read())
    assert told[0] == told[1]
    assert sum(batch_server.started.values()) == 4
