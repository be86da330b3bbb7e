"""What a job runs, and what it may know: command, environment, and what makes two jobs the same."""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .ledger import digest

# A name that contains one of these looks secret. Some that are not do too: better told of than given away.
SECRET_WORDS = ("SECRET", "TOKEN", "PASS", "PWD", "KEY", "CRED", "PRIVATE", "AUTH")
SECRET = re.compile("|".join(SECRET_WORDS), re.IGNORECASE)
# Where jobs find AWS and the cache that runs share; nothing of it is secret.
PLACES = ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "SNAKEMAKE_OUTPUT_CACHE")
DEPLOY = "python -m snakemake --deploy-sources"


def travelling(variables: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Part variables into those that jobs get and the names of those that look secret and stay here."""
    kept = {name: value for name, value in variables.items() if not SECRET.search(name)}
    return kept, sorted(variables.keys() - kept.keys())


def with_python(command: str, python: str) -> str:
    """Snakemake writes `python` before it deploys the sources; an image may have none."""
    return command.replace(DEPLOY, f"{python} -m snakemake --deploy-sources")


def caching(job: Any, cached: list[str] | None) -> str:
    """What tells a job to use the cache. Snakemake hands on `--cache` with names of rules, but not without any."""
    singles = job.jobs if job.is_group() else [job]
    names = sorted({one.rule.name for one in singles if one.rule.cache and one.rule.cache.output})
    return f" --cache {' '.join(names)}" if cached == [] and names else ""


def job_key(job: Any, workdir: str) -> str:
    """Two jobs are the same where rule, files, parameters and code are, as Snakemake itself compares them.

    The command counts as it is written, and no parameter that is derived: filled in, they may hold memory and threads,
    which differ between the attempts of one job.
    """
    singles = sorted(job.jobs, key=lambda one: (one.rule.name, str(one.wildcards))) if job.is_group() else [job]
    return digest([[facts(one, workdir)] for one in singles])


def facts(job: Any, workdir: str) -> list[Any]:
    rule = job.rule
    return [
        rule.name,
        [place(file, workdir) for file in (*job.output, *job.input)],
        [str(value) for value in job.non_derived_params],
        rule.shellcmd or code(rule),
    ]


def place(file: Any, workdir: str) -> str:
    """A file's address wherever the driver runs: its storage query, or its absolute path."""
    storage = getattr(file, "storage_object", None) if getattr(file, "is_storage", False) else None
    return str(storage.query) if storage is not None else str(Path(workdir, str(file)))


def code(rule: Any) -> str:
    """The code of a rule that is no shell command: its script's text, or the compiled `run:` block."""
    source = rule.script or rule.notebook
    if source and rule.basedir:
        path = Path(str(rule.basedir.join(source).get_path_or_uri(secret_free=True)))
        if path.is_file():
            return path.read_text(errors="replace")
    return str(source or rule.wrapper or getattr(getattr(rule.run_func, "__code__", None), "co_code", b"").hex())


@contextmanager
def own_threads(workflow: Any, jobs: Iterable[Any]) -> Iterator[None]:
    """Let jobs have the threads their rules ask for: the driver's --cores say nothing about an instance."""
    cores = workflow.global_resources["_cores"]
    if cores.value is None or cores.value == sys.maxsize:
        yield
        return
    workflow.global_resources["_cores"] = None
    try:
        for job in jobs:
            job.attempt = job.attempt  # has Snakemake evaluate the job's resources again
        yield
    finally:
        workflow.global_resources["_cores"] = cores
