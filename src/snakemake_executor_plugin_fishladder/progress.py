"""One line that tells how far each rule is."""

import time
from collections import Counter
from collections.abc import Iterable

from .registry import Submission

RUNNING = ("STARTING", "RUNNING")


def line(done: Counter, failed: Counter, submissions: Iterable[Submission]) -> str:
    """`index 2 done, 1 running | quant 10 done, 3 running, 40 waiting, 1 failed`, rules by name."""
    running: Counter = Counter()
    waiting: Counter = Counter()
    for submission in submissions:
        active = sum(submission.summary.get(status, 0) for status in RUNNING)
        active = min(active, len(submission.batch_jobs))
        running[submission.rule] += active
        waiting[submission.rule] += len(submission.batch_jobs) - active
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

    def news(self, submissions: Iterable[Submission]) -> str | None:
        if time.monotonic() - self.at < self.every:
            return None
        now = line(self.done, self.failed, submissions)
        if now == self.told:
            return None
        self.told, self.at = now, time.monotonic()
        return now
