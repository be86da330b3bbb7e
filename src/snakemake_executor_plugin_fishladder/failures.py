"""Tell a failure so that the reader knows what happened, where to look and what to do."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .clients import is_denied, is_expired, is_passing
from .outcomes import ADVICE, Outcome
from .registry import BatchJob

LINES = 25
S3_RIGHTS = {"ListObjectsV2": "s3:ListBucket", "GetObject": "s3:GetObject"}


def log_lines(clients: Mapping[str, Any], group: str, outcome: Outcome) -> list[str]:
    """The last lines of a job from CloudWatch Logs; none where they cannot be read."""
    if not outcome.log_stream:
        return []
    try:
        answer = clients["logs"].get_log_events(
            logGroupName=group, logStreamName=outcome.log_stream, limit=LINES, startFromHead=False
        )
    except Exception as error:
        return [f"(CloudWatch Logs: {error})"]
    return [event["message"] for event in answer.get("events", [])]


def rule_log_lines(job: Any) -> list[str]:
    """The last lines of the rule's own logs, which are brought here where they are in storage."""
    lines = []
    for log in job.log:
        lines.append(f"{log}:")
        try:
            if log.is_storage:
                Path(log).parent.mkdir(parents=True, exist_ok=True)
                log.storage_object.retrieve_object()
            lines += Path(log).read_text(errors="replace").splitlines()[-LINES:]
        except Exception as error:  # whatever the storage raises: the failure itself has to be told
            lines.append(f"(it cannot be read: {error})")
    return lines


def console(region: str, job_id: str) -> str:
    return f"https://{region}.console.aws.amazon.com/batch/home?region={region}#jobs/detail/{job_id}"


def message(batch_job: BatchJob, outcome: Outcome, lines: Sequence[str], region: str, restarts: int) -> str:
    """What is printed when a job has failed."""
    asked = batch_job.submission.needs
    facts = [
        f"rule {batch_job.submission.rule}, Batch job {outcome.job_id}, "
        f"attempt {batch_job.attempt} of {max(restarts + 1, 1)}"
        + (f" ({len(outcome.attempts)} on Batch)" if len(outcome.attempts) > 1 else ""),
        f"exit code: {'none' if outcome.code is None else outcome.code}",
        f"reason: {outcome.reason or outcome.kind}",
        f"asked for: {asked.vcpus} vCPU, {asked.memory_mb} MB memory, image {asked.image}"
        + (f"; used {outcome.end.peak_mb} MB" if outcome.end else ""),
        f"console: {console(region, outcome.job_id)}",
        f"what to do: {ADVICE.get(outcome.kind, ADVICE['unknown'])}",
    ]
    if outcome.log_stream:
        facts.insert(4, f"log stream: {outcome.log_stream}")
    if lines:
        facts += ["last lines:", *(f"    {line}" for line in lines[-LINES:])]
    return "\n".join(facts)


def to_do(what: object, remedy: str) -> str:
    """What is wrong, in one line, and what helps: with one full stop between, whether or not AWS's words have one."""
    return f"{' '.join(str(what).split()).rstrip('.')}. To do: {remedy}"


def unreached(region: str) -> str:
    """What helps where nobody answers at AWS's address, which the region is a part of."""
    return f"check the region ({region}: --fishladder-region or AWS_REGION), the network, and AWS_ENDPOINT_URL if set"


def why_blind(error: Exception, looks: int) -> str:
    """Why the run cannot go on where the jobs cannot be looked at, and what to do."""
    if is_expired(error):
        return str(error)
    if is_denied(error):
        operation = getattr(error, "operation_name", "?")
        right = S3_RIGHTS.get(operation, f"batch:{operation}")
        why = f"the driver lacks {right} (docs/executor.md has its policy). {error}"
    elif is_passing(error):
        why = f"{looks} looks, one after the other, have failed. {error}"
    else:
        why = f"{type(error).__name__}: {error}"
    return f"fishladder: cannot look at the jobs: {why.rstrip('.')}. They run on: the same command takes them over."


def why_stuck(queue: Mapping[str, Any], environments: Sequence[Mapping[str, Any]], said: str = "") -> str:
    """Why jobs wait: what Batch says of the job, then what is wrong with the queue and its compute environments."""
    causes = [said] if said else []
    name = queue.get("jobQueueName", "?")
    if queue.get("state") != "ENABLED" or queue.get("status") not in (None, "VALID"):
        causes.append(f"queue {name} is {queue.get('state')}/{queue.get('status')}: {queue.get('statusReason', '')}")
    for one in environments:
        label, resources = one.get("computeEnvironmentName", "?"), one.get("computeResources", {})
        if one.get("state") != "ENABLED" or one.get("status") not in (None, "VALID"):
            causes.append(
                f"compute environment {label} is {one.get('state')}/{one.get('status')}: {one.get('statusReason', '')}"
            )
        elif not resources.get("maxvCpus", 1):
            causes.append(f"compute environment {label} allows 0 vCPUs (maxvCpus)")
    if not environments:
        causes.append(f"queue {name} has no compute environment")
    if not causes:
        causes.append(
            f"queue {name} and its compute environments are enabled and valid: EC2 may have no such instances now (try "
            "more instance types or zones, or on-demand), other jobs may fill the queue, or new instances cannot join "
            "the cluster (network, instance role, image, or user data that ends them where it cannot fetch the runtime)"
        )
    return "; ".join(causes)
