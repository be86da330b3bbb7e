"""One row for each attempt of each job, as tab-separated values."""

import datetime
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .outcomes import Outcome, seconds
from .registry import Flight

COLUMNS = [
    *("submitted", "started", "stopped", "rule", "jobid", "wildcards", "attempt", "batch_attempt", "batch_job"),
    *("queue", "image", "instance", "vcpus", "memory_asked_mb", "memory_used_mb", "gpus", "disk_asked_mb"),
    *("exit", "outcome", "reason", "tags"),
]


def moment(stamp: float | None) -> str:
    """A time as people and programs read it, empty where unknown."""
    return datetime.datetime.fromtimestamp(stamp, datetime.UTC).isoformat(timespec="seconds") if stamp else ""


def rows(flight: Flight, outcome: Outcome, tags: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """The attempts of a job: those Batch made before, and the last one, of which the job itself tells more."""
    needs, end, job = flight.batch.needs, outcome.end, flight.job
    common = {
        "submitted": moment(flight.batch.submitted),
        "rule": flight.batch.rule,
        "jobid": job.jobid,
        "wildcards": "" if job.is_group() else ",".join(f"{k}={v}" for k, v in job.wildcards_dict.items()),
        "attempt": flight.attempt,
        "batch_job": outcome.job_id,
        "queue": needs.queue,
        "image": needs.image,
        "vcpus": needs.vcpus,
        "memory_asked_mb": needs.memory_mb,
        "gpus": needs.gpus,
        "disk_asked_mb": needs.disk_mb,
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
    def __init__(self, path: Path | None, tags: Mapping[str, str]) -> None:
        self.path, self.tags, self.lock = path, tags, threading.Lock()
        self.file: Any = None

    def write(self, flight: Flight, outcome: Outcome) -> None:
        if self.path is None:
            return
        with self.lock:
            if self.file is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self.file = self.path.open("a")
                if not self.file.tell():
                    print(*COLUMNS, sep="\t", file=self.file)
            for row in rows(flight, outcome, self.tags):
                print(*(clean(row.get(column, "")) for column in COLUMNS), sep="\t", file=self.file)
            self.file.flush()


def clean(value: Any) -> str:
    return " ".join(str(value).split())
