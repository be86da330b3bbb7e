"""One row for each attempt of each job, as tab-separated values; beside it all that happened, as lines of JSON."""

import datetime
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from .needs import disk_of
from .outcomes import Outcome, seconds
from .registry import BatchJob, Submission

COLUMNS = [
    *("submitted", "started", "stopped", "rule", "jobid", "wildcards", "attempt", "batch_attempt", "batch_job"),
    *("queue", "image", "instance", "vcpus", "memory_asked_mb", "memory_used_mb", "gpus", "disk_asked_mb"),
    *("exit", "outcome", "reason", "tags"),
]


def moment(stamp: float | None) -> str:
    """A time as people and programs read it, empty where unknown."""
    return datetime.datetime.fromtimestamp(stamp, datetime.UTC).isoformat(timespec="seconds") if stamp else ""


def rows(batch_job: BatchJob, outcome: Outcome, tags: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """The attempts of a job: those Batch made before, and the last one, of which the job itself tells more."""
    needs, end, job = batch_job.submission.needs, outcome.end, batch_job.job
    common = {
        "submitted": moment(batch_job.submission.submitted),
        "rule": batch_job.submission.rule,
        "jobid": job.jobid,
        "wildcards": "" if job.is_group() else ",".join(f"{k}={v}" for k, v in job.wildcards_dict.items()),
        "attempt": batch_job.attempt,
        "batch_job": outcome.job_id,
        "queue": needs.queue,
        "image": needs.image,
        "vcpus": needs.vcpus,
        "memory_asked_mb": needs.memory_mb,
        "gpus": needs.gpus,
        "disk_asked_mb": disk_of(job),
        "tags": ",".join(f"{key}={value}" for key, value in tags.items()),
    }
    for number, attempt in enumerate(outcome.attempts[:-1], start=1):
        container = attempt.get("container") or {}
        yield {
            **common,
            "batch_attempt": number,
            "started": moment(seconds(attempt.get("startedAt"))),
            "stopped": moment(seconds(attempt.get("stoppedAt"))),
            "instance": str(container.get("containerInstanceArn") or "").rpartition("/")[2],
            "exit": container.get("exitCode", ""),
            "outcome": "repeated by Batch",
            "reason": attempt.get("statusReason") or container.get("reason") or "",
        }
    yield {
        **common,
        "batch_attempt": end.attempt if end else max(1, len(outcome.attempts)),
        "started": moment(end.start if end else outcome.started),
        "stopped": moment(end.stop if end else outcome.stopped),
        "instance": end.instance if end and end.instance != "-" else outcome.instance,
        "memory_used_mb": end.peak_mb if end else "",
        "exit": "" if outcome.code is None else outcome.code,
        "outcome": outcome.kind,
        "reason": "" if outcome.succeeded else outcome.reason,
    }


class Trace:
    """Appends to `path` (rows) and to the file of its name with .jsonl (events); to nothing where it is None.

    What cannot be written, because the disk is full, is told once and left out: no job depends on it.
    """

    def __init__(self, path: Path | None, tags: Mapping[str, str], warn: Callable[[str], None]) -> None:
        self.path, self.tags, self.warn, self.lock = path, tags, warn, threading.Lock()
        self.files: dict[str, TextIO] = {}
        self.warned = False

    def write(self, batch_job: BatchJob, outcome: Outcome) -> None:
        """The attempts of a job that has ended, as rows and as events."""
        for row in rows(batch_job, outcome, self.tags) if self.path else ():
            self.append(".tsv", "\t".join(clean(row.get(column, "")) for column in COLUMNS))
            self.event("ended", **{name: value for name, value in row.items() if value != ""})

    def event(self, event: str, **facts: Any) -> None:
        if self.path:
            told = {"time": moment(time.time()), "event": event, **facts}
            self.append(".jsonl", json.dumps(told, separators=(",", ":"), default=str))

    def submitted(self, submission: Submission, jobs: Iterable[Any]) -> None:
        needs = {name: value for name, value in asdict(submission.needs).items() if value}
        self.event(
            "submitted", rule=submission.rule, batch_job=submission.job_id, jobids=[job.jobid for job in jobs], **needs
        )

    def append(self, end: str, line: str) -> None:
        with self.lock:
            try:
                print(line, file=self.file(end), flush=True)
            except OSError as error:
                if not self.warned:
                    self.warned = True
                    self.warn(f"fishladder: the trace has gaps, as it cannot be written: {error}")

    def file(self, end: str) -> TextIO:
        if end not in self.files:
            path = self.path if end == ".tsv" else self.path.with_suffix(end)
            path.parent.mkdir(parents=True, exist_ok=True)
            self.files[end] = file = path.open("a")
            if end == ".tsv" and not file.tell():
                print(*COLUMNS, sep="\t", file=file)
        return self.files[end]


def clean(value: Any) -> str:
    return " ".join(str(value).split())
