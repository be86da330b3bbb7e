"""Copy this runtime to a directory, under its own name: what its image runs as an init container."""

import os
import shutil
import sys
import tempfile
from pathlib import Path


def install(runtime: Path, target: Path, name: str) -> Path:
    """Copy the runtime below the target, whole or not at all; return where it is."""
    place = target / name
    if not place.exists():
        with tempfile.TemporaryDirectory(prefix=".unpacking.", dir=target) as folder:
            copy = shutil.copytree(runtime, Path(folder, name), symlinks=True)
            try:
                copy.rename(place)
            except OSError:
                if not place.exists():  # else another job's init container was quicker
                    raise
    return place


if __name__ == "__main__":
    os.umask(0o022)
    print(install(Path(__file__).parent, Path(sys.argv[1]), os.environ["RUNTIME_NAME"]))
