"""What the record of a sample says whatever the analysis: of whom it is, how it ended, and what it took."""

import csv
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

NO_RESULT = "# no result: "


def why_failed(output: Path) -> str | None:
    """The step at which a sample failed and why, as a step's directory or file has it (fail_sample in sample_step.sh);
    None where it holds a result."""
    if output.is_dir():
        failed = output / "failed.txt"
        return failed.read_text().strip() if failed.exists() else None
    with output.open() as rows:
        first = rows.readline()
    return first.removeprefix(NO_RESULT).strip() if first.startswith(NO_RESULT) else None


def took(benchmark: Path) -> tuple[float, float | None]:
    """Seconds and peak memory (MB) of a job, from Snakemake's benchmark file; None for a job too short to measure."""
    with benchmark.open() as rows:
        row = next(csv.DictReader(rows, delimiter="\t"))
    return float(row["s"]), None if row["max_rss"] in ("-", "NA") else float(row["max_rss"])


def common_record(
    sample: str, organism: str, analysis: str, reason: str | None, start: str | None, benchmarks: Iterable[Path]
) -> dict:
    """The keys that all records have. `reason`: as `why_failed` has it; `start`: when its first step began, UTC."""
    steps = []
    for path in benchmarks:
        seconds, memory = took(path)
        steps.append({"step": path.parent.name, "seconds": seconds, "peak_memory_mb": memory})
    return {
        "sample": sample,
        "organism": organism,
        "analysis": analysis,
        "success": reason is None,
        "failed_step": reason and reason.partition(":")[0],
        "reason": reason and reason.partition(": ")[2],
        "start": start,
        "end": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(sum(step["seconds"] for step in steps), 2),
        "peak_memory_mb": max((step["peak_memory_mb"] for step in steps if step["peak_memory_mb"]), default=None),
        "steps": steps,
    }
