import gzip
import json
from collections import Counter
from pathlib import Path

import pytest
from _ensembl import Ensembl, LackingError, assembly_of, choose_annotation, choose_genome, clean_assembly
from _ensembl_answers import (
    collection_of,
    parse_checksums,
    parse_division,
    parse_main,
    parse_release,
    parse_table,
    species_from_name,
)
from _genomes import organism_key
from _tables import cell_problem
from _web import AbsentError, Retry, UnreachableError, Web, WebError, checksum
from hypothesis import given
from hypothesis import strategies as st
from yaml import safe_load

from tests.unit.loopback import serve

ROOT = Path(__file__).parents[2]
ANSWERS = ROOT.parent / "shared/data/rna/ensembl_answers"
REAL = pytest.mark.skipif(not ANSWERS.is_dir(), reason="the real answers are not beside the project (../shared/data)")
DIVISIONS = ("EnsemblFungi.json.gz", "EnsemblPlants.json", "EnsemblMetazoa.json")
SCHEMA = safe_load((ROOT / "workflow/schemas/organisms.schema.yaml").read_text())["properties"]
WORD = st.text("abcdefghijklmnopqrstuvwxyz0123456789_", min_size=1)
# Text as it may stand in a cell: no tab, no line end.
TEXT = st.text(st.characters(exclude_characters="\t\n\r", exclude_categories=("Cs",)))


def load(name: str) -> object:
    path = ANSWERS / name
    return json.loads(gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes())


def real_genomes() -> dict[str, list]:
    found = {name: parse_division(load(f"rest_info_genomes_division_{name}"), name) for name in DIVISIONS}
    return {**found, "species": parse_main(load("rest_info_species.json"), "species")}


def record(**fields: object) -> dict:
    return {"name": "mus_musculus", "assembly": "GRCm39", "taxon_id": "10090", **fields}


@REAL
def test_reads_the_releases_of_the_real_answers():
    assert parse_release(load("rest_info_software.json"), "release", "") == "110"
    assert parse_release(load("rest_info_eg_version.json"), "version", "") == "57"


@REAL
def test_reads_every_genome_of_the_real_answers_with_a_name_a_species_and_an_assembly():
    found = real_genomes()
    assert {name: len(genomes) for name, genomes in found.items()} == dict(
        zip([*DIVISIONS, "species"], (1505, 150, 253, 317), strict=True)
    )
    for genome in (genome for genomes in found.values() for genome in genomes):
        assert genome.name and genome.species and genome.assembly and genome.taxon_id.isdigit(), genome
        assert organism_key(genome.name) in genome.names and organism_key(genome.assembly) in genome.assemblies


@REAL
def test_no_null_of_the_real_answers_becomes_a_word():
    for genome in (genome for genomes in real_genomes().values() for genome in genomes):
        text = {genome.accession, genome.strain, *genome.names, *genome.assemblies}
        assert not text & {"None", "none", "null"}, genome


@REAL
def test_every_name_of_the_real_answers_may_stand_in_the_table_of_organisms():
    records = [row for name in DIVISIONS for row in load(f"rest_info_genomes_division_{name}")]
    names = {row[field] for row in records for field in ("name", "scientific_name", "url_name", "display_name")}
    names |= {row["display_name"] for row in load("rest_info_species.json")["species"]}
    assert {name for name in names if cell_problem(name, SCHEMA["organism"], True)} == set()
    assemblies = {row[field] for row in records for field in ("assembly_name", "assembly_default")}
    assert {name for name in assemblies if cell_problem(name, SCHEMA["assembly"], False)} == set()


@REAL
def test_the_real_tables_name_the_same_fungi_as_rest_and_the_folder_of_each():
    table = parse_table((ANSWERS / "species_EnsemblFungi.txt").read_text(), "table")
    assert {genome.name for genome in table} == {genome.name for genome in real_genomes()["EnsemblFungi.json.gz"]}
    collections = Counter(genome.collection for genome in table)
    assert collections[""] == 70
    assert collections["fungi_ascomycota3_collection"] == 233
    assert sum(collections.values()) == 1505


@REAL
def test_reads_the_older_table_with_other_columns():
    table = {
        genome.name: genome for genome in parse_table((ANSWERS / "species_EnsemblPlants.release44.txt").read_text(), "")
    }
    assert len(table) == 62
    assert table["aegilops_tauschii"].assembly == "Aet v4.0"
    assert {organism_key("Aet_v4.0"), "gca_002575655.1", "gca_002575655"} <= table["aegilops_tauschii"].assemblies
    assert not any(genome.collection for genome in table.values())


