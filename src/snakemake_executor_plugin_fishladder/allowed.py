"""Which values the settings may have: one table, held to before anything is submitted or asked of AWS."""

import math
import re
from collections.abc import Callable, Iterator
from typing import Any

from .job_definitions import LEAST_MB, parse_volumes
from .ledger import split
from .run_settings import region_of, state_prefix
from .settings import ExecutorSettings, listed, pairs
from .submitting import ARRAY_LIMIT

ROLE = "the ARN of a role, such as arn:aws:iam::123456789012:role/NAME"
FOLDER = "an absolute path, such as /mnt/fishladder"
SECRET_ARN = r"arn:aws[a-z-]*:(secretsmanager:[a-z0-9-]+:\d{12}:secret:.+|ssm:[a-z0-9-]+:\d{12}:parameter/.+)"


def form(pattern: str) -> Callable[[Any], bool]:
    """A check whether all of a text has a form."""
    return lambda text: re.fullmatch(pattern, text) is not None


def within(least: float, most: float = math.inf) -> Callable[[Any], bool]:
    """A check whether a number lies between two, both allowed; infinity never is."""
    return lambda number: least <= number <= most and math.isfinite(number)


def above_zero(number: float) -> bool:
    return 0 < number < math.inf


def read_by(parse: Callable[[str], object]) -> Callable[[Any], bool]:
    """A check whether a text can be read."""

    def check(text: Any) -> bool:
        try:
            parse(text)
        except ValueError:
            return False
        return True

    return check


# Setting, check, what is allowed. Settings of several values are checked value by value.
ALLOWED: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("prefix", read_by(split), "s3://bucket/folder"),
    ("registry", form(r"[A-Za-z0-9.-]+(:\d+)?(/[a-z0-9._-]+)*/?"), "HOST or HOST/PATH, without https://"),
    ("job_role", form(r"arn:aws[a-z-]*:iam::\d{12}:role/.+"), ROLE),
    ("execution_role", form(r"arn:aws[a-z-]*:iam::\d{12}:role/.+"), ROLE),
    ("runtime", form("/.*"), FOLDER),
    ("scratch", form("/.*"), FOLDER),
    ("scratch_mb", within(0), "a number of MB, 0 or more"),
    ("volumes", read_by(parse_volumes), "HOST:CONTAINER[:ro] with absolute paths"),
    (
        "secrets",
        form(f"[A-Za-z_][A-Za-z0-9_]*={SECRET_ARN}"),
        "NAME=ARN of Secrets Manager (arn:aws:secretsmanager:REGION:ACCOUNT:secret:...) or Parameter Store "
        "(arn:aws:ssm:REGION:ACCOUNT:parameter/...)",
    ),
    ("tags", read_by(pairs), "KEY=VALUE"),
    ("memory_mb", within(LEAST_MB), f"a number of MB, {LEAST_MB} or more"),
    ("timeout", within(0), "a number of minutes, 1 or more, or 0 for no limit"),
    ("host_attempts", within(1, 10), "a number from 1 to 10"),
    ("memory_growth", within(1), "a factor of 1 or more"),
    ("array_size", within(1, ARRAY_LIMIT), f"a number from 1 (no arrays) to {ARRAY_LIMIT}"),
    ("submit_rate", above_zero, "a number of calls a second above 0"),
    ("runnable_limit", within(0), "a number of minutes, or 0 for no limit"),
    ("poll_interval", above_zero, "a number of seconds above 0"),
    ("poll_limit", above_zero, "a number of seconds above 0"),
    ("credentials_wait", within(0), "a number of seconds, 0 or more"),
)
SEVERAL = {"volumes", "secrets", "tags"}


def mistakes(settings: ExecutorSettings, storage_prefix: str | None = None) -> list[str]:
    """All that is wrong with the settings, each with its option, its value and what is allowed."""
    return [*wrong_values(settings), *wrong_together(settings, storage_prefix)]


def wrong_values(settings: ExecutorSettings) -> Iterator[str]:
    for name, check, allowed in ALLOWED:
        value = getattr(settings, name)
        if value is None or value == "":
            continue
        for one in listed(value) if name in SEVERAL else [value]:
            if not check(one):
                yield f"--fishladder-{name.replace('_', '-')}: {one!r} is not allowed. To do: give {allowed}"


def wrong_together(settings: ExecutorSettings, storage_prefix: str | None) -> Iterator[str]:
    """What only several settings, or they and the surroundings, tell."""
    if settings.poll_interval > settings.poll_limit:
        yield (
            f"--fishladder-poll-interval: {settings.poll_interval} is above --fishladder-poll-limit, "
            f"{settings.poll_limit}. To do: lower the one or raise the other"
        )
    needed: list[Callable[[], object]] = [lambda: region_of(settings)]
    if not settings.prefix:
        needed.append(lambda: split(state_prefix(settings, storage_prefix)))
    for find in needed:
        try:
            find()
        except ValueError as error:
            yield str(error)
