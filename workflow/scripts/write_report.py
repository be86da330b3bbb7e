"""Write the front page of a run: one HTML file that needs no network, from whatever records exist.

Called by the rule that makes the report, and by Snakemake's `onerror` handler with what finished until then.
"""

import json
import posixpath
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from _log import log_to
from _report_page import DASH, Cell, Column, Table, render_page

Record = Mapping[str, Any]

PASSED, FAILED, UNFINISHED, CHECK = "passed", "failed", "not finished", "check library"

# What to do about a failure: the first row whose pattern is in the reason.
ADVICE = (
    (
        r"memory|\bkilled|bad_alloc|\bOOM|signal 9\b|status 137\b",
        "Give the failed step more memory (set-resources in the profile), then run again.",
    ),
    (r"no space|\bdisk\b", "Give the failed step more scratch space (disk_mb), then run again."),
    (
        r"truncat|corrupt|gzip|unexpected end|\bCRC|malformed|quality string|bring (the file|both files)",
        "Compare the read files with their checksums, fetch them anew, then run again.",
    ),
    (
        r"no such file|not found|no file|not exist|forbidden|access denied",
        "Correct the path in the table of samples, or the right to read it, then run again.",
    ),
    (
        r"no reads|few reads|empty",
        "Look at the trimming in the MultiQC report; sequence again, or take the sample out of the table of samples.",
    ),
    (r"mapped|mapping", "Check the sample's organism in the table of samples; if it is right, look for contamination."),
)
OTHER_ADVICE = "Read the log, mend the cause, run the same command again: what has finished is not repeated."


def write_report(
    records: Iterable[Path],
    annotation_reports: Iterable[Path],
    index_records: Iterable[Path],
    output: Path,
    *,
    run: Record | None = None,
    wanted: Mapping[str, str] | None = None,
    links: Mapping[str, Path] | None = None,
    logs: Path | None = None,
) -> None:
    """Write the page to `output` from the files that exist and can be read; name those that cannot.

    `run` has any of started, ended, command, versions (by tool) and configuration (by key). `wanted` maps the name of
    each sample of the run to its organism. `links` maps a label to a result; a result that is missing is not linked.
    The log of a failed sample is looked for in `logs`, as {failed step}/{sample}.txt.
    """
    unreadable: list[str] = []
    samples, annotations, indices = (
        [record for path in paths if (record := read_record(path, unreadable)) is not None]
        for paths in (records, annotation_reports, index_records)
    )
    here = output.parent
    page = render(
        samples,
        annotations,
        indices,
        run=run,
        wanted=wanted,
        links={label: relative(path, here) for label, path in (links or {}).items() if path.exists()},
        logs=find_logs(samples, logs, here) if logs else {},
        unreadable=unreadable,
    )
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(output.name + ".part")
    partial.write_text(page, encoding="utf-8")
    partial.replace(output)


