"""select_lock.py LOCK PACKAGE...: print what these packages and all they need are in the lock, hashes among it."""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path


def parse_lock(text: str) -> dict[str, str]:
    """The entries of a lock by package: `name==version` with the lines of hashes that follow."""
    entries = re.split(r"^(?=[A-Za-z0-9])", re.sub(r"^ *#.*\n", "", text, flags=re.MULTILINE), flags=re.MULTILINE)
    return {canonical(re.split(r"[=\[ ;]", entry)[0]): entry for entry in entries if entry.strip()}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def needed(entries: dict[str, str], packages: list[str]) -> list[str]:
    """Ask pip what the packages come down to with the versions of the lock."""
    versions = "".join(re.split(r"[ ;\\]", entry)[0] + "\n" for entry in entries.values())
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as constraints:
        constraints.write(versions)
        constraints.flush()
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--report", "-"]
        answer = subprocess.run([*pip, "--constraint", constraints.name, *packages], stdout=subprocess.PIPE, check=True)
    return [canonical(found["metadata"]["name"]) for found in json.loads(answer.stdout)["install"]]


def main(lock: str, *packages: str) -> None:
    entries = parse_lock(Path(lock).read_text())
    if packages:
        sys.stdout.write("".join(entries[name] for name in sorted(needed(entries, list(packages)))))


if __name__ == "__main__":
    main(*sys.argv[1:])
