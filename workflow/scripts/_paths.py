"""Paths as users write them in tables and in the configuration: files of this machine, or URLs."""

import os
from pathlib import Path


def is_local(path: str) -> bool:
    return "://" not in path


def tidy(path: str) -> str:
    """Write a local path in the one way that Snakemake and a comparison want: ./reads//a.fq -> reads/a.fq."""
    return os.path.normpath(path) if path and is_local(path) else path


def file_problem(path: str) -> str | None:
    """Say why a local file cannot be read, and what to do; None where it can."""
    try:
        if Path(path).is_file():
            return None if os.access(path, os.R_OK) else f"{path} may not be read; give yourself the right to read it"
        if Path(path).is_dir():
            return f"{path} is a directory; name a file in it"
    except OSError as error:  # a name that is too long, a folder that may not be looked into
        return f"{path} cannot be read ({error.strerror}); correct the path, or the rights of its folders"
    return f"there is no file {path} below {Path.cwd()}; correct the path"
