"""Genomes and indices shared by runs in one bucket: Snakemake's own cache, kept there."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.aws import driver
from tests.aws.test_end_to_end import check_out, snakemake
from tests.dry_run import snakemake_cli
from tests.toy.make_all import Wishes, make_all
from tests.toy.serve import addresses, serving

WISHES = Wishes(genome_size=20_000, fungus_size=60_000, samples=0)
TOOLS = ("salmon", "rsem-prepare-reference")
SHIM = """#!/bin/sh
echo "$*" >>{log}
PATH={path} exec {tool} "$@"
"""


def count_runs_of(tools: tuple[str, ...], folder: Path, monkeypatch) -> Path:
    """Put shims before the tools; return the file that gets a line for each time one of them is called."""
    log, path = folder / "calls", os.environ["PATH"]
    shims = folder / "shims"
    shims.mkdir()
    log.touch()
    for tool in tools:
        (shims / tool).write_text(SHIM.format(log=log, path=path, tool=tool))
        (shims / tool).chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{shims}:{path}")
    return log


@pytest.mark.slow
def test_a_second_run_in_another_prefix_of_the_bucket_makes_no_index_again(batch_server, tmp_path, monkeypatch):
    calls = count_runs_of(TOOLS, tmp_path, monkeypatch)
    first = tmp_path / "first"
    first.mkdir()
    make_all(first, WISHES, "reads")
    with serving(first / "ensembl") as site:
        config = {"ensembl": addresses(site), "index": {"kmers": [23]}}
        (first / "config/config.yaml").write_text(yaml.safe_dump(config))
        (first / "config/samples.tsv").write_text("sample\torganism\n")
        check_out(first)
        locked = snakemake(first, "lock", "--cores", "1")
        assert locked.returncode == 0, locked.stderr
        for words in (["init", "--quiet"], ["add", "--all"]):
            subprocess.run(["git", *words], cwd=first, check=True)
        second = shutil.copytree(first, tmp_path / "second")

        made, done = [], []
        for folder in (first, second):
            words = ["--shared-fs-usage", "none", "--default-storage-provider", "fishladder", "--until", "pack_index"]
            words += ["--default-storage-prefix", f"s3://lab/{folder.name}", "--cache"]
            code, said = driver.run(folder, *words, env={"SNAKEMAKE_OUTPUT_CACHE": "s3://lab/cache"})
            assert code == 0, said[-5000:]
            made.append(files(batch_server, f"{folder.name}/results/"))
            done.append((calls.read_text(), len(site.requests)))
    assert done[0] == done[1]  # no tool was called again, nothing was asked of Ensembl again
    assert done[0][0].count("--kmerLen 23") == 2
    assert made[0] == made[1]
    assert len([name for name in made[0] if name.endswith(".k23.tar.gz")]) == 2


def test_without_a_place_for_the_cache_nothing_is_said_of_it(tmp_path, monkeypatch):
    monkeypatch.delenv("SNAKEMAKE_OUTPUT_CACHE", raising=False)
    snakemake_cli.write_tables(tmp_path, {"saccharomyces_cerevisiae": "EnsemblFungi"}, {})
    said = snakemake_cli.snakemake(tmp_path, "-n", "--until", "pack_index")
    told = said.stdout + said.stderr
    assert said.returncode == 0, told
    assert "salmon_index" in told
    assert "cach" not in told


def files(server, prefix: str) -> dict[str, bytes]:
    """What is below a prefix of the bucket, by relative name."""
    s3, found = server.client("s3"), {}
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket="lab", Prefix=prefix):
        for one in page.get("Contents", []):
            body = s3.get_object(Bucket="lab", Key=one["Key"])["Body"].read()
            found[one["Key"].removeprefix(prefix)] = body
    return found
