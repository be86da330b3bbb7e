"""Write the front page of a run: one HTML file that needs no network, from whatever records exist.

Called by the rule that makes the report, and by Snakemake's `onerror` handler with what finished until then.
"""

import json
import posixpath
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median

from _failed_jobs import FailedJob
from _log import log_to
from _report_hla import hla_table
from _report_page import Table, render_page
from _report_status import CHECK, CHECK_MAPPING, CHECK_TYPES, FAILED, PASSED, UNFINISHED, WORST_FIRST, status
from _report_tables import (
    alignment_table,
    failed_job_table,
    failed_sample_table,
    index_table,
    organism_table,
    sample_table,
)
from _report_values import DASH, Record, flatten, moment, numbers, of, plain, texts


def write_report(
    records: Iterable[Path],
    annotation_reports: Iterable[Path],
    index_records: Iterable[Path],
    output: Path,
    *,
    run: Record | None = None,
    wanted: Mapping[str, Mapping[str, str]] | None = None,
    links: Mapping[str, Path] | None = None,
    logs: Path | None = None,
    failed: Sequence[FailedJob] = (),
) -> None:
    """Write the page to `output` from the files that exist and can be read; name those that cannot.

    `run` has any of versions (by tool) and configuration (by key). `wanted` maps each analysis to the samples that want
    it, by name, with their organism. `links` maps a label to a result; a result that is missing is not linked.
    The log of a failed sample is looked for in `logs`, as {failed step}/{sample}.txt. `failed` are jobs that failed.
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
        failed={job: relative(job.log, here) if job.log and job.log.is_file() else "" for job in failed},
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
    wanted: Mapping[str, Mapping[str, str]] | None = None,
    links: Mapping[str, str] | None = None,
    logs: Mapping[str, str] | None = None,
    failed: Mapping[FailedJob, str] | None = None,
    unreadable: Sequence[str] = (),
) -> str:
    """Return the page; a key that a record lacks is shown as a dash. `failed` maps jobs to links to their logs."""
    run, logs, failed = run or {}, logs or {}, failed or {}
    ordered = sorted(
        [*samples, *missing(samples, wanted or {})],
        key=lambda sample: (WORST_FIRST.index(status(sample)), str(of("sample", sample))),
    )
    worst: dict[str, str] = {}  # of a sample's analyses
    for sample in ordered:
        worst.setdefault(str(of("sample", sample)), status(sample))
    counts = Counter(worst.values())
    return render_page(
        headline=headline(counts, samples, annotations, indices),
        state=FAILED if counts[FAILED] or failed else UNFINISHED if counts[UNFINISHED] or not samples else PASSED,
        facts=facts(run, samples),
        configuration=[(str(key), plain(value)) for key, value in flatten(of("configuration", run) or {})],
        links=list((links or {}).items()),
        failures=[
            table
            for table in (
                failed_job_table(failed, {job: link for job, link in failed.items() if link}),
                failed_sample_table([sample for sample in ordered if status(sample) == FAILED], logs),
            )
            if table.rows
        ],
        tables=tables(ordered, annotations, indices),
        unreadable=list(unreadable),
    )


def missing(samples: Iterable[Record], wanted: Mapping[str, Mapping[str, str]]) -> list[Record]:
    """Return a record each, without an end, of what is wanted and has none."""
    recorded = {(str(of("analysis", sample)), str(of("sample", sample))) for sample in samples}
    return [
        {"sample": name, "organism": organism, "analysis": analysis}
        for analysis, of_samples in wanted.items()
        for name, organism in of_samples.items()
        if (analysis, name) not in recorded
    ]


def tables(ordered: Sequence[Record], annotations: Sequence[Record], indices: Sequence[Record]) -> list[Table]:
    """Return the tables of the analyses that the run has."""
    typed = [sample for sample in ordered if of("analysis", sample) == "hla"]
    aligned = [sample for sample in ordered if of("analysis", sample) == "align"]
    others = [sample for sample in ordered if of("analysis", sample) not in ("align", "hla")]
    shown = [hla_table(typed)] if typed else []
    if aligned:
        shown.append(alignment_table(aligned))
    if others or annotations or indices or not (typed or aligned):
        shown += [sample_table(others), organism_table(annotations, others), index_table(indices)]
    return shown


def headline(
    counts: Counter, samples: Sequence[Record], annotations: Sequence[Record], indices: Sequence[Record]
) -> list[tuple[str, str, str]]:
    """Return the numbers on top of the page: number, label, kind."""
    on_genomes = [record for record in samples if of("analysis", record) != "hla"]
    organisms = {str(of("organism", record)) for record in (*on_genomes, *annotations, *indices)} - {"", "None"}
    rates = numbers("mapping_rate", samples)
    shown = [
        (f"{counts[PASSED] + counts[CHECK_MAPPING] + counts[CHECK] + counts[CHECK_TYPES]:,}", "samples passed", "good"),
        (f"{counts[FAILED]:,}", "samples failed", "bad" if counts[FAILED] else ""),
    ]
    if counts[UNFINISHED]:
        shown.append((f"{counts[UNFINISHED]:,}", "samples not finished", "warn"))
    if counts[CHECK_MAPPING]:
        shown.append((f"{counts[CHECK_MAPPING]:,}", "samples of which next to nothing maps", "warn"))
    if counts[CHECK]:
        shown.append((f"{counts[CHECK]:,}", "library types to check", "warn"))
    if counts[CHECK_TYPES]:
        shown.append((f"{counts[CHECK_TYPES]:,}", "samples with HLA types to check", "warn"))
    if rates:
        shown.append((f"{median(rates):.1f} %", "of reads mapped, in the median sample", ""))
    return [*shown, (f"{len(organisms):,}", "organisms", ""), (f"{len(indices):,}", "indices", "")]


def facts(run: Record, samples: Sequence[Record]) -> list[tuple[str, str]]:
    """Say when the samples were processed, in one run or several, and what did it."""
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
        ("First sample started", moment(min(texts("start", samples), default=None))),
        ("Last sample ended", moment(max(texts("end", samples), default=None))),
        *((str(tool), plain(version)) for tool, version in (given.items() if isinstance(given, Mapping) else ())),
        ("Tools", "; ".join(tools) or DASH),
    ]


if __name__ == "__main__":
    log_to(snakemake.log[0])
    write_report(
        [Path(path) for path in snakemake.input.records],
        [Path(path) for path in snakemake.input.annotation_reports],
        [Path(path) for path in snakemake.input.index_records],
        Path(snakemake.output[0]),
        run=snakemake.params.run,
        wanted=snakemake.params.wanted,
        links={label: Path(path) for label, path in snakemake.params.links.items()},
        logs=Path(snakemake.params.logs),
    )
