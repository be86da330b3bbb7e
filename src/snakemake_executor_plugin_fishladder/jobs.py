"""What the executor asks of Snakemake's jobs, and the one thing that it changes."""

from typing import Any


async def all_exist(job: Any) -> bool:
    """Whether all that a job makes is there."""
    return all([await file.exists() for file in job.output])


def last_attempt(job: Any) -> None:
    """Snakemake repeats a failed job while its attempt is not above restart_times: make this the last one."""
    job.attempt = max(job.attempt, job.restart_times + 1)


def rule_of(job: Any) -> str:
    """The name of a job's rule, or the names of a group's."""
    return "-".join(sorted(job.rules)) if job.is_group() else job.rule.name


def dependencies(dag: Any, job: Any) -> list[Any]:
    """The jobs that make what a job, or a job of a group, reads."""
    return [one for single in (job.jobs if job.is_group() else [job]) for one in dag.dependencies[single]]
