"""What the end-to-end test takes for the same: a comparison that passes everything would tell nothing."""

import io
import json
import tarfile

import pytest

from tests.aws.comparison import same

RECORD = {
    "sample": "a",
    "start": "2026-11-21T16:00:38+00:00",
    "command": "fastp --out1 .snakemake/storage/fishladder/lab/runs/toy/results/a.fq --tmp /scratch/trim.WVr7cd",
    "steps": [{"step": "trim", "seconds": 1.5, "peak_memory_mb": 49.7, "reads": 100}],
    "mean": 196.8,
}


def changed(**values) -> bytes:
    return json.dumps({**RECORD, **values}).encode()


def step(**values) -> dict:
    return {"steps": [{**RECORD["steps"][0], **values}]}


@pytest.mark.parametrize(
    "values",
    [
        {"start": "2026-11-22T00:00:00+00:00"},
        {"command": "fastp --out1 results/a.fq --tmp /tmp/trim.a1B2c3"},
        step(seconds=9.0, peak_memory_mb=1.0),
        {"mean": 200.1},
    ],
)
def test_times_memory_and_places_may_differ(values):
    assert same("results/quant/a/record.json", changed(**values), changed())


@pytest.mark.parametrize(
    "values",
    [
        {"sample": "b"},
        {"command": "fastp --out1 results/b.fq --tmp /tmp/trim.a1B2c3"},
        step(reads=99),
        step(reads=None),
        {"steps": []},
        {"steps": RECORD["steps"] * 2},
        {"mean": 220.0},
        {"mean": 197},
        {"size": 1},
        {"sha256": "0"},
    ],
)
def test_a_value_that_differs_deep_in_a_json_file_is_seen(values):
    assert not same("results/quant/a/record.json", changed(**values), changed())


def test_what_an_archive_is_may_differ_but_only_where_indices_are():
    assert same("results/index/a.k31.json", changed(sha256="1", size=2), changed(sha256="3", size=4))
    assert not same("results/quant/a/record.json", changed(sha256="1"), changed(sha256="3"))


def packed(**files: bytes) -> bytes:
    with tarfile.open(fileobj=(out := io.BytesIO()), mode="w:gz") as archive:
        for name, content in files.items():
            (one := tarfile.TarInfo(name)).size = len(content)
            archive.addfile(one, io.BytesIO(content))
    return out.getvalue()


@pytest.mark.parametrize(
    ("found", "alike"),
    [
        ({"refseq.bin": b"ACGT", "pos.bin": b"12"}, True),
        ({"refseq.bin": b"ACGT", "pos.bin": b"21"}, True),
        ({"refseq.bin": b"ACGT", "pos.bin": b""}, False),
        ({"refseq.bin": b"ACGA", "pos.bin": b"12"}, False),
        ({"refseq.bin": b"ACGT"}, False),
    ],
)
def test_archives_are_compared_by_what_does_not_depend_on_threads(found, alike):
    wanted = packed(**{"refseq.bin": b"ACGT", "pos.bin": b"12"})
    assert same("results/index/a.k31.tar.gz", packed(**found), wanted) is alike


@pytest.mark.parametrize(
    ("counts", "alike"),
    [((500, 480, 20), True), ((460, 520, 20), True), ((440, 540, 20), False), ((500, 480, 60), False)],
)
def test_counts_may_differ_by_5_per_cent_of_all_fragments_and_their_sum_by_1(counts, alike):
    def table(numbers) -> bytes:
        return "".join(["Name\tNumReads\n", *(f"t{i}\t{n}\n" for i, n in enumerate(numbers))]).encode()

    assert same("results/quant/a/quant.sf", table(counts), table((500, 480, 20))) is alike
