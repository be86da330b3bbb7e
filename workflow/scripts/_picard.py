"""Files of metrics as Picard writes them (https://broadinstitute.github.io/picard/picard-metric-definitions.html)."""

from pathlib import Path


def read_metrics(path: Path) -> list[dict[str, str]]:
    """Read the table of metrics: a row a category or library; cells as they stand."""
    lines = iter(path.read_text().splitlines())
    for line in lines:
        if line.startswith("## METRICS CLASS"):
            break
    columns = next(lines, "").split("\t")
    rows = []
    for line in lines:
        if not line.strip():
            break
        rows.append(dict(zip(columns, line.split("\t"), strict=False)))
    return rows


def number(row: dict[str, str], column: str) -> float | None:
    """A cell as a number; None where Picard has none (an empty cell or ?)."""
    cell = row.get(column, "")
    return None if cell in ("", "?") else float(cell)
