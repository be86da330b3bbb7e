"""Whether jobs get the files that a workflow reads when it starts: they get what git lists."""

import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any


def named_files(config: Any, folder: Path) -> Iterator[str]:
    """The files below a folder that a configuration names: tables, locks, lists."""
    if isinstance(config, Mapping):
        config = list(config.values())
    if isinstance(config, list | tuple):
        for value in config:
            yield from named_files(value, folder)
    elif isinstance(config, str) and config and not Path(config).is_absolute() and (folder / config).is_file():
        yield config


def unlisted(files: Iterable[str], folder: Path) -> list[str] | None:
    """Which of the files git does not list; None where the folder is in no repository."""
    ask = ["git", "ls-files", "--recurse-submodules", "-z", "."]
    told = subprocess.run(ask, cwd=folder, capture_output=True, text=True)
    if told.returncode:
        return None
    listed = {Path(name) for name in told.stdout.split("\0")}
    return sorted({file for file in files if Path(file) not in listed})
