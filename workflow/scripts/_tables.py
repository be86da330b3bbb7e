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

# How many names a suggestion lists: beside those that are most like the word, and where none is like it.
FEW, MANY = 6, 20


class TableError(ValueError):
    """All mistakes of one or more tables, one a line."""

    def __init__(self, problems: Iterable[str]) -> None:
        super().__init__("\n".join(problems))


class Row(dict):
    """The cells of one row by column, defaults filled in; `number` is the row's line in the file, counted from 1."""

    number: int


def read_table(path: Path, schema: dict) -> tuple[list[Row], list[str]]:
    """Read a table and hold every cell against `schema`; return the rows and what is wrong with them."""
    rows, problems = parse_table(path, schema)
    return rows, in_order(problems + cell_problems(path, rows, schema))


def parse_table(path: Path, schema: dict) -> tuple[list[Row], list[str]]:
    """Read a table whatever its cells hold; return the rows, and what stands against reading it whole.

    An empty cell takes the column's default, or "" where the schema names none. Rows with the wrong number of cells
    are reported and left out. Blank lines and lines that start with `#` are passed over, and so are empty cells to the
    right of the last column, as spreadsheets leave them.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return [], [f"{path}: there is no such file; create it with the columns {columns_of(schema)}"]
    except OSError as error:
        return [], [f"{path}: it cannot be read ({error.strerror}); make it a text file that you may read"]
    if problem := encoding_problem(data):
        return [], [f"{path}{problem}"]
    lines = data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    defaults = {column: rule.get("default", "") for column, rule in schema["properties"].items()}
    header: list[str] = []
    rows: list[Row] = []
    problems: list[str] = []
    for number, line in enumerate(lines, start=1):
        if line.lstrip(" ").startswith(("#", '"#')):
            continue
        try:
            cells = split_line(line)
        except csv.Error:
            problems.append(f"{path}, row {number}: {QUOTES}")
            continue
        if not any(cells):
            continue
        while len(cells) > len(header) and not cells[-1]:
            cells.pop()
        if not header:
            header = cells
            if mistakes := header_problems(f"{path}, row {number}", header, schema):
                return [], mistakes
        elif len(cells) != len(header):
            problems.append(f"{path}, row {number}: {cell_count_problem(cells, header)}")
        else:
            rows.append(make_row(number, header, cells, defaults))
    if not header and not problems:
        return [], [f"{path}: the file is empty; its first row names the columns {columns_of(schema)}"]
    return rows, problems


QUOTES = (
    'a quoted cell does not end where its quotes (") do; close the quotes or leave them out, '
    "and write each row on one line"
)


def encoding_problem(data: bytes, remedy: str = "save it as tab-separated text in UTF-8") -> str | None:
    """Say why a file is not text as it should be, to follow the file's name; None where it is."""
    if data.startswith(b"PK\x03\x04"):
        return f": the file is a spreadsheet, not text; {remedy}"
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in data:
        return f": the file is not UTF-8 but UTF-16 (which spreadsheets call Unicode) or no text at all; {remedy}"
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        row = re.sub(rb"\r\n?", b"\n", data[: error.start]).count(b"\n") + 1
        return f", row {row}: byte 0x{data[error.start]:02x} is not UTF-8; {remedy}"
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


def header_problems(where: str, header: list[str], schema: dict) -> list[str]:
    known = list(schema["properties"])
    missing = [column for column in schema.get("required", []) if column not in header]
    if len(header) == 1 and missing:
        return [f"{where}: only one column found ({header[0]!r}); separate the columns with one tab each"]
    if not set(header) & set(known) and not any(column in known for cell in header for column in cell.split()):
        start = ", ".join(map(repr, header[:3])) + (", ..." if len(header) > 3 else "")
        return [f"{where}: no column is known of {start}; the first row names the columns {columns_of(schema)}"]
    problems = []
    for position, column in enumerate(header, start=1):
        words = column.split()
        if column in header[: position - 1]:
            problems.append(f"{where}, column {column}: the column is there twice; remove one")
        elif len(words) > 1 and set(words) <= set(known):
            problems.append(f"{where}, column {column}: spaces stand where a tab should; separate columns with one tab")
            missing = [name for name in missing if name not in words]
        elif column not in known:
            problems.append(f"{where}, column {column or position}: no such column; {nearest(column, known)}")
    return problems + [f"{where}: the column {column} is missing; add it" for column in missing]


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


def cell_problems(path: Path, rows: list[Row], schema: dict) -> list[str]:
    """Hold each distinct value against its column's rule once (10,000 rows share most of their values)."""
    problems: list[str] = []
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
                problems.append(f"{path}, row {row.number}, column {column}: {verdicts[value]}")
    return in_order(problems)


def row_of(problem: str) -> int:
    """Find the row that a message is about; 0 where it is about the whole file."""
    match = re.search(r", row (\d+)[,:]", problem)
    return int(match[1]) if match else 0


def in_order(problems: Iterable[str]) -> list[str]:
    """Put messages about one table into the order of its rows."""
    return sorted(problems, key=row_of)


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
