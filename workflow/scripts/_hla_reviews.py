"""What reviewers decided about HLA calls, in a table of their own that no run writes, and what it means for a new run.

A review names the call that it was made of. Where a rerun calls something else, the review is out of date: it is shown,
and not applied.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from _tables import Problem, cell_problems, in_words, nearest, parse_table

APPROVED, EDITED, REJECTED = "approved", "edited", "rejected"
OUTDATED, INVALID, OPEN = "out of date", "invalid", ""
NO_ALLELE = ("absent", "not resolved")


class Review(NamedTuple):
    """A review as it stands today: `state` is one of the words above; of an edit, the alleles it sets."""

    state: str = OPEN
    allele1: str = ""
    allele2: str = ""
    reviewer: str = ""
    note: str = ""


def read_reviews(path: Path, schema: dict, samples: Collection[str]) -> tuple[dict[str, list[dict]], list[str]]:
    """Read the table into its rows by sample, or else say all that is wrong with it.

    What cannot be seen before the run, such as an allele that the release lacks, is left to `judge`.
    """
    rows, problems = parse_table(path, schema)
    problems += cell_problems(path, rows, schema)
    first: dict[tuple[str, str], int] = {}
    found: dict[str, list[dict]] = defaultdict(list)
    for row in rows:
        if row["sample"] and row["sample"] not in samples:
            words = f"no sample {row['sample']!r} wants hla; {nearest(row['sample'], samples)}"
            problems.append(Problem(path, row.number, "sample", words))
        if (earlier := first.setdefault((row["sample"], row["locus"]), row.number)) != row.number:
            words = f"row {earlier} reviews {row['sample']} {row['locus']} already; keep one"
            problems.append(Problem(path, row.number, "locus", words))
        problems += [Problem(path, row.number, *mistake) for mistake in edit_problems(row)]
        found[row["sample"]].append(dict(row))
    return ({}, in_words(problems)) if problems else (dict(found), [])


def edit_problems(row: Mapping[str, str]) -> list[tuple[str, str]]:
    """Say what is wrong with the alleles of a row: columns, and words."""
    given = {column: row[column] for column in ("allele1", "allele2") if row[column]}
    if row["decision"] != EDITED:
        return [(column, f"leave it empty where the call is {row['decision']}") for column in given]
    found = [
        (column, f"{name!r} is not of {row['locus']}; name an allele of this locus")
        for column, name in given.items()
        if name not in NO_ALLELE and not name.startswith(f"{row['locus']}*")
    ]
    return found + [
        (column, "the cell is empty; an edit sets both alleles") for column in ("allele1", "allele2") if not row[column]
    ]


def call_of(row: Mapping[str, str]) -> str:
    """Write a call as a review names it: allele1+allele2."""
    return f"{row['allele1']}+{row['allele2']}"


def judge(row: Mapping[str, str], review: Mapping[str, str] | None, alleles: Collection[str]) -> Review:
    """Hold a review against today's call (a row of types.tsv) and the release (all names of its alleles)."""
    if review is None:
        return Review()
    told = Review(review["decision"], review["allele1"], review["allele2"], review["reviewer"], review["comment"])
    if sorted(review["call"].split("+")) != sorted(call_of(row).split("+")):
        changed = f"it was made of {review['call']}, which is now {call_of(row)}"
        return told._replace(state=OUTDATED, note=f"{changed}; {told.note}" if told.note else changed)
    if told.state == EDITED:
        unknown = [name for name in (told.allele1, told.allele2) if not is_known(name, alleles)]
        if unknown:
            return told._replace(state=INVALID, note=f"release {row['release']} has no {' and no '.join(unknown)}")
    return told


def is_known(name: str, alleles: Collection[str]) -> bool:
    """Tell whether a release has an allele, or any whose name begins with these fields."""
    return name in NO_ALLELE or name in alleles or any(one.startswith(f"{name}:") for one in alleles)
