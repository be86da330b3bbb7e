from pathlib import Path

import pytest
import yaml
from _hla_reviews import read_reviews

SCHEMA = yaml.safe_load((Path(__file__).parents[2] / "workflow/schemas/hla_review.schema.yaml").read_text())
HEADER = "sample\tlocus\tcall\tdecision\tallele1\tallele2\treviewer\tdate\tcomment"


def read(folder, *rows):
    path = folder / "review.tsv"
    path.write_text("\n".join([HEADER, *(row + "\t" * (8 - row.count("\t")) for row in rows)]) + "\n")
    reviews, problems = read_reviews(path, SCHEMA, ["s1", "s2"])
    return reviews, [problem.removeprefix(f"{folder}/review.tsv, ") for problem in problems]


def test_gives_each_sample_its_rows(tmp_path):
    reviews, problems = read(
        tmp_path,
        "s1\tA\tA*01:01+A*02:01:01\tapproved\t\t\tJD\t2026-03-31\tfine, all of it",
        "s2\tDRB3\tnot resolved+absent\tedited\tDRB3*01:01\tabsent",
        "s1\tB\t+\trejected",
    )
    assert problems == []
    assert [row["locus"] for row in reviews["s1"]] == ["A", "B"]
    assert (reviews["s2"][0]["allele1"], reviews["s2"][0]["allele2"]) == ("DRB3*01:01", "absent")


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("s3\tA\tx+y\tapproved", "row 2, column sample: no sample 's3' wants hla; known: s1, s2"),
        ("s1\tA2\tx+y\tapproved", "row 2, column locus: 'A2' is not allowed; did you mean A"),
        ("s1\tA\tA*01:01\tapproved", "row 2, column call: 'A*01:01' is not allowed; the call that was reviewed"),
        ("s1\tA\tx+y\tok", "row 2, column decision: 'ok' is not allowed; known: approved, edited, rejected"),
        ("s1\tA\tx+y\tapproved\tA*01:01", "row 2, column allele1: leave it empty where the call is approved"),
        ("s1\tA\tx+y\tedited\tA*01:01", "row 2, column allele2: the cell is empty; an edit sets both alleles"),
        ("s1\tA\tx+y\tedited\tA*01:01\tB*07:02", "row 2, column allele2: 'B*07:02' is not of A; name an allele of"),
        ("s1\tA\tx+y\tedited\tA*01:01\tA0702", "row 2, column allele2: 'A0702' is not allowed; the second allele of"),
        ("s1\tA\tx+y\trejected\t\t\t\t31.3.26", "row 2, column date: '31.3.26' is not allowed; when, as in 2026-03-31"),
    ],
)
def test_names_the_cell_and_the_remedy_of_a_mistake(tmp_path, row, expected):
    reviews, problems = read(tmp_path, row)
    assert reviews == {}
    assert problems[0].startswith(expected), problems


def test_a_locus_of_a_sample_is_reviewed_once(tmp_path):
    _, (problem,) = read(tmp_path, "s1\tA\tx+y\tapproved", "s1\tA\tx+y\trejected")
    assert problem == "row 3, column locus: row 2 reviews s1 A already; keep one"
