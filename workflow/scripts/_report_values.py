"""Values of records, as people read them; whatever a record lacks is a dash."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

DASH = "–"
Record = Mapping[str, Any]


def of(key: str, record: Any) -> Any:
    """Return a key of a record, None where the record has none or is no record."""
    return record.get(key) if isinstance(record, Mapping) else None


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value


def numbers(key: str, records: Iterable[Record]) -> list[float]:
    return [value for record in records if is_number(value := of(key, record))]


def texts(key: str, records: Iterable[Record]) -> list[str]:
    return [value for record in records if isinstance(value := of(key, record), str)]


def plain(value: Any) -> str:
    """Write any value for people."""
    if value is None or value == "" or value == [] or value == {}:
        return DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(plain, value))
    return str(value)


def amount(value: Any, decimals: int = 0) -> str:
    return f"{value:,.{decimals}f}" if is_number(value) else plain(value)


def megabytes(size: Any) -> str:
    """Write bytes as MB; what is small has three decimals, so that nothing that is there is 0.0."""
    return amount(size / 1e6, 1 if size >= 1e6 else 3) if is_number(size) else DASH


def tally(counts: Any) -> str:
    """Write counts by reason, the largest first."""
    if not isinstance(counts, Mapping):
        return plain(counts)
    ordered = sorted(counts.items(), key=lambda item: (-item[1] if is_number(item[1]) else 0, str(item[0])))
    return "; ".join(f"{amount(count)} {reason}" for reason, count in ordered if count) or "none"


def flatten(configuration: Any, prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Yield the values of a nested configuration with their dotted keys."""
    if not isinstance(configuration, Mapping):
        yield prefix or "configuration", configuration
        return
    for key, value in configuration.items():
        name = f"{prefix}.{key}" if prefix else str(key)
        if isinstance(value, Mapping) and value:
            yield from flatten(value, name)
        else:
            yield name, value


def parse_moment(value: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def moment(value: Any) -> str:
    found = parse_moment(value)
    return f"{found:%Y-%m-%d %H:%M:%S} UTC" if found else plain(value)


def span(start: Any, end: Any) -> str:
    """Write a start and an end in one cell, the day of the end only where it is another one."""
    first, last = parse_moment(start), parse_moment(end)
    if not first or not last:
        return DASH if start is None and end is None else f"{plain(start)} – {plain(end)}"
    same_day = first.date() == last.date()
    return f"{first:%Y-%m-%d %H:%M} – {last:{'%H:%M' if same_day else '%Y-%m-%d %H:%M'}}"
