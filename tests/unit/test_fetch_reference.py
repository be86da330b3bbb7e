import gzip
import hashlib
import random
import subprocess
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from fetch_reference import FetchError, as_summed, checksum_of, download, fetch, main
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.toy.make_all import Wishes, make_all
from tests.toy.serve import serving

CONTENT = gzip.compress(random.Random(1).randbytes(20_000), mtime=0)
SHA256 = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


@pytest.fixture
def site(tmp_path):
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "genome.fa.gz").write_bytes(CONTENT)
    with serving(folder) as address:
        yield address


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def toy_ensembl(tmp_path_factory, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    folder: Path = tmp_path_factory.mktemp("toy")
    make_all(folder, Wishes(genome_size=30_000, fungus_size=80_000, samples=0), "reads")
    with serving(folder / "ensembl") as address:
        yield folder / "ensembl", address


def test_a_file_comes_whole_and_nothing_else_stays(site, tmp_path):
    output = tmp_path / "out" / "genome.fa.gz"
    output.parent.mkdir()
    fetch(f"{site}/genome.fa.gz", SHA256, None, output)
    assert output.read_bytes() == CONTENT
    assert list(output.parent.iterdir()) == [output]


def test_a_download_that_breaks_off_goes_on_where_it_ended(site, tmp_path, waits):
    site.cut("/genome.fa.gz", after=1000)
    site.cut("/genome.fa.gz", after=500)
    download(f"{site}/genome.fa.gz", tmp_path / "part", waits.append)
    assert (tmp_path / "part").read_bytes() == CONTENT
    assert [one.range for one in site.asked("/genome.fa.gz")] == ["", "bytes=1000-", "bytes=1500-"]


def test_the_part_of_an_earlier_job_is_gone_on_with(site, tmp_path, waits):
    (tmp_path / "part").write_bytes(CONTENT[:700])
    download(f"{site}/genome.fa.gz", tmp_path / "part", waits.append)
    assert (tmp_path / "part").read_bytes() == CONTENT
    assert [one.range for one in site.asked("/genome.fa.gz")] == ["bytes=700-"]


def test_a_part_that_is_whole_already_is_enough(site, tmp_path, waits):
    (tmp_path / "part").write_bytes(CONTENT)
    download(f"{site}/genome.fa.gz", tmp_path / "part", waits.append)
    assert (tmp_path / "part").read_bytes() == CONTENT
    assert waits == []


def test_a_busy_server_is_asked_again_after_longer_and_longer_waits(site, tmp_path, waits, capsys):
    site.fail("/genome.fa.gz", times=3, status=503)
    download(f"{site}/genome.fa.gz", tmp_path / "part", waits.append)
    assert (tmp_path / "part").read_bytes() == CONTENT
    assert waits == [2, 4, 8]
    assert f"attempt 3 of 6 to fetch {site}/genome.fa.gz: HTTP Error 503" in capsys.readouterr().out


def test_a_server_that_stays_busy_is_given_up_with_its_last_answer(site, tmp_path, waits):
    site.fail("/genome.fa.gz", times=9, status=502)
    with pytest.raises(FetchError, match=r"genome.fa.gz: cannot be fetched in 6 attempts, the last .* 502"):
        download(f"{site}/genome.fa.gz", tmp_path / "part", waits.append)
    assert len(site.asked("/genome.fa.gz")) == 6


def test_a_file_that_moved_is_asked_for_once_and_the_remedy_named(site, tmp_path, waits):
    with pytest.raises(FetchError, match=r"nowhere.fa.gz: HTTP Error 404.*run `snakemake lock` again"):
        download(f"{site}/nowhere.fa.gz", tmp_path / "part", waits.append)
    assert waits == []


def test_a_server_that_is_not_there_is_said_so(tmp_path, waits):
    with pytest.raises(FetchError, match=r"http://127.0.0.1:9/x: cannot be fetched in 6 attempts.*refused"):
        download("http://127.0.0.1:9/x", tmp_path / "part", waits.append)


class Unusual(BaseHTTPRequestHandler):
    """Knows no ranges, and sends its first answer in chunks that break off."""

    protocol_version = "HTTP/1.1"
    answers = 0

    def do_GET(self) -> None:
        type(self).answers += 1
        self.send_response(200)
        if self.answers == 1:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"64\r\n" + CONTENT[:50])
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_a_server_without_ranges_and_broken_chunks_is_borne_with(tmp_path, waits):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Unusual)
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        download(f"http://127.0.0.1:{server.server_port}/x", tmp_path / "part", waits.append)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert (tmp_path / "part").read_bytes() == CONTENT
    assert waits == [2]


