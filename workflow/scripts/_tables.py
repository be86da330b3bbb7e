"""Tab-separated tables that guard themselves: every mistake is found at once, with its file, row, column and remedy.

A table is UTF-8 text with one header row. Windows line ends, a byte order mark and quoted cells are accepted, as
spreadsheets write them (https://www.rfc-editor.org/rfc/rfc4180, with tabs). What a column may hold is said by a JSON
schema of one row (https://json-schema.org/draft/2020-12), which also gives the defaults.
"""

import csv
import difflib
import re
from collections.abc import Iterable
from pathlib import Path


class TableError(ValueError):
    """All mistakes of one or more tables, one a line."""

    def __init__(self, problems: Iterable[str]) -> None:
        super().__init__("\n".join(problems))


class Row(dict):
    """The cells of one row by column, defaults filled in; `number` is the row's line in the file, counted from 1."""

    number: int


def read_table(path: Path, schema: dict) -> tuple[list[Row], list[str]]:
    """Read a table and hold every cell against `schema`; return the rows and what is wrong with them.

    An empty cell takes the column's default, or "" where the schema names none. Rows with the wrong number of cells
    are reported and left out. Blank lines and lines that start with `#` are passed over.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return [], [f"{path}: there is no such file; create it with the columns {columns_of(schema)}"]
    except UnicodeDecodeError as error:
        return [], [f"{path}: byte {error.start} is not UTF-8 text; save the table as UTF-8, tab-separated"]
    lines = csv.reader(text.splitlines(), delimiter="\t", strict=True)
    header: list[str] = []
    rows: list[Row] = []
    problems: list[str] = []
    try:
        for cells in lines:
            if not any(cell.strip() for cell in cells) or cells[0].startswith("#"):
                continue
            cells = [cell.strip() for cell in cells]
            if not header:
                header = cells
                if mistakes := header_problems(path, header, schema):
                    return [], mistakes
            elif len(cells) != len(header):
                problems.append(f"{path}, row {lines.line_num}: {cell_count_problem(cells, header)}")
            else:
                rows.append(make_row(lines.line_num, header, cells, schema))
    except csv.Error as error:
        problems.append(f"{path}, row {lines.line_num}: {error}; close the quotes or leave them out")
    if not header:
        return [], [f"{path}: the file is empty; its first row names the columns {columns_of(schema)}"]
    return rows, problems + cell_problems(path, rows, schema)


def make_row(number: int, header: list[str], cells: list[str], schema: dict) -> Row:
    row = Row({column: rule.get("default", "") for column, rule in schema["properties"].items()})
    row.update((column, cell) for column, cell in zip(header, cells, strict=True) if cell)
    row.number = number
    return row


def columns_of(schema: dict) -> str:
    """Name the columns for a message: required ones first, the others in brackets."""
    required = schema.get("required", [])
    return ", ".join([*required, *(f"[{column}]" for column in schema["properties"] if column not in required)])


def header_problems(path: Path, header: list[str], schema: dict) -> list[str]:
    known = list(schema["properties"])
    problems = []
    for position, column in enumerate(header, start=1):
        if column in header[: position - 1]:
            problems.append(f"{path}, row 1, column {column}: the column is there twice; remove one")
        elif column not in known:
            problems.append(f"{path}, row 1, column {column or position}: no such column; {nearest(column, known)}")
    missing = [column for column in schema.get("required", []) if column not in header]
    if len(header) == 1 and missing:
        return [f"{path}, row 1: only one column found ({header[0]!r}); separate the columns with tabs, not spaces"]
    return problems + [f"{path}, row 1: the column {column} is missing; add it" for column in missing]


def nearest(word: str, known: Iterable[str]) -> str:
    """Suggest what was meant: the names most like `word`, or else all of them where they are few."""
    known = list(known)
    if close := difflib.get_close_matches(word.lower(), known, n=3, cutoff=0.6):
        return f"did you mean {' or '.join(close)}?"
    if not known:
        return "none is known"
    return f"known: {', '.join(known[:20])}{', ...' if len(known) > 20 else ''}"


def cell_count_problem(cells: list[str], header: list[str]) -> str:
    counts = f"{len(cells)} cells for {len(header)} columns"
    if len(cells) < len(header) and any("  " in cell or re.search(r"\s", cell) for cell in cells):
        return f"{counts}; a tab was probably typed as spaces: separate cells with one tab each"
    return f"{counts}; give every column one cell (it may be empty), separated by one tab each"


def cell_problems(path: Path, rows: list[Row], schema: dict) -> list[str]:
    """Hold each distinct value against its column's rule once (10,000 rows share most of their values)."""
    problems = []
    for column, rule in schema["properties"].items():
        required = column in schema.get("required", [])
        verdicts: dict[str, str | None] = {}
        for row in rows:
            value = row[column]
            if value not in verdicts:
                verdicts[value] = cell_problem(value, rule, required)
            if verdicts[value]:
                problems.append((row.number, f"{path}, row {row.number}, column {column}: {verdicts[value]}"))
    return [problem for _, problem in sorted(problems)]


def cell_problem(value: str, rule: dict, required: bool) -> str | None:
    """Say what is wrong with a cell and what would be right; None where it is fine. Understands enum and pattern."""
    if value == "":
        return "the cell is empty; fill it in" if required else None
    if "enum" in rule and value not in rule["enum"]:
        return f"{value!r} is not allowed; {nearest(value, rule['enum'])}"
    if "pattern" in rule and not re.search(rule["pattern"], value):
        return f"{value!r} is not allowed; {rule['description']}"
    return None
