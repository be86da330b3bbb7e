"""Pack a Salmon index into a gzip archive that depends on its content alone, and write down how it was made."""

import hashlib
import json
import tarfile
from collections.abc import Iterable
from pathlib import Path

from _log import InputError, log_to
from isal import igzip, igzip_threaded

LEVEL = 1  # of 0 to 3
NOTE = "command.txt"  # how the index was made: ours, and no part of it


def pack(index: dict[str, Path], archive: Path, threads: int) -> None:
    """Write the files of an index, by their names in it, into `archive`: members sorted, times zero, owner root."""

    def anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.mtime = member.uid = member.gid = 0
        member.uname = member.gname = "root"
        member.mode = 0o644
        return member

    with (
        igzip_threaded.open(archive, "wb", compresslevel=LEVEL, threads=threads) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as members,
    ):
        for name in sorted(index.keys() - {NOTE}):
            members.add(index[name], arcname=name, filter=anonymous)


def read_note(index: dict[str, Path]) -> str:
    """The command that made an index; raise ValueError where a file is of another build than the checksums after it."""
    command, *lines = index[NOTE].read_text().strip().splitlines()
    for wanted, name in ((digest, Path(path).name) for digest, path in map(str.split, lines)):
        if name in index and checksum(index[name], "md5") != wanted:
            raise ValueError(
                f"{index[name]} is of another build of this index than {index[NOTE]}: two runs stored theirs at once "
                "where they share them; name another folder in SNAKEMAKE_OUTPUT_CACHE, or run without it"
            )
    return command


def checksum(path: Path, kind: str) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, kind).hexdigest()


def count_sequences(blocks: Iterable[bytes]) -> int:
    """Count the records of a FASTA text, given in blocks of any size."""
    count, before = 0, b"\n"
    for block in blocks:
        count += (before + block).count(b"\n>")
        before = block[-1:]
    return count


def count_indexed(lengths: Path) -> int:
    """Count the sequences of an index by its complete_ref_lens.bin, a vector of cereal: 8 bytes of count come first."""
    with lengths.open("rb") as count:
        return int.from_bytes(count.read(8), "little")


def read_version(info: str, expected: str) -> str:
    """The version of Salmon that versionInfo.json tells; raise InputError where the index is named after another."""
    found = json.loads(info)["salmonVersion"]
    if found != expected:
        raise InputError(f"Salmon {found} made this index, and not {expected}; install that version")
    return found


def describe(index: dict[str, Path], archive: Path, transcripts: Path, genome: dict, version: str) -> dict:
    """Tell what is in an index and how it was made: commands, versions, checksums, transcripts in and out."""
    info = json.loads(index["info.json"].read_text())
    with igzip.open(transcripts, "rb") as text:
        transcripts_in = count_sequences(iter(lambda: text.read(1 << 20), b""))
    return {
        **{key: genome[key] for key in ("organism", "division", "assembly", "release", "taxon_id")},
        "k": info["k"],
        "salmon": read_version(index["versionInfo.json"].read_text(), version),
        "decoys": info["num_decoys"] > 0,
        "transcripts_in": transcripts_in,
        "transcripts_out": count_indexed(index["complete_ref_lens.bin"]) - info["num_decoys"],
        "kmers": info["num_kmers"],
        "size": archive.stat().st_size,
        "sha256": checksum(archive, "sha256"),
        "commands": [read_note(index)],
        "inputs": {"transcripts": {"file": transcripts.name, "sha256": checksum(transcripts, "sha256")}},
        "sources": {name: genome[name] for name in genome if name.endswith(("_url", "_checksum"))},
    }


def main(
    index: dict[str, Path], transcripts: Path, genome: dict, version: str, archive: Path, record: Path, threads: int
) -> None:
    pack(index, archive, threads)
    record.write_text(json.dumps(describe(index, archive, transcripts, genome, version), indent=2) + "\n")


if __name__ == "__main__":
    log_to(snakemake.log[0])
    main(
        {path.rpartition(f".k{snakemake.wildcards.k}.")[2]: Path(path) for path in snakemake.input.index},
        Path(snakemake.input.transcripts),
        snakemake.params.genome,
        snakemake.wildcards.version,
        Path(snakemake.output.archive),
        Path(snakemake.output.record),
        snakemake.threads,
    )