def read_record(path: Path, unreadable: list[str]) -> Record | None:
    """Read one record; note it as unreadable where it is missing, cut short or no record."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        record = None
    if not isinstance(record, dict):
        unreadable.append(str(path))
        return None
    return record


def relative(path: Path, start: Path) -> str:
    return posixpath.relpath(path.absolute().as_posix(), start.absolute().as_posix())


def find_logs(samples: Iterable[Record], logs: Path, start: Path) -> dict[str, str]:
    """Find the log of each failed sample, as a link relative to `start`."""
    failed = ((str(of("sample", sample)), of("failed_step", sample)) for sample in samples if status(sample) == FAILED)
    paths = {name: logs / str(step) / f"{name}.txt" for name, step in failed if step}
    return {name: relative(path, start) for name, path in paths.items() if path.is_file()}


def render(
    samples: Sequence[Record],
    annotations: Sequence[Record],
    indices: Sequence[Record],
    *,
    run: Record | None = None,
    wanted: Mapping[str, str] | None = None,
    links: Mapping[str, str] | None = None,
    logs: Mapping[str, str] | None = None,
    unreadable: Sequence[str] = (),
) -> str:
    """Return the page; a key that a record lacks is shown as a dash."""
    run, logs = run or {}, logs or {}
    recorded = {str(of("sample", sample)) for sample in samples}
    missing = [
        {"sample": name, "organism": organism} for name, organism in (wanted or {}).items() if name not in recorded
    ]
    ordered = sorted(
        [*samples, *missing],
        key=lambda sample: (
            (FAILED, UNFINISHED, CHECK, PASSED).index(status(sample)),
            str(of("sample", sample)),
        ),
    )
    counts = Counter(map(status, ordered))
    return render_page(
        headline=headline(counts, samples, annotations, indices),
        state=FAILED if counts[FAILED] else UNFINISHED if counts[UNFINISHED] or not samples else PASSED,
        facts=facts(run, samples),
        configuration=[(str(key), plain(value)) for key, value in flatten(of("configuration", run) or {})],
        links=list((links or {}).items()),
        failures=failures([sample for sample in ordered if status(sample) == FAILED], logs),
        tables=[sample_table(ordered), organism_table(annotations, samples), index_table(indices)],
        unreadable=list(unreadable),
    )


def of(key: str, record: Any) -> Any:
    """Return a key of a record, None where the record has none or is no record."""
    return record.get(key) if isinstance(record, Mapping) else None


def status(sample: Record) -> str:
    success = of("success", sample)
    if success is None:
        return UNFINISHED
    if not success:
        return FAILED
    return CHECK if of("agrees", of("library_type", sample)) is False else PASSED


def advice(sample: Record) -> str:
    """Say what to do about a failed sample."""
    reason = str(of("reason", sample) or "")
    return next((remedy for pattern, remedy in ADVICE if re.search(pattern, reason, re.IGNORECASE)), OTHER_ADVICE)


def headline(
    counts: Counter, samples: Sequence[Record], annotations: Sequence[Record], indices: Sequence[Record]
) -> list[tuple[str, str, str]]:
    """Return the numbers on top of the page: number, label, kind."""
    organisms = {str(of("organism", record)) for record in (*samples, *annotations, *indices) if of("organism", record)}
    rates = numbers("mapping_rate", samples)
    shown = [
        (f"{counts[PASSED] + counts[CHECK]:,}", "samples passed", "good"),
        (f"{counts[FAILED]:,}", "samples failed", "bad" if counts[FAILED] else ""),
    ]
    if counts[UNFINISHED]:
        shown.append((f"{counts[UNFINISHED]:,}", "samples not finished", "warn"))
    if counts[CHECK]:
        shown.append((f"{counts[CHECK]:,}", "library types to check", "warn"))
    if rates:
        shown.append((f"{median(rates):.1f} %", "of reads mapped, in the median sample", ""))
    return [*shown, (f"{len(organisms):,}", "organisms", ""), (f"{len(indices):,}", "indices", "")]


def facts(run: Record, samples: Sequence[Record]) -> list[tuple[str, str]]:
    """Say when the run was and what made it."""
    started = of("started", run) or min(texts("start", samples), default=None)
    ended = of("ended", run) or max(texts("end", samples), default=None)
    versions: dict[str, Counter] = defaultdict(Counter)
    for sample in samples:
        found = of("versions", sample)
        for tool, version in found.items() if isinstance(found, Mapping) else ():
            versions[str(tool)][str(version)] += 1
    tools = [
        f"{tool} {', '.join(sorted(found))}" + (" (samples differ)" if len(found) > 1 else "")
        for tool, found in sorted(versions.items())
    ]
    given = of("versions", run)
    return [
        ("Started", moment(started)),
        ("Ended", moment(ended)),
        ("Took", duration(started, ended)),
        ("Command", plain(of("command", run))),
        *((str(tool), plain(version)) for tool, version in (given.items() if isinstance(given, Mapping) else ())),
        ("Tools", "; ".join(tools) or DASH),
    ]


def failures(samples: Sequence[Record], logs: Mapping[str, str]) -> Table:
    """Return the failed samples with the reason and what to do."""
    return Table(
        "failed",
        "Failed samples",
        "Why each sample failed, and what to do about it. The other samples are not affected.",
        (Column("Sample"), Column("Organism"), Column("Failed step"), Column("Reason"), Column("What to do")),
        [
            [
                Cell(plain(name := of("sample", sample))),
                Cell(organism_name(of("organism", sample))),
                Cell(plain(of("failed_step", sample)), href=logs.get(str(name), ""), hint="the log of this step"),
                Cell(plain(of("reason", sample)), kind="text"),
                Cell(advice(sample), kind="text"),
            ]
            for sample in samples
        ],
    )


def sample_table(samples: Sequence[Record]) -> Table:
    return Table(
        "samples",
        "Samples",
        "Failed samples first, then those to look at: check library where the reads disagree with the claim. UTC.",
        (
            Column("Sample"),
            Column("Status"),
            Column("Organism"),
            Column("Reads", number=True),
            Column("Mean length", number=True),
            Column("Index k", number=True),
            Column("Mapped %", number=True),
            Column("Library type"),
            Column("Seconds", number=True),
            Column("Memory MB", number=True),
            Column("Started – ended"),
        ),
        [
            [
                Cell(plain(of("sample", sample))),
                status_cell(status(sample)),
                Cell(organism_name(of("organism", sample))),
                Cell(amount(of("reads", sample))),
                Cell(amount(of("mean_read_length", sample), 1)),
                Cell(amount(of("k", sample)), hint=str(of("index", sample) or "")),
                Cell(amount(of("mapping_rate", sample), 2)),
                library_cell(of("library_type", sample)),
                Cell(amount(of("seconds", sample), 0)),
                Cell(amount(of("peak_memory_mb", sample), 0)),
                Cell(span(of("start", sample), of("end", sample))),
            ]
            for sample in samples
        ],
    )


def status_cell(found: str) -> Cell:
    return Cell(found, kind={PASSED: "good", FAILED: "bad"}.get(found, "warn"))


def library_cell(library: Any) -> Cell:
    claimed, found = of("claimed", library), of("found", library)
    if of("agrees", library) is False:
        return Cell(f"{plain(claimed)} claimed, {plain(found)} found", kind="warn")
    return Cell(plain(found or claimed))


def organism_table(annotations: Sequence[Record], samples: Sequence[Record]) -> Table:
    of_organism: dict[str, list[Record]] = defaultdict(list)
    for sample in samples:
        of_organism[str(of("organism", sample))].append(sample)
    return Table(
        "organisms",
        "Organisms",
        "What the genomes' annotations hold, and the rows of them that were left out, by reason.",
        (
            Column("Organism"),
            Column("Assembly"),
            Column("Release", number=True),
            Column("GTF rows", number=True),
            Column("Kept", number=True),
            Column("Removed, by reason"),
            Column("Repaired, by reason"),
            Column("Transcripts", number=True),
            Column("Genes", number=True),
            Column("Samples", number=True),
            Column("Median mapped %", number=True),
        ),
        [
            [
                Cell(organism_name(name := of("organism", report))),
                Cell(plain(of("assembly", report))),
                Cell(plain(of("release", report))),
                Cell(amount(of("rows_in", report))),
                Cell(amount(of("rows_kept", report))),
                Cell(tally(of("removed", report)), kind="text"),
                Cell(tally(of("repaired", report)), kind="text"),
                Cell(amount(of("transcripts", report))),
                Cell(amount(of("genes", report))),
                Cell(amount(len(of_organism[str(name)]))),
                Cell(amount(median(rates), 2) if (rates := numbers("mapping_rate", of_organism[str(name)])) else DASH),
            ]
            for report in sorted(annotations, key=lambda report: str(of("organism", report)))
        ],
    )


def index_table(indices: Sequence[Record]) -> Table:
    return Table(
        "indices",
        "Indices",
        "The Salmon indices of this run.",
        (
            Column("Organism"),
            Column("Assembly"),
            Column("Release", number=True),
            Column("k", number=True),
            Column("Salmon"),
            Column("Decoys"),
            Column("Transcripts in", number=True),
            Column("Transcripts out", number=True),
            Column("Size MB", number=True),
            Column("SHA-256"),
        ),
        [
            [
                Cell(organism_name(of("organism", index))),
                Cell(plain(of("assembly", index))),
                Cell(plain(of("release", index))),
                Cell(amount(of("k", index))),
                Cell(plain(of("salmon", index))),
                Cell(plain(of("decoys", index))),
                Cell(amount(of("transcripts_in", index))),
                Cell(amount(of("transcripts_out", index))),
                Cell(amount(size / 1e6, 1) if is_number(size := of("size", index)) else DASH),
                Cell(str(of("sha256", index) or DASH)[:12], hint=str(of("sha256", index) or "")),
            ]
            for index in sorted(
                indices, key=lambda index: (str(of("organism", index)), str(of("assembly", index)), str(of("k", index)))
            )
        ],
    )


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


def organism_name(value: Any) -> str:
    """Write saccharomyces_cerevisiae as Saccharomyces cerevisiae."""
    name = plain(value).replace("_", " ")
    return name[:1].upper() + name[1:]


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


def duration(start: Any, end: Any) -> str:
    first, last = parse_moment(start), parse_moment(end)
    if not first or not last:
        return DASH
    minutes, seconds = divmod(round((last - first).total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {seconds:02} s"


def main(inputs: Any, params: Any, output: str) -> None:
    """Write the page of a rule: inputs records, annotation_reports, index_records; params as of `write_report`."""

    def paths(name: str) -> list[Path]:
        found = inputs.get(name, [])
        return [Path(found)] if isinstance(found, str) else list(map(Path, found))

    logs = params.get("logs")
    write_report(
        paths("records"),
        paths("annotation_reports"),
        paths("index_records"),
        Path(output),
        run=params.get("run"),
        wanted=params.get("wanted"),
        links={label: Path(path) for label, path in (params.get("links") or {}).items()},
        logs=Path(logs) if logs else None,
    )


if __name__ == "__main__":
    log_to(snakemake.log[0])
    main(snakemake.input, snakemake.params, snakemake.output[0])
