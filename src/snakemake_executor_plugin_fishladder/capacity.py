"""Whether any instance of a queue can hold a job."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .needs import Needs

# Of the memory that EC2 advertises, hypervisor and kernel keep a part, and the ECS agent 32 MiB: of an m4.large's 8,192
# MiB, 7,985 are left (AWS Batch user guide, "Compute resource memory management"). Measured of hundreds of types (table
# zz_generated.memory_overhead.go of Karpenter) it is up to 10 % of small instances and 3 to 5 % of large ones. What an
# instance offers is known only once it runs, and a job that asks for more would wait for ever, so the check errs
# towards no: this much is kept by none of them but the video instances vt1.
SYSTEM_SHARE, SYSTEM_MB, AGENT_MB = 0.05, 256, 32
# What Batch chooses from for "optimal"; the list grew over the years, so the check errs towards yes.
OPTIMAL = ("c4", "m4", "r4", "c5", "m5", "r5", "c6i", "m6i", "r6i", "c7i", "m7i", "r7i")
DEFAULTS = {"optimal": OPTIMAL, "default_x86_64": OPTIMAL, "default_arm64": ("c6g", "m6g", "r6g", "c7g", "m7g", "r7g")}


@dataclass(frozen=True, order=True)
class Shape:
    """An instance type: what a job on it can surely have."""

    memory_mb: int
    vcpus: int
    gpus: int
    name: str


FARGATE = Shape(120 * 1024, 16, 0, "Fargate")


def offered_mb(advertised_mb: int) -> int:
    """What is left for jobs of the memory that EC2 says an instance has, both in MiB."""
    return int(advertised_mb * (1 - SYSTEM_SHARE)) - SYSTEM_MB - AGENT_MB


def patterns(instance_types: Iterable[str]) -> list[str]:
    """Names and wildcards for DescribeInstanceTypes: `c5` means `c5.*`."""
    found = []
    for one in instance_types:
        for name in DEFAULTS.get(one, (one,)):
            found.append(name if "." in name else f"{name}.*")
    return list(dict.fromkeys(found))


def shape(described: Mapping[str, Any]) -> Shape:
    return Shape(
        memory_mb=offered_mb(described["MemoryInfo"]["SizeInMiB"]),
        vcpus=described["VCpuInfo"]["DefaultVCpus"],
        gpus=sum(gpu.get("Count", 0) for gpu in described.get("GpuInfo", {}).get("Gpus", ())),
        name=described["InstanceType"],
    )


def holds(one: Shape, needs: Needs) -> bool:
    return needs.memory_mb <= one.memory_mb and needs.vcpus <= one.vcpus and needs.gpus <= one.gpus


def refusal(
    needs: Needs, shapes: Sequence[Shape], max_vcpus: int | None, disk_mb: int = 0, scratch_mb: int | None = None
) -> str | None:
    """Why no instance surely holds a job; None where one does, or where nothing is known."""
    if scratch_mb and disk_mb > scratch_mb:
        return f"it asks for {disk_mb} MB of scratch, an instance has {scratch_mb} MB (--fishladder-scratch-mb)"
    if max_vcpus and needs.vcpus > max_vcpus:
        return f"it asks for {needs.vcpus} vCPUs, the queue {needs.queue} allows {max_vcpus} altogether (maxvCpus)"
    if not shapes or any(holds(one, needs) for one in shapes):
        return None
    most = max(shapes)
    return (
        f"it asks for {needs.vcpus} vCPUs, {needs.memory_mb} MB memory and {needs.gpus} GPUs at once; no instance of "
        f"queue {needs.queue} surely has that. The largest is {most.name} with {most.vcpus} vCPUs, "
        f"{most.memory_mb} MB for jobs (the system keeps the rest) and {most.gpus} GPUs"
    )


class Capacity:
    """The instance types of the queues, asked of AWS once a queue."""

    def __init__(self, clients: Mapping[str, Any]) -> None:
        self.clients = clients
        self.known: dict[str, tuple[list[Shape], int | None]] = {}
        self.unknown: dict[str, str] = {}

    def of(self, queue: str) -> tuple[list[Shape], int | None]:
        """Shapes and vCPU limit of a queue; ([], None) where they cannot be found out (then `unknown` says why)."""
        if queue not in self.known:
            try:
                self.known[queue] = self.ask(queue)
            except Exception as error:
                self.unknown[queue] = str(error)
                self.known[queue] = ([], None)
        return self.known[queue]

    def environments(self, queue: str) -> tuple[Mapping[str, Any], list[Mapping[str, Any]]]:
        queues = self.clients["batch"].describe_job_queues(jobQueues=[queue])["jobQueues"]
        if not queues:
            raise LookupError(f"there is no queue {queue} in this region and account")
        names = [one["computeEnvironment"] for one in queues[0].get("computeEnvironmentOrder", ())]
        found = self.clients["batch"].describe_compute_environments(computeEnvironments=names) if names else {}
        return queues[0], found.get("computeEnvironments", [])

    def ask(self, queue: str) -> tuple[list[Shape], int | None]:
        shapes: set[Shape] = set()
        limit = 0
        for environment in self.environments(queue)[1]:
            resources = environment.get("computeResources") or {}
            limit = max(limit, resources.get("maxvCpus", 0))
            if resources.get("type", "").startswith("FARGATE"):
                shapes.add(FARGATE)
            elif wanted := patterns(resources.get("instanceTypes", ())):
                shapes |= self.shapes(wanted)
        return sorted(shapes), limit or None

    def shapes(self, wanted: Sequence[str]) -> set[Shape]:
        pages = (
            self.clients["ec2"]
            .get_paginator("describe_instance_types")
            .paginate(Filters=[{"Name": "instance-type", "Values": list(wanted)}])
        )
        return {shape(one) for page in pages for one in page["InstanceTypes"]}

    def refusal(self, needs: Needs, disk_mb: int, scratch_mb: int | None) -> str | None:
        shapes, limit = self.of(needs.queue)
        return refusal(needs, shapes, limit, disk_mb, scratch_mb)

    def largest_mb(self, queue: str) -> int | None:
        shapes, _ = self.of(queue)
        return max(shapes).memory_mb if shapes else None
