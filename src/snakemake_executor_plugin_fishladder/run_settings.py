"""From the settings to what all jobs of a run share."""

import os

from .job_definitions import RUNTIME, RunSettings, parse_volumes
from .settings import ExecutorSettings, pairs

ENDPOINTS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3")


def region_of(settings: ExecutorSettings) -> str:
    """The region: the setting, the environment's, or that of the AWS profile; raise ValueError where there is none."""
    found = settings.region or os.environ.get("AWS_REGION")  # which boto3 does not read
    if not found:
        import boto3

        found = boto3.session.Session().region_name
    if not found:
        raise ValueError("no AWS region: set AWS_REGION, or --fishladder-region (of the preflight alone: --region)")
    return found


def run_settings_of(settings: ExecutorSettings) -> RunSettings:
    region = region_of(settings)
    endpoints = [(name, os.environ[name]) for name in ENDPOINTS if os.environ.get(name)]
    return RunSettings(
        job_role=settings.job_role,
        execution_role=settings.execution_role,
        log_group=settings.log_group,
        region=region,
        python=settings.python or (f"{RUNTIME}/bin/python" if settings.runtime else "python3"),
        runtime=settings.runtime,
        scratch=settings.scratch,
        volumes=parse_volumes(settings.volumes),
        environment=(("AWS_DEFAULT_REGION", region), *endpoints),
        secrets=tuple(pairs(settings.secrets).items()),
        tags=tuple(sorted(pairs(settings.tags).items())),
        host_attempts=settings.host_attempts,
    )


def state_prefix(settings: ExecutorSettings, storage_prefix: str | None) -> str:
    """Where commands and states of jobs are kept: the setting, else below the default storage prefix."""
    if settings.prefix:
        return settings.prefix
    if storage_prefix and storage_prefix.startswith("s3://"):
        return storage_prefix.rstrip("/") + "/.fishladder"
    raise ValueError("jobs fetch their commands from S3: set --fishladder-prefix s3://bucket/folder")
