"""Whole runs of Snakemake through moto's Batch, jobs as processes of this machine."""

import csv
from pathlib import Path

from tests.aws import driver

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
    assert len(batch_server.definitions()) == 2  # two sizes of one image
    assert batch_server.active() == []
    assert left_in_bucket(batch_server) == []

    rows = list(csv.DictReader(Path(tmp_path, "fishladder-trace.tsv").open(), delimiter="\t"))
    assert sorted(row["rule"] for row in rows) == ["join", "last", "make", "make", "make"]
    for row in rows:
        assert row["submitted"] <= row["started"] <= row["stopped"]
        assert (row["outcome"], row["exit"], row["memory_asked_mb"]) == ("success", "0", "500")
        assert int(row["memory_used_mb"]) > 0
