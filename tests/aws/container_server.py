"""A stand-in for AWS Batch that runs each attempt of a job as a real container, by podman. Tests only."""

import subprocess
import tempfile
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from moto.batch.models import Job

from snakemake_executor_plugin_fishladder.job_definitions import SCRATCH
from tests.aws.batch_server import BatchServer
from tests.aws.podman import Engine

ENDED = "Essential container in task exited"


@dataclass(eq=False)
class ContainerServer(BatchServer):
    """BatchServer with containers.

    `images`: which image here stands for which of a registry. `scratch_mb`: the size of a scratch volume of each job's
    own, in place of what it mounts there.
    """

    engine: Engine | None = None
    images: Mapping[str, str] = field(default_factory=dict)
    scratch_mb: int | None = None
    ran: list[tuple[str, str]] = field(default_factory=list)

    def once(self, job: Job, index: int | None, attempt: int) -> tuple[int | None, str, str]:
        """Run one attempt in a container; return exit code, Batch's reason and the container's."""
        wanted = job._get_container_property("image", None)
        image = self.images.get(wanted)
        if image is None:
            return None, "Task failed to start", f"CannotPullContainerError: {wanted} is not among the test's images"
        self.ran.append((job.job_name, wanted))
        name = f"batch-{uuid.uuid4().hex}"
        command = job._add_parameters_to_command(job._get_container_property("command", []))
        with tempfile.TemporaryFile("w+b") as log:
            process = subprocess.Popen(
                ["podman", "run", "--rm", "--name", name, *self.options(job, index, attempt), image, *command],
                env=self.engine.environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            while process.poll() is None:
                if job.stop:  # SIGTERM first, SIGKILL after some seconds: so does Batch
                    self.engine.call("stop", "--time", "5", name)
                    process.wait()
                time.sleep(0.05)
            log.seek(0)
            self.write_log(job, log.read().decode(errors="replace"))
        return process.returncode, ENDED, "OutOfMemoryError: container killed" if process.returncode == 137 else ""

    def options(self, job: Job, index: int | None, attempt: int) -> list[str]:
        """What the job's definition says, in podman's words."""
        words = ["--passwd=false"]  # Docker, too, gives a nameless user no name
        environment = {pair["name"]: pair["value"] for pair in job._get_container_property("environment", [])}
        environment |= {"AWS_BATCH_JOB_ID": job.job_id, "AWS_BATCH_JOB_ATTEMPT": str(attempt)}
        if index is not None:
            environment["AWS_BATCH_JOB_ARRAY_INDEX"] = str(index)
        for key, value in {**self.credentials, **environment}.items():
            words += ["--env", f"{key}={value}"]
        hosts = {one["name"]: one["host"]["sourcePath"] for one in job._get_container_property("volumes", [])}
        for mount in job._get_container_property("mountPoints", []):
            mode = "ro" if mount.get("readOnly") else "rw"
            if self.scratch_mb and mount["containerPath"] == SCRATCH:
                words += ["--tmpfs", f"{SCRATCH}:rw,mode=1777,size={self.scratch_mb}m"]
                continue
            words += ["--volume", f"{hosts[mount['sourceVolume']]}:{mount['containerPath']}:{mode}"]
        if memory := self.memory_mb(job):
            words += ["--memory", f"{memory}m"]
        return words

    def memory_mb(self, job: Job) -> int | None:
        asked: list[dict[str, Any]] = job._get_container_property("resourceRequirements", [])
        return next((int(one["value"]) for one in asked if one["type"] == "MEMORY"), None)


def scratch_folder(parent: Path) -> Path:
    """Scratch as an instance has it: for every user of every image."""
    folder = parent / "scratch"
    folder.mkdir()
    folder.chmod(0o1777)
    return folder
