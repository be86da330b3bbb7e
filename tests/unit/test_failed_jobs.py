import json
from pathlib import Path
from types import SimpleNamespace

from _failed_jobs import FailedJob, failed_jobs, failed_samples, last_words, say


def job(rule: str, log: Path | None = None, **wildcards: str) -> SimpleNamespace:
    return SimpleNamespace(
        rule=SimpleNamespace(name=rule),
        wildcards_dict=wildcards,
        log=[str(log)] if log else [],
        is_group=lambda: False,
    )


def test_names_rule_subject_and_last_words_of_each_job_of_a_group_too(tmp_path):
    log = tmp_path / "log.txt"
    log.write_text("working\nmy.fa.gz: it was cut; bring it again\n\n")
    group = SimpleNamespace(is_group=lambda: True, jobs=[job("quantify", sample="s"), job("count_genes", sample="s")])
    failed = [job("clean_annotation", log, organism="mine", assembly="v1", release="own"), group]
    found = failed_jobs(SimpleNamespace(scheduler=SimpleNamespace(failed=failed)))
    assert [one[:2] for one in found] == [("clean_annotation", "mine"), ("count_genes", "s"), ("quantify", "s")]
    assert found[0].reason == "my.fa.gz: it was cut; bring it again"
    assert found[0].wildcards == "organism mine, assembly v1, release own"
    assert found[1].reason.startswith("it left no word; it was killed")


def test_a_run_that_did_not_get_as_far_as_jobs_has_none_that_failed():
    assert failed_jobs(SimpleNamespace(scheduler=None)) == []


def test_last_words_are_cut_from_the_front_and_survive_any_bytes(tmp_path):
    log = tmp_path / "log.txt"
    log.write_bytes(b"\xff\xfe" + b"x" * 2000 + b"the end")
    assert last_words(log).endswith("the end") and len(last_words(log)) == 600
    assert last_words(tmp_path / "none.txt").startswith("it left no word")


def test_says_what_failed_a_line_each_and_counts_the_rest(tmp_path):
    records = {"a": {"success": True}, "b": {"success": False, "failed_step": "check_reads", "reason": "b.fq is cut"}}
    for name, record in records.items():
        (tmp_path / f"{name}.json").write_text(json.dumps({"sample": name, **record}))
    (tmp_path / "c.json").write_text("{")
    samples = failed_samples(tmp_path / f"{name}.json" for name in "abc")
    assert samples == [("b", "check_reads: b.fq is cut")]
    jobs = [FailedJob("salmon_index", "yeast", "bad_alloc", "", None)] * 120
    lines = say(jobs, samples).split("\n")
    assert lines[:2] == ["what failed, with the last words of each log:", "  salmon_index yeast: bad_alloc"]
    assert lines[-1] == "  ... and 21 more"
    assert say([], []) == "the run was stopped before its end; no job failed"
    assert say(jobs[:1], samples).split("\n")[-1] == "  sample b: check_reads: b.fq is cut"
