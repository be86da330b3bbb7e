"""Job definitions: named by a hash of what they hold, so that one is registered once and found again ever after."""

import hashlib
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .needs import Needs
from .settings import listed
from .states import NO_RUNTIME

RUNTIME = "/opt/fishladder"
SCRATCH = "/scratch"
LEAST_MB = 4  # the least that Batch takes

# Runs in any image: a POSIX shell and the runtime. $0 is the Python to use.
BOOTSTRAP = f"""command -v "$0" >/dev/null 2>&1 || {{
  echo "fishladder: this job finds no $0: see --fishladder-runtime" >&2; exit {NO_RUNTIME}; }}
exec "$0" -m snakemake_executor_plugin_fishladder.inside"""


@dataclass(frozen=True)
class RunSettings:
    """What all job definitions of a run share."""

    job_role: str | None
    execution_role: str | None
    log_group: str
    region: str
    python: str
    runtime: str | None = None
    scratch: str | None = None
    volumes: tuple[tuple[str, str, bool], ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    secrets: tuple[tuple[str, str], ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    host_attempts: int = 5


def parse_volumes(text: str | None) -> tuple[tuple[str, str, bool], ...]:
    """Read `HOST:CONTAINER[:ro],...`; raise ValueError on anything else."""
    volumes = []
    for item in listed(text):
        host, _, rest = item.partition(":")
        container, _, mode = rest.partition(":")
        if not host.startswith("/") or not container.startswith("/") or mode not in ("", "ro", "rw"):
            raise ValueError(f"{item!r} is not HOST:CONTAINER[:ro] with absolute paths")
        volumes.append((host, container, mode == "ro"))
    return tuple(volumes)


def demands(needs: Needs) -> list[dict[str, str]]:
    """Exactly the memory, vCPUs and GPUs asked for, as each submission says them in place of its definition's."""
    asked = [("VCPU", needs.vcpus), ("MEMORY", needs.memory_mb), *([("GPU", needs.gpus)] if needs.gpus else [])]
    return [{"type": kind, "value": str(value)} for kind, value in asked]


def container(image: str, run_settings: RunSettings) -> dict[str, Any]:
    """The container of all jobs of an image, unprivileged. Batch wants memory and vCPUs here too; no job has these."""
    mounts = [*run_settings.volumes]
    if run_settings.runtime:
        mounts.append((run_settings.runtime, RUNTIME, True))
    if run_settings.scratch:
        mounts.append((run_settings.scratch, SCRATCH, False))
    properties: dict[str, Any] = {
        "image": image,
        "command": ["/bin/sh", "-c", BOOTSTRAP, run_settings.python],
        "privileged": False,
        "resourceRequirements": demands(Needs(image, vcpus=1, memory_mb=LEAST_MB)),
        "volumes": [{"name": f"v{n}", "host": {"sourcePath": host}} for n, (host, _, _) in enumerate(mounts)],
        "mountPoints": [
            {"sourceVolume": f"v{n}", "containerPath": path, "readOnly": readonly}
            for n, (_, path, readonly) in enumerate(mounts)
        ],
        "environment": [{"name": name, "value": value} for name, value in run_settings.environment],
        "secrets": [{"name": name, "valueFrom": source} for name, source in run_settings.secrets],
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {"awslogs-group": run_settings.log_group, "awslogs-region": run_settings.region},
        },
    }
    if run_settings.job_role:
        properties["jobRoleArn"] = run_settings.job_role
    if run_settings.execution_role:
        properties["executionRoleArn"] = run_settings.execution_role
    return properties


def retry_strategy(host_attempts: int) -> dict[str, Any]:
    """Batch itself repeats what the host is to blame for. Batch repeats what nothing matches: the last must be EXIT.

    It takes five conditions at most.
    """
    return {
        "attempts": host_attempts,
        "evaluateOnExit": [
            {"onStatusReason": "Host EC2*", "action": "RETRY"},
            {"onReason": "DockerTimeoutError*", "action": "RETRY"},
            {"onReason": "CannotInspectContainerError*", "action": "RETRY"},
            {"onExitCode": str(NO_RUNTIME), "action": "RETRY"},  # one instance without it must not fail a whole array
            {"onReason": "*", "action": "EXIT"},
        ],
    }


def definition(image: str, run_settings: RunSettings) -> dict[str, Any]:
    """The RegisterJobDefinition request for an image. What a job asks for, time limits and tags go with SubmitJob."""
    content = {
        "type": "container",
        "platformCapabilities": ["EC2"],
        "containerProperties": container(image, run_settings),
        "retryStrategy": retry_strategy(run_settings.host_attempts),
        "propagateTags": True,
        "tags": dict(run_settings.tags),
    }
    return {"jobDefinitionName": name(content), **content}


def name(content: Mapping[str, Any]) -> str:
    """Name a definition by the hash of what it holds."""
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return f"fishladder-{digest[:32]}"


class Definitions:
    """The definitions that are registered, asked of AWS once for each that this run needs."""

    def __init__(self, clients: Mapping[str, Any], run_settings: RunSettings) -> None:
        self.clients, self.run_settings = clients, run_settings
        self.arns: dict[str, str] = {}
        self.lock = threading.Lock()

    def arn(self, image: str) -> str:
        """The ARN of the definition for an image; registers it where no earlier run has."""
        with self.lock:  # or two submissions of one image at the same time would register it twice
            if image not in self.arns:
                request = definition(image, self.run_settings)
                wanted = request["jobDefinitionName"]
                found = self.clients["batch"].describe_job_definitions(jobDefinitionName=wanted, status="ACTIVE")
                self.arns[image] = newest(found["jobDefinitions"]) or self.register(request)
            return self.arns[image]

    def register(self, request: Mapping[str, Any]) -> str:
        return self.clients["batch"].register_job_definition(**request)["jobDefinitionArn"]


def newest(found: Sequence[Mapping[str, Any]]) -> str | None:
    """The ARN of the latest revision, None where there is none."""
    latest = max(found, key=lambda one: one["revision"], default=None)
    return latest["jobDefinitionArn"] if latest else None
