"""Look at the jobs: few calls for many jobs, and more often when something happens."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from .ledger import Ledger
from .outcomes import SUCCESS, Outcome, outcome
from .registry import BatchJob, Submission
from .states import End

DESCRIBED_AT_ONCE = 100
MISSED_LIMIT = 3
ENDED = ("SUCCEEDED", "FAILED")
BUSY = ("STARTING", "RUNNING")


def chunks(ids: Sequence[str], size: int = DESCRIBED_AT_ONCE) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), size):
        yield ids[start : start + size]


class Pace:
    """Seconds until the next look: a tenth of the time in which nothing happened, within limits."""

    def __init__(self, least: float, most: float) -> None:
        self.least, self.most = least, max(least, most)
        self.last_event = time.monotonic()

    def event(self) -> None:
        self.last_event = time.monotonic()

    def seconds(self) -> float:
        return min(self.most, max(self.least, (time.monotonic() - self.last_event) / 10))


class Poller:
    def __init__(self, clients: Mapping[str, Any], ledger: Ledger) -> None:
        self.clients, self.ledger = clients, ledger
        self.began = time.monotonic()
        self.last_busy: dict[str, float] = {}  # when jobs of a queue last started, ran or ended
        self.changed = False

    def describe(self, ids: Iterable[str]) -> dict[str, Mapping[str, Any]]:
        found = {}
        for some in chunks(list(dict.fromkeys(ids))):
            for detail in self.clients["batch"].describe_jobs(jobs=list(some))["jobs"]:
                found[detail["jobId"]] = detail
        return found

    def children(self, submission: Submission, status: str) -> Iterator[str]:
        pages = (
            self.clients["batch"].get_paginator("list_jobs").paginate(arrayJobId=submission.job_id, jobStatus=status)
        )
        for page in pages:
            for child in page["jobSummaryList"]:
                yield child["jobId"]

    def look(self, batch_jobs: Sequence[BatchJob]) -> Iterator[tuple[BatchJob, Outcome]]:
        """Yield the jobs that have ended since the last look, each with its outcome."""
        by_submission: dict[Submission, list[BatchJob]] = {}
        for batch_job in batch_jobs:
            by_submission.setdefault(batch_job.submission, []).append(batch_job)
        wanted = [str(submission.job_id) for submission in by_submission] + [
            one.owner_id for one in batch_jobs if one.owner_id
        ]
        details = self.describe(wanted)
        for submission, members in by_submission.items():
            detail = details.get(str(submission.job_id))
            followed = [batch_job for batch_job in members if batch_job.owner_id]
            for batch_job in followed:
                if (own := details.get(str(batch_job.owner_id), {})).get("status") in ENDED:
                    yield batch_job, self.outcome(own, batch_job)
            members = [batch_job for batch_job in members if not batch_job.owner_id]
            if detail is None:
                submission.missed += 1
                if submission.missed >= MISSED_LIMIT:
                    yield from ((batch_job, Outcome("vanished", batch_job.id)) for batch_job in members)
                continue
            submission.missed = 0
            news = self.note(submission, summary(detail))
            ended = sum(submission.summary.get(status, 0) for status in ENDED)
            alike = detail["status"] == "SUCCEEDED" or (detail["status"] == "FAILED" and ended < submission.size)
            if alike or (submission.size == 1 and ended):
                yield from self.whole(submission, members, detail)
            elif ended > submission.known or (ended and news):
                yield from self.part(submission, members, ended - submission.known)

    def note(self, submission: Submission, counts: dict[str, int]) -> bool:
        """Keep what a submission's jobs are doing; return whether that is news."""
        news = counts != submission.summary
        if any(counts.get(status) for status in BUSY) or any(counts.get(s) != submission.summary.get(s) for s in ENDED):
            self.last_busy[submission.needs.queue] = time.monotonic()
        submission.summary, self.changed = counts, self.changed or news
        return news

    def idle(self, queue: str) -> float:
        """For how many seconds no job of a queue has started, run or ended. What waits may wait for those that run."""
        return time.monotonic() - self.last_busy.get(queue, self.began)

    def whole(
        self, submission: Submission, members: list[BatchJob], detail: Mapping[str, Any]
    ) -> Iterator[tuple[BatchJob, Outcome]]:
        """A submission has ended alike for all its jobs."""
        ends = self.ledger.ends(submission.key)
        if submission.size == 1 or detail["status"] == "FAILED":
            for batch_job in members:
                yield batch_job, self.outcome({**detail, "jobId": batch_job.id}, batch_job, ends.get(batch_job.index))
            return
        repeated = {batch_job.id for batch_job in members if (end := ends.get(batch_job.index)) and end.attempt > 1}
        details = self.describe(repeated)
        for batch_job in members:
            end = ends.get(batch_job.index)
            if batch_job.id in details:
                yield batch_job, outcome(details[batch_job.id], end)
            else:
                yield batch_job, Outcome(SUCCESS, batch_job.id, 0, end=end)

    def part(self, submission: Submission, members: list[BatchJob], news: int) -> Iterator[tuple[BatchJob, Outcome]]:
        """Some jobs of an array have ended: find which, from what they left in S3, else from Batch."""
        ends, ours = self.ledger.ends(submission.key), {batch_job.id: batch_job for batch_job in members}
        done = {batch_job.id for batch_job in members if (end := ends.get(batch_job.index)) and not end.code}
        failed: set[str] = set()
        if len(done) < news and submission.summary.get("FAILED"):
            failed = ours.keys() & set(self.children(submission, "FAILED"))
        if len(done | failed) < news:
            done |= ours.keys() & set(self.children(submission, "SUCCEEDED"))
        repeated = {job_id for job_id in done if (end := ends.get(ours[job_id].index)) and end.attempt > 1}
        details = self.describe(failed | repeated)
        for job_id, batch_job in ours.items():
            end = ends.get(batch_job.index)
            if details.get(job_id, {}).get("status") in ENDED:
                yield batch_job, self.outcome(details[job_id], batch_job, end)
                submission.known += 1  # once it was taken: what an error kept from being told is found again
            elif job_id in done and job_id not in repeated:
                yield batch_job, Outcome(SUCCESS, job_id, 0, end=end)
                submission.known += 1

    def outcome(self, detail: Mapping[str, Any], batch_job: BatchJob, end: End | None = None) -> Outcome:
        if end is None and batch_job.owner_id:
            end = self.ledger.ends(batch_job.submission.key).get(batch_job.index)
        return outcome(detail, end)


def summary(detail: Mapping[str, Any]) -> dict[str, int]:
    """How many jobs of a submission are in which state."""
    counts = (detail.get("arrayProperties") or {}).get("statusSummary")
    return {key: value for key, value in counts.items() if value} if counts else {detail["status"]: 1}
