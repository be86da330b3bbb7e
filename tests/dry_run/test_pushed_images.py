"""One key of the configuration changes the images of all rules to those that `make push` wrote down."""

import csv
import hashlib
import re
from pathlib import Path

import pytest

from tests.dry_run.snakemake_cli import ROOT, snakemake, write_tables

VERSIONS = {row["tool"]: row for row in csv.DictReader((ROOT / "containers/versions.tsv").open(), delimiter="\t")}
CONFIG = "images: images.lock.tsv\n"
EXECUTOR = ["--executor", "fishladder", "--jobs", "1", "--fishladder-preflight", "--fishladder-region", "eu-central-1"]
EXECUTOR += ["--fishladder-queue", "work", "--fishladder-prefix", "s3://lab/state"]


def push(folder: Path, **other: dict[str, str]) -> set[str]:
    """Write the table as containers/push_images does, with other cells for some tools; return the images."""
    rows = {}
    for tool, row in VERSIONS.items():
        image = f"mine.example/lab/{tool}@sha256:{hashlib.sha256(tool.encode()).hexdigest()}"
        rows[tool] = {"version": row["version"], "image": image, **other.get(tool, {})}
    lines = [f"{tool}\t{row['version']}\t{row['image']}" for tool, row in rows.items()]
    (folder / "images.lock.tsv").write_text("\n".join(["tool\tversion\timage", *lines]) + "\n")
    return {row["image"] for row in rows.values()}


def images_of_jobs(folder: Path, monkeypatch) -> set[str]:
    """The images of all jobs, as the executor's preflight tells them; no AWS is there to answer it."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    run = snakemake(folder, *EXECUTOR)
    return set(re.findall(r"image: (\S+?):? ", run.stdout))


def test_the_pushed_images_take_the_place_of_the_public_ones(tmp_path, monkeypatch):
    samples = {"homo_sapiens": "EnsemblVertebrates"}, {"h1": "homo_sapiens"}
    write_tables(tmp_path, *samples)
    public = images_of_jobs(tmp_path, monkeypatch)
    assert public <= {row["image"] for row in VERSIONS.values()}
    assert len(public) > 5

    write_tables(tmp_path, *samples, config=CONFIG)
    pushed = push(tmp_path)
    found = images_of_jobs(tmp_path, monkeypatch)
    assert found <= pushed
    assert len(found) == len(public)


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        (
            {"version": "0.1"},
            "images.lock.tsv, row salmon, column version: 0.1 is not 1.10.1; `make push",
        ),
        ({"image": ""}, "images.lock.tsv, row salmon, column image: it is empty"),
    ],
)
def test_an_image_that_is_not_the_workflow_s_is_told_before_anything_runs(tmp_path, cells, problem):
    write_tables(tmp_path, {"homo_sapiens": "EnsemblVertebrates"}, {"h1": "homo_sapiens"}, config=CONFIG)
    push(tmp_path, salmon=cells)
    run = snakemake(tmp_path, "-n")
    assert run.returncode == 1
    assert problem in run.stdout + run.stderr
    assert "Traceback" not in run.stdout + run.stderr


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "images.lock.tsv: it cannot be read (No such file or directory)"),
        ("", "images.lock.tsv, column tool: there is no row salmon"),
        ("tool\timage\nsalmon\tmine/salmon@sha256:0\n", "no table with the columns tool, version and image"),
        ("tool\tversion\timage\nrsem\t1.3.3\tmine/rsem@sha256:0\n", "column tool: there is no row salmon"),
    ],
)
def test_a_table_that_is_not_there_or_lacks_a_tool_is_told(tmp_path, text, problem):
    write_tables(tmp_path, {"homo_sapiens": "EnsemblVertebrates"}, {"h1": "homo_sapiens"}, config=CONFIG)
    if text is not None:
        (tmp_path / "images.lock.tsv").write_text(text)
    run = snakemake(tmp_path, "-n")
    assert run.returncode == 1
    assert problem in run.stdout + run.stderr
    assert "`make push REGISTRY=...`" in run.stdout + run.stderr
