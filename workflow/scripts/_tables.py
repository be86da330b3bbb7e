"""Tab-separated tables that guard themselves: every mistake is found at once, with its file, row, column and remedy.

A table is UTF-8 text with one header row. Windows line ends, a byte order mark and quoted cells are accepted, as
spreadsheets write them (https://www.rfc-editor.org/rfc/rfc4180, with tabs). What a column may hold is said by a JSON
schema of one row (https://json-schema.org/draft/2020-12), which also gives the defaults.
"""

import csv
import difflib
import re
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import NamedTuple

# How many names a suggestion lists: beside those that are most like the word, and where none is like it.
FEW, MANY = 6, 20


class TableError(ValueError):
    """All mistakes of one or more tables, one a line."""

    def __init__(self, problems: Iterable[str]) -> None:
        super().__init__("\n".join(problems))


class Problem(NamedTuple):
    """A mistake and its remedy; `row` 0 is none, as `column` "" is: it is of the whole file, or the whole row."""

    path: Path
    row: int
    column: str
    words: str

    def __str__(self) -> str:
        place = [f"row {self.row}"] if self.row else []
        return (
            f"{', '.join([str(self.path), *place, *([f'column {self.column}'] if self.column else [])])}: {self.words}"
        )


def in_words(problems: Iterable[Problem]) -> list[str]:
    """Say the mistakes of one table in the order of its rows."""
    return [str(problem) for problem in sorted(problems, key=lambda problem: problem.row)]


class Row(dict):
    """The cells of one row by column, defaults filled in; `number` is the row's line in the file, counted from 1."""

    number: int


def read_table(path: Path, schema: dict) -> tuple[list[Row], list[str]]:
    """Read a table and hold every cell against `schema`; return the rows and what is wrong with them."""
    rows, problems = parse_table(path, schema)
    return rows, in_words(problems + cell_problems(path, rows, schema))


