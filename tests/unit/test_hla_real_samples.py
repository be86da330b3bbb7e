"""Real samples with published types are typed right, all of their loci, from a real release."""

import csv
import gzip
import json
import zlib
from pathlib import Path

import pytest
from _hla_release import two_fields
from hla_fish_reads import main as fish
from hla_index_release import main as index_release
from hla_type_sample import main as type_hla

from tests.unit.hla_calls import SETTINGS

HLA = Path(__file__).resolve().parents[3] / "shared" / "data" / "hla"
RELEASE = "3.33.0"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not HLA.exists(), reason="the real HLA samples are not beside the project (../shared/data/hla)"),
]


@pytest.fixture(scope="module")
def index(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("imgt")
    index_release([HLA / "imgt" / RELEASE], RELEASE, folder / "index.npz", folder / "alleles.txt")
    return folder / "index.npz"


@pytest.fixture(scope="module")
def truth() -> dict[str, dict[str, list[str]]]:
    found: dict[str, dict[str, list[str]]] = {}
    with (HLA / "TRUTH.tsv").open() as table:
        for row in csv.DictReader(table, delimiter="\t"):
            found.setdefault(row["sample"], {})[row["locus"]] = sorted((row["allele1"], row["allele2"]))
    return found


def type_sample(sample: str, fished: Path, index: Path) -> dict[str, dict]:
    folder = fished.parent
    ciwd = HLA / "ciwd" / "ciwd.3.0.0.csv"
    type_hla(sample, fished, index, ciwd, SETTINGS, folder / "typing", folder / "types.tsv")
    with (folder / "types.tsv").open() as table:
        return {row["locus"]: row for row in csv.DictReader(table, delimiter="\t")}


def called(row: dict) -> list[str]:
    return sorted(two_fields(row[key]) for key in ("allele1", "allele2") if "*" in row[key])


@pytest.fixture(scope="module")
def fished(index, truth, tmp_path_factory) -> dict[str, Path]:
    """The fished reads of every sample with published types."""
    found = {}
    for sample in truth:
        first, second = sorted((HLA / sample).glob("*.gz"))
        found[sample] = tmp_path_factory.mktemp(sample) / "fished"
        fish([first], [second], None, None, index, found[sample])
    return found


def test_every_published_allele_is_found_with_confidence(index, truth, fished):
    for sample, types in truth.items():
        rows = type_sample(sample, fished[sample], index)
        assert {locus: called(rows[locus]) for locus in types} == types
        assert min(float(rows[locus]["confidence"]) for locus in types) > 0.75
        assert {row["release"] for row in rows.values()} == {RELEASE}


@pytest.mark.parametrize("share", [0.4, 0.17, 0.07])
def test_of_thinned_reads_no_homozygote_is_called_that_is_none(index, truth, fished, tmp_path, share):
    for sample, types in truth.items():
        thin = tmp_path / sample / "fished"
        thin.mkdir(parents=True)
        lines = gzip.decompress((fished[sample] / "reads.fastq.gz").read_bytes()).split(b"\n")
        kept = [
            b"\n".join(lines[start : start + 4])
            for start in range(0, len(lines) - 1, 4)
            if zlib.crc32(lines[start].rsplit(b"/", 1)[0]) % 10_000 < share * 10_000
        ]
        (thin / "reads.fastq.gz").write_bytes(gzip.compress(b"\n".join([*kept, b""])))
        told = json.loads((fished[sample] / "fished.json").read_text())
        (thin / "fished.json").write_text(json.dumps(told | {"fished": len(kept)}))
        rows = type_sample(sample, thin, index)
        wrong = [
            (locus, allele)
            for locus, pair in types.items()
            for allele in called(rows[locus])
            if allele not in pair and float(rows[locus]["confidence"]) >= 0.95
        ]
        false_twice = [
            locus
            for locus, pair in types.items()
            if rows[locus]["zygosity"] == "homozygous" and called(rows[locus]) != pair
        ]
        assert (wrong, false_twice) == ([], [])
        if share == 0.4:
            assert sum(len(called(rows[locus])) for locus in types) >= 2 * len(types) - 1
