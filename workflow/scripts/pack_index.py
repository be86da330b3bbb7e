"""Pack a Salmon index into one gzip archive that depends on its content alone, and write down how it was made."""

import hashlib
import json
import tarfile
from collections.abc import Iterable
from pathlib import Path

from _log import log_to
from isal import igzip, igzip_threaded

LEVEL = 1  # of 0 to 3


def pack(index: Path, archive: Path, threads: int) -> None:
    """Write the files of an index into `archive`: members sorted, times zero, owner root."""

    def anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.mtime = member.uid = member.gid = 0
        member.uname = member.gname = "root"
        member.mode = 0o644
        return member

    with (
        igzip_threaded.open(archive, "wb", compresslevel=LEVEL, threads=threads) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as members,
    ):
        for path in sorted(path for path in index.iterdir() if not is_ours(path)):
            members.add(path, arcname=path.name, filter=anonymous)


def is_ours(path: Path) -> bool:
    """What lies beside the index's own files: Snakemake's and ours, and Salmon's logs, which tell the time of day."""
    return path.name.startswith(".") or path.suffix == ".log" or path.name == "command.txt"


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


def count_indexed(index: Path) -> int:
    """Count the sequences of an index. Their lengths are a vector of cereal: 8 bytes of count, then 4 bytes each."""
    with (index / "complete_ref_lens.bin").open("rb") as lengths:
        return int.from_bytes(lengths.read(8), "little")


def read_version(index: Path, expected: str) -> str:
    """The version of Salmon that made an index; raise ValueError where its file is named after another."""
    found = json.loads((index / "versionInfo.json").read_text())["salmonVersion"]
    if found != expected:
        raise ValueError(f"Salmon {found} made this index, and not {expected}; install that version")
    return found


def describe(index: Path, archive: Path, inputs: dict[str, Path], genome: dict, version: str) -> dict:
    """Tell what is in an index and how it was made: commands, versions, checksums, transcripts in and out."""
    info = json.loads((index / "info.json").read_text())
    with igzip.open(inputs["transcripts"], "rb") as text:
        transcripts_in = count_sequences(iter(lambda: text.read(1 << 20), b""))
    return {
        **{key: genome[key] for key in ("organism", "division", "assembly", "release", "taxon_id")},
        "k": info["k"],
        "salmon": read_version(index, version),
        "decoys": info["num_decoys"] > 0,
        "transcripts_in": transcripts_in,
        "transcripts_out": count_indexed(index) - info["num_decoys"],
        "kmers": info["num_kmers"],
        "size": archive.stat().st_size,
        "sha256": sha256(archive),
        "commands": [(index / "command.txt").read_text().strip()],
        "inputs": {name: {"file": path.name, "sha256": sha256(path)} for name, path in inputs.items()},
        "sources": {name: genome[name] for name in genome if name.endswith(("_url", "_checksum"))},
    }


def main(
    index: Path, inputs: dict[str, Path], genome: dict, version: str, archive: Path, record: Path, threads: int
) -> None:
    pack(index, archive, threads)
    record.write_text(json.dumps(describe(index, archive, inputs, genome, version), indent=2) + "\n")


if __name__ == "__main__":
    log_to(snakemake.log[0])
    main(
        Path(snakemake.input.index),
        {name: Path(path) for name, path in snakemake.input.items() if name != "index"},
        snakemake.params.genome,
        snakemake.wildcards.version,
        Path(snakemake.output.archive),
        Path(snakemake.output.record),
        snakemake.threads,
    )
