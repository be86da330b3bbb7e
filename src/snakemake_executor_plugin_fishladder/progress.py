"""One line that tells how far each rule is."""

import time
from collections import Counter
from collections.abc import Iterable

from .registry import Batch

RUNNING = ("STARTING", "RUNNING")


def line(done: Counter, failed: Counter, batches: Iterable[Batch]) -> str:
    """`index 2 done, 1 running | quant 10 done, 3 running, 40 waiting, 1 failed`, rules by name."""
    running: Counter = Counter()
    waiting: Counter = Counter()
    for batch in batches:
        active = sum(batch.summary.get(status, 0) for status in RUNNING)
        active = min(active, len(batch.flights))
        running[batch.rule] += active
        waiting[batch.rule] += len(batch.flights) - active
    parts = []
    for rule in sorted({*done, *failed, *running, *waiting}):
        counts = {"done": done[rule], "running": running[rule], "waiting": waiting[rule], "failed": failed[rule]}
        said = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
        if said:
            parts.append(f"{rule} {said}")
    return " | ".join(parts)


class Progress:
    """Tells the line when it has changed, but not more often than every few seconds."""

    def __init__(self, every: float = 10.0) -> None:
        self.every, self.told, self.at = every, "", 0.0
        self.done: Counter = Counter()
        self.failed: Counter = Counter()

    def news(self, batches: Iterable[Batch]) -> str | None:
        if time.monotonic() - self.at < self.every:
            return None
        now = line(self.done, self.failed, batches)
        if now == self.told:
            return None
        self.told, self.at = now, time.monotonic()
        return now
