"""HLA types on the front page of a run."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from _hla_doubts import loci_in_doubt
from _hla_reviews import EDITED, INVALID, OUTDATED
from _report_page import Cell, Column, Table
from _report_status import status_cell
from _report_values import DASH, Record, amount, is_number, of, plain


def hla_table(samples: Sequence[Record]) -> Table:
    """HLA types, a sample a row; the sample's name leads to its own page."""
    loci = list(dict.fromkeys(str(locus) for sample in samples for locus in of("types", sample) or {}))
    return Table(
        "hla",
        "HLA types",
        "At two fields. Marked are the types to look at: not sure, not whole, or with reads that do not fit. "
        "A sample's name leads to its page, hla/types.tsv has everything.",
        (
            Column("Sample"),
            Column("Status"),
            Column("To look at"),
            *(Column(locus) for locus in loci),
            Column("Reviewed"),
            Column("Release"),
            Column("Reads", number=True),
            Column("Seconds", number=True),
            Column("Memory MB", number=True),
        ),
        [hla_row(sample, loci) for sample in samples],
    )


def hla_row(sample: Record, loci: Sequence[str]) -> list[Cell]:
    types = of("types", sample) or {}
    page = of("report", sample)
    states = Counter(of("state", of("review", found)) for found in types.values())
    reviewed = "; ".join(f"{state} {count}" for state, count in sorted(states.items(), key=str) if state)
    return [
        Cell(plain(of("sample", sample)), href=f"../{page}" if page else ""),
        status_cell(sample),
        Cell(", ".join(loci_in_doubt(sample)) or DASH, kind="text"),
        *(type_cell(locus, of(locus, types)) for locus in loci),
        Cell(reviewed or DASH, kind="bad" if states[OUTDATED] or states[INVALID] else ""),
        Cell(plain(of("release", sample))),
        Cell(amount(of("reads", sample))),
        Cell(amount(of("seconds", sample), 0)),
        Cell(amount(of("peak_memory_mb", sample), 0)),
    ]


def type_cell(locus: str, found: Any) -> Cell:
    """The type that stands, without the locus: that of a reviewer's edit, else the call."""
    review = of("review", found)
    if of("state", review) == EDITED:
        names = [of("allele1", review), of("allele2", review)]
    else:
        names = of("two_field", found) or []
    confidence = of("confidence", found)
    hint = f"confidence {confidence}" if is_number(confidence) else ""
    short = [str(name).removeprefix(f"{locus}*") for name in names]
    return Cell(
        "absent" if short == ["absent", "absent"] else plain(short),
        kind="warn" if of("in_doubt", found) else "",
        hint=hint,
    )
