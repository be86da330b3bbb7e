"""How a job ended, and what follows from it: whom to blame, whether to try again, what to do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .states import NO_RUNTIME, UNREACHABLE, VOID, End

SUCCESS = "success"
# Which kinds Snakemake's own --retries may repeat. Batch itself has repeated "host" before it comes to this.
REPEATED = {"oom", "host", "pull", "timeout", "disk", "vanished", "unknown"}
TRANSIENT_PULL = ("toomanyrequests", "timeout", "timed out", "connection", "temporar", "throttl", "500", "502", "503")
ADVICE = {
    "user": "The rule's own command failed: see its log and the lines above. It is not tried again.",
    "oom": "It ran out of memory. The next attempt gets more: give the rule `retries:` (or --retries), or let mem_mb "
    "grow with `attempt`.",
    "oom-on-largest-instance": "It ran out of memory on the largest instance of its queue, so it is not tried again: "
    "give the rule less to do at once, or a queue with larger instances (resources: batch_queue).",
    "host": "The instance failed or Spot took it back, more often than --fishladder-host-attempts. Run again, or use "
    "an on-demand queue for this rule (resources: batch_queue).",
    "image": "Its image cannot be pulled: check container:, the registry, and that the execution role may read it.",
    "pull": "Its image could not be pulled this time. Use --retries, or your own --fishladder-registry.",
    "timeout": "It ran longer than allowed: raise the rule's `runtime` (minutes) or --fishladder-timeout.",
    "disk": "Its scratch is too small or was full: let disk_mb say what the rule needs, and give the instances a "
    "larger volume (launch template).",
    "runtime": "Its container finds no Python of ours: check --fishladder-runtime and the instances' launch template.",
    "access": "It cannot reach S3: check what the job role and the network of the instances allow.",
    "container": "Its container cannot start: check mounts, secrets, and the image's entry point and architecture.",
    "ended": "It was ended from outside (console, command line, or another run).",
    "vanished": "AWS Batch does not know the job any more: look whether someone deleted the queue.",
    "stuck": "It never started. Check the queue and its compute environments: enabled, valid, large enough?",
    "unknown": "AWS gives no reason. Look at the job in the console; --retries repeats it.",
}


@dataclass(frozen=True)
class Outcome:
    kind: str
    job_id: str
    code: int | None = None
    reason: str = ""
    log_stream: str | None = None
    end: End | None = None
    attempts: tuple[Mapping[str, Any], ...] = ()
    started: float | None = None
    stopped: float | None = None
    instance: str = ""
    tail: tuple[str, ...] = field(default=(), compare=False)

    @property
    def succeeded(self) -> bool:
        return self.kind == SUCCESS

    @property
    def repeated(self) -> bool:
        return self.kind in REPEATED


def classify(detail: Mapping[str, Any], end: End | None = None) -> str:
    """Tell what a job that Batch calls SUCCEEDED or FAILED died of, from Batch's words and from its own.

    A job that has left word that it ended well has stored its files, whatever became of its container after.
    """
    if detail.get("status") == "SUCCEEDED" or (end is not None and end.code == 0):
        return SUCCESS
    container = last_container(detail)
    why, words = str(detail.get("statusReason") or ""), str(container.get("reason") or "")
    code = container.get("exitCode")
    if why.startswith("Host EC2"):
        return "host"
    if words.startswith("OutOfMemory") or (end is not None and end.cause == "oom"):
        return "oom"
    if words.startswith("CannotPull") or "CannotPullContainer" in why:
        said = (words + why).lower()
        return "pull" if any(sign in said for sign in TRANSIENT_PULL) else "image"
    if "attempt duration exceeded timeout" in why:
        return "timeout"
    if words.startswith(("CannotStart", "CannotCreate", "ResourceInitialization")) or "exec format error" in words:
        return "container"
    if end is None and code in OWN_CODES:
        return OWN_CODES[code]
    if end is not None and end.code:
        return end.cause or ("oom" if end.code == 137 else "user")
    if code == 137 and (not why or why.startswith("Essential container")):
        return "oom"
    if (code is None or code in (137, 143)) and why and not why.startswith("Essential container"):
        return "ended"
    return "user" if code else "unknown"


OWN_CODES = {NO_RUNTIME: "runtime", VOID: "void", UNREACHABLE: "access"}


def last_container(detail: Mapping[str, Any]) -> Mapping[str, Any]:
    """The container's end as Batch tells it; where it does not, that of the last attempt."""
    container = detail.get("container") or {}
    attempts = detail.get("attempts") or [{}]
    return {**(attempts[-1].get("container") or {}), **{k: v for k, v in container.items() if v is not None}}


def outcome(detail: Mapping[str, Any], end: End | None = None) -> Outcome:
    """What Batch and the job itself say about its end."""
    container = last_container(detail)
    reasons = [str(part) for part in (detail.get("statusReason"), container.get("reason")) if part]
    return Outcome(
        kind=classify(detail, end),
        job_id=detail["jobId"],
        code=end.code if end is not None else container.get("exitCode"),
        reason="; ".join(dict.fromkeys(reasons)),
        log_stream=container.get("logStreamName"),
        end=end,
        attempts=tuple(detail.get("attempts") or ()),
        started=seconds(detail.get("startedAt")),
        stopped=seconds(detail.get("stoppedAt")),
        instance=str(container.get("containerInstanceArn") or "").rpartition("/")[2],
    )


def seconds(milliseconds: float | None) -> float | None:
    return milliseconds / 1000 if milliseconds else None


def grown(memory_mb: int, factor: float, largest_mb: int | None) -> int:
    """Memory for the attempt after one that ran out of it: more, but not more than the largest instance has."""
    wanted = int(memory_mb * max(1.0, factor))
    return max(memory_mb, min(wanted, largest_mb)) if largest_mb else wanted