@pytest.mark.parametrize("answer", [None, [], {}, {"release": None}, {"release": "next"}, {"version": 57}, "110"])
def test_a_release_of_the_wrong_shape_is_one_clear_error(answer):
    with pytest.raises(WebError, match="http://rest/info: expected an answer like"):
        parse_release(answer, "release", "http://rest/info")


@pytest.mark.parametrize(
    "answer",
    [None, {}, 7, "x", [1], [{}], [{"name": None}], [{"name": "  "}], [{"name": "x", "aliases": 5}], {"species": {}}],
)
def test_genomes_of_the_wrong_shape_are_one_clear_error(answer):
    with pytest.raises(WebError, match="http://rest: expected"):
        parse_division(answer, "http://rest")
    with pytest.raises(WebError, match="http://rest: expected"):
        parse_main({"species": answer}, "http://rest")
    with pytest.raises(WebError, match="http://rest: expected"):
        parse_main(answer, "http://rest")


@pytest.mark.parametrize("text", ["", "<html>\n<p>Welcome</p>", "#name\tdivision\nx\ty"])
def test_a_table_of_the_wrong_shape_is_one_clear_error(text):
    with pytest.raises(WebError, match="http://ftp/t: expected a table"):
        parse_table(text, "http://ftp/t")


def test_a_row_cut_short_is_named():
    with pytest.raises(WebError, match="http://ftp/t, row 3"):
        parse_table("#name\tspecies\nHuman\thomo_sapiens\nMou", "http://ftp/t")


@given(st.lists(st.tuples(TEXT.filter(str.strip), WORD, TEXT, WORD), max_size=5), st.sampled_from(["", "\t"]))
def test_a_table_gives_back_what_was_written(rows, tail):
    lines = ["#name\tspecies\tassembly\tcore_db"]
    lines += [f"{name}\t{species}\t{assembly}\t{core}_core_57_110_1{tail}" for name, species, assembly, core in rows]
    found = parse_table("\n".join(lines) + "\n", "table")
    assert [genome.name for genome in found] == [species for _, species, _, _ in rows]
    assert [genome.assembly for genome in found] == [" ".join(assembly.split()) for _, _, assembly, _ in rows]
    assert [bool(genome.collection) for genome in found] == [core.endswith("_collection") for *_, core in rows]


@given(WORD, st.integers(1, 999), st.integers(1, 999), st.booleans())
def test_a_database_names_its_collection(name, release, other, short):
    tail = f"{release}_{other}" if short else f"{release}_{other}_1"
    assert collection_of(f"{name}_collection_core_{tail}") == f"{name}_collection"


@given(st.text())
def test_any_text_for_a_database_is_a_folder_name_or_nothing(text):
    assert collection_of(text) == "" or collection_of(text).endswith("_collection")
    assert "/" not in collection_of(text)


FILE = st.from_regex(r"[A-Za-z0-9_.()+-]+", fullmatch=True)


@given(
    st.dictionaries(FILE, st.tuples(st.integers(0, 65535), st.integers(0)), max_size=8),
    st.sampled_from(["", "./", "/a/b/"]),
)
def test_checksums_give_back_what_was_written(files, folder):
    text = "".join(f"{total:05} {blocks:5} {folder}{name}\n" for name, (total, blocks) in files.items())
    found = parse_checksums(text, "url")
    assert {name: (int(total), int(blocks)) for name, (total, blocks) in found.items()} == files


@given(st.text())
def test_any_text_for_checksums_is_read_or_refused_with_its_address(text):
    try:
        found = parse_checksums(text, "http://ftp/CHECKSUMS")
    except WebError as error:
        assert str(error).startswith("http://ftp/CHECKSUMS, row ")
    else:
        assert all(total.isdigit() and blocks.isdigit() and "/" not in name for name, (total, blocks) in found.items())


def test_a_listing_in_place_of_checksums_is_refused():
    with pytest.raises(WebError, match="row 1: expected `<sum> <blocks> <file>`, found '<html>"):
        parse_checksums("<html><title>Index</title></html>", "url")


def test_the_strains_of_the_mouse_do_not_answer_to_its_species():
    mouse, strain = parse_main(
        {
            "species": [
                record(display_name="Mouse", strain="reference (CL57BL6)", aliases=["mus musculus"]),
                record(name="mus_musculus_balbcj", display_name="Mouse BALB/cJ", strain="BALB/cJ", accession=None),
            ]
        },
        "url",
    )
    assert organism_key("Mus musculus") in mouse.names
    assert organism_key("Mus musculus") not in strain.names
    assert (strain.species, strain.accession) == ("Mus musculus", "")


