"""Read all reads of a sample once, as they come from the sequencer: are they whole, how many, how long?"""

import gzip
import json
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice, zip_longest
from pathlib import Path

import dnaio
from _formats import GZIP, OTHER_FORMATS
from _log import log_to
from isal import isal_zlib

# What a file that was cut, mixed up or damaged raises. An error of the disk or the network is another matter: it fails
# the job, which is tried again.
DAMAGED = (dnaio.FileFormatError, EOFError, ValueError, gzip.BadGzipFile, zlib.error, isal_zlib.error)

START = 1000  # reads
# With 64 added no quality is below this letter (-5), and good ones are above what Sanger's come to in reads of bases.
SOLEXA_LOWEST, SANGER_HIGHEST = ";", "Z"


class BrokenReads(ValueError):
    """The reads of a sample cannot be used; the message says which file, where, and what to do."""


def count_lane(fq1: Path, fq2: Path | None) -> tuple[int, int]:
    """Count reads and bases of one lane, both mates together; raise BrokenReads where the files cannot be used."""
    for path in filter(None, (fq1, fq2)):
        refuse_other_formats(path)
    if fq2 is None:
        return count_single(fq1)
    reads = bases = 0
    try:
        with dnaio.open(fq1, fq2, fileformat="fastq") as pairs:
            for first, second in pairs:
                reads += 2
                bases += len(first) + len(second)
    except DAMAGED as error:
        count_single(fq1)  # tells which of the two is broken, where it is one of them alone
        count_single(fq2)
        raise BrokenReads(
            f"{fq1} and {fq2} are no mates of each other: {tell(error)}; bring both files again"
        ) from error
    if reads == 0:
        raise BrokenReads(f"{fq1} and {fq2} hold no reads; leave the lane out or bring the files again")
    refuse_odd_starts(fq1, fq2)
    return reads, bases


def count_single(path: Path) -> tuple[int, int]:
    """Count reads and bases of one file; raise BrokenReads, with the file's name, where it is not whole."""
    reads = bases = 0
    try:
        with dnaio.open(path, fileformat="fastq") as records:
            for read in records:
                reads += 1
                bases += len(read)
    except EOFError as error:
        raise BrokenReads(f"{path} ends in the middle of its gzip stream: it was cut; bring the file again") from error
    except DAMAGED as error:
        raise BrokenReads(f"{path}: {tell(error)}; bring the file again") from error
    if reads == 0:
        raise BrokenReads(f"{path} holds no reads; leave the lane out or bring the file again")
    refuse_odd_starts(path)
    return reads, bases


def refuse_odd_starts(fq1: Path, fq2: Path | None = None) -> None:
    """Raise BrokenReads where the first reads show that the second file is the first again, that one file holds both
    mates, or that qualities are not as Sanger's are, with 33 added (Cock et al. 2010, doi:10.1093/nar/gkp1137)."""
    starts = []
    for path in filter(None, (fq1, fq2)):
        with dnaio.open(path, fileformat="fastq") as records:
            starts.append(list(islice(records, START)))
        letters = set().union(*(read.qualities for read in starts[-1]))
        if letters and min(letters) >= SOLEXA_LOWEST and max(letters) > SANGER_HIGHEST:
            raise BrokenReads(
                f"{path} has qualities with 64 added (Illumina 1.3 to 1.7, Solexa), from {min(letters)} to "
                f"{max(letters)}; turn them into those with 33 added, as by `seqtk seq -Q64 -V`"
            )
    if fq2 and len(starts[0]) > 1 and [read.sequence for read in starts[0]] == [read.sequence for read in starts[1]]:
        raise BrokenReads(f"{fq2} holds the same reads as {fq1}; name the file of the mates")
    if fq2 is None and are_interleaved([read.name for read in starts[0]]):
        raise BrokenReads(
            f"{fq1} holds both mates of each pair, one after the other; split it, as by `seqtk seq -1` and "
            "`seqtk seq -2`, and name the two files in fq1 and fq2"
        )


def are_interleaved(names: Sequence[str]) -> bool:
    """Say whether each two reads are mates by their names; where all have one name, names tell nothing."""
    pairs = list(zip(names[::2], names[1::2], strict=False))
    return (
        len(pairs) > 1
        and all(dnaio.record_names_match(first, second) for first, second in pairs)
        and not dnaio.record_names_match(pairs[0][0], pairs[1][0])
    )


def first_name(path: Path) -> str:
    """The name of the first read, which says what machine it comes from."""
    with dnaio.open(path, fileformat="fastq") as records:
        return next(iter(records)).name


def tell(error: Exception) -> str:
    """Say in a few words what is wrong with a file, and in which line."""
    message = str(error).removeprefix("Error in sequence file at unknown line: ").rstrip(".")
    if message.startswith("Not a gzipped file"):
        return "after its gzip stream comes something else"
    return message if len(message) < 200 else f"{message[:200]}..."


def refuse_other_formats(path: Path) -> None:
    """Raise BrokenReads for a file that is something else than its name says."""
    with path.open("rb") as file:
        start = file.read(8)
    for magic, name in OTHER_FORMATS.items():
        if start.startswith(magic):
            raise BrokenReads(f"{path} is {name}, not FASTQ; bring the reads as FASTQ, plain or gzip")
    if start and path.suffix == ".gz" and not start.startswith(GZIP):
        raise BrokenReads(f"{path} is not gzip, though its name says so; bring the file again or rename it")


def check_sample(lanes: list[tuple[Path, Path | None]]) -> dict:
    """Say whether a sample's reads can be used; `mean_read_length` is in bases."""
    reads = bases = 0
    try:
        for fq1, fq2 in lanes:
            lane_reads, lane_bases = count_lane(fq1, fq2)
            reads += lane_reads
            bases += lane_bases
    except BrokenReads as error:
        return {"success": False, "reason": str(error)}
    first = first_name(lanes[0][0])
    return {"success": True, "reason": None, "reads": reads, "mean_read_length": bases / reads, "first_read": first}


def main(fq1: list[Path], fq2: list[Path], output: Path, names: Sequence[str]) -> None:
    """Check a sample; `names` is what the table of samples calls fq1 and fq2: a job may have copies of its own."""
    start = datetime.now(UTC).isoformat(timespec="seconds")
    verdict = check_sample(list(zip_longest(fq1, fq2)))
    for path, name in zip((*fq1, *fq2), names, strict=True):
        verdict["reason"] = verdict["reason"] and verdict["reason"].replace(str(path), name)
    output.mkdir(parents=True, exist_ok=True)
    if not verdict["success"]:
        (output / "failed.txt").write_text(f"check_reads: {verdict['reason']}\n")
    (output / "reads.json").write_text(json.dumps({"start": start, **verdict}, indent=2) + "\n")


if __name__ == "__main__":
    log_to(snakemake.log[0])
    main(
        [Path(path) for path in snakemake.input.fq1],
        [Path(path) for path in snakemake.input.fq2],
        Path(snakemake.output[0]),
        snakemake.params.names,
    )
