"""One table of the HLA types of all samples, with what reviewers made of them; a sample after the other, never all."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

from _hla_reviews import APPROVED, EDITED
from _hla_table import COLUMNS, read_types
from _log import log_to

REVIEW = {"review": "state", "reviewed1": "allele1", "reviewed2": "allele2", "reviewer": "reviewer", "note": "note"}


def review_cells(made: dict) -> dict[str, str]:
    """A review as cells: its state, and the alleles that stand after it, those of the edit or those of the call."""
    review = made["review"]
    if not review:
        return {}
    cells = {column: review[key] for column, key in REVIEW.items()}
    if review["state"] == APPROVED:
        cells["reviewed1"], cells["reviewed2"] = made["alleles"]
    elif review["state"] != EDITED:  # an edit that is not applied
        cells["reviewed1"] = cells["reviewed2"] = ""
    return cells


def main(records: Sequence[Path], types: Sequence[Path], output: Path) -> None:
    """Write the table; a sample that failed has one row, with the reason in `flags`."""
    with output.open("w", encoding="utf-8", newline="") as table:
        writer = csv.DictWriter(table, [*COLUMNS, *REVIEW], delimiter="\t", restval="", lineterminator="\n")
        writer.writeheader()
        for of_record, of_types in zip(records, types, strict=True):
            made = json.loads(of_record.read_text(encoding="utf-8"))
            rows, reason = read_types(of_types)
            if reason:
                writer.writerow({"sample": made["sample"], "flags": f"no result: {reason}"})
            for row in rows:
                writer.writerow(row | review_cells(made["types"][row["locus"]]))


if __name__ == "__main__":
    log_to(snakemake.log[0])
    main(
        [Path(path) for path in snakemake.input.records],
        [Path(path) for path in snakemake.input.types],
        Path(snakemake.output[0]),
    )
