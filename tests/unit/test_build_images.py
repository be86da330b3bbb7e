"""Every tool's image is built by the recipe for its kind of package, with the versions of the tables."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# An engine that has the base image, and no other, and builds nothing: it writes down what it is asked to build.
ENGINE = """#!/bin/sh
[ "$1" = build ] || exit 0
printf '%s\\n' "$@" >"$ASKED"
for context; do :; done
ls "$context" >>"$ASKED"
"""


@pytest.mark.parametrize(
    ("tool", "recipe", "packages", "compiled"),
    [
        ("hla", "pypi", "numpy pulp mappy pysam isal", True),
        ("dnaio", "pypi", "dnaio==1.2.3", False),
        ("python", "pypi", "", False),
        ("fastp", "debian", "fastp", False),
        ("mosdepth", "mosdepth", "mosdepth", False),
    ],
)
def test_an_image_is_built_of_its_tool_s_packages(tmp_path, tool, recipe, packages, compiled):
    engine, asked = tmp_path / "engine", tmp_path / "asked"
    engine.write_text(ENGINE)
    engine.chmod(0o755)
    done = subprocess.run(
        [ROOT / "containers/build_images", tool],
        env={**os.environ, "ENGINE": str(engine), "ASKED": str(asked)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"localhost/fishladder/{tool}:")
    words = asked.read_text().splitlines()
    assert {f"{recipe}/Containerfile", f"PACKAGES={packages}", f"TITLE={tool}"} <= set(words)
    assert ("COMPILE=yes" in words) == compiled
    assert {recipe, "requirements.lock"} <= set(words)  # are there to copy from
