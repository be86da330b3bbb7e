"""Run Snakemake's command line as a user would, against a BatchServer. Tests only."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]


def command(folder: Path, *words: str, python: str = sys.executable) -> list[str]:
    """A driver whose jobs share the folder with it, as they would share EFS."""
    return [
        *(sys.executable, "-m", "snakemake", "--executor", "fishladder", "--jobs", "1000", "--nolock"),
        *("--fishladder-queue", "work", "--fishladder-prefix", "s3://lab/state", "--fishladder-image", "tool:1"),
        *("--fishladder-python", python, "--fishladder-volumes", f"{folder}:{folder}"),
        *("--fishladder-poll-interval", "0.2", "--fishladder-poll-limit", "1", "--scheduler", "greedy"),
        *("--default-resources", "mem_mb=500", "disk_mb=1", *words),
    ]


def start(folder: Path, *words: str, env: Mapping[str, str] | None = None, **given: str) -> subprocess.Popen:
    """Start a driver in the background."""
    log = (folder / "driver.log").open("ab")
    return subprocess.Popen(
        command(folder, *words, **given),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), **(env or {})},
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def run(folder: Path, *words: str, env: Mapping[str, str] | None = None, **given: str) -> tuple[int, str]:
    """Run a driver to its end; return its exit code and what it said."""
    code = start(folder, *words, env=env, **given).wait(timeout=240)
    return code, (folder / "driver.log").read_text()
