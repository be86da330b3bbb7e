import csv
import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from merge_hla_types import main as merge
from summarise_for_multiqc import hla_section
from write_hla_report import main as write
from write_report import render

from tests.unit.hla_calls import CALLS, call, write_sample

ALLELES = ["A*01:01:01:01", "A*02:01", "A*03:01:01", "B*15:01:01"]


def report(folder: Path, reviews: list[dict] | None = None) -> tuple[str, dict]:
    """Write page and record of a sample that lies in a folder; return both."""
    alleles = folder / "alleles.txt"
    alleles.write_text("\n".join(ALLELES))
    write(
        "s1",
        folder / "fished",
        folder / "typing",
        folder / "types.tsv",
        alleles,
        reviews or [],
        [folder / "type_hla/s1.tsv"],
        folder / "report.html",
        folder / "record.json",
    )
    return (folder / "report.html").read_text(), json.loads((folder / "record.json").read_text())


def review(locus: str, reviewed: str, decision: str, allele1: str = "", allele2: str = "") -> dict[str, str]:
    return {
        "sample": "s1",
        "locus": locus,
        "call": reviewed,
        "decision": decision,
        "allele1": allele1,
        "allele2": allele2,
        "reviewer": "JD",
        "comment": "",
    }


def test_the_page_shows_types_doubts_coverage_and_what_it_rests_on_and_loads_nothing(tmp_path):
    page, _ = report(write_sample(tmp_path))
    for expected in (
        "A*01:01:01",
        "B*58:01",
        "0.730",
        "does not fit: exon 3 position 112 T 9/20",
        "B*15:01+B*58:02=0.270",
        "A*01:01:01:01, A*01:01:01:02",
        "the optimum is proved",
        "20,000",
        "50.0%",
        "s1\tB\tB*15:01:01+B*58:01",
    ):
        assert expected in page, expected
    assert page.count("<svg") == 3  # no picture of a gene that is absent
    assert not re.search(r"(src|href)=|url\(|@import|<script", page)


def test_the_picture_shows_where_an_allele_has_no_reads(tmp_path):
    page, _ = report(write_sample(tmp_path))
    (picture,) = re.findall(r"<svg.*?</svg>", page[page.index("<h3>B</h3>") :])[:1]
    assert picture.count('class="misfit"') == 1
    outline = re.findall(r'class="allele2" d="(.*?)"', picture)[1]
    heights = [float(height) for height in re.findall(r"L[\d.]+ ([\d.]+)h", outline)]
    middle = 75.0
    assert heights.count(middle) == pytest.approx(40 / 3, abs=1)  # 40 bases without depth, three a point
    assert all(height > middle for height in heights if height != middle)


def test_the_coverage_table_has_mean_and_lowest_depth_of_each_allele_and_exon(tmp_path):
    page, _ = report(write_sample(tmp_path))
    rows = re.search(r"<h4>Coverage</h4>.*?</table>", page[page.index("<h3>B</h3>") :], re.DOTALL)[0]
    cells = [re.sub(r"<.*?>", "", cell) for cell in re.findall(r"<t[hd][ >].*?</t[hd]>", rows)]
    depth = [20 + (place * 7 + 3) % 13 for place in range(276)]
    second = [0 if 100 <= place < 140 else value - 11 for place, value in enumerate(depth)]
    assert cells[:3] == ["Allele", "Exon 2", "Exon 3"]
    assert cells[cells.index("B*58:01") + 2] == f"{sum(second) / 276:.1f} (0)"


def test_a_sample_that_failed_has_a_page_and_a_record_with_the_reason(tmp_path):
    page, record = report(write_sample(tmp_path, failure="fish_hla_reads: x.fq: no HLA reads; is it human?"))
    assert "x.fq: no HLA reads; is it human?" in page
    assert (record["success"], record["failed_step"], record["reason"]) == (
        False,
        "fish_hla_reads",
        "x.fq: no HLA reads; is it human?",
    )
    assert record["types"] == {}


@pytest.mark.parametrize(
    ("given", "state", "note"),
    [
        (review("A", "A*01:01:01+A*02:01", "approved"), "approved", ""),
        (review("A", "A*01:01:01+A*02:01", "edited", "A*01:01", "A*03:01:01"), "edited", ""),
        (review("A", "A*01:01:01+A*02:01", "rejected"), "rejected", ""),
        (
            review("A", "A*01:01+A*02:01", "approved"),
            "out of date",
            "was made of A*01:01+A*02:01, which is now A*01:01:01+",
        ),
        (review("A", "A*01:01:01+A*02:01", "edited", "A*01:01", "A*99:01"), "invalid", "release 0.1.0 has no A*99:01"),
        (review("A", "A*01:01:01+A*02:01", "edited", "A*01:0", "A*02:01"), "invalid", "release 0.1.0 has no A*01:0"),
    ],
)
def test_a_review_stands_while_the_call_and_the_release_are_those_it_was_made_of(tmp_path, given, state, note):
    page, record = report(write_sample(tmp_path), [given])
    assert record["types"]["A"]["review"]["state"] == state
    assert note in record["types"]["A"]["review"]["note"]
    assert record["types"]["B"]["review"] is None
    assert state in page and "JD" in page


