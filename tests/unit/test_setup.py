"""setup.sh on a machine where nothing may be installed: what is on PATH is enough, and what is missing is named."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = (
    *("git", "python3.11", "salmon", "rsem-prepare-reference", "fastp", "dot"),
    *("bwa", "samtools", "tabix", "mosdepth", "java", "picard", "gcc", "python3.11-config"),
)


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder with the files that setup.sh reads, its Python packages installed, and a PATH without apt-get."""
    shutil.copy(ROOT / "setup.sh", tmp_path)
    shutil.copy(ROOT / "packages.tsv", tmp_path)
    shutil.copytree(ROOT / "containers/picard", tmp_path / "containers/picard")
    for folder in (tmp_path, tmp_path / ".venv"):
        folder.mkdir(exist_ok=True)
        (folder / "requirements.lock").write_text("none==1\n")
    (tmp_path / ".venv/bin").mkdir()
    (tmp_path / "bin").mkdir()
    for command in ("bash", "dirname", "tail", "cat", "id", "cmp", "install"):
        (tmp_path / "bin" / command).symlink_to(shutil.which(command))
    for command in TOOLS:
        (tmp_path / "bin" / command).write_text("#!/bin/sh\n")
        (tmp_path / "bin" / command).chmod(0o755)
    return tmp_path


def set_up(machine: Path, purpose: str) -> subprocess.CompletedProcess:
    command = [shutil.which("bash"), machine / "setup.sh", purpose]
    return subprocess.run(command, env={"PATH": str(machine / "bin")}, capture_output=True, text=True, timeout=60)


def test_tools_that_are_on_path_are_enough_without_debian_and_root(machine):
    done = set_up(machine, "run")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_is_missing_is_named_with_how_that_was_seen_and_what_to_do(machine):
    (machine / "bin/rsem-prepare-reference").unlink()
    (machine / "bin/python3.11").write_text("#!/bin/sh\nexit 1\n")
    done = set_up(machine, "run")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "These are missing, and only root (or sudo) may install Debian's packages of them:",
        "    python3-venv (`python3.11 -m ensurepip --version` fails)",
        "    rsem (`command -v rsem-prepare-reference` fails)",
        "Ask for them:        sudo apt-get install python3-venv rsem",
        'or do without root:  README.md, "Without root", has the conda way and the container way.',
    ]


def test_what_only_tests_need_is_asked_for_by_tests_only(machine):
    assert set_up(machine, "run").returncode == 0
    assert "sudo apt-get install maven podman runc debootstrap buildah bcftools" in set_up(machine, "test").stderr
