"""Look at the jobs: few calls for many jobs, and more often when something happens."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from .ledger import Ledger
from .outcomes import SUCCESS, Outcome, outcome
from .registry import Batch, Flight
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

    def children(self, batch: Batch, status: str) -> Iterator[str]:
        pages = self.clients["batch"].get_paginator("list_jobs").paginate(arrayJobId=batch.job_id, jobStatus=status)
        for page in pages:
            for child in page["jobSummaryList"]:
                yield child["jobId"]

    def look(self, flights: Sequence[Flight]) -> Iterator[tuple[Flight, Outcome]]:
        """Yield the jobs that have ended since the last look, each with its outcome."""
        by_batch: dict[Batch, list[Flight]] = {}
        for flight in flights:
            by_batch.setdefault(flight.batch, []).append(flight)
        wanted = [str(batch.job_id) for batch in by_batch] + [f.batch_id for f in flights if f.batch_id]
        details = self.describe(wanted)
        for batch, members in by_batch.items():
            detail = details.get(str(batch.job_id))
            followed = [flight for flight in members if flight.batch_id]
            for flight in followed:
                if (own := details.get(str(flight.batch_id), {})).get("status") in ENDED:
                    yield flight, self.outcome(own, flight)
            members = [flight for flight in members if not flight.batch_id]
            if detail is None:
                batch.missed += 1
                if batch.missed >= MISSED_LIMIT:
                    yield from ((flight, Outcome("vanished", flight.id)) for flight in members)
                continue
            batch.missed = 0
            news = self.note(batch, summary(detail))
            ended = sum(batch.summary.get(status, 0) for status in ENDED)
            alike = detail["status"] == "SUCCEEDED" or (detail["status"] == "FAILED" and ended < batch.size)
            if alike or (batch.size == 1 and ended):
                yield from self.whole(batch, members, detail)
            elif ended > batch.known or (ended and news):
                yield from self.part(batch, members, ended - batch.known)

    def note(self, batch: Batch, counts: dict[str, int]) -> bool:
        """Keep what a submission's jobs are doing; return whether that is news."""
        news = counts != batch.summary
        if any(counts.get(status) for status in BUSY) or any(counts.get(s) != batch.summary.get(s) for s in ENDED):
            self.last_busy[batch.needs.queue] = time.monotonic()
        batch.summary, self.changed = counts, self.changed or news
        return news

    def idle(self, queue: str) -> float:
        """For how many seconds no job of a queue has started, run or ended. What waits may wait for those that run."""
        return time.monotonic() - self.last_busy.get(queue, self.began)

    def whole(self, batch: Batch, members: list[Flight], detail: Mapping[str, Any]) -> Iterator[tuple[Flight, Outcome]]:
        """A submission has ended alike for all its jobs."""
        ends = self.ledger.ends(batch.key)
        if batch.size == 1 or detail["status"] == "FAILED":
            for flight in members:
                yield flight, self.outcome({**detail, "jobId": flight.id}, flight, ends.get(flight.index))
            return
        repeated = {flight.id for flight in members if (end := ends.get(flight.index)) and end.attempt > 1}
        details = self.describe(repeated)
        for flight in members:
            end = ends.get(flight.index)
            if flight.id in details:
                yield flight, outcome(details[flight.id], end)
            else:
                yield flight, Outcome(SUCCESS, flight.id, 0, end=end)

    def part(self, batch: Batch, members: list[Flight], news: int) -> Iterator[tuple[Flight, Outcome]]:
        """Some jobs of an array have ended: find which, from what they left in S3, else from Batch."""
        ends, ours = self.ledger.ends(batch.key), {flight.id: flight for flight in members}
        done = {flight.id for flight in members if (end := ends.get(flight.index)) and not end.code}
        failed: set[str] = set()
        if len(done) < news and batch.summary.get("FAILED"):
            failed = ours.keys() & set(self.children(batch, "FAILED"))
        if len(done | failed) < news:
            done |= ours.keys() & set(self.children(batch, "SUCCEEDED"))
        repeated = {job_id for job_id in done if (end := ends.get(ours[job_id].index)) and end.attempt > 1}
        details = self.describe(failed | repeated)
        for job_id, flight in ours.items():
            end = ends.get(flight.index)
            if details.get(job_id, {}).get("status") in ENDED:
                yield flight, self.outcome(details[job_id], flight, end)
                batch.known += 1  # once it was taken: what an error kept from being told is found again
            elif job_id in done and job_id not in repeated:
                yield flight, Outcome(SUCCESS, job_id, 0, end=end)
                batch.known += 1

    def outcome(self, detail: Mapping[str, Any], flight: Flight, end: End | None = None) -> Outcome:
        if end is None and flight.batch_id:
            end = self.ledger.ends(flight.batch.key).get(flight.index)
        return outcome(detail, end)


def summary(detail: Mapping[str, Any]) -> dict[str, int]:
    """How many jobs of a submission are in which state."""
    counts = (detail.get("arrayProperties") or {}).get("statusSummary")
    return {key: value for key, value in counts.items() if value} if counts else {detail["status"]: 1}
