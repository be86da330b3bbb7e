"""What is in the air: every submission and every job of it, whatever Snakemake has or has not been told yet."""

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .needs import Needs


@dataclass(eq=False)
class Batch:
    """One SubmitJob: an array job, or a single one."""

    key: str
    name: str
    rule: str
    needs: Needs
    size: int
    submitted: float = field(default_factory=time.time)
    job_id: str | None = None
    doubtful: bool = False
    flights: dict[int, "Flight"] = field(default_factory=dict)
    summary: dict[str, int] = field(default_factory=dict)
    known: int = 0
    missed: int = 0
    adopted: bool = False

    def child(self, index: int) -> str:
        return f"{self.job_id}:{index}" if self.size > 1 else str(self.job_id)


@dataclass(eq=False)
class Flight:
    """One job of Snakemake's in the air."""

    batch: Batch
    index: int
    job: Any
    attempt: int
    batch_id: str | None = None

    @property
    def id(self) -> str:
        """The Batch job that runs it."""
        return self.batch_id or self.batch.child(self.index)


class Registry:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.batches: dict[str, Batch] = {}

    def reserve(self, batch: Batch) -> None:
        """Before SubmitJob: from here on the submission may exist."""
        with self.lock:
            self.batches[batch.key] = batch

    def forget(self, batch: Batch) -> None:
        with self.lock:
            self.batches.pop(batch.key, None)

    def land(self, flight: Flight) -> bool:
        """A job has ended; return whether it was the last of its submission."""
        with self.lock:
            batch = flight.batch
            batch.flights.pop(flight.index, None)
            if batch.flights:
                return False
            self.batches.pop(batch.key, None)
            return True

    def in_air(self) -> list[Batch]:
        with self.lock:
            return list(self.batches.values())


def ids_to_end(batch: Batch) -> Iterable[str]:
    """The Batch jobs to terminate so that a submission ends: the array as a whole where all of it is ours."""
    if batch.job_id and not (batch.adopted and batch.size > len(batch.flights)):
        yield batch.job_id
    else:
        yield from (flight.id for flight in list(batch.flights.values()) if batch.job_id)
    yield from (flight.batch_id for flight in list(batch.flights.values()) if flight.batch_id)
