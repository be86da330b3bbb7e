"""The record of an alignment and the table of all of them, from the files that Picard and mosdepth write."""

import io
import json
from pathlib import Path

import pytest
from record_alignment import grade, record
from tabulate_alignments import COLUMNS, write_table

LIMITS = {
    "warn": {"min_mapped_percent": 90, "max_duplicate_percent": 30},
    "fail": {"min_mapped_percent": 50, "max_duplicate_percent": 80},
}


@pytest.mark.parametrize(
    ("mapped", "duplicates", "expected"),
    [
        (95.0, 10.0, ("pass", [])),
        (90, 30, ("pass", [])),
        (89.9, 10.0, ("warn", ["mapped_percent is 89.9, at least 90 is wanted"])),
        (49.0, 31.0, ("fail", ["mapped_percent is 49, at least 50 is wanted"])),
        (95.0, 81.0, ("fail", ["duplicate_percent is 81, at most 80 is wanted"])),
        (95.0, None, ("pass", [])),
    ],
)
def test_the_worst_limit_that_is_passed_gives_the_verdict_and_its_reasons(mapped, duplicates, expected):
    measures = {"mapped_percent": mapped, "duplicate_percent": duplicates}
    assert grade(measures, LIMITS["warn"], LIMITS["fail"]) == expected


ALIGNED = """\
## htsjdk.samtools.metrics.StringHeader
# CollectMultipleMetrics
## METRICS CLASS\tpicard.analysis.AlignmentSummaryMetrics
CATEGORY\tTOTAL_READS\tPCT_PF_READS_ALIGNED\tPF_MISMATCH_RATE\tPCT_CHIMERAS\tSAMPLE
FIRST_OF_PAIR\t100\t0.9\t0.1\t0\t
PAIR\t200\t0.95\t0.01\t0.02\t

"""
INSERT = "## METRICS CLASS\tx\nMEDIAN_INSERT_SIZE\tMODE\n312\t300\n\n## HISTOGRAM\tx\n"
DUPLICATES = """\
## METRICS CLASS\tpicard.sam.DuplicationMetrics
LIBRARY\tUNPAIRED_READS_EXAMINED\tREAD_PAIRS_EXAMINED\tUNPAIRED_READ_DUPLICATES\tREAD_PAIR_DUPLICATES\t\
READ_PAIR_OPTICAL_DUPLICATES\tPERCENT_DUPLICATION
A\t10\t45\t2\t4\t1\t0.1
B\t0\t50\t0\t0\t0\t0

"""


@pytest.fixture
def folders(tmp_path) -> dict[str, Path]:
    made = {name: tmp_path / name for name in ("duplicates", "metrics", "depth", "lane", "fastp")}
    for folder in made.values():
        folder.mkdir()
    (made["metrics"] / "s.alignment_metrics.txt").write_text(ALIGNED)
    (made["metrics"] / "s.insert_metrics.txt").write_text(INSERT)
    (made["duplicates"] / "s.markdup.metrics.txt").write_text(DUPLICATES)
    (made["depth"] / "s.mosdepth.summary.txt").write_text(
        "chrom\tlength\tbases\tmean\tmin\tmax\nI\t10\t50\t5.00\t0\t9\ntotal\t10\t50\t5.25\t0\t9\n"
    )
    (made["depth"] / "s.mosdepth.global.dist.txt").write_text(
        "I\t1\t1.00\ntotal\t30\t0.00\ntotal\t10\t0.25\ntotal\t1\t0.99\n"
    )
    (made["lane"] / "reads.json").write_text(json.dumps({"start": "2026-01-01", "success": True, "reads": 210}))
    filtered = {"before_filtering": {"total_reads": 210}, "after_filtering": {"total_reads": 206}}
    (made["fastp"] / "fastp.json").write_text(json.dumps({"summary": filtered}))
    return made


def make(folders: dict[str, Path], trimmed: tuple[str, ...] = ("fastp",)) -> dict:
    sample = {"name": "s", "organism": "fly", "lanes": 1, "recalibrated": False}
    return record(sample, [folders["lane"]], [folders[name] for name in trimmed], folders, [], LIMITS)


def test_the_record_has_the_measures_of_pairs_over_all_libraries(folders):
    made = make(folders)
    assert (made["success"], made["reads"], made["reads_left_out"]) == (True, 210, 4)
    assert (made["mapped_percent"], made["mismatch_percent"], made["chimera_percent"]) == (95, 1, 2)
    assert (made["median_insert_size"], made["mean_depth"]) == (312, 5.25)
    assert made["duplicate_percent"] == 5  # 2 reads and 4 pairs of 10 reads and 95 pairs
    assert made["optical_duplicate_percent"] == 1
    assert made["libraries"] == {"A": 10, "B": 0}
    assert made["covered_percent"] == {"1": 99, "10": 25, "20": 0, "30": 0}
    assert made["quality"] == "pass"


def test_reads_that_fastp_left_out_are_told_over_all_lanes_where_reads_are_trimmed(folders):
    assert make(folders, ("fastp", "fastp"))["reads_left_out"] == 8
    assert make(folders, ())["reads_left_out"] is None


def test_without_inserts_there_is_no_insert_size(folders):
    (folders["metrics"] / "s.insert_metrics.txt").unlink()
    assert make(folders)["median_insert_size"] is None


def test_a_sample_that_failed_has_its_reason_and_no_measures(folders):
    (folders["depth"] / "failed.txt").write_text("mark_duplicates: none of 4 reads maps; a: b\n")
    (folders["fastp"] / "fastp.json").unlink()
    made = make(folders)
    assert (made["success"], made["failed_step"], made["reason"]) == (
        False,
        "mark_duplicates",
        "none of 4 reads maps; a: b",
    )
    assert made["quality"] is made["reads_left_out"] is None
    assert "mapped_percent" not in made


def test_the_table_has_a_row_for_each_sample_also_for_one_that_failed(folders):
    passed = make(folders)
    (folders["depth"] / "failed.txt").write_text("take_alignments: it is\tcut\n")
    table = io.StringIO()
    write_table([passed, make(folders)], table)
    header, first, second = (line.split("\t") for line in table.getvalue().splitlines())
    assert header == list(COLUMNS)
    rows = [dict(zip(header, cells, strict=True)) for cells in (first, second)]
    assert [row["status"] for row in rows] == ["passed", "failed"]
    assert rows[0]["covered_10x_percent"] == "25.0"
    assert (rows[0]["reads"], rows[0]["reads_left_out"]) == ("210", "4")
    assert rows[0]["recalibrated"] == "no: the organism has no known_sites"
    assert (rows[1]["why"], rows[1]["mapped_percent"]) == ("it is cut", "")
