"""The jobs of a run that failed for good: which they are, and the last words of their logs."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

LONGEST = 600
SHOWN = 100


class FailedJob(NamedTuple):
    """`subject` is the sample or the organism that the job is about; `log` may not exist."""

    rule: str
    subject: str
    reason: str
    wildcards: str
    log: Path | None


def failed_jobs(workflow: Any) -> list[FailedJob]:
    """List the jobs that failed and are not tried again (Snakemake 9.27 has no public way to them)."""
    failed = workflow.scheduler.failed if workflow.scheduler else ()
    return sorted(map(describe, (one for job in failed for one in members(job))), key=lambda job: job[:2])


def unmade_files(workflow: Any) -> set[str]:
    """The files of jobs that had to run and did not finish: what is there of them is of an earlier run."""
    waiting = workflow.dag.needrun_jobs() if workflow.scheduler else ()
    return {str(file) for job in waiting for file in job.output}


def members(job: Any) -> Iterator[Any]:
    yield from job.jobs if job.is_group() else [job]


def describe(job: Any) -> FailedJob:
    wildcards = job.wildcards_dict
    log = Path(job.log[0]) if job.log else None
    return FailedJob(
        job.rule.name,
        wildcards.get("sample") or wildcards.get("organism", ""),
        last_words(log),
        ", ".join(f"{name} {value}" for name, value in wildcards.items()),
        log,
    )


def last_words(log: Path | None) -> str:
    """Return the last line of a log that is not empty; a job that was killed may have left none."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").split("\n") if log else []
    except OSError:
        lines = []
    words = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return words[-LONGEST:] or "it left no word; it was killed, or its log is elsewhere"


def failed_samples(records: Iterable[Path]) -> list[tuple[str, str]]:
    """List the samples whose record says that they failed, with step and reason; who cannot be read is passed over."""
    found = []
    for path in records:
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):  # cut short; the report names it
            continue
        if not record["success"]:
            found.append((record["sample"], f"{record['failed_step']}: {record['reason']}"))
    return found


def say(jobs: Iterable[FailedJob], samples: Iterable[tuple[str, str]]) -> str:
    """Say in a line each what failed."""
    lines = [f"  {' '.join(filter(None, (job.rule, job.subject)))}: {job.reason}" for job in jobs]
    lines += [f"  sample {name}: {reason}" for name, reason in samples]
    if not lines:
        return "the run was stopped before its end; no job failed"
    more = [f"  ... and {len(lines) - SHOWN:,} more"] if len(lines) > SHOWN else []
    return "\n".join(["what failed, with the last words of each log:", *lines[:SHOWN], *more])
