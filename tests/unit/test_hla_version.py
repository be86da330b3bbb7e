"""The version of the types tells everything that makes them."""

import re
from pathlib import Path

WORKFLOW = Path(__file__).resolve().parents[2] / "workflow"
STEPS = ("hla_index_release", "hla_fish_reads", "hla_type_sample")


def imported(module: str) -> set[str]:
    """A module of HLA typing and all that it needs of the others."""
    text = (WORKFLOW / "scripts" / f"{module}.py").read_text()
    return {module}.union(*map(imported, re.findall(r"^from (_hla_\w+) import", text, re.M)))


def test_the_version_covers_every_module_that_the_steps_import():
    listed = re.search(r"^HLA_MODEL = \[(.*?)^\]", (WORKFLOW / "rules/lookups.smk").read_text(), re.M | re.S)[1]
    assert sorted(re.findall(r'"(\w+)"', listed)) == sorted(set().union(*map(imported, STEPS)))