def test_the_table_of_a_cohort_has_all_calls_what_stands_after_review_and_who_failed(tmp_path):
    reviews = [
        review("A", "A*01:01:01+A*02:01", "edited", "A*01:01", "A*03:01:01"),
        review("B", "B*58:01+B*15:01:01", "approved"),  # the order of the two says nothing
    ]
    for name, failure in (("good", ""), ("bad", "type_hla: three alleles"), ("again", "")):
        report(write_sample(tmp_path / name, failure=failure), reviews if name == "good" else [])
    folders = [tmp_path / name for name in ("bad", "good", "again")]
    merge(
        [folder / "record.json" for folder in folders],
        [folder / "types.tsv" for folder in folders],
        tmp_path / "all.tsv",
    )
    rows = list(csv.DictReader((tmp_path / "all.tsv").open(), delimiter="\t"))
    assert len(rows) == 1 + 2 * len(CALLS)
    assert rows[0]["flags"] == "no result: type_hla: three alleles" and rows[0]["allele1"] == ""
    told = [(row["locus"], row["review"], row["reviewed1"], row["reviewed2"]) for row in rows[1:4]]
    assert told == [
        ("A", "edited", "A*01:01", "A*03:01:01"),
        ("B", "approved", "B*15:01:01", "B*58:01"),
        ("DRB3", "", "", ""),
    ]
    assert {key: rows[1][key] for key in CALLS[0]} == CALLS[0]


def test_an_edit_that_is_not_applied_leaves_no_alleles_after_it(tmp_path):
    reviews = [
        review("A", "A*01:01:01+A*03:01", "edited", "A*01:01", "A*02:01"),
        review("B", "B*15:01:01+B*58:01", "edited", "B*15:01", "B*99:99"),
    ]
    report(write_sample(tmp_path / "s"), reviews)
    merge([tmp_path / "s/record.json"], [tmp_path / "s/types.tsv"], tmp_path / "all.tsv")
    rows = list(csv.DictReader((tmp_path / "all.tsv").open(), delimiter="\t"))
    told = [(row["review"], row["reviewed1"], row["reviewed2"]) for row in rows[:2]]
    assert told == [("out of date", "", ""), ("invalid", "", "")]


def test_a_cohort_of_failed_samples_only_is_a_table_too(tmp_path):
    report(write_sample(tmp_path / "bad", failure="type_hla: no reads"))
    merge([tmp_path / "bad/record.json"], [tmp_path / "bad/types.tsv"], tmp_path / "all.tsv")
    header, row = (tmp_path / "all.tsv").read_text().splitlines()
    assert row.split("\t")[header.split("\t").index("flags")] == "no result: type_hla: no reads"
    assert header.startswith("sample\tlocus\tallele1\tallele2\tzygosity\tconfidence\t")  # as with types
    assert header.endswith("\tflags\trelease\tprogram_version\treview\treviewed1\treviewed2\treviewer\tnote")


def test_the_front_page_marks_types_to_look_at_until_they_are_reviewed(tmp_path):
    _, record = report(write_sample(tmp_path / "open"))
    page = render([record], [], [], wanted={"hla": {"s1": "homo_sapiens", "s2": "homo_sapiens"}})
    assert "check types" in page and "B, DRB1" in page and "../hla/s1/report.html" in page
    assert "s2" in page and "not finished" in page

    done = [review(row["locus"], f"{row['allele1']}+{row['allele2']}", "approved") for row in CALLS]
    _, record = report(write_sample(tmp_path / "done"), done)
    page = render([record], [], [])
    assert "check types" not in page and "approved 4" in page


def test_multiqc_gets_a_table_of_types_with_the_doubtful_first(tmp_path):
    _, record = report(write_sample(tmp_path / "doubt"))
    _, sure = report(write_sample(tmp_path / "sure", [call("A", "A*01:01", "A*01:01")]))
    text = hla_section([sure | {"sample": "s0"}, record])
    rows = [line.split("\t") for line in text.splitlines() if not line.startswith("# ")]
    assert rows[0][:4] == ["Sample", "To look at", "Lowest confidence", "A"]
    assert [row[0] for row in rows[1:]] == ["s1", "s0"]
    assert rows[2][:4] == ["s0", "none", "0.999", "A*01:01 A*01:01"]
    assert hla_section([]) == ""


def test_what_a_reviewer_approved_is_nowhere_to_look_at(tmp_path):
    approved = [review(row["locus"], f"{row['allele1']}+{row['allele2']}", "approved") for row in CALLS]
    page, record = report(write_sample(tmp_path), approved)
    assert hla_section([record]).splitlines()[-1].split("\t")[:2] == ["s1", "none"]
    assert "reviews to renew" not in page


@settings(deadline=None, max_examples=25)  # each makes a whole page
@given(st.text())
def test_no_text_of_a_call_becomes_markup(tmp_path_factory, text):
    told = " ".join(text.split())
    rows = [call("A", "A*01:01", "A*02:01", flags=f"<b>{told}", alternatives=f"<i>{told}")]
    page, _ = report(write_sample(tmp_path_factory.mktemp("sample"), rows))
    assert "<b>" not in page and "<i>" not in page
