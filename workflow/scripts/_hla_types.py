"""The table of one sample's HLA types, types.tsv, and what in it a person should look at."""

import csv
from collections.abc import Mapping
from pathlib import Path

from _hla_reviews import APPROVED, EDITED
from _report_values import Record, of

CONFIDENT = 0.95
# Flags that say how it was done, not that there is a doubt.
HARMLESS = ("down-sampled",)


def read_types(path: Path) -> tuple[list[dict[str, str]], str]:
    """Read types.tsv: its rows, or the reason why there are none."""
    with path.open(encoding="utf-8") as rows:
        first = rows.readline()
        if first.startswith("# no result: "):
            return [], first.removeprefix("# no result: ").strip()
        rows.seek(0)
        return list(csv.DictReader(rows, delimiter="\t")), ""


def flags_of(row: Mapping[str, str]) -> list[str]:
    return [flag.strip() for flag in row["flags"].split(";") if flag.strip()]


def in_doubt(row: Mapping[str, str]) -> bool:
    """Tell whether a person should look at a call: it is not sure, not whole, or the reads say something against it."""
    unsure = row["zygosity"] in ("not resolved", "no call") or float(row["confidence"] or 0) < CONFIDENT
    return unsure or any(not flag.startswith(HARMLESS) for flag in flags_of(row))


def loci_in_doubt(sample: Record) -> list[str]:
    """The loci of a sample's record that a person should look at, and has not approved or edited."""
    types = of("types", sample)
    return [
        str(locus)
        for locus, found in (types.items() if isinstance(types, Mapping) else ())
        if of("in_doubt", found) and of("state", of("review", found)) not in (APPROVED, EDITED)
    ]
