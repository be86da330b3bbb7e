"""One small job an image, before a run: nothing else tells whether instances start, pull it, and can run jobs in it."""

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from types import SimpleNamespace

from . import submission
from .ground import ground_of
from .ledger import Ledger
from .needs import Needs
from .outcomes import ADVICE, Outcome
from .polling import Poller
from .registry import Batch, Flight
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
    ground = ground_of(settings)
    sender = Sender(ledger.clients, ledger, settings, ground, logging.getLogger(__name__))
    flights, began = [], time.monotonic()
    command = COMMAND.format(no_bash=NO_BASH, python=ground.python)
    try:
        for image in images:
            needs = Needs(image, 1, MEMORY_MB, queue=settings.queue or "")
            key = submission.new_key()
            batch = Batch(key, submission.job_name(ledger.workflow, key, "preflight"), "preflight", needs, 0)
            header = {"rule": "preflight", "queue": needs.queue, "needs": asdict(needs), "submitted": time.time()}
            header |= {"env": {}, "workdir": None, "before": "", "after": ""}
            sender.send(batch, [SimpleNamespace(attempt=1)], (header, [{"token": key, "args": command}]))
            flights += batch.flights.values()
        poller = Poller(ledger.clients, ledger)
        while flights and time.monotonic() - began < limit_s:
            time.sleep(max(settings.poll_interval, 0.2))
            for flight, outcome in poller.look(flights):
                flights.remove(flight)
                sender.registry.forget(flight.batch)
                yield flight.batch.needs.image, outcome.succeeded, verdict(flight, outcome, ledger, began)
                ledger.close(flight.batch.key)
        for flight in flights:
            yield flight.batch.needs.image, None, f"its job has not ended within {limit_s / 60:.0f} minutes"
    finally:
        sender.cancel()
        for flight in flights:
            ledger.close(flight.batch.key)


def verdict(flight: Flight, outcome: Outcome, ledger: Ledger, began: float) -> str:
    if outcome.succeeded:
        return f"a job ran in it, {time.monotonic() - began:.0f} s after it was submitted; bash and runtime are there"
    if outcome.code == NO_BASH:
        return "it has no bash, which Snakemake needs. To do: take or build an image that has"
    if outcome.kind == "user":
        tail = ledger.tail(flight.batch.key, outcome.end) if outcome.end else []
        return f"Snakemake does not start in it ({tail[-1] if tail else outcome.reason}). To do: --fishladder-runtime"
    return f"{outcome.reason or outcome.kind}. To do: {ADVICE.get(outcome.kind, ADVICE['unknown'])}"
