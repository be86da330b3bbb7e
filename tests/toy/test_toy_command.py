import csv
import hashlib
import subprocess
import sys
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest

from tests.toy.__main__ import main
from tests.toy.make_all import make_all

ROOT = Path(__file__).parents[2]
SMALL_ARGUMENTS = ("--genome-size", "20000", "--fungus-size", "60000", "--fragments", "50")


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def read_table(path: Path) -> list[dict[str, str]]:
    with path.open() as rows:
        return list(csv.DictReader(rows, delimiter="\t"))


def test_the_same_seed_makes_the_same_files_also_in_another_process(tmp_path):
    for name in ("one", "other"):
        # Another hash seed: an order that hangs on it would differ.
        command = [
            sys.executable,
            "-m",
            "tests.toy",
            "make",
            tmp_path / name,
            *SMALL_ARGUMENTS,
            "--relative-to",
            tmp_path / name,
        ]
        subprocess.run(command, check=True, cwd=ROOT, env={"PYTHONHASHSEED": str(len(name))})
    found = digests(tmp_path / "one")
    assert len(found) > 60
    assert found == digests(tmp_path / "other")


def test_another_seed_makes_other_genomes_and_reads_of_the_same_names(toy, small, tmp_path):
    make_all(tmp_path, replace(small, seed=2), "reads")
    one, other = digests(toy), digests(tmp_path)
    assert set(one) == set(other)
    assert not [name for name in one if name.endswith((".gz", ".fastq")) and one[name] == other[name]]


def test_the_tables_name_files_that_exist_and_the_broken_sample(toy):
    rows = read_table(toy / "config/samples.tsv")
    assert list(rows[0]) == ["sample", "lane", "analyses", "organism", "fq1", "fq2"]
    assert all((toy / row[column]).is_file() for row in rows for column in ("fq1", "fq2") if row[column])
    assert {row["analyses"] for row in rows} == {"quant"}
    assert [row["sample"] for row in rows][-1] == "bacterium_broken"
    organisms = {row["organism"] for row in read_table(toy / "config/organisms.tsv")}
    assert {row["organism"] for row in rows} <= organisms
    assert len(organisms) == 3


def test_a_fleet_of_bacteria_has_folders_of_a_hundred_and_no_reads(tmp_path):
    main(
        [
            "make",
            str(tmp_path),
            "--bacteria",
            "150",
            "--genome-size",
            "15000",
            "--fungus-size",
            "60000",
            "--samples",
            "0",
        ]
    )
    fasta = tmp_path / "ensembl/pub/bacteria/release-57/fasta"
    assert {path.name: len(list(path.iterdir())) for path in fasta.iterdir()} == {
        "bacteria_0_collection": 100,
        "bacteria_1_collection": 51,
    }
    assert len(read_table(tmp_path / "config/organisms.tsv")) == 152
    assert read_table(tmp_path / "config/samples.tsv") == []
    assert list((tmp_path / "reads").iterdir()) == []


def test_a_manifest_alone_has_a_row_a_sample_with_files_of_its_own(tmp_path):
    main(["make", str(tmp_path), "--manifest-only", "--samples", "500", "--bacteria", "3", "--absolute"])
    rows = read_table(tmp_path / "config/samples.tsv")
    files = [row[column] for row in rows for column in ("fq1", "fq2") if row[column]]
    assert len({row["sample"] for row in rows}) == len(rows) == 500
    assert len(set(files)) == len(files) == 750
    assert all(Path(path).is_absolute() and Path(path).is_file() for path in files)
    assert len({row["organism"] for row in rows}) == 5
    assert {path.name for path in tmp_path.iterdir()} == {"config", "reads"}


@pytest.mark.parametrize("kind", ["truncated", "unequal_mates", "long_quality", "empty", "cram", "none"])
def test_the_way_in_which_a_sample_is_broken_can_be_chosen(tmp_path, kind):
    main(["make", str(tmp_path), *SMALL_ARGUMENTS, "--samples", "1", "--broken", kind])
    broken = sorted((tmp_path / "reads").glob("bacterium_broken*"))
    assert len(broken) == (0 if kind == "none" else 2)
    assert not (tmp_path / "truth/bacterium_broken.tsv").exists()


def test_paths_are_relative_to_where_the_run_will_start(tmp_path):
    main(["make", str(tmp_path / "demo"), *SMALL_ARGUMENTS, "--samples", "1", "--relative-to", str(tmp_path)])
    assert {row["fq1"].rpartition("/")[0] for row in read_table(tmp_path / "demo/config/samples.tsv")} == {"demo/reads"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["make", "x", "--samples", "-1"], "samples: -1 is no number of things"),
        (["make", "x", "--genome-size", "5"], "give it at least 15,000"),
        (["serve", "no/such/folder"], "no/such/folder is no folder; make it with"),
    ],
)
def test_a_wrong_wish_is_one_sentence(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=message):
        main(arguments)


def test_the_server_prints_its_address_when_it_is_ready_and_stops_when_told(toy):
    command = [sys.executable, "-m", "tests.toy", "serve", str(toy / "ensembl")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as server:
        try:
            address = server.stdout.readline().strip()
            with urllib.request.urlopen(f"{address}/info/software", timeout=10) as answer:
                assert answer.read() == b'{"release": 110}\n'
        finally:
            server.terminate()
        assert server.wait(10) == 0
