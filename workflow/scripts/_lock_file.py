"""The lock as a file: read the old one, write the new one whole or not at all, and say what differs."""

import csv
import os
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from _tables import Row, TableError, cell_problems, read_table

LINES_SHOWN = 100
COMPARED = ("release", "assembly", "genome_checksum", "annotation_checksum", "genome_url", "annotation_url")


def show(say: Callable[[str], None], lines: list[str]) -> None:
    for line in islice(lines, LINES_SHOWN):
        say(line)
    if len(lines) > LINES_SHOWN:
        say(f"  ... and {len(lines) - LINES_SHOWN:,} more")


def difference(old: dict[str, dict], new: dict[str, dict]) -> tuple[list[str], int]:
    """Say what changed between two locks, one line an organism; return also how many did not change."""
    lines = [f"- {name} {summary(old[name])}" for name in old if name not in new]
    unchanged = 0
    for name, row in new.items():
        if name not in old:
            lines.append(f"+ {name} {summary(row)}")
        elif changes := [
            f"{column} {old[name].get(column) or 'none'} -> {row.get(column) or 'none'}"
            for column in COMPARED
            if old[name].get(column, "") != row.get(column, "")
        ]:
            lines.append(f"~ {name}: {', '.join(changes)}")
        else:
            unchanged += 1
    return lines, unchanged


def summary(row: dict[str, str]) -> str:
    return f"{row['assembly']}, release {row['release']}"


def read_lock(path: Path, schema: dict, say: Callable[[str], None]) -> dict[str, dict]:
    """Read the lock of last time; one that cannot be read counts as empty, as a new one is about to be made."""
    if not path.exists():
        return {}
    rows, problems = read_table(path, schema)
    if problems:
        say(f"the lock of last time is not compared with, as it cannot be read: {problems[0]}")
        return {}
    return {row["organism"]: row for row in rows}


def write_lock(path: Path, rows: list[dict[str, str]], schema: dict) -> None:
    """Write the whole lock or nothing, and nothing that would not be read again."""
    columns = list(schema["properties"])
    checked = []
    for number, row in enumerate(rows, start=2):
        checked.append(Row({column: row.get(column, "") for column in columns}))
        checked[-1].number = number
    if problems := cell_problems(path, checked, schema):
        raise TableError([f"{problem} (the lock is not written)" for problem in problems])
    part = path.with_name(f".{path.name}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with part.open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, columns, delimiter="\t", lineterminator="\n")
            table.writeheader()
            table.writerows(checked)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
