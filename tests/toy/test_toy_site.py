import json
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import IncompleteRead
from pathlib import Path

import pytest

from tests.toy.answer_rest import DIVISIONS
from tests.toy.serve import Address, addresses, chosen_part, serving
from tests.toy.sum_files import bsd_sum

FILE = "/pub/fungi/release-57/gtf/toya_fabularis/Toya_fabularis.TOYA1.57.gtf.gz"
SPECIES_KEYS = (
    "accession aliases assembly common_name display_name division groups name release strain strain_collection taxon_id"
)
DIVISION_KEYS = (
    "assembly_accession assembly_default assembly_id assembly_level assembly_name assembly_ucsc base_count "
    "data_release_id display_name division genebuild has_genome_alignments has_microarray has_other_alignments "
    "has_pan_compara has_peptide_compara has_synteny has_variations name organism_id reference scientific_name "
    "serotype species_taxonomy_id strain taxonomy_id url_name website_packed"
)


@pytest.fixture
def url(toy: Path) -> Iterator[Address]:
    with serving(toy / "ensembl") as address:
        yield address


def ask(address: str, method: str = "GET", **headers: str):
    """Ask, and return (status, headers, body); an error status is an answer, too."""
    request = urllib.request.Request(address, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def ask_json(address: str) -> object:
    return json.loads(ask(address)[2])


def test_every_folder_of_files_has_checksums_and_coreutils_agrees_with_them(toy):
    folders = {path.parent for path in (toy / "ensembl/pub").rglob("*") if path.is_file()}
    assert len(folders) > 20
    for folder in folders:
        files = sorted(path.name for path in folder.iterdir() if path.is_file() and path.name != "CHECKSUMS")
        lines = [line.split() for line in (folder / "CHECKSUMS").read_text().splitlines()]
        assert [name for _, _, name in lines] == files
        for total, blocks, name in lines:
            with (folder / name).open("rb") as content:
                told = subprocess.run(["sum"], stdin=content, capture_output=True, check=True, text=True).stdout.split()
            assert [int(total), int(blocks)] == [int(number) for number in told[:2]]


@pytest.mark.parametrize(("content", "expected"), [(b"", (0, 0)), (b"a", (97, 1)), (b"ab", (32914, 1))])
def test_sums_small_contents_as_calculated_by_hand(content, expected):
    assert bsd_sum(content) == expected


def test_a_kib_that_is_begun_counts():
    assert [bsd_sum(bytes(size))[1] for size in (1, 1024, 1025)] == [1, 1, 2]


def test_rest_tells_the_releases(url):
    assert ask_json(f"{url}/info/software?content-type=application/json") == {"release": 110}
    assert ask_json(f"{url}/info/eg_version") == {"version": 57}


def test_species_are_those_of_the_main_division_or_of_the_one_asked_for(url):
    main = ask_json(f"{url}/info/species?content-type=application/json")
    assert main == ask_json(f"{url}/info/species?division=EnsemblVertebrates")
    assert [record["name"] for record in main["species"]] == ["fabula_minor"]
    fungi = ask_json(f"{url}/info/species?division=EnsemblFungi&content-type=application/json")
    assert [record["name"] for record in fungi["species"]] == ["toya_fabularis", "absens_fabularis"]
    assert all(set(record) == set(SPECIES_KEYS.split()) for record in main["species"] + fungi["species"])


@pytest.mark.parametrize("division", DIVISIONS)
def test_each_division_lists_genomes_with_the_keys_of_ensembl(url, division):
    genomes = ask_json(f"{url}/info/genomes/division/{division}")
    assert genomes
    assert all(set(record) == set(DIVISION_KEYS.split()) and record["division"] == division for record in genomes)


def test_what_rest_does_not_know_is_a_bad_request_in_json(url):
    status, headers, body = ask(f"{url}/info/genomes/division/EnsemblFungus")
    assert (status, headers["Content-Type"]) == (400, "application/json")
    assert "EnsemblFungus" in json.loads(body)["error"]


def test_every_genome_of_a_table_has_files_where_ensembl_keeps_them(toy):
    found = 0
    for table in (toy / "ensembl/pub").rglob("species_*.txt"):
        header, *rows = (line.split("\t") for line in table.read_text().splitlines())
        for row in (dict(zip(header, cells, strict=False)) for cells in rows):
            release = table.parent.name.removeprefix("release-")
            database, _, numbers = row["core_db"].partition("_core_")
            below = f"{database}/{row['species']}" if database.endswith("_collection") else row["species"]
            stem = f"{row['species'].capitalize()}.{row['assembly']}"
            assert (table.parent / "fasta" / below / f"dna/{stem}.dna.toplevel.fa.gz").is_file()
            assert (table.parent / "gtf" / below / f"{stem}.{release}.gtf.gz").is_file()
            assert numbers.startswith(f"{release}_")
            found += 1
    assert found == 8  # fungus twice, two bacteria, four other divisions


def test_ftp_lacks_the_genome_that_only_rest_names(toy):
    assert not [path for path in (toy / "ensembl/pub").rglob("*") if "absens" in path.name.lower()]


def test_the_vertebrate_has_a_primary_assembly_smaller_than_the_toplevel(toy):
    folder = toy / "ensembl/pub/release-110/fasta/fabula_minor/dna"
    sizes = [
        (folder / f"Fabula_minor.TOYV1.1.dna.{kind}.fa.gz").stat().st_size for kind in ("primary_assembly", "toplevel")
    ]
    assert sizes[0] < sizes[1]


def test_a_file_comes_whole_and_its_head_tells_its_size(toy, url):
    content = (toy / f"ensembl{FILE}").read_bytes()
    status, headers, body = ask(url + FILE)
    assert (status, body, headers["Accept-Ranges"]) == (200, content, "bytes")
    status, headers, body = ask(url + FILE, "HEAD")
    assert (status, body, headers["Content-Length"]) == (200, b"", str(len(content)))


@pytest.mark.parametrize(
    ("asked", "part"), [("bytes=10-", slice(10, None)), ("bytes=5-9", slice(5, 10)), ("bytes=-7", slice(-7, None))]
)
def test_a_part_of_a_file_comes_alone(toy, url, asked, part):
    content = (toy / f"ensembl{FILE}").read_bytes()
    status, headers, body = ask(url + FILE, Range=asked)
    assert (status, body) == (206, content[part])
    start = part.indices(len(content))[0]
    assert headers["Content-Range"] == f"bytes {start}-{start + len(body) - 1}/{len(content)}"


def test_a_part_beyond_the_end_is_refused_with_the_size(toy, url):
    size = (toy / f"ensembl{FILE}").stat().st_size
    status, headers, _ = ask(url + FILE, Range=f"bytes={size}-")
    assert (status, headers["Content-Range"]) == (416, f"bytes */{size}")


@pytest.mark.parametrize("asked", ["", "bytes=-", "lines=1-2", "bytes=1-2,4-5"])
def test_a_range_that_is_not_understood_asks_for_all(asked):
    assert chosen_part(asked, 100) is None


def test_a_path_fails_as_often_as_it_is_told_and_then_answers(url):
    url.fail(FILE, times=2, status=429, retry_after=0.5)
    answers = [ask(url + FILE)[:2] for _ in range(3)]
    assert [status for status, _ in answers] == [429, 429, 200]
    assert answers[0][1]["Retry-After"] == "0.5"
    assert ask(f"{url}/info/software")[0] == 200


def test_a_body_is_cut_once_and_can_then_be_resumed(toy, url):
    content = (toy / f"ensembl{FILE}").read_bytes()
    url.cut(FILE, after=100)
    with pytest.raises(IncompleteRead) as broken:
        ask(url + FILE)
    assert broken.value.partial == content[:100]
    assert broken.value.partial + ask(url + FILE, Range="bytes=100-")[2] == content


def test_a_body_is_cut_in_half_where_nothing_else_is_said(toy, url):
    url.cut(FILE)
    with pytest.raises(IncompleteRead) as broken:
        ask(url + FILE)
    assert len(broken.value.partial) == (toy / f"ensembl{FILE}").stat().st_size // 2


def test_the_log_tells_what_was_asked_of_a_path(url):
    ask(url + FILE, "HEAD")
    ask(url + FILE, Range="bytes=1-")
    ask(f"{url}/info/species?division=EnsemblFungi")
    assert [(one.method, one.range, one.status) for one in url.asked(FILE)] == [
        ("HEAD", "", 200),
        ("GET", "bytes=1-", 206),
    ]
    assert len(url.asked(FILE, "GET")) == 1
    assert url.asked("/info/species")[0].query == "division=EnsemblFungi"
    assert len(url.requests) == 3


def test_a_folder_is_listed_with_links(url):
    status, headers, body = ask(f"{url}/pub/fungi")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert b'<a href="release-57/">release-57/</a>' in body


@pytest.mark.parametrize("path", ["/pub/fungi/release-58/", "/../config/samples.tsv", "/..%2fconfig/samples.tsv"])
def test_what_is_not_there_or_outside_is_not_found(toy, url, path):
    assert (toy / "config/samples.tsv").is_file()
    assert ask(url + path)[0] == 404


def test_the_server_listens_on_the_loopback_and_stops_with_its_block(toy):
    with serving(toy / "ensembl") as address:
        assert address.startswith("http://127.0.0.1:")
        assert ask(f"{address}/info/software")[0] == 200
    with pytest.raises(urllib.error.URLError):
        ask(f"{address}/info/software")


def test_many_can_ask_at_once(url):
    threads = [threading.Thread(target=ask, args=(url + FILE,)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one.status for one in url.asked(FILE)] == [200] * 20


def test_the_addresses_are_plain_text_for_a_configuration(url):
    found = addresses(url)
    assert found == {"rest": str(url), "ftp": f"{url}/pub", "genomes_ftp": f"{url}/pub"}
    assert {type(address) for address in found.values()} == {str}
