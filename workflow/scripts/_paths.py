"""Paths as users write them in tables and in the configuration: files of this machine, or URLs."""

import os.path
from pathlib import Path


def is_local(path: str) -> bool:
    return "://" not in path


def tidy(path: str) -> str:
    """Write a local path in the one way that Snakemake and a comparison want: ./reads//a.fq -> reads/a.fq."""
    return os.path.normpath(path) if path and is_local(path) else path


def no_file(path: str) -> str:
    """Say that a local file is not there, and what to do."""
    if Path(path).is_dir():
        return f"{path} is a directory; name a file in it"
    return f"there is no file {path} below {Path.cwd()}; correct the path"
