"""What a job needs of Batch, read from its rule: image, vCPUs, memory, GPUs, time, queue; and scratch of its host."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .settings import ExecutorSettings

GPU_NAMES = ("gpu", "gpus", "nvidia_gpu", "_gpus")


class Refusal(Exception):
    """A job cannot be submitted as it is; the message names the rule and the remedy."""


@dataclass(frozen=True)
class Needs:
    """What Batch is asked for. Jobs of a rule that need the same are one array."""

    image: str
    vcpus: int
    memory_mb: int
    gpus: int = 0
    timeout_s: int | None = None
    queue: str = ""


def image_of(job: Any, default: str | None) -> str:
    """The one image a job runs in; raise Refusal where a group needs several or where there is none."""
    singles = list(job.jobs) if job.is_group() else [job]
    images = {single.rule.name: single.container_img_url or default for single in singles}
    rules = ", ".join(sorted(images))
    if len(set(images.values())) > 1:
        each = "; ".join(f"{rule}: {image or 'none'}" for rule, image in sorted(images.items()))
        raise Refusal(
            f"The rules of one group need different images ({each}). A group is one container: give its rules the same "
            "container:, or take one of them out of the group."
        )
    image = next(iter(images.values()))
    if not image:
        raise Refusal(f"Rule {rules} names no container: add `container:` to it, or set --fishladder-image.")
    if "://" in image and not image.startswith("docker://"):
        raise Refusal(f"Rule {rules}: Batch cannot run {image}; use docker://... or a plain image name.")
    return image.removeprefix("docker://")


def in_registry(image: str, registry: str | None) -> str:
    """Name an image's copy in a registry: `quay.io/a/b:1` in `mine.example/x` is `mine.example/x/a/b:1`."""
    if not registry or image.startswith(registry.rstrip("/") + "/"):
        return image
    host, slash, rest = image.partition("/")
    is_host = bool(slash) and ("." in host or ":" in host or host == "localhost")
    return f"{registry.rstrip('/')}/{rest if is_host else image}"


def image_for(job: Any, settings: ExecutorSettings) -> str:
    """The image that Batch is asked for; raises Refusal as `image_of` does."""
    return in_registry(image_of(job, settings.image), settings.registry)


def whole(value: Any) -> int | None:
    """A resource as a number; None where it is absent or not known yet."""
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def needs_of(job: Any, settings: ExecutorSettings, memory_floor_mb: int = 0) -> Needs:
    """What the job asks for, never less; what it does not say comes from the settings."""
    resources: Mapping[str, Any] = job.resources
    minutes = whole(resources.get("runtime")) or settings.timeout
    return Needs(
        image=image_for(job, settings),
        vcpus=max(1, job.threads),
        memory_mb=max(whole(resources.get("mem_mb")) or settings.memory_mb, memory_floor_mb, 4),
        gpus=next((number for name in GPU_NAMES if (number := whole(resources.get(name)))), 0),
        timeout_s=max(60, minutes * 60) if minutes else None,
        queue=str(resources.get("batch_queue") or settings.queue or ""),
    )


def disk_of(job: Any) -> int:
    """MB of scratch the job asks for; 0 where it says nothing. Batch knows no such request: the job looks itself."""
    return whole(job.resources.get("disk_mb")) or 0
