import gzip
import json
import random
import re
import subprocess
from pathlib import Path

import pytest
from _ensembl_answers import parse_division
from _genomes import DIVISIONS
from _lock_file import difference, write_lock
from _match_organisms import match_genomes
from _tables import Row, TableError, read_table
from _web import Web
from hypothesis import given, settings
from hypothesis import strategies as st
from lock_organisms import main, read_schema

from tests.toy.make_all import Wishes, make_all
from tests.toy.serve import addresses, serving
from tests.unit.small_ensembl import LOCK_SCHEMA, fungus, lock, mistakes, row, site

__all__ = ["site"]  # a fixture

ROOT = Path(__file__).parents[2]
ANSWERS = ROOT.parent / "shared/data/rna/ensembl_answers"
REAL = pytest.mark.skipif(not ANSWERS.is_dir(), reason="the real answers are not beside the project (../shared/data)")


def test_locks_the_current_release_with_exact_addresses_sizes_and_checksums(site, tmp_path):
    human = lock(site, tmp_path, row("Homo sapiens", "EnsemblVertebrates"))["homo_sapiens"]
    assert dict(human) == {
        "requested": "Homo sapiens",
        "requested_assembly": "",
        "organism": "homo_sapiens",
        "species": "Homo sapiens",
        "strain": "",
        "taxon_id": "9606",
        "division": "EnsemblVertebrates",
        "collection": "",
        "assembly": "GRCh38",
        "accession": "GCA_000001405.29",
        "release": "110",
        "genome_url": f"{site.address}/ftp/release-110/fasta/homo_sapiens/dna/Homo_sapiens.GRCh38.dna.toplevel.fa.gz",
        "genome_size": "1500",
        "genome_checksum": "sum:7 2",
        "annotation_url": f"{site.address}/ftp/release-110/gtf/homo_sapiens/Homo_sapiens.GRCh38.110.gtf.gz",
        "annotation_size": "1500",
        "annotation_checksum": "sum:9 2",
    }


def test_locks_a_pinned_release_from_its_own_table(site, tmp_path):
    human = lock(site, tmp_path, row("human", "EnsemblVertebrates", "100", "GRCh38"))["homo_sapiens"]
    assert (human["release"], human["genome_checksum"], human["species"]) == ("100", "sum:6 2", "Homo sapiens")
    assert site.asked["GET", "/rest/info/species"] == 0


def test_locks_a_genome_of_a_collection_with_one_row_and_one_survey_of_its_division(site, tmp_path):
    found = lock(
        site,
        tmp_path,
        row("fusarium_fujikuroi", "EnsemblFungi"),
        row("Fusarium fujikuroi B14", "EnsemblFungi", "57"),
    )
    assert found["fusarium_fujikuroi"]["collection"] == "fungi_ascomycota1_collection"
    assert "/fasta/fungi_ascomycota1_collection/fusarium_fujikuroi/dna/" in found["fusarium_fujikuroi"]["genome_url"]
    assert found["fusarium_fujikuroi_gca_1"]["assembly"] == "v_1"
    assert site.asked["GET", "/rest/info/genomes/division/EnsemblFungi"] == 1


def test_a_whole_division_takes_two_requests_a_genome_and_names_what_it_leaves_out(site, tmp_path, capsys):
    found = lock(site, tmp_path, row("*", "EnsemblFungi"))
    assert list(found) == ["fusarium_fujikuroi", "fusarium_fujikuroi_gca_1"]
    assert {genome["genome_size"] for genome in found.values()} == {"2048"}
    assert sum(n for (_, path), n in site.asked.items() if "/fasta/" in path or "/gtf/" in path) == 5
    out = capsys.readouterr().out
    assert "EnsemblFungi: 1 of 3 genomes are left out" in out
    assert "  _candida_x: " in out


