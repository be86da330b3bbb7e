import gzip
import hashlib
import io
import json
import os
import random
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pack_index import count_indexed, count_sequences, main, pack, read_note, read_version

GENOME = {
    "organism": "toy",
    "division": "EnsemblFungi",
    "assembly": "T1",
    "release": "57",
    "taxon_id": "1",
    "species": "Toy",
    "genome_url": "https://x/genome.fa.gz",
    "genome_checksum": "sum:1 2",
}


def by_name(folder: Path) -> dict[str, Path]:
    return {path.name: path for path in folder.iterdir()}


@pytest.fixture
def files(tmp_path) -> Path:
    """A folder as large as several blocks of compression, made in no order, with the note that is no part of it."""
    folder = tmp_path / "index"
    folder.mkdir()
    rng = random.Random(1)
    for name in ("pos.bin", "info.json", "a.bin", "seq.bin"):
        (folder / name).write_bytes(rng.randbytes(300_000) + bytes(2_000_000))
    (folder / "command.txt").write_text("salmon index")
    return folder


def test_two_packs_of_one_index_are_the_same_bytes_whenever_and_whoever_made_them(files, tmp_path, monkeypatch):
    pack(by_name(files), tmp_path / "one.tar.gz", threads=1)
    for path in files.iterdir():
        os.utime(path, (1e9, 1e9))
        path.chmod(0o600)
    monkeypatch.setattr("time.time", lambda: 2e9)
    (files / "command.txt").write_text("salmon index --threads 4")
    pack(by_name(files), tmp_path / "two.tar.gz", threads=4)
    assert (tmp_path / "one.tar.gz").read_bytes() == (tmp_path / "two.tar.gz").read_bytes()


def test_members_are_sorted_without_times_and_owners(files, tmp_path):
    pack(by_name(files), tmp_path / "x.tar.gz", threads=1)
    with tarfile.open(tmp_path / "x.tar.gz") as archive:
        members = archive.getmembers()
    assert [member.name for member in members] == ["a.bin", "info.json", "pos.bin", "seq.bin"]
    assert {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in members} == {(0, 0, 0, "root", "root", 0o644)}


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_what_is_packed_comes_out_again_with_common_tools(files, tmp_path, threads):
    pack(by_name(files), tmp_path / "x.tar.gz", threads)
    out = tmp_path / "out"
    out.mkdir()
    subprocess.run(["tar", "-xzf", tmp_path / "x.tar.gz", "-C", out], check=True)
    packed = [path for path in files.iterdir() if path.suffix in (".bin", ".json")]
    assert {path.name: path.read_bytes() for path in out.iterdir()} == {path.name: path.read_bytes() for path in packed}


@given(st.lists(st.sampled_from([">a", "ACGT", "", ">b c>d", "AC>GT"]), max_size=20), st.integers(1, 7))
def test_sequences_are_counted_whatever_the_blocks(lines, size):
    text = "".join(f"{line}\n" for line in lines).encode()
    blocks = io.BytesIO(text)
    expected = sum(line.startswith(">") for line in lines)
    assert count_sequences(iter(lambda: blocks.read(size), b"")) == expected


@pytest.mark.parametrize("decoys", [False, True])
def test_transcripts_in_and_out_are_those_of_salmon(tmp_path, decoys):
    """Salmon leaves out sequences that it has already; a decoy is no transcript."""
    rng = random.Random(2)
    bases = ["".join(rng.choices("ACGT", k=500)) for _ in range(12)]
    transcripts = {f"t{n}": one for n, one in enumerate([*bases, bases[0], bases[3]])}
    text = "".join(f">{name}\n{one}\n" for name, one in transcripts.items())
    packed = tmp_path / "transcripts.gz"
    packed.write_bytes(gzip.compress(text.encode(), mtime=0))
    sequences, options = tmp_path / "sequences.fa", []
    sequences.write_text(text)
    if decoys:
        sequences.write_text(f"{text}>chromosome\n{''.join(rng.choices('ACGT', k=5000))}\n")
        (tmp_path / "decoys.txt").write_text("chromosome\n")
        options = ["--decoys", tmp_path / "decoys.txt"]
    index = tmp_path / "index"
    command = ["salmon", "--no-version-check", "index", "-t", sequences, "-i", index, "-k", "23", "-p", "1", *options]
    subprocess.run(command, check=True, capture_output=True)

    (index / "command.txt").write_text("salmon index\n")
    archive, record = tmp_path / "x.tar.gz", tmp_path / "x.json"
    main(by_name(index), packed, GENOME, "1.10.1", archive, record, threads=1)

    told = json.loads(record.read_text())
    salmon_says = subprocess.run(["salmon", "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]
    assert (told["transcripts_in"], told["transcripts_out"], told["decoys"]) == (14, 12, decoys)
    assert count_indexed(index / "complete_ref_lens.bin") == 12 + decoys
    assert (told["k"], told["salmon"]) == (23, salmon_says)
    assert told["sha256"] == hashlib.sha256(archive.read_bytes()).hexdigest()
    assert told["size"] == archive.stat().st_size
    checksum = hashlib.sha256(packed.read_bytes()).hexdigest()
    assert told["inputs"] == {"transcripts": {"file": "transcripts.gz", "sha256": checksum}}
    assert told["sources"] == {"genome_url": "https://x/genome.fa.gz", "genome_checksum": "sum:1 2"}
    assert told["commands"] == ["salmon index"]


def test_an_index_with_a_file_of_another_build_is_refused(files):
    note = files / "command.txt"
    note.unlink(missing_ok=True)
    sums = [f"{hashlib.md5(path.read_bytes()).hexdigest()}  index/{path.name}\n" for path in files.iterdir()]
    note.write_text("salmon index --threads 2\n" + "".join(sums) + f"{'0' * 32}  index/ref_indexing.log\n")
    assert read_note(by_name(files)) == "salmon index --threads 2"

    (files / "pos.bin").write_bytes(b"laid out in another way")
    with pytest.raises(ValueError, match=r"pos\.bin is of another build .*; name another folder"):
        read_note(by_name(files))


def test_an_index_of_another_salmon_than_its_name_says_is_refused():
    with pytest.raises(ValueError, match=r"Salmon 1\.9\.0 made this index, and not 1\.10\.1"):
        read_version('{"salmonVersion": "1.9.0"}', "1.10.1")
