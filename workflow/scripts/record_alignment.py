"""The processing record of one sample's alignment: what was done, how it ended, what it took, and how good it is."""

import json
from collections.abc import Mapping
from pathlib import Path

from _log import log_to
from _picard import number, read_metrics
from _record import common_record, why_failed

# The depths (bases) for which the share of the genome is told.
DEPTHS = (1, 10, 20, 30)


def alignment_measures(metrics: Path, sample: str) -> dict:
    """What Picard says of the alignments: of pairs where there are pairs, else of single ends."""
    rows = {row["CATEGORY"]: row for row in read_metrics(metrics / f"{sample}.alignment_metrics.txt")}
    row = rows.get("PAIR") or rows["UNPAIRED"]
    insert = metrics / f"{sample}.insert_metrics.txt"
    sizes = read_metrics(insert) if insert.exists() else []
    return {
        "mapped_percent": percent(number(row, "PCT_PF_READS_ALIGNED")),
        "mismatch_percent": percent(number(row, "PF_MISMATCH_RATE")),
        "chimera_percent": percent(number(row, "PCT_CHIMERAS")),
        "median_insert_size": number(sizes[0], "MEDIAN_INSERT_SIZE") if sizes else None,
    }


def duplicate_measures(path: Path) -> dict:
    """The share of duplicates over all libraries, in reads as Picard counts them (a pair is two)."""
    examined = duplicates = optical = 0.0
    libraries = {}
    for row in read_metrics(path):
        single, pairs, single_twice, pairs_twice, pairs_optical = (
            number(row, column) or 0
            for column in (
                "UNPAIRED_READS_EXAMINED",
                "READ_PAIRS_EXAMINED",
                "UNPAIRED_READ_DUPLICATES",
                "READ_PAIR_DUPLICATES",
                "READ_PAIR_OPTICAL_DUPLICATES",
            )
        )
        examined += single + 2 * pairs
        duplicates += single_twice + 2 * pairs_twice
        optical += 2 * pairs_optical
        libraries[row["LIBRARY"]] = percent(number(row, "PERCENT_DUPLICATION"))
    return {
        "duplicate_percent": percent(duplicates / examined) if examined else None,
        "optical_duplicate_percent": percent(optical / examined) if examined else None,
        "libraries": libraries,
    }


def depth_measures(depth: Path, sample: str) -> dict:
    """The mean depth, and the share of the genome covered at least so deep (https://github.com/brentp/mosdepth)."""
    summary = [line.split("\t") for line in (depth / f"{sample}.mosdepth.summary.txt").read_text().splitlines()]
    (total,) = (row for row in summary if row[0] == "total")
    covered = dict.fromkeys(DEPTHS, 0.0)
    for line in (depth / f"{sample}.mosdepth.global.dist.txt").read_text().splitlines():
        contig, at_least, share = line.split("\t")
        if contig == "total" and int(at_least) in covered:
            covered[int(at_least)] = percent(float(share))
    return {"mean_depth": float(total[3]), "covered_percent": {str(deep): share for deep, share in covered.items()}}


def left_out(trimmed: list[Path]) -> int | None:
    """How many reads fastp left out of all lanes; None where it did not come to that."""
    reports = [folder / "fastp.json" for folder in trimmed]
    if not reports or not all(report.exists() for report in reports):
        return None
    told = [json.loads(report.read_text())["summary"] for report in reports]
    return sum(one["before_filtering"]["total_reads"] - one["after_filtering"]["total_reads"] for one in told)


def percent(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 4)


def grade(measures: Mapping, warn: Mapping[str, int], fail: Mapping[str, int]) -> tuple[str, list[str]]:
    """Hold measures against limits, named as the measures are after min_ or max_; say pass, warn or fail, and why.

    A measure that there is not (None) is beyond no limit.
    """
    for verdict, limits in (("fail", fail), ("warn", warn)):
        reasons = []
        for name, limit in limits.items():
            bound, _, measure = name.partition("_")
            value = measures[measure]
            if value is not None and (value < limit if bound == "min" else value > limit):
                reasons.append(
                    f"{measure} is {value:.4g}, {'at least' if bound == 'min' else 'at most'} {limit} is wanted"
                )
        if reasons:
            return verdict, reasons
    return "pass", []


def record(
    sample: dict,
    lanes: list[Path],
    trimmed: list[Path],
    folders: Mapping[str, Path],
    benchmarks: list[Path],
    limits: Mapping,
) -> dict:
    """Put together the record. `lanes`: what check_lane found; `trimmed`: fastp's report of each lane; `folders`:
    duplicates, metrics, depth."""
    name = sample["name"]
    reason = why_failed(folders["depth"])
    checked = [json.loads((lane / "reads.json").read_text()) for lane in lanes]
    start = min((one["start"] for one in checked), default=None)
    measures: dict = {}
    if reason is None:
        measures |= alignment_measures(folders["metrics"], name)
        measures |= duplicate_measures(folders["duplicates"] / f"{name}.markdup.metrics.txt")
        measures |= depth_measures(folders["depth"], name)
    quality, why = grade(measures, limits["warn"], limits["fail"]) if measures else (None, [])
    return {
        **common_record(name, sample["organism"], "align", reason, start, benchmarks),
        "lanes": sample["lanes"],
        "reads": sum(one["reads"] for one in checked) if checked and all("reads" in one for one in checked) else None,
        "reads_left_out": left_out(trimmed),
        "recalibrated": sample["recalibrated"] if reason is None else None,
        "quality": quality,
        "quality_reasons": why,
        **measures,
    }


if __name__ == "__main__":
    log_to(snakemake.log[0])
    made = record(
        snakemake.params.sample,
        [Path(path) for path in snakemake.input.lanes],
        [Path(path) for path in snakemake.input.trimmed],
        {name: Path(snakemake.input[name]) for name in ("duplicates", "metrics", "depth")},
        [Path(path) for path in snakemake.input.benchmarks],
        snakemake.params.limits,
    )
    Path(snakemake.output[0]).write_text(json.dumps(made, indent=2) + "\n")
