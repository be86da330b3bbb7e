"""Pack a Salmon index into a gzip archive that depends on its content alone, and write down how it was made.

The index comes as a plain tar archive, as it was made: one file, so that none of it can be missing.
"""

import hashlib
import json
import tarfile
from collections.abc import Iterable
from pathlib import Path

from _log import log_to
from isal import igzip, igzip_threaded

LEVEL = 1  # of 0 to 3
NOTES = ("info.json", "versionInfo.json", "complete_ref_lens.bin", "command.txt")


def files_of(index: tarfile.TarFile) -> dict[str, tarfile.TarInfo]:
    """The files of an archive by their names, without folders."""
    return {Path(member.name).name: member for member in index if member.isfile()}


def pack(index: Path, archive: Path, threads: int) -> None:
    """Write the files of an index into `archive`: members sorted, times zero, owner root."""
    with (
        tarfile.open(index) as made,
        igzip_threaded.open(archive, "wb", compresslevel=LEVEL, threads=threads) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as members,
    ):
        for name, found in sorted(files_of(made).items()):
            if not is_ours(name):
                member = tarfile.TarInfo(name)
                member.size, member.uname, member.gname = found.size, "root", "root"
                members.addfile(member, made.extractfile(found))


def is_ours(name: str) -> bool:
    """What lies beside the index's own files: our note, and Salmon's logs, which tell the time of day."""
    return name.startswith(".") or name.endswith(".log") or name == "command.txt"


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


def count_indexed(lengths: bytes) -> int:
    """Count the sequences of an index by its complete_ref_lens.bin, a vector of cereal: 8 bytes of count come first."""
    return int.from_bytes(lengths[:8], "little")


def read_version(info: bytes, expected: str) -> str:
    """The version of Salmon that versionInfo.json tells; raise ValueError where the index is named after another."""
    found = json.loads(info)["salmonVersion"]
    if found != expected:
        raise ValueError(f"Salmon {found} made this index, and not {expected}; install that version")
    return found


def describe(index: Path, archive: Path, transcripts: Path, genome: dict, version: str) -> dict:
    """Tell what is in an index and how it was made: commands, versions, checksums, transcripts in and out."""
    with tarfile.open(index) as made:
        files = files_of(made)
        notes = {name: made.extractfile(files[name]).read() for name in NOTES}
    info = json.loads(notes["info.json"])
    with igzip.open(transcripts, "rb") as text:
        transcripts_in = count_sequences(iter(lambda: text.read(1 << 20), b""))
    return {
        **{key: genome[key] for key in ("organism", "division", "assembly", "release", "taxon_id")},
        "k": info["k"],
        "salmon": read_version(notes["versionInfo.json"], version),
        "decoys": info["num_decoys"] > 0,
        "transcripts_in": transcripts_in,
        "transcripts_out": count_indexed(notes["complete_ref_lens.bin"]) - info["num_decoys"],
        "kmers": info["num_kmers"],
        "size": archive.stat().st_size,
        "sha256": sha256(archive),
        "commands": [notes["command.txt"].decode().strip()],
        "inputs": {"transcripts": {"file": transcripts.name, "sha256": sha256(transcripts)}},
        "sources": {name: genome[name] for name in genome if name.endswith(("_url", "_checksum"))},
    }


def main(index: Path, transcripts: Path, genome: dict, version: str, archive: Path, record: Path, threads: int) -> None:
    pack(index, archive, threads)
    record.write_text(json.dumps(describe(index, archive, transcripts, genome, version), indent=2) + "\n")


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
