"""What has not ended: every submission and every job of it, whatever Snakemake has or has not been told yet."""

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .needs import Needs


@dataclass(eq=False)
class Submission:
    """One SubmitJob: an array job, or a single one."""

    key: str
    name: str
    rule: str
    needs: Needs
    size: int
    submitted: float = field(default_factory=time.time)
    job_id: str | None = None
    doubtful: bool = False
    batch_jobs: dict[int, "BatchJob"] = field(default_factory=dict)
    summary: dict[str, int] = field(default_factory=dict)
    known: int = 0
    missed: int = 0
    adopted: bool = False

    def child(self, index: int) -> str:
        return f"{self.job_id}:{index}" if self.size > 1 else str(self.job_id)


@dataclass(eq=False)
class BatchJob:
    """One job of Snakemake's, as Batch runs it."""

    submission: Submission
    index: int
    job: Any
    attempt: int
    owner_id: str | None = None

    @property
    def id(self) -> str:
        """The Batch job that runs it."""
        return self.owner_id or self.submission.child(self.index)


class Registry:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.submissions: dict[str, Submission] = {}

    def reserve(self, submission: Submission) -> None:
        """Before SubmitJob: from here on the submission may exist."""
        with self.lock:
            self.submissions[submission.key] = submission

    def forget(self, submission: Submission) -> None:
        with self.lock:
            self.submissions.pop(submission.key, None)

    def finish(self, batch_job: BatchJob) -> bool:
        """A job has ended; return whether it was the last of its submission."""
        with self.lock:
            submission = batch_job.submission
            submission.batch_jobs.pop(batch_job.index, None)
            if submission.batch_jobs:
                return False
            self.submissions.pop(submission.key, None)
            return True

    def unfinished(self) -> list[Submission]:
        with self.lock:
            return list(self.submissions.values())


def ids_to_end(submission: Submission) -> Iterable[str]:
    """The Batch jobs to terminate so that a submission ends: the array as a whole where all of it is ours."""
    if submission.job_id and not (submission.adopted and submission.size > len(submission.batch_jobs)):
        yield submission.job_id
    else:
        yield from (batch_job.id for batch_job in list(submission.batch_jobs.values()) if submission.job_id)
    yield from (batch_job.owner_id for batch_job in list(submission.batch_jobs.values()) if batch_job.owner_id)