def test_a_long_look_up_says_how_far_it_is(site, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("lock_organisms.PROGRESS_EVERY", 2)
    lock(site, tmp_path, row("*", "EnsemblFungi"))
    assert "2 of 3 genomes looked up\n" in capsys.readouterr().out


def test_a_division_without_any_files_is_refused(site, tmp_path):
    (problem,) = mistakes(site, tmp_path, row("*", "EnsemblPlants"))
    assert problem.startswith("organisms.tsv, row 2, column organism: none of the 1 genomes has files")


def test_a_division_without_any_genomes_is_refused(site, tmp_path):
    site.pages["/rest/info/genomes/division/EnsemblFungi"] = b"[]"
    (problem,) = mistakes(site, tmp_path, row("*", "EnsemblFungi"))
    assert problem.startswith("organisms.tsv, row 2, column organism: EnsemblFungi has no genomes")


def test_every_mistake_of_every_row_is_told_at_once(site, tmp_path):
    found = mistakes(
        site,
        tmp_path,
        row("Fusarium fujikuroi", "EnsemblFungi"),
        row("Fusarium fujikuroy", "EnsemblFungi"),
        row("Human", "EnsemblFungi"),
        row("Human", "EnsemblVertebrates", "999"),
        row("Mouse", "EnsemblVertebrates", "", "GRCm38"),
        row("triticum_aestivum_mace", "EnsemblPlants"),
        row("homo_sapiens"),
        row("Human", "EnsemblVertebrate"),
        row("mine", genome="genome.fa"),
        row("theirs", genome="s3://bucket/genome.fa", gtf="https://x/y.gtf"),
        row("_candida_x", "EnsemblFungi"),
    )
    expected = {
        2: ("organism: 2 genomes are called 'Fusarium fujikuroi'", "fusarium_fujikuroi_gca_1 (v 1, B14)"),
        3: ("organism: EnsemblFungi has no genome called 'Fusarium fujikuroy'", "did you mean fusarium_fujikuroi"),
        4: ("organism: EnsemblFungi has no genome called 'Human'", "it is known in EnsemblVertebrates: correct"),
        5: ("release: EnsemblVertebrates has no table of release 999", "the current release is 110"),
        6: ("assembly: Mouse has no assembly 'GRCm38'", "choose one of mus_musculus (GRCm39)"),
        7: ("organism: triticum_aestivum_mace (PGSBv2.1, GCA_4.1, Mace) has no files in release 57", "remove the row"),
        8: ("division: empty; write one of EnsemblVertebrates, EnsemblPlants", "or give your own"),
        9: ("division: 'EnsemblVertebrate' is not allowed", "did you mean EnsemblVertebrates"),
        10: ("genome: genome.fa cannot be read", "correct the path"),
        11: ("genome: s3://bucket/genome.fa cannot be read", "must be a path or http(s)://"),
        12: ("organism: _candida_x (ASM1, GCA_3.1) has no files", "remove the row"),
    }
    for number, (start, *parts) in expected.items():
        (problem,) = [line for line in found if line.startswith(f"organisms.tsv, row {number}, column ")]
        assert problem.startswith(f"organisms.tsv, row {number}, column {start}")
        assert all(part in problem for part in parts), problem
    assert len(found) == len(expected)


def test_two_rows_for_one_genome_are_refused(site, tmp_path):
    (problem,) = mistakes(site, tmp_path, row("Human", "EnsemblVertebrates"), row("man", "EnsemblVertebrates"))
    assert problem == "organisms.tsv, row 3, column organism: row 2 gives homo_sapiens, too; remove one of the two rows"


def test_a_named_row_wins_over_its_whole_division(site, tmp_path):
    found = lock(site, tmp_path, row("*", "EnsemblFungi"), row("Fusarium_fujikuroi B14", "EnsemblFungi"))
    assert {name: one["requested"] for name, one in found.items()} == {
        "fusarium_fujikuroi": "*",
        "fusarium_fujikuroi_gca_1": "Fusarium_fujikuroi B14",
    }


def test_a_rest_service_that_fails_is_one_mistake_for_all_rows_of_its_division(site, tmp_path):
    site.pages["/rest/info/species"] = b'{"error": "page not found"}'
    (problem,) = mistakes(site, tmp_path, row("Human", "EnsemblVertebrates"), row("Mouse", "EnsemblVertebrates"))
    assert problem.startswith("organisms.tsv, row 2, column division: /rest/info/species")
    assert "expected a list of genomes" in problem


def test_without_network_there_is_one_message_of_no_row_and_the_mistakes_of_the_table(site, tmp_path):
    site.address = "http://127.0.0.1:9"
    rows = [row("Human", "EnsemblVertebrates"), row("yeast", "EnsemblFungi", "57"), row("x", "EnsemblFunghi")]
    misspelt, unreached = mistakes(site, tmp_path, *rows)
    assert misspelt.startswith("organisms.tsv, row 4, column division: 'EnsemblFunghi' is not allowed")
    assert re.fullmatch(
        r"127.0.0.1:9 cannot be reached \(.*Connection refused\); is there a network\? The addresses are the keys "
        r"below `ensembl` in config/config.yaml",
        unreached,
    )


def test_an_address_that_is_not_ensembls_rest_service_is_one_message_of_no_row(site, tmp_path):
    site.pages["/rest/info/software"] = b'{"hello": "world"}'
    del site.pages["/rest/info/eg_version"]
    for division in ("EnsemblVertebrates", "EnsemblPlants"):
        (problem,) = mistakes(site, tmp_path, row("a", division), row("b", division))
        assert problem.startswith("Ensembl's REST service is not at /rest (/rest/info/")
        assert problem.endswith("the keys below `ensembl` in config/config.yaml")


def test_a_row_without_a_division_asks_nobody(site, tmp_path):
    (problem,) = mistakes(site, tmp_path, row("homo_sapiens"))
    assert problem.startswith("organisms.tsv, row 2, column division: empty; write one of EnsemblVertebrates, Ensembl")
    assert site.asked.total() == 0


def test_of_pinned_releases_rest_is_not_asked(site, tmp_path):
    assert lock(site, tmp_path, row("Human", "EnsemblVertebrates", "100"))["homo_sapiens"]["release"] == "100"
    assert not [path for _, path in site.asked if path.startswith("/rest")]


def test_a_server_that_fails_midway_leaves_the_old_lock_byte_for_byte(site, tmp_path):
    lock(site, tmp_path, row("Human", "EnsemblVertebrates"))
    path = tmp_path / "organisms.lock.tsv"
    before = path.read_bytes()
    site.failures["/ftp/release-110/gtf/mus_musculus/CHECKSUMS"] = [(500, {})] * 99
    with pytest.raises(TableError, match=r"row 2, column division: .*mus_musculus/CHECKSUMS: no answer"):
        lock(site, tmp_path, row("*", "EnsemblVertebrates"))
    assert path.read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["organisms.lock.tsv", "organisms.tsv"]


def test_a_server_that_fails_early_is_not_asked_for_the_rest_of_the_division(site, tmp_path):
    names = [f"fungus_{number:04}" for number in range(2000)]
    genomes = [fungus(name, name, "v1", "v1", None, None) for name in names]
    site.pages["/rest/info/genomes/division/EnsemblFungi"] = json.dumps(genomes).encode()
    site.failures["/genomes/fungi/release-57/fasta/fungus_0000/dna/CHECKSUMS"] = [(500, {})] * 99
    (problem,) = mistakes(site, tmp_path, row("*", "EnsemblFungi"))
    assert "fungus_0000/dna/CHECKSUMS: no answer" in problem
    assert site.asked.total() < len(names)


def test_a_disk_that_fails_midway_leaves_the_old_lock_byte_for_byte(tmp_path, monkeypatch):
    path = tmp_path / "organisms.lock.tsv"
    path.write_text("as it was")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_lock(path, [locked("homo_sapiens")], LOCK_SCHEMA)
    assert path.read_text() == "as it was"
    assert list(tmp_path.iterdir()) == [path]


def test_a_row_that_could_not_be_read_again_is_not_written(tmp_path):
    path = tmp_path / "organisms.lock.tsv"
    with pytest.raises(TableError, match="row 2, column assembly: 'GRCh 38' is not allowed"):
        write_lock(path, [locked("homo_sapiens", assembly="GRCh 38")], LOCK_SCHEMA)
    assert not path.exists()


def test_locking_again_says_what_changed(site, tmp_path, capsys):
    lock(site, tmp_path, row("Human", "EnsemblVertebrates", "100"), row("fusarium_fujikuroi", "EnsemblFungi"))
    capsys.readouterr()
    lock(site, tmp_path, row("Human", "EnsemblVertebrates"), row("Mouse", "EnsemblVertebrates"))
    lines = capsys.readouterr().out.replace(f"{tmp_path}/", "").splitlines()
    assert lines[0] == "- fusarium_fujikuroi EF1, release 57"
    assert lines[1].startswith("~ homo_sapiens: release 100 -> 110, genome_checksum sum:6 2 -> sum:7 2, genome_url ")
    assert lines[2:] == [
        "+ mus_musculus GRCm39, release 110",
        "organisms.lock.tsv: 2 genomes, 3 added, removed or changed, 0 unchanged",
    ]
    before = (tmp_path / "organisms.lock.tsv").read_bytes()
    lock(site, tmp_path, row("Human", "EnsemblVertebrates"), row("Mouse", "EnsemblVertebrates"))
    assert capsys.readouterr().out.endswith("organisms.lock.tsv: 2 genomes, 0 added, removed or changed, 2 unchanged\n")
    assert (tmp_path / "organisms.lock.tsv").read_bytes() == before


def test_an_old_lock_that_cannot_be_read_is_replaced(site, tmp_path, capsys):
    (tmp_path / "organisms.lock.tsv").write_text("<<<<<<< HEAD\norganism\n")
    assert list(lock(site, tmp_path, row("Human", "EnsemblVertebrates"))) == ["homo_sapiens"]
    assert "cannot be read" in capsys.readouterr().out


def test_a_table_without_rows_does_not_empty_the_lock(site, tmp_path):
    lock(site, tmp_path, row("Human", "EnsemblVertebrates"))
    before = (tmp_path / "organisms.lock.tsv").read_bytes()
    with pytest.raises(TableError, match=r"organisms.tsv: it asks for no organism; add a row"):
        lock(site, tmp_path)
    assert (tmp_path / "organisms.lock.tsv").read_bytes() == before


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """The invented Ensembl of tests/toy."""
    folder = tmp_path_factory.mktemp("toy")
    make_all(folder, Wishes(samples=0), "reads")
    return folder


def lock_toy(folder: Path, lock: Path, table: Path) -> tuple[dict[str, Row], str]:
    """Lock a table against the toy; return the lock and the address of the toy."""
    with serving(folder / "ensembl") as address:
        main(table, lock, addresses(address), Web(attempts=3, backoff=0.01))
    rows, problems = read_table(lock, LOCK_SCHEMA)
    assert problems == []
    return {row["organism"]: row for row in rows}, str(address)


def test_locks_the_two_organisms_of_the_toy_with_the_checksums_that_sum_prints(toy, tmp_path):
    found, address = lock_toy(toy, tmp_path / "lock.tsv", toy / "config/organisms.tsv")
    assert {name: (row["assembly"], row["release"], row["collection"]) for name, row in found.items()} == {
        "toya_fabularis": ("TOYA1", "57", ""),
        "bacillus_fabula_gca_000000001": ("ASM1v1", "57", "bacteria_0_collection"),
    }
    for genome in found.values():
        for kind in ("genome", "annotation"):
            file = toy / "ensembl" / genome[f"{kind}_url"].removeprefix(f"{address}/")
            printed = subprocess.run(["sum", file.name], cwd=file.parent, capture_output=True, check=True, text=True)
            total, blocks = printed.stdout.split()[:2]
            assert genome[f"{kind}_checksum"] == f"sum:{int(total)} {int(blocks)}"
            assert genome[f"{kind}_size"] == str(file.stat().st_size)


def test_pins_the_older_release_of_the_toy_and_takes_its_primary_assembly(toy, tmp_path):
    table = tmp_path / "organisms.tsv"
    table.write_text(
        "organism\tdivision\trelease\nToya fabularis\tEnsemblFungi\t56\nfabula minor\tEnsemblVertebrates\tlatest\n"
    )
    found, _ = lock_toy(toy, tmp_path / "lock.tsv", table)
    assert found["toya_fabularis"]["annotation_url"].endswith("/Toya_fabularis.TOYA1.56.gtf.gz")
    assert found["fabula_minor"]["genome_url"].endswith("/Fabula_minor.TOYV1.1.dna.primary_assembly.fa.gz")
    assert found["fabula_minor"]["assembly"] == "TOYV1.1"


def test_leaves_out_the_fungus_that_the_toy_has_no_files_of(toy, tmp_path, capsys):
    table = tmp_path / "organisms.tsv"
    table.write_text("organism\tdivision\n*\tEnsemblFungi\n*\tEnsemblPlants\n")
    found, _ = lock_toy(toy, tmp_path / "lock.tsv", table)
    assert set(found) == {"toya_fabularis", "herba_fabularis"}
    assert "1 of 2 genomes are left out, as their files do not exist:\n  absens_fabularis: " in capsys.readouterr().out


def locked(organism: str, **columns: str) -> dict[str, str]:
    row = {"organism": organism, "assembly": "v1", "release": "57", "genome_url": "g", "annotation_url": "a"}
    return row | {"genome_checksum": "sum:1 2", "annotation_checksum": "sum:3 4"} | columns


# A cell of the lock has one blank between words, as the survey writes it.
CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0")).map(lambda text: " ".join(text.split()))


@settings(deadline=None)
@given(cells=st.lists(st.tuples(CELL, CELL.filter(bool)), min_size=1, max_size=5))
def test_a_lock_is_read_as_it_was_written(cells, tmp_path_factory):
    path = tmp_path_factory.mktemp("lock") / "organisms.lock.tsv"
    rows = [locked(f"o_{number}", strain=strain, species=species) for number, (strain, species) in enumerate(cells)]
    write_lock(path, rows, LOCK_SCHEMA)
    found, problems = read_table(path, LOCK_SCHEMA)
    assert problems == []
    assert [{column: row[column] for column in rows[0]} for row in found] == rows


ROWS = st.dictionaries(st.sampled_from("abcdef"), st.builds(lambda r: locked("x", release=r), st.sampled_from("12")))


@given(ROWS, ROWS)
def test_a_difference_counts_every_organism_once(old, new):
    lines, unchanged = difference(old, new)
    assert len(lines) + unchanged == len(old.keys() | new.keys())
    assert sum(line.startswith("+") for line in lines) == len(new.keys() - old.keys())
    assert sum(line.startswith("-") for line in lines) == len(old.keys() - new.keys())
    assert all("release 1 -> 2" in line or "release 2 -> 1" in line for line in lines if line.startswith("~"))


def test_a_lock_of_a_whole_division_is_read_whole(tmp_path):
    path = tmp_path / "organisms.lock.tsv"
    numbers = random.Random(1)
    rows = [
        locked(
            f"escherichia_coli_gca_{number:09}",
            species=f"Escherichia coli str. {number}",
            assembly=f"ASM{number}v1",
            genome_url=f"https://ftp/bacteria_{number % 128}_collection/escherichia_coli_gca_{number:09}.fa.gz",
            genome_checksum=f"sum:{numbers.randrange(65536)} {number}",
        )
        for number in range(20_000)
    ]
    write_lock(path, rows, LOCK_SCHEMA)
    found, problems = read_table(path, LOCK_SCHEMA)
    assert (len(found), problems) == (20_000, [])


@REAL
def test_each_real_genome_is_found_by_its_production_name_and_by_its_species_with_its_assembly():
    fungi = parse_division(
        json.loads(gzip.decompress((ANSWERS / "rest_info_genomes_division_EnsemblFungi.json.gz").read_bytes())), ""
    )
    for genome in fungi:
        for cells in (
            {"organism": genome.name, "assembly": ""},
            {"organism": genome.name, "assembly": genome.assembly},
        ):
            assert match_genomes(Row(division="EnsemblFungi", **cells), fungi, lambda _: []) == [genome]


def test_all_divisions_of_the_schema_are_known():
    assert read_schema("organisms.schema.yaml")["properties"]["division"]["enum"] == list(DIVISIONS)
