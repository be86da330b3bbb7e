"""From ready jobs to SubmitJob requests: which go together as an array, what a request says, how it is sent once."""

import re
import secrets
import threading
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, TypeVar

from .clients import is_throttled, is_unclear
from .job_definitions import demands
from .manifest import ENVIRONMENT_NAME, Reference
from .needs import Needs

T = TypeVar("T")
ARRAY_LIMIT = 10_000
NAME_LIMIT = 128
TAG_LIMIT = 50


def plan(jobs: Sequence[T], alike: Callable[[T], Hashable], limit: int = ARRAY_LIMIT) -> list[list[T]]:
    """Part jobs into submissions: jobs that are alike together, at most `limit` (AWS takes 10,000) in one, in order."""
    kinds: dict[Hashable, list[T]] = {}
    for job in jobs:
        kinds.setdefault(alike(job), []).append(job)
    return [kind[start : start + limit] for kind in kinds.values() for start in range(0, len(kind), limit)]


def new_key() -> str:
    """A name for a submission that sorts by time and occurs once."""
    return f"{time.time_ns() // 1_000_000:011x}{secrets.token_hex(4)}"


def name_prefix(workflow: str) -> str:
    return f"fl-{workflow}-"


def job_name(workflow: str, key: str, rule: str) -> str:
    """The name of a Batch job: tells which submission it is, so that it can be found without its id."""
    return f"{name_prefix(workflow)}{key}-{re.sub('[^A-Za-z0-9_-]', '_', rule)}"[:NAME_LIMIT].rstrip("-")


def key_of(name: str, workflow: str) -> str | None:
    """The submission that a job's name tells; None for a foreign name."""
    start = name_prefix(workflow)
    return name.removeprefix(start).split("-")[0] if name.startswith(start) else None


def tags(rule: str, workflow: str, given: Mapping[str, str]) -> dict[str, str]:
    """At most 50 tags: the user's own first."""
    every = {**given, "fishladder-rule": rule[:256], "fishladder-workflow": workflow}
    return dict(list(every.items())[:TAG_LIMIT])


def request(
    name: str, definition: str, needs: Needs, reference: Reference, size: int, tags: Mapping[str, str]
) -> dict[str, Any]:
    """A SubmitJob request. Of the commands its override holds only where they are, however long they may be."""
    made: dict[str, Any] = {
        "jobName": name,
        "jobQueue": needs.queue,
        "jobDefinition": definition,
        "containerOverrides": {
            "environment": [{"name": ENVIRONMENT_NAME, "value": str(reference)}],
            "resourceRequirements": demands(needs),
        },
        "tags": dict(tags),
        "propagateTags": True,
    }
    if size > 1:
        made["arrayProperties"] = {"size": size}
    if needs.timeout_s:
        made["timeout"] = {"attemptDurationSeconds": needs.timeout_s}
    return made


class Rate:
    """Lets calls through at so many a second, from any thread."""

    def __init__(self, per_second: float) -> None:
        self.gap, self.next, self.lock = 1 / per_second, 0.0, threading.Lock()

    def wait(self) -> None:
        with self.lock:
            moment = max(self.next, time.monotonic())
            self.next = moment + self.gap
        time.sleep(max(0.0, moment - time.monotonic()))


def submit(
    send: Callable[[], str],
    find: Callable[[], Sequence[str]],
    pause: Callable[[float], None] = time.sleep,
    attempts: int = 10,
) -> tuple[str, bool]:
    """Submit once; return the job's id and whether there may be a double of it.

    SubmitJob has no token that makes repeating it harmless. A throttled request was not carried out and is sent again.
    Where no answer came the job is looked for by its name first, which occurs once.
    """
    doubtful = False
    for attempt in range(1, attempts + 1):
        try:
            return send(), doubtful
        except Exception as error:
            last = attempt == attempts
            if is_unclear(error):
                pause(min(20.0, 0.5 * 2**attempt))
                if found := find():
                    return found[-1], True
                doubtful = True
            elif not is_throttled(error):
                raise
            elif not last:
                pause(min(20.0, 0.25 * 2**attempt) * (0.5 + secrets.randbelow(1000) / 1000))
            if last:
                raise
    raise AssertionError("unreachable")
