"""What a user may set: `--fishladder-NAME`, a profile's `fishladder-NAME`, or `SNAKEMAKE_FISHLADDER_NAME`."""

from dataclasses import dataclass, field
from typing import Any

from snakemake_interface_executor_plugins.settings import CommonSettings, ExecutorSettingsBase

common_settings = CommonSettings(
    non_local_exec=True,
    # A shared file system (EFS, FSx) is allowed: then mount it with --fishladder-volumes.
    implies_no_shared_fs=False,
    job_deploy_sources=True,
    pass_default_storage_provider_args=True,
    pass_default_resources_args=True,
    # Variables travel in the manifest, without secrets, and not in the command.
    pass_envvar_declarations_to_cmd=False,
    # The runtime, or the image, holds the storage plugin: no pip install in a job.
    auto_deploy_default_storage_provider=False,
    init_seconds_before_status_checks=0,
)


def setting(default: Any, help: str, **metadata: Any) -> Any:
    """A field of the settings, with an environment variable."""
    if not isinstance(default, bool):
        metadata.setdefault("type", str if default is None else type(default))
    return field(default=default, metadata={"help": help, "env_var": True, "required": False, **metadata})


@dataclass
class ExecutorSettings(ExecutorSettingsBase):
    queue: str | None = setting(
        None, "Job queue, name or ARN. A rule may name its own: resources: batch_queue='...'.", required=True
    )
    region: str | None = setting(None, "AWS region; default: that of the environment (AWS_REGION) or AWS profile.")
    prefix: str | None = setting(
        None,
        "s3://bucket/folder for commands and states of jobs. Default: .fishladder below the default storage prefix.",
    )
    image: str | None = setting(None, "Container image of rules that name none.")
    registry: str | None = setting(
        None, "Registry that holds copies of all images: it takes the place of each image's own registry."
    )
    job_role: str | None = setting(None, "ARN of the role that jobs act as: their only credential.")
    execution_role: str | None = setting(None, "ARN of the role that pulls images, writes logs and reads --secrets.")
    log_group: str = setting("/aws/batch/job", "CloudWatch log group of the jobs.")
    runtime: str | None = setting(
        None,
        "Folder on the instances that holds the runtime (Python, Snakemake, plugins), mounted read-only at "
        "/opt/fishladder in every job. Without it, the image must hold them.",
    )
    python: str | None = setting(
        None, "Python inside the job. Default: /opt/fishladder/bin/python with a runtime, python3 without."
    )
    scratch: str | None = setting(
        None,
        "Folder on the instances for the jobs' temporary files, mounted at /scratch. Default: the container's /tmp.",
    )
    scratch_mb: int | None = setting(
        None,
        "MB of scratch an instance has (see its launch template): a rule that asks for more disk_mb is refused.",
        type=int,
    )
    volumes: str | None = setting(
        None, "Further folders of the instances to mount, HOST:CONTAINER[:ro], several separated by commas."
    )
    secrets: str | None = setting(
        None,
        "Variables Batch fills from Secrets Manager or Parameter Store, NAME=ARN, several separated by commas.",
    )
    tags: str | None = setting(None, "Tags of jobs and job definitions, KEY=VALUE, several separated by commas.")
    memory_mb: int = setting(2048, "MB of memory of a rule that asks for none (mem_mb).")
    timeout: int | None = setting(
        None, "Minutes after which a job is ended (0: never); a rule's `runtime` comes first.", type=int
    )
    host_attempts: int = setting(5, "Attempts (1 to 10) that Batch makes when the host fails or Spot takes it back.")
    memory_growth: float = setting(
        2.0,
        "After running out of memory, Snakemake's next attempt gets at least this many times as much (1: as the rule "
        "says).",
    )
    retry_user_errors: bool = setting(False, "Let Snakemake's --retries also repeat jobs whose own command failed.")
    array_size: int = setting(10_000, "Jobs in one array job at most (1: no arrays).")
    submit_rate: float = setting(40.0, "SubmitJob calls a second at most; AWS allows about 50 a region.")
    runnable_limit: float = setting(
        120.0,
        "Minutes in which no job of a queue starts or runs, after which those that wait there are ended with the "
        "reason.",
    )
    poll_interval: float = setting(1.0, "Seconds between two looks at the jobs, at least.")
    poll_limit: float = setting(20.0, "Seconds between two looks at the jobs, at most.")
    credentials_wait: int = setting(
        600,
        "Seconds to wait for renewed credentials before giving up; the jobs run on and are adopted later.",
    )
    trace: str = setting(
        "fishladder-trace.tsv",
        "File that gets one row for each attempt of each job, with events in the .jsonl beside it; '' for none.",
    )
    preflight: bool = setting(
        False, "Check account, queue, roles, bucket and clock, try each image with a small job, tell, and end."
    )


def listed(text: str | None) -> list[str]:
    """The values of a setting that takes several, separated by commas."""
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def pairs(text: str | None) -> dict[str, str]:
    """Read `A=1,B=2`; raise ValueError on what is no pair."""
    found = {}
    for item in listed(text):
        key, equals, value = item.partition("=")
        if not equals or not key:
            raise ValueError(f"{item!r} is not NAME=VALUE")
        found[key] = value
    return found
