"""After a driver was killed: find what it submitted, and take over what runs or has succeeded since."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .ledger import Ledger
from .needs import Needs
from .polling import ENDED, Poller
from .registry import Submission
from .submitting import key_of, name_prefix

# What was submitted longer ago than this is in Batch's lists, if it was submitted at all.
LISTED_AFTER_S = 6.0
CLOCKS_APART_S = 2.0


def find_jobs(clients: Mapping[str, Any], queues: Iterable[str], name: str) -> list[tuple[str, str]]:
    """Name and id of the Batch jobs whose name is `name`, or begins with it (`name*`); the oldest last."""
    found = []
    for queue in sorted(set(queues)):
        pages = (
            clients["batch"]
            .get_paginator("list_jobs")
            .paginate(jobQueue=queue, filters=[{"name": "JOB_NAME", "values": [name]}])
        )
        for page in pages:
            found += [(job.get("createdAt", 0), job["jobName"], job["jobId"]) for job in page["jobSummaryList"]]
    newest_first = sorted(found, reverse=True)
    return [(job_name, job_id) for _, job_name, job_id in newest_first if ":" not in job_id]


class Orphans:
    """Jobs of an earlier driver of this workflow, by what makes two jobs the same."""

    def __init__(self, poller: Poller, ledger: Ledger, tell: Callable[[str], None], looked: float) -> None:
        self.poller, self.ledger, self.tell = poller, ledger, tell
        self.looked = looked  # when this driver began to look which files exist
        self.jobs: dict[str, tuple[Submission, int]] = {}
        self.long_done: set[str] = set()
        self.ended: dict[str, Submission] = {}
        self.running: dict[str, Submission] = {}

    def load(self, pause: Callable[[float], None] = time.sleep) -> None:
        """Read the submissions that have not ended, and withdraw those that Batch knows nothing of."""
        open_ones = {header["batch"]: (header, rows) for header, rows in self.ledger.unfinished()}
        if not open_ones:
            return
        queues = {header["queue"] for header, _ in open_ones.values()}
        ids: dict[str, str] = {}
        while True:
            for name, job_id in find_jobs(self.poller.clients, queues, name_prefix(self.ledger.workflow) + "*"):
                ids[key_of(name, self.ledger.workflow) or ""] = job_id
            unlisted = [header["submitted"] for key, (header, _) in open_ones.items() if key not in ids]
            young = max(unlisted, default=0.0) + LISTED_AFTER_S - time.time()
            if young <= 0:
                break
            pause(min(2.0, young))
        details = self.poller.describe(ids[key] for key in open_ones if key in ids)
        for key, (header, rows) in sorted(open_ones.items()):
            if ids.get(key) in details:
                self.take(header, rows, ids[key], details[ids[key]])
            else:
                self.ledger.void(key)

    def take(
        self, header: Mapping[str, Any], rows: list[dict[str, Any]], job_id: str, detail: Mapping[str, Any]
    ) -> None:
        submission = Submission(
            key=header["batch"],
            name=detail["jobName"],
            rule=header["rule"],
            needs=Needs(**header["needs"]),
            size=len(rows),
            submitted=header["submitted"],
            job_id=job_id,
            adopted=True,
            doubtful=True,
        )
        over = detail["status"] in ENDED
        failed = set(self.poller.children(submission, "FAILED")) if submission.size > 1 else set()
        if submission.size == 1 and detail["status"] == "FAILED":
            failed = {submission.child(0)}
        submission.known = len(failed)
        ends = self.ledger.ends(submission.key)
        done = {index for index, end in ends.items() if not end.code}
        for index, row in enumerate(rows):
            if submission.child(index) not in failed:
                self.jobs[row["token"]] = (submission, index)
            if index in done and ends[index].stop + CLOCKS_APART_S < self.looked:
                self.long_done.add(row["token"])
        (self.ended if over else self.running)[submission.key] = submission
        if not over:
            alive = submission.size - len(failed) - len(done)
            self.tell(f"An earlier run left {alive} jobs of rule {submission.rule} ({job_id}): they are taken over.")

    def claim(self, job_key: str) -> tuple[Submission, int] | None:
        """The job of an earlier driver that is this one; it is given once."""
        found = self.jobs.pop(job_key, None)
        if found:
            self.ended.pop(found[0].key, None)
            self.running.pop(found[0].key, None)
        return found

    def leave(self) -> None:
        """At the end of a run: forget what had ended and nobody wanted, tell what runs on though nobody wants it."""
        for submission in self.ended.values():
            self.ledger.close(submission.key)
        for submission in self.running.values():
            self.tell(
                "Jobs of an earlier run that this one does not need run on: "
                f"rule {submission.rule}, {submission.job_id}."
            )
