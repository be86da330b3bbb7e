"""Measure commands, side by side in one run, and tell the result as a table and one line of JSON."""

import json
import os
import resource
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import psutil


@dataclass(frozen=True)
class Cost:
    """What a command took: seconds of wall and CPU time, peak memory of all its processes together, bytes to disk."""

    wall_s: float
    cpu_s: float
    rss_mb: float
    written_mb: float


class MemoryWatch(threading.Thread):
    """Sample the resident memory of a process and its descendants, twenty times a second."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.process = psutil.Process(pid)
        self.peak = 0
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.wait(0.05):
            self.peak = max(self.peak, self.resident())

    def resident(self) -> int:
        try:
            family = [self.process, *self.process.children(recursive=True)]
        except psutil.NoSuchProcess:  # it ended before the watch did
            return 0
        seen: dict[int, tuple[int, int]] = {}
        for process in family:
            with suppress(psutil.NoSuchProcess):  # it ended between the listing and the look
                found = process.memory_info()
                # Between vfork(2) and execve(2) a child has no memory of its own: it shows its parent's.
                if (found.rss, found.vms) != seen.get(process.ppid()):
                    seen[process.pid] = found.rss, found.vms
        return sum(rss for rss, _ in seen.values())


def measure(command: Sequence[str | Path], directory: Path, environment: Mapping[str, str] | None = None) -> Cost:
    """Run a command to its end; raise RuntimeError with its last words where it fails.

    CPU time and bytes written are the kernel's counts for the command and all its descendants (getrusage(2)).
    """
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    log = directory / "measured.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(word) for word in command],
            cwd=directory,
            env={**os.environ, **(environment or {})},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        watch = MemoryWatch(process.pid)
        watch.start()
        code = process.wait()
        wall = time.monotonic() - start
        watch.ended.set()
        watch.join()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if code:
        raise RuntimeError(f"{command} ended with {code}:\n" + log.read_text(errors="replace")[-3000:])
    return Cost(
        wall_s=round(wall, 2),
        cpu_s=round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 2),
        rss_mb=round(watch.peak / 1e6, 1),
        written_mb=round((after.ru_oublock - before.ru_oublock) * 512 / 1e6, 1),
    )


def middle(costs: Sequence[Cost]) -> dict[str, float]:
    """The median of each measure over repeated runs."""
    return {key: round(median(asdict(cost)[key] for cost in costs), 2) for key in asdict(costs[0])}


def tell(bench: str, results: Mapping[str, Mapping[str, float]]) -> None:
    """Print a Markdown table of the results, a column each, and last one line of JSON."""
    measures = list(dict.fromkeys(key for result in results.values() for key in result))
    rows = [["", *results], ["---"] * (len(results) + 1)]
    rows += [[measure, *(str(result.get(measure, "")) for result in results.values())] for measure in measures]
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print(json.dumps({"bench": bench, **results}))