def test_a_file_that_the_server_replaced_is_told_with_size_and_checksums_and_removed(site, tmp_path):
    with pytest.raises(FetchError) as refused:
        fetch(f"{site}/genome.fa.gz", "sha256:0", None, tmp_path / "genome.fa.gz")
    assert str(refused.value).startswith(
        f"{site}/genome.fa.gz: the server has another file than was locked, {len(CONTENT):,} bytes with the checksum "
        f"{SHA256}, in the lock sha256:0; if Ensembl replaced it, `snakemake lock` takes the new one"
    )
    assert not list(tmp_path.glob("genome*"))
    assert len(site.asked("/genome.fa.gz")) == 2  # the same twice: so it is not damaged on its way


def test_a_part_that_does_not_fit_the_file_is_replaced_by_the_whole_file(site, tmp_path):
    (tmp_path / "part").write_bytes(b"\0" * 700)
    fetch(f"{site}/genome.fa.gz", SHA256, None, tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == CONTENT


def test_downloads_that_are_damaged_on_their_way_do_not_advise_to_lock_again(site, tmp_path):
    (tmp_path / "part").write_bytes(b"\0" * 700)
    with pytest.raises(FetchError) as refused:
        fetch(f"{site}/genome.fa.gz", "sha256:0", None, tmp_path / "part")
    assert "two downloads differ from each other" in str(refused.value)
    assert str(refused.value).endswith("look at the network and the disk, then run again; the lock is right")


def test_a_web_page_in_place_of_a_file_is_said_so(site, tmp_path):
    (tmp_path / "site" / "login.fa.gz").write_bytes(b"<html>Log in</html>")
    with pytest.raises(
        FetchError, match=r"login.fa.gz: a web page \(HTML\) comes in place of the file; look at the ad"
    ):
        fetch(f"{site}/login.fa.gz", SHA256, None, tmp_path / "part")


@settings(max_examples=30, deadline=None)
@given(content=st.binary(max_size=3000))
def test_the_sum_is_the_one_that_coreutils_and_ensembl_write(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("sum") / "file"
    path.write_bytes(content)
    written = subprocess.run(["sum", path], capture_output=True, check=True, text=True).stdout.split()
    assert checksum_of(path, "sum") == as_summed(f"sum:{written[0]} {written[1]}")


def test_a_plain_file_becomes_gzip_the_same_each_time(tmp_path):
    own = tmp_path / "own.gtf"
    own.write_bytes(b"plain text\n" * 1000)
    expected = f"sha256:{hashlib.sha256(own.read_bytes()).hexdigest()}"
    outputs = [tmp_path / folder / "annotation.gtf.gz" for folder in ("one", "two")]
    for output in outputs:
        output.parent.mkdir()
        fetch(str(own), expected, own, output)
        assert list(output.parent.iterdir()) == [output]
    assert gzip.decompress(outputs[0].read_bytes()) == own.read_bytes()
    assert outputs[0].read_bytes() == outputs[1].read_bytes()


def test_an_own_file_that_changed_since_the_lock_is_refused_and_stays_where_it_is(tmp_path):
    own = tmp_path / "own.gtf"
    own.write_text("changed\n")
    with pytest.raises(FetchError, match=r"own.gtf changed since it was locked: .* run `snakemake lock` to take this"):
        fetch(str(own), SHA256, own, tmp_path / "annotation.gtf.gz")
    assert own.read_text() == "changed\n"


def test_both_files_of_the_toy_ensembl_come_by_the_sums_in_its_checksums(toy_ensembl, tmp_path):
    folder, address = toy_ensembl
    locked, outputs, sources = {}, {}, {}
    for kind, suffix in (("genome", ".dna.toplevel.fa.gz"), ("annotation", ".gtf.gz")):
        path = next(path for path in sorted(folder.rglob(f"*{suffix}")) if (path.parent / "CHECKSUMS").exists())
        line = next(one for one in (path.parent / "CHECKSUMS").read_text().splitlines() if one.endswith(path.name))
        locked[f"{kind}_url"] = f"{address}/{path.relative_to(folder)}"
        locked[f"{kind}_checksum"] = "sum:" + " ".join(line.split()[:2])
        outputs[kind], sources[kind] = tmp_path / f"{kind}.gz", path
    address.cut("/" + str(sources["genome"].relative_to(folder)))
    for kind, output in outputs.items():
        main(kind, locked, None, output)
    assert all(outputs[kind].read_bytes() == sources[kind].read_bytes() for kind in outputs)
