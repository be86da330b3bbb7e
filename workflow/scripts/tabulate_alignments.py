"""One table of all aligned samples: how each ended, how good it is, and its main measures."""

import csv
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TextIO

from _log import log_to

COLUMNS = (
    "sample",
    "organism",
    "status",
    "quality",
    "reads",
    "reads_left_out",
    "mapped_percent",
    "duplicate_percent",
    "optical_duplicate_percent",
    "mismatch_percent",
    "chimera_percent",
    "median_insert_size",
    "mean_depth",
    "covered_10x_percent",
    "recalibrated",
    "why",
)


def row_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """One row; a cell is empty where there is no such measure."""
    found = {column: record.get(column) for column in COLUMNS}
    found["status"] = "passed" if record["success"] else "failed"
    found["covered_10x_percent"] = (record.get("covered_percent") or {}).get("10")
    if record["success"]:
        found["recalibrated"] = "yes" if record["recalibrated"] else "no: the organism has no known_sites"
    reasons = record["quality_reasons"] if record["success"] else [record["reason"]]
    found["why"] = " ".join("; ".join(reasons).split())
    return {column: "" if value is None else value for column, value in found.items()}


def write_table(records: Iterable[Mapping[str, Any]], output: TextIO) -> None:
    table = csv.DictWriter(output, COLUMNS, delimiter="\t", lineterminator="\n")
    table.writeheader()
    table.writerows(map(row_of, records))


if __name__ == "__main__":
    log_to(snakemake.log[0])
    with Path(snakemake.output[0]).open("w", encoding="utf-8", newline="") as file:
        write_table((json.loads(Path(path).read_text()) for path in snakemake.input), file)
