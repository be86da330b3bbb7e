"""Send submissions to Batch and take them back; credentials that expire meanwhile are waited for."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from . import submitting
from .adoption import find_jobs
from .clients import Clients, is_expired
from .job_definitions import Definitions, RunSettings
from .ledger import Ledger
from .needs import Refusal
from .registry import BatchJob, Registry, Submission, ids_to_end
from .settings import ExecutorSettings

T = TypeVar("T")
SENDERS = 8
Manifest = tuple[dict[str, Any], list[dict[str, Any]]]


class Sender:
    """What talks to Batch on the way out. `stopping` is set once the run is to end: nothing is submitted after."""

    def __init__(
        self, clients: Clients, ledger: Ledger, settings: ExecutorSettings, run_settings: RunSettings, logger: Any
    ) -> None:
        self.clients, self.ledger, self.settings, self.logger = clients, ledger, settings, logger
        self.definitions = Definitions(clients, run_settings)
        self.registry, self.rate = Registry(), submitting.Rate(settings.submit_rate)
        self.tags: Mapping[str, str] = dict(run_settings.tags)
        self.pool = ThreadPoolExecutor(SENDERS, thread_name_prefix="fishladder")
        self.stopping = threading.Event()

    def send(self, submission: Submission, members: Sequence[Any], manifest: Manifest) -> None:
        """Write the commands to S3, then submit: in this order, so that a killed driver finds what it did."""
        header, rows = manifest
        submission.size = len(rows)
        definition = self.with_credentials(lambda: self.definitions.arn(submission.needs.image))
        self.registry.reserve(submission)
        reference = self.with_credentials(lambda: self.ledger.open(submission.key, header, rows))
        tags = submitting.tags(submission.rule, self.ledger.workflow, self.tags)
        request = submitting.request(submission.name, definition, submission.needs, reference, submission.size, tags)

        def send() -> str:
            self.rate.wait()
            if self.stopping.is_set():
                raise Refusal("the run was cancelled")
            return self.clients["batch-submit"].submit_job(**request)["jobId"]

        job_id, submission.doubtful = self.with_credentials(
            lambda: submitting.submit(send, lambda: self.ids_of(submission), self.stopping.wait)
        )
        submission.batch_jobs = {
            index: BatchJob(submission, index, job, job.attempt) for index, job in enumerate(members)
        }
        submission.job_id = job_id

    def ids_of(self, submission: Submission) -> list[str]:
        """All Batch jobs that carry a submission's name, oldest last."""
        return [job_id for _, job_id in find_jobs(self.clients, [submission.needs.queue], submission.name)]

    def withdraw(self, submission: Submission) -> None:
        """After a submission that failed: whatever came of it does nothing."""
        self.quietly(lambda: self.ledger.void(submission.key))
        self.quietly(lambda: self.end(self.ids_of(submission), "submission failed"))
        self.registry.forget(submission)

    def cancel(self) -> None:
        """End everything that was submitted or may have been, and say what could not be ended."""
        self.stopping.set()
        self.pool.shutdown(wait=True, cancel_futures=True)
        submissions = self.registry.unfinished()
        with ThreadPoolExecutor(SENDERS) as pool:
            left = [
                one
                for one, ended in zip(submissions, pool.map(self.cancel_submission, submissions), strict=True)
                if not ended
            ]
        if left:
            names = ", ".join(submission.job_id or submission.name for submission in left)
            self.logger.error(
                f"fishladder: could not end {len(left)} submissions ({names}). They run on: start the same command "
                "again to take them over, or end them in the console."
            )

    def cancel_submission(self, submission: Submission) -> bool:
        try:
            self.ledger.void(submission.key)
            ids = list(ids_to_end(submission))
            if submission.doubtful or not submission.job_id:
                ids += self.ids_of(submission)
            for job_id in dict.fromkeys(ids):
                self.terminate(job_id, "the run was cancelled")
        except Exception as error:
            self.logger.error(f"fishladder: {submission.job_id or submission.name}: {error}")
            return False
        return True

    def end(self, ids: Iterable[str], why: str) -> None:
        """End single jobs while the run goes on; what cannot be ended is told."""
        for job_id in dict.fromkeys(ids):
            try:
                self.terminate(job_id, why)
            except Exception as error:
                self.logger.warning(f"fishladder: could not end {job_id}: {error}")

    def terminate(self, job_id: str, why: str) -> None:
        self.clients["batch"].terminate_job(jobId=job_id, reason=f"fishladder: {why}")

    def quietly(self, call: Callable[[], T]) -> T | None:
        """Do what the run does not depend on."""
        try:
            return call()
        except Exception as error:
            self.logger.debug(f"fishladder: {error}")
            return None

    def with_credentials(self, call: Callable[[], T]) -> T:
        """Call; while AWS refuses the credentials, say so and try again with those of the moment."""
        deadline = time.monotonic() + self.settings.credentials_wait
        told = False
        while True:
            try:
                return call()
            except Exception as error:
                if not is_expired(error) or self.stopping.is_set():
                    raise
                if not told:
                    told = True
                    self.logger.error(
                        f"fishladder: AWS refuses the credentials ({error}). Submitted jobs run on. Renew the "
                        f"credentials (aws sso login, or the file) within {self.settings.credentials_wait} s, or run "
                        "the same command again later: it takes over what runs."
                    )
                if time.monotonic() > deadline:
                    raise
                self.stopping.wait(min(5.0, max(0.2, self.settings.credentials_wait / 10)))
                self.clients.renew()
