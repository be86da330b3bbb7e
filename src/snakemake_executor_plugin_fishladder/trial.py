"""One small job an image, before a run: nothing else tells whether instances start, pull it, and can run jobs in it."""

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from types import SimpleNamespace

from . import submitting
from .failures import to_do
from .ledger import Ledger
from .needs import Needs
from .outcomes import ADVICE, Outcome
from .polling import Poller
from .registry import BatchJob, Submission
from .run_settings import run_settings_of
from .sender import Sender
from .settings import ExecutorSettings

LIMIT_S = 900
MEMORY_MB = 512
NO_BASH = 93
# By the time that this runs, the image was pulled, it has a shell, the runtime starts in it, and S3 could be read and
# written with the job role.
COMMAND = "command -v bash >/dev/null || exit {no_bash}; {python} -c 'import snakemake.api'"


def try_images(
    settings: ExecutorSettings, ledger: Ledger, images: Sequence[str], limit_s: float = LIMIT_S
) -> Iterator[tuple[str, bool | None, str]]:
    """Run a job in each image; yield image, whether jobs can run in it (None: none has started), and what to say."""
    run_settings = run_settings_of(settings)
    sender = Sender(ledger.clients, ledger, settings, run_settings, logging.getLogger(__name__))
    batch_jobs, began = [], time.monotonic()
    command = COMMAND.format(no_bash=NO_BASH, python=run_settings.python)
    try:
        for image in images:
            needs = Needs(image, 1, MEMORY_MB, queue=settings.queue or "")
            key = submitting.new_key()
            submission = Submission(key, submitting.job_name(ledger.workflow, key, "preflight"), "preflight", needs, 0)
            header = {"rule": "preflight", "queue": needs.queue, "needs": asdict(needs), "submitted": time.time()}
            header |= {"env": {}, "workdir": None, "before": "", "after": ""}
            sender.send(submission, [SimpleNamespace(attempt=1)], (header, [{"token": key, "args": command}]))
            batch_jobs += submission.batch_jobs.values()
        poller = Poller(ledger.clients, ledger)
        while batch_jobs and time.monotonic() - began < limit_s:
            time.sleep(max(settings.poll_interval, 0.2))
            for batch_job, outcome in poller.look(batch_jobs):
                batch_jobs.remove(batch_job)
                sender.registry.forget(batch_job.submission)
                yield batch_job.submission.needs.image, outcome.succeeded, verdict(batch_job, outcome, ledger, began)
                ledger.close(batch_job.submission.key)
        for batch_job in batch_jobs:
            yield batch_job.submission.needs.image, None, f"its job has not ended within {limit_s / 60:.0f} minutes"
    finally:
        sender.cancel()
        for batch_job in batch_jobs:
            ledger.close(batch_job.submission.key)


def verdict(batch_job: BatchJob, outcome: Outcome, ledger: Ledger, began: float) -> str:
    if outcome.succeeded:
        return f"a job ran in it, {time.monotonic() - began:.0f} s after it was submitted; bash and runtime are there"
    if outcome.code == NO_BASH:
        return "it has no bash, which Snakemake needs. To do: take or build an image that has"
    if outcome.kind == "user":
        tail = ledger.tail(batch_job.submission.key, outcome.end) if outcome.end else []
        return f"Snakemake does not start in it ({tail[-1] if tail else outcome.reason}). To do: --fishladder-runtime"
    return to_do(outcome.reason or outcome.kind, ADVICE.get(outcome.kind, ADVICE["unknown"]))
