"""GATK's report of a recalibration table (v1.1): written as BaseRecalibrator does, read as ApplyBQSR does."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from _covariates import LOWEST, POOR_TAIL, QUALITIES
from _recalibration_table import HIGHEST, Counts, estimate, reported_quality

LEVELS = 16
LONGEST = 500  # bases, where no read is longer
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?[dDfFlL]?")
LETTERS = "ACGT"
ARGUMENTS = {
    "binary_tag_name": "null",
    "covariate": "ReadGroupCovariate,QualityScoreCovariate,ContextCovariate,CycleCovariate",
    "default_platform": "null",
    "deletions_default_quality": 45,
    "force_platform": "null",
    "indels_context_size": 3,
    "insertions_default_quality": 45,
    "low_quality_tail": POOR_TAIL,
    "maximum_cycle_value": LONGEST,
    "mismatches_context_size": 2,
    "mismatches_default_quality": -1,
    "no_standard_covs": "false",
    "quantizing_levels": LEVELS,
    "recalibration_report": "null",
    "run_without_dbsnp": "false",
    "solid_nocall_strategy": "THROW_EXCEPTION",
    "solid_recal_mode": "SET_Q_ZERO",
}
FORMATS = {
    **dict.fromkeys(("QualityScore", "Count", "QuantizedScore", "Observations"), "%d"),
    **dict.fromkeys(("EmpiricalQuality", "EstimatedQReported"), "%.4f"),
    "Errors": "%.2f",
}  # any other column is text
Row = tuple[str, ...]


def write_gatk_report(path: Path, counts: Mapping[str, Counts]) -> None:
    """Write the counts of read groups, by platform unit (or ID), with the qualities that follow of them."""
    counts = {name: counts[name] for name in sorted(counts) if counts[name].by_quality[:, 0].any()}
    longest = max([LONGEST, *(found.cycles.shape[1] - 1 for found in counts.values())])
    arguments = [(name, str(value)) for name, value in {**ARGUMENTS, "maximum_cycle_value": longest}.items()]
    tables = {
        "Arguments:Recalibration argument collection values used in this run": ("Argument Value", arguments),
        "Quantized:Quality quantization map": ("QualityScore Count QuantizedScore", list(quantized_rows(counts))),
        "RecalTable0:": (
            "ReadGroup EventType EmpiricalQuality EstimatedQReported Observations Errors",
            [group_row(name, found) for name, found in counts.items()],
        ),
        "RecalTable1:": (
            "ReadGroup QualityScore EventType EmpiricalQuality Observations Errors",
            [row for name, found in counts.items() for row in quality_rows(name, found)],
        ),
        "RecalTable2:": (
            "ReadGroup QualityScore CovariateValue CovariateName EventType EmpiricalQuality Observations Errors",
            [row for name, found in counts.items() for row in sorted(covariate_rows(name, found), key=quality_first)],
        ),
    }
    with path.open("w") as report:
        report.write(f"#:GATKReport.v1.1:{len(tables)}\n")
        for title, (columns, rows) in tables.items():
            report.writelines(table(title, columns.split(), rows))


def table(title: str, columns: Sequence[str], rows: Sequence[Row]) -> Iterator[str]:
    formats = ":".join(FORMATS.get(column, "%s") for column in columns)
    yield f"#:GATKTable:{len(columns)}:{len(rows)}:{formats}:;\n"
    yield f"#:GATKTable:{title}\n"
    by_column = list(zip(*rows, strict=True)) or [()] * len(columns)
    widths = [max(map(len, [name, *values])) for name, values in zip(columns, by_column, strict=True)]
    right = [all(value == "null" or NUMBER.fullmatch(value) for value in values) for values in by_column]
    yield "  ".join(name.ljust(width) for name, width in zip(columns, widths, strict=True)) + "\n"
    for row in rows:
        cells = zip(row, widths, right, strict=True)
        yield "  ".join(value.rjust(width) if number else value.ljust(width) for value, width, number in cells) + "\n"
    yield "\n"


def evidence(counts: np.ndarray, expected: float) -> Row:
    """Empirical quality, bases and mismatches."""
    bases, mismatches = counts.tolist()
    return f"{estimate(counts, expected):.4f}", str(bases), f"{mismatches:.2f}"


def group_row(name: str, counts: Counts) -> Row:
    reported = reported_quality(counts.by_quality)
    empirical, bases, mismatches = evidence(counts.by_quality.sum(axis=0), reported)
    return name, "M", empirical, f"{reported:.4f}", bases, mismatches


def quality_rows(name: str, counts: Counts) -> Iterator[Row]:
    for quality in np.flatnonzero(counts.by_quality[:, 0]).tolist():
        yield name, str(quality), "M", *evidence(counts.by_quality[quality], quality)


def covariate_rows(name: str, counts: Counts) -> Iterator[Row]:
    for second, cycle, quality in np.argwhere(counts.cycles[..., 0]).tolist():
        found = evidence(counts.cycles[second, cycle, quality], quality)
        yield name, str(quality), str(-cycle if second else cycle), "Cycle", "M", *found
    for quality, context in np.argwhere(counts.contexts[..., 0]).tolist():
        before, base = divmod(context, 5)
        if before < 4 and base < 4:
            found = evidence(counts.contexts[quality, context], quality)
            yield name, str(quality), LETTERS[before] + LETTERS[base], "Context", "M", *found


def quality_first(row: Row) -> tuple[int, Row]:
    return int(row[1]), row


def quantized_rows(counts: Mapping[str, Counts]) -> Iterator[Row]:
    bases = [0] * QUALITIES
    for found in counts.values():
        for quality in np.flatnonzero(found.by_quality[:, 0]).tolist():
            bases[int(estimate(found.by_quality[quality], quality))] += int(found.by_quality[quality, 0])
    for quality, level in enumerate(quantize(bases)):
        yield str(quality), str(bases[quality]), str(level)


def quantize(bases: Sequence[int]) -> list[int]:
    """Which of LEVELS qualities stands for each quality; neighbours are merged where that loses least, one by one."""
    errors = [math.floor(count * 10.0 ** (quality / -10.0)) for quality, count in enumerate(bases)]
    spans = [(quality, quality) for quality in range(QUALITIES)]

    def rate(first: int, last: int) -> float:
        observed = sum(bases[first : last + 1])
        return (sum(errors[first : last + 1]) + 1) / (observed + 1) if observed else 0.0

    def loss(first: int, last: int) -> float:
        if not (merged := rate(first, last)):
            return 0.0
        learned = range(max(first, LOWEST + 1), last + 1)
        return sum(abs(-quality / 10 - math.log10(merged)) * bases[quality] for quality in learned)

    while len(spans) > LEVELS:
        merged = [(left[0], right[1]) for left, right in pairwise(spans)]
        place = min(range(len(merged)), key=lambda place: loss(*merged[place]))
        spans[place : place + 2] = [merged[place]]
    levels = []
    for first, last in spans:
        level = first if first == last else quality_of(rate(first, last))
        levels += [level] * (last - first + 1)
    return levels


def quality_of(error: float) -> int:
    return min(max(math.floor(-10 * math.log10(error) + 0.5), 1), HIGHEST) if error else HIGHEST


def read_gatk_report(path: Path) -> dict[str, tuple[Counts, float]]:
    """Read each read group's counts and mean reported quality; raise ValueError where this is no such report."""
    lines = path.read_text().split("\n")
    if not lines[0].startswith("#:GATKReport.v1"):
        raise ValueError(f"{path} is no report of GATK's")
    found: dict[str, tuple[Counts, float]] = {}
    for name, row in report_rows(lines):
        if name == "RecalTable0":
            found[row["ReadGroup"]] = Counts(), float(row["EstimatedQReported"])
        elif name == "RecalTable2" and row["EventType"] == "M":
            put(found[row["ReadGroup"]][0], row)
    return found


def report_rows(lines: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    name, columns = "", []
    for before, line in zip(["", *lines], lines, strict=False):
        if line.startswith("#:") or not line:
            continue
        if before.startswith("#:GATKTable:"):
            name, columns = before.split(":")[2], line.split()
        else:
            yield name, dict(zip(columns, line.split(), strict=True))


def put(counts: Counts, row: Mapping[str, str]) -> None:
    quality, value = int(row["QualityScore"]), row["CovariateValue"]
    evidence = int(row["Observations"]), round(float(row["Errors"]))
    if row["CovariateName"] == "Context":
        counts.contexts[quality, LETTERS.index(value[0]) * 5 + LETTERS.index(value[1])] = evidence
    else:
        cycle = abs(int(value))
        counts.lengthen(cycle)
        counts.cycles[int(value.startswith("-")), cycle, quality] = evidence
