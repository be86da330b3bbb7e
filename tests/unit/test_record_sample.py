import json
from datetime import datetime
from pathlib import Path

import pytest
from _record import took
from record_sample import record

SAMPLE = {"name": "x", "organism": "toy", "library_type": "A"}
INDEX = "toy.T1.57.salmon-1.10.1.k31.tar.gz"
CHECKED = {"start": "2026-01-01T00:00:00+00:00", "success": True, "reads": 100, "mean_read_length": 90.5}


def put(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def counted(**fragments: int) -> dict[str, int]:
    """Salmon's counts of fragments by library type."""
    kinds = [way + strand for way in ("", "I", "M", "O") for strand in ("SF", "SR", "U")]
    return dict.fromkeys(kinds, 0) | fragments


@pytest.fixture
def sample(tmp_path) -> Path:
    """What the jobs of a sample that came through leave behind."""
    put(tmp_path / "reads/reads.json", CHECKED)
    put(tmp_path / "fastp/fastp.json", {"summary": {"fastp_version": "0.23.2"}})
    put(tmp_path / "salmon/index.txt", f"{INDEX}\n")
    put(tmp_path / "salmon/cmd_info.json", {"salmon_version": "1.10.1"})
    put(tmp_path / "salmon/lib_format_counts.json", {"expected_format": "ISR"} | counted(ISR=50, ISF=1, SF=9))
    meta = {"percent_mapped": 81.5, "num_mapped": 40, "num_processed": 50}
    put(tmp_path / "salmon/aux_info/meta_info.json", meta)
    for step, seconds, memory in (
        ("check_reads", "0.5", "-"),
        ("trim_reads", "1.25", "900.5"),
        ("quantify", "2", "NA"),
    ):
        put(tmp_path / f"benchmarks/{step}/x.tsv", f"s\th:m:s\tmax_rss\n{seconds}\t0:00:01\t{memory}\n")
    return tmp_path


def make(folder: Path, **of_sample: str) -> dict:
    benchmarks = sorted(folder.glob("benchmarks/*/x.tsv"))
    return record(SAMPLE | of_sample, folder / "reads", folder / "fastp", folder / "salmon", benchmarks)


def test_a_sample_that_came_through_is_recorded_whole(sample):
    made = make(sample)
    assert made["success"] is True and made["reason"] is None and made["failed_step"] is None
    assert (made["k"], made["index"], made["reads"], made["mean_read_length"]) == (31, INDEX, 100, 90.5)
    assert (made["mapping_rate"], made["mapped"], made["processed"]) == (81.5, 40, 50)
    assert made["versions"] == {"fastp": "0.23.2", "salmon": "1.10.1"}
    assert made["start"] == "2026-01-01T00:00:00+00:00"
    assert datetime.fromisoformat(made["end"]).tzinfo is not None
    assert (made["seconds"], made["peak_memory_mb"]) == (3.75, 900.5)
    assert [step["step"] for step in made["steps"]] == ["check_reads", "quantify", "trim_reads"]


@pytest.mark.parametrize(("claimed", "agrees"), [("A", None), ("ISR", True), ("IU", False)])
def test_the_library_type_found_is_held_against_the_one_claimed(sample, claimed, agrees):
    assert make(sample, library_type=claimed)["library_type"] == {"claimed": claimed, "found": "ISR", "agrees": agrees}


@pytest.mark.parametrize(
    ("salmon_says", "fragments", "found"),
    [
        ("IU", {"ISR": 10_000}, "ISR"),  # few fragments: Salmon did not look
        ("IU", {"ISF": 4956, "ISR": 5014, "SF": 900}, "IU"),
        ("IU", {"OSF": 900, "ISF": 20, "ISR": 10}, "OSF"),
        ("U", {"SF": 9814, "SR": 2}, "SF"),
        ("SR", {"SF": 2069, "SR": 82078}, "SR"),
        ("U", {"SF": 310, "SR": 690}, "U"),
    ],
)
def test_the_library_type_is_found_from_the_fragments_also_where_they_are_few(sample, salmon_says, fragments, found):
    put(sample / "salmon/lib_format_counts.json", {"expected_format": salmon_says} | counted(**fragments))
    assert make(sample)["library_type"]["found"] == found


def test_a_sample_whose_reads_are_broken_is_recorded_with_step_and_reason(sample):
    put(sample / "reads/reads.json", {"start": CHECKED["start"], "success": False, "reason": "x.fq: cut"})
    for path in [*(sample / "salmon").rglob("*.*"), sample / "fastp/fastp.json"]:
        path.unlink()
    put(sample / "salmon/failed.txt", "check_reads: s3://a/x.fq: line 3: cut\n")
    made = make(sample)
    assert (made["success"], made["failed_step"], made["reason"]) == (False, "check_reads", "s3://a/x.fq: line 3: cut")
    assert (made["k"], made["index"], made["reads"], made["library_type"], made["versions"]) == (*[None] * 4, {})
    assert "mapping_rate" not in made


def test_a_sample_that_fails_late_keeps_what_was_known_before(sample):
    for path in sorted((sample / "salmon").rglob("*.json")):
        path.unlink()
    put(sample / "salmon/failed.txt", "quantify: [error] nothing maps\n")
    made = make(sample)
    assert (made["failed_step"], made["reads"]) == ("quantify", 100)
    assert made["versions"] == {"fastp": "0.23.2"}


def test_without_trimming_there_is_no_fastp_to_record(sample):
    benchmarks = [sample / "benchmarks/check_reads/x.tsv"]
    made = record(SAMPLE, sample / "reads", None, sample / "salmon", benchmarks)
    assert made["versions"] == {"salmon": "1.10.1"}
    assert made["peak_memory_mb"] is None


def test_a_job_too_short_to_measure_has_no_memory(sample):
    assert took(sample / "benchmarks/check_reads/x.tsv") == (0.5, None)