def parse_table(path: Path, schema: dict) -> tuple[list[Row], list[Problem]]:
    """Read a table whatever its cells hold; return the rows, and what stands against reading it whole.

    An empty cell takes the column's default, or "" where the schema names none. Rows with the wrong number of cells
    are reported and left out. Blank lines and lines that start with `#` are passed over, and so are empty cells to the
    right of the last column, as spreadsheets leave them.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return [], [Problem(path, 0, "", f"there is no such file; create it with the columns {columns_of(schema)}")]
    except OSError as error:
        words = f"it cannot be read ({error.strerror}); make it a text file that you may read"
        return [], [Problem(path, 0, "", words)]
    if problem := encoding_problem(path, data):
        return [], [problem]
    lines = data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    defaults = {column: rule.get("default", "") for column, rule in schema["properties"].items()}
    header: list[str] = []
    rows: list[Row] = []
    problems: list[Problem] = []
    for number, line in enumerate(lines, start=1):
        if line.lstrip(" ").startswith(("#", '"#')):
            continue
        try:
            cells = split_line(line)
        except csv.Error:
            problems.append(Problem(path, number, "", QUOTES))
            continue
        if not any(cells):
            continue
        while len(cells) > len(header) and not cells[-1]:
            cells.pop()
        if not header:
            header = cells
            if mistakes := header_problems(path, number, header, schema):
                return [], mistakes
        elif len(cells) != len(header):
            problems.append(Problem(path, number, "", cell_count_problem(cells, header)))
        else:
            rows.append(make_row(number, header, cells, defaults))
    if not header and not problems:
        words = f"the file is empty; its first row names the columns {columns_of(schema)}"
        return [], [Problem(path, 0, "", words)]
    return rows, problems


QUOTES = (
    'a quoted cell does not end where its quotes (") do; close the quotes or leave them out, '
    "and write each row on one line"
)


def encoding_problem(path: Path, data: bytes, remedy: str = "save it as tab-separated text in UTF-8") -> Problem | None:
    """Say why what a file holds is not text as it should be; None where it is."""
    if data.startswith(b"PK\x03\x04"):
        return Problem(path, 0, "", f"the file is a spreadsheet, not text; {remedy}")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in data:
        words = "the file is not UTF-8 but UTF-16 (which spreadsheets call Unicode) or no text at all"
        return Problem(path, 0, "", f"{words}; {remedy}")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        row = re.sub(rb"\r\n?", b"\n", data[: error.start]).count(b"\n") + 1
        return Problem(path, row, "", f"byte 0x{data[error.start]:02x} is not UTF-8; {remedy}")
    return None


def split_line(line: str) -> list[str]:
    """Split a line into its cells, without blanks around them; raise csv.Error where quotes do not match."""
    cells = line.split("\t") if '"' not in line else next(csv.reader([line], delimiter="\t", strict=True))
    return [cell.strip() for cell in cells]


def make_row(number: int, header: list[str], cells: list[str], defaults: dict[str, str]) -> Row:
    row = Row(defaults)
    row.update((column, cell) for column, cell in zip(header, cells, strict=True) if cell)
    row.number = number
    return row


def columns_of(schema: dict) -> str:
    """Name the columns for a message: required ones first, the others in brackets."""
    required = schema.get("required", [])
    return ", ".join([*required, *(f"[{column}]" for column in schema["properties"] if column not in required)])


def header_problems(path: Path, row: int, header: list[str], schema: dict) -> list[Problem]:
    """Hold the names of the columns, which stand in `row`, against the schema."""
    known = list(schema["properties"])
    missing = [column for column in schema.get("required", []) if column not in header]
    if len(header) == 1 and missing:
        words = f"only one column found ({header[0]!r}); separate the columns with one tab each"
        return [Problem(path, row, "", words)]
    if not set(header) & set(known) and not any(column in known for cell in header for column in cell.split()):
        start = ", ".join(map(repr, header[:3])) + (", ..." if len(header) > 3 else "")
        words = f"no column is known of {start}; the first row names the columns {columns_of(schema)}"
        return [Problem(path, row, "", words)]
    problems = []
    for position, column in enumerate(header, start=1):
        names = column.split()
        if column in header[: position - 1]:
            problems.append(Problem(path, row, column, "the column is there twice; remove one"))
        elif len(names) > 1 and set(names) <= set(known):
            words = "spaces stand where a tab should; separate columns with one tab"
            problems.append(Problem(path, row, column, words))
            missing = [name for name in missing if name not in names]
        elif column not in known:
            words = f"no such column; {nearest(column, known)}"
            problems.append(Problem(path, row, column or str(position), words))
    return problems + [Problem(path, row, "", f"the column {column} is missing; add it") for column in missing]


def nearest(word: str, known: Iterable[str]) -> str:
    """Suggest what was meant: the names most like `word`, and all of them where they are few or none is alike."""
    names = {name.lower(): name for name in known}
    if not names:
        return "none is known"
    listed = f"known: {', '.join(list(names.values())[:MANY])}{', ...' if len(names) > MANY else ''}"
    if len(names) <= FEW and sum(name.startswith(word.lower()) for name in names) > 3:
        return listed  # a word that begins most of them is like none of them
    close = difflib.get_close_matches(word.lower(), names, n=3, cutoff=0.6)
    question = f"did you mean {' or '.join(names[name] for name in close)}?"
    return f"{question} ({listed})" if close and len(names) <= FEW else question if close else listed


def suggest_from(known: Collection[str], at_most: int = 5) -> Callable[[str], str]:
    """Give `nearest` for many words: to compare one with 20,000 names takes long, so only the first few get a hint."""
    hints: dict[str, str] = {}

    def suggest(word: str) -> str:
        if word not in hints:
            hints[word] = nearest(word, known) if len(hints) < at_most else "correct the name"
        return hints[word]

    return suggest


class Named(dict):
    """Things by name; to ask for one that is not there ends in `stop`, which gets the message and does not return."""

    def __init__(self, things: dict, what: str, stop: Callable[[list[str]], None]) -> None:
        super().__init__(things)
        self.what, self.stop = what, stop

    def __missing__(self, name: str) -> None:
        self.stop([f"there is no {self.what} called {name!r}; {nearest(name, self)}"])


def cell_count_problem(cells: list[str], header: list[str]) -> str:
    counts = f"{len(cells)} {'cell' if len(cells) == 1 else 'cells'} for {len(header)} columns"
    if len(cells) < len(header) and (mixed := [cell for cell in cells if re.search(r"\s", cell)]):
        return f"{counts}; spaces probably stand where a tab should in {mixed[0]!r}: separate cells with one tab each"
    return f"{counts}; give every column one cell (it may be empty), separated by one tab each"


def cell_problems(path: Path, rows: list[Row], schema: dict) -> list[Problem]:
    """Hold each distinct value against its column's rule once (10,000 rows share most of their values)."""
    problems: list[Problem] = []
    for column, rule in schema["properties"].items():
        required = column in schema.get("required", [])
        if not (required or rule.keys() & {"enum", "pattern"}):
            continue
        verdicts: dict[str, str | None] = {}
        for row in rows:
            value = row[column]
            if value not in verdicts:
                verdicts[value] = cell_problem(value, rule, required)
            if verdicts[value]:
                problems.append(Problem(path, row.number, column, verdicts[value]))
    return problems


def cell_problem(value: str, rule: dict, required: bool) -> str | None:
    """Say what is wrong with a cell and what would be right; None where it is fine. Understands enum and pattern."""
    if value == "":
        return "the cell is empty; fill it in" if required else None
    if "enum" in rule and value not in rule["enum"]:
        return f"{value!r} is not allowed; {nearest(value, rule['enum'])}"
    if "pattern" in rule:
        if not value.isprintable():
            hidden = next(letter for letter in value if not letter.isprintable())
            return f"{value!r} has the invisible character U+{ord(hidden):04X} in it; delete it or type a common blank"
        if not re.search(rule["pattern"], value):
            return f"{value!r} is not allowed; {rule['description']}"
    return None
