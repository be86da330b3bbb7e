import json

import pytest
from judge_run import main


def put_records(folder, *records: dict) -> list:
    paths = []
    for record in records:
        paths.append(folder / f"{record['sample']}.json")
        paths[-1].write_text(json.dumps(record))
    return paths


SOUND = {"sample": "a", "success": True, "failed_step": None, "reason": None}
BROKEN = {"sample": "b", "success": False, "failed_step": "check_reads", "reason": "b.fq holds no reads"}


def test_a_run_whose_samples_all_came_through_passes_and_says_where_the_report_is(tmp_path):
    records = put_records(tmp_path, SOUND, SOUND | {"sample": "c"})
    main(records, "s3://b/index.html", tmp_path / "verdict.txt", tmp_path / "log")
    words = "all 2 samples came through; report: s3://b/index.html\n"
    assert (tmp_path / "verdict.txt").read_text() == (tmp_path / "log").read_text() == words


@pytest.mark.parametrize("log_is_shown", [True, False])
def test_a_run_with_a_failed_sample_fails_with_its_step_and_reason_and_leaves_no_verdict(
    tmp_path, capsys, log_is_shown
):
    records = put_records(tmp_path, SOUND, BROKEN)
    with pytest.raises(SystemExit) as ended:
        main(records, "s3://b/index.html", tmp_path / "verdict.txt", tmp_path / "log", log_is_shown)
    assert ended.value.code == 1
    assert ("b.fq holds no reads" in capsys.readouterr().err) != log_is_shown
    assert (tmp_path / "log").read_text() == (
        "1 of 2 samples failed; the others are done; report: s3://b/index.html\n  b: check_reads: b.fq holds no reads\n"
    )
    assert not (tmp_path / "verdict.txt").exists()


def test_a_run_without_samples_passes(tmp_path):
    main([], tmp_path / "index.html", tmp_path / "verdict.txt", tmp_path / "log")
    assert (tmp_path / "verdict.txt").read_text().startswith("all 0 samples")