@pytest.mark.parametrize(
    ("name", "strain", "species"),
    [
        ("homo_sapiens", "", "Homo sapiens"),
        ("canis_lupus_familiaris", "reference", "Canis lupus familiaris"),
        ("mus_musculus_balbcj", "BALB/cJ", "Mus musculus"),
        ("gallus_gallus_gca000002315v5", "redjunglefowl", "Gallus gallus"),
    ],
)
def test_makes_a_scientific_name_of_a_production_name(name, strain, species):
    assert species_from_name(name, strain) == species


HUMAN = [
    "Homo_sapiens.GRCh38.dna.chromosome.1.fa.gz",
    "Homo_sapiens.GRCh38.dna.primary_assembly.fa.gz",
    "Homo_sapiens.GRCh38.dna.toplevel.fa.gz",
    "Homo_sapiens.GRCh38.dna_rm.primary_assembly.fa.gz",
    "Homo_sapiens.GRCh38.dna_sm.toplevel.fa.gz",
    "README",
]


def test_chooses_the_unmasked_primary_assembly_before_the_toplevel():
    assert choose_genome(HUMAN, "GRCh38") == "Homo_sapiens.GRCh38.dna.primary_assembly.fa.gz"
    assert choose_genome(HUMAN[2:], "GRCh38") == "Homo_sapiens.GRCh38.dna.toplevel.fa.gz"
    assert choose_genome([HUMAN[0], *HUMAN[3:]], "GRCh38") is None


def test_a_primary_assembly_in_pieces_is_none():
    files = ["Danio.GRCz11.dna.primary_assembly.1.fa.gz", "Danio.GRCz11.dna.toplevel.fa.gz"]
    assert choose_genome(files, "GRCz11") == files[1]


def test_chooses_the_annotation_of_all_genes():
    files = [f"Homo_sapiens.GRCh38.110.{kind}gtf.gz" for kind in ("abinitio.", "chr.", "chr_patch_hapl_scaff.", "")]
    assert choose_annotation(files, "110", "GRCh38") == "Homo_sapiens.GRCh38.110.gtf.gz"
    assert choose_annotation(files[:3], "110", "GRCh38") is None
    assert choose_annotation(files, "10", "GRCh38") is None


def test_chooses_the_file_of_the_assembly_where_names_have_blanks():
    files = ["A.Aet_v3.0.57.gtf.gz", "A.Aet_v4.0.57.gtf.gz"]
    assert choose_annotation(files, "57", "Aet v4.0") == files[1]


@pytest.mark.parametrize(
    ("file", "name", "url_name", "release", "assembly"),
    [
        ("Homo_sapiens.GRCh38.dna.primary_assembly.fa.gz", "homo_sapiens", "", "110", "GRCh38"),
        ("Homo_sapiens.GRCh37.75.dna.toplevel.fa.gz", "homo_sapiens", "", "75", "GRCh37"),
        ("Aegilops_tauschii.Aet_v4.0.dna.toplevel.fa.gz", "aegilops_tauschii", "", "57", "Aet_v4.0"),
        ("A_e_GCA_011057435.1.v1.0.dna.toplevel.fa.gz", "a_e_gca011057435", "A_e_GCA_011057435.1", "57", "v1.0"),
        ("_candida_x.ASM1+2.dna.toplevel.fa.gz", "_candida_x", "_Candida_x", "57", "ASM1_2"),
    ],
)
def test_reads_the_assembly_out_of_the_files_name(file, name, url_name, release, assembly):
    genome = parse_division([{"name": name, "url_name": url_name, "assembly_default": "other"}], "")[0]
    assert assembly_of(file, genome, release) == assembly


@given(st.text())
def test_a_cleaned_assembly_fits_the_lock(text):
    lock = safe_load((ROOT / "workflow/schemas/organisms.lock.schema.yaml").read_text())["properties"]
    assert cell_problem(clean_assembly(text), lock["assembly"], True) is None


def test_a_busy_server_is_asked_again_until_it_answers():
    with serve() as site:
        site.pages["/x"] = b'{"release": 110}'
        site.failures["/x"] = [(503, {}), (503, {})]
        assert Web(backoff=0.01).json(f"{site.address}/x") == {"release": 110}
        assert site.asked["GET", "/x"] == 3


