"""The look of the reports: tables of plain text, put into a template, which escapes all of it."""

import json
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from _report_values import DASH
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

# A browser lays out this many rows at once; a longer table keeps the others as data, for its filter.
ROWS_AT_ONCE = 200


class Column(NamedTuple):
    label: str
    number: bool = False


class Cell(NamedTuple):
    """What one cell shows; `kind` is good, warn, bad or text (long); `href` is a relative path."""

    text: str
    kind: str = ""
    href: str = ""
    hint: str = ""


class Table(NamedTuple):
    name: str
    title: str
    caption: str
    columns: tuple[Column, ...]
    rows: list[list[Cell]]


def render_page(template: str = "report.html.jinja", **parts: object) -> str:
    """Fill a template; every text is escaped, every link is a relative path."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"href": href, "data": table_data}
    return environment.get_template(template).render(
        **parts, at_once=ROWS_AT_ONCE, dash=DASH, cell_kinds=("good", "warn", "bad")
    )


def href(path: str) -> str:
    """Write a relative path as a link; a colon is escaped, so that no path is taken for `javascript:`."""
    return quote(path, safe="/")


def table_data(table: Table) -> Markup:
    """Write a table's rows as JSON that may stand inside a script element.

    A cell is its text, or a list of text, kind, link and hint. `<`, `>` and `&` are written as escapes of JSON
    (https://html.spec.whatwg.org/multipage/scripting.html#restrictions-for-contents-of-script-elements).
    """
    rows = [[trim([cell.text, cell.kind, href(cell.href), cell.hint]) for cell in row] for row in table.rows]
    text = json.dumps(rows, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026"))


def trim(cell: list[str]) -> list[str] | str:
    while len(cell) > 1 and not cell[-1]:
        cell.pop()
    return cell if len(cell) > 1 else cell[0]
