"""Pack a Salmon index into a gzip archive that depends on its content alone, and write down how it was made."""

import hashlib
import json
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from _log import log_to
from isal import igzip, igzip_threaded

LEVEL = 1  # of 0 to 3
NOTE = "command.txt"  # how the index was made: ours, and no part of it


def pack(index: tarfile.TarFile, archive: Path, threads: int) -> None:
    """Write the files of an index into `archive`: members sorted, times zero, owner root."""
    with (
        igzip_threaded.open(archive, "wb", compresslevel=LEVEL, threads=threads) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as members,
    ):
        for name in sorted({*index.getnames()} - {NOTE}):
            anonymous = tarfile.TarInfo(name)
            anonymous.size = index.getmember(name).size
            anonymous.uname = anonymous.gname = "root"
            members.addfile(anonymous, index.extractfile(name))


def sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def count_sequences(blocks: Iterable[bytes]) -> int:
    """Count the records of a FASTA text, given in blocks of any size."""
    count, before = 0, b"\n"
    for block in blocks:
        count += (before + block).count(b"\n>")
        before = block[-1:]
    return count


def count_indexed(lengths: IO[bytes]) -> int:
    """Count the sequences of an index by its complete_ref_lens.bin, a vector of cereal: 8 bytes of count come first."""
    return int.from_bytes(lengths.read(8), "little")


def read_version(info: bytes, expected: str) -> str:
    """The version of Salmon that versionInfo.json tells; raise ValueError where the index is named after another."""
    found = json.loads(info)["salmonVersion"]
    if found != expected:
        raise ValueError(f"Salmon {found} made this index, and not {expected}; install that version")
    return found


def describe(index: tarfile.TarFile, archive: Path, transcripts: Path, genome: dict, version: str) -> dict:
    """Tell what is in an index and how it was made: commands, versions, checksums, transcripts in and out."""
    info = json.loads(index.extractfile("info.json").read())
    with igzip.open(transcripts, "rb") as text:
        transcripts_in = count_sequences(iter(lambda: text.read(1 << 20), b""))
    return {
        **{key: genome[key] for key in ("organism", "division", "assembly", "release", "taxon_id")},
        "k": info["k"],
        "salmon": read_version(index.extractfile("versionInfo.json").read(), version),
        "decoys": info["num_decoys"] > 0,
        "transcripts_in": transcripts_in,
        "transcripts_out": count_indexed(index.extractfile("complete_ref_lens.bin")) - info["num_decoys"],
        "kmers": info["num_kmers"],
        "size": archive.stat().st_size,
        "sha256": sha256(archive),
        "commands": [index.extractfile(NOTE).read().decode().strip()],
        "inputs": {"transcripts": {"file": transcripts.name, "sha256": sha256(transcripts)}},
        "sources": {name: genome[name] for name in genome if name.endswith(("_url", "_checksum"))},
    }


def main(index: Path, transcripts: Path, genome: dict, version: str, archive: Path, record: Path, threads: int) -> None:
    with tarfile.open(index) as members:
        pack(members, archive, threads)
        record.write_text(json.dumps(describe(members, archive, transcripts, genome, version), indent=2) + "\n")


if __name__ == "__main__":
    log_to(snakemake.log[0])
    main(
        Path(snakemake.input.index),
        Path(snakemake.input.transcripts),
        snakemake.params.genome,
        snakemake.wildcards.version,
        Path(snakemake.output.archive),
        Path(snakemake.output.record),
        snakemake.threads,
    )