def test_waits_as_long_as_ensembl_asks_also_for_parts_of_a_second():
    with serve() as site:
        site.pages["/x"] = b"done"
        site.failures["/x"] = [(429, {"Retry-After": "0.2"}), (429, {"Retry-After": "soon"})]
        assert Web(backoff=0.01).text(f"{site.address}/x") == "done"
        assert site.asked["GET", "/x"] == 3


@pytest.mark.parametrize(
    ("asked", "seconds"), [("40.0", 40), ("0.68", 0.68), ("7", 7), ("86400", 300), ("86400.0", 300), ("soon", 0)]
)
def test_reads_how_long_a_server_asks_to_wait_and_waits_five_minutes_at_the_most(asked, seconds):
    assert Retry().parse_retry_after(asked) == seconds


def test_an_answer_that_breaks_off_is_asked_for_again():
    with serve() as site:
        site.pages["/x"] = b"0123456789"
        site.broken["/x"] = 2
        assert Web(backoff=0.01).text(f"{site.address}/x") == "0123456789"


def test_a_file_that_breaks_off_is_not_taken_for_whole():
    with serve() as site:
        site.pages["/x"] = b"0123456789"
        site.broken["/x"] = 1
        with pytest.raises(WebError, match="/x: the transfer broke off"):
            checksum(Web(backoff=0.01).chunks(f"{site.address}/x"))


def test_a_server_that_stays_busy_is_an_error_with_its_address():
    with serve() as site:
        site.failures["/x"] = [(503, {})] * 9
        with pytest.raises(WebError, match=r"127.0.0.1:\d+/x: no answer \(too many 503"):
            Web(attempts=3, backoff=0.01).text(f"{site.address}/x")
        assert site.asked["GET", "/x"] == 3


def test_what_is_not_there_is_not_asked_for_again():
    with serve() as site:
        with pytest.raises(AbsentError, match="/x: there is no such file"):
            Web(backoff=0.01).text(f"{site.address}/x")
        assert site.asked["GET", "/x"] == 1


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("http://127.0.0.1:9/x", r"127.0.0.1:9 cannot be reached \(Failed to establish .* Connection refused\)"),
        ("http://no-such-host.invalid/x", r"no-such-host.invalid cannot be reached \(Failed to resolve "),
    ],
)
def test_a_server_that_was_never_reached_is_given_up_at_once(address, expected, monkeypatch):
    waits: list[float] = []
    monkeypatch.setattr("time.sleep", waits.append)
    with pytest.raises(UnreachableError, match=expected):
        Web(attempts=6, backoff=10).text(address)
    assert waits == []


def test_a_server_that_goes_away_is_waited_for(monkeypatch):
    web = Web(attempts=3, backoff=1)
    with serve() as site:
        site.pages["/x"] = b"here"
        assert web.text(f"{site.address}/x") == "here"
        address = site.address
    web.session.close()
    waits: list[float] = []
    monkeypatch.setattr("time.sleep", waits.append)
    with pytest.raises(WebError, match=f"{address}/x: no answer .*Connection refused") as error:
        web.text(f"{address}/x")
    assert not isinstance(error.value, UnreachableError)
    assert waits == [2, 4]


def test_an_answer_that_is_not_json_is_an_error_with_its_address():
    with serve() as site:
        site.pages["/x"] = b"<html>"
        with pytest.raises(WebError, match="/x: the answer is not JSON"):
            Web(backoff=0.01).json(f"{site.address}/x")


def test_an_error_of_a_folder_other_than_absence_is_not_taken_for_absence():
    with serve() as site:
        site.failures["/plants/release-57/fasta/x/dna/CHECKSUMS"] = [(403, {})]
        ensembl = Ensembl(Web(backoff=0.01), {"genomes_ftp": site.address + "/"})
        genome = parse_division([{"name": "x", "assembly_default": "v1"}], "")[0]
        with pytest.raises(WebError, match="403"):
            ensembl.files(genome, "EnsemblPlants", "57", exact=False)
        with pytest.raises(LackingError, match="CHECKSUMS does not exist"):
            ensembl.files(genome, "EnsemblPlants", "57", exact=False)


def test_damaged_checksums_are_a_genome_without_files():
    with serve() as site:
        site.pages["/plants/release-57/fasta/x/dna/CHECKSUMS"] = b"sum: X.fa.gz: Input/output error\n"
        ensembl = Ensembl(Web(backoff=0.01), {"genomes_ftp": site.address})
        genome = parse_division([{"name": "x", "assembly_default": "v1"}], "")[0]
        with pytest.raises(LackingError, match="row 1: expected `<sum> <blocks> <file>`, found 'sum: X"):
            ensembl.files(genome, "EnsemblPlants", "57", exact=False)
