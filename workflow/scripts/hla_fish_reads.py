"""Fish the reads of HLA genes out of a sample's reads: fragments that share k-mers of 24 bases with an allele."""

import gzip
import json
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from _hla_bam import NoReads, reads_of_bam
from _hla_index import Index
from _hla_scan import BrokenFastq, KmerTable, blocks_of, heads_of, kmers_shared
from _log import log_to
from isal import igzip, isal_zlib

FEWEST_SHARED = 2  # k-mers of a fragment: of a whole genome's reads, many share one that lies in a repeat
STRANGERS = 100  # fished reads of two files, none of them mates: the files do not belong together
DAMAGED = (BrokenFastq, EOFError, gzip.BadGzipFile, zlib.error, isal_zlib.error)


def fish_fastq(
    path: Path, lane: int, mate: int, ending: bytes, table: KmerTable
) -> Iterator[tuple[int, int, list[bytes]]]:
    """Of each block of a file, its reads, its bases, and the records that were fished, named NAME/LANE/MATE.

    Names tell mates within a lane only: another lane may name its reads alike. `ending` of a name tells the mate.
    """
    for block, ends in blocks_of(path):
        starts, ends_of = ends[0::4] + 1, ends[1::4]
        found = np.flatnonzero(kmers_shared(block, starts, ends_of - starts, table))
        heads, records = heads_of(ends), []
        for read in found:
            name = bare_name(block[heads[read] + 1 : ends[4 * read]].tobytes()).removesuffix(ending)
            bases = block[starts[read] : ends_of[read]].tobytes().rstrip(b"\r").upper()
            qualities = block[ends[4 * read + 2] + 1 : ends[4 * read + 3]].tobytes().rstrip(b"\r")
            if len(bases) != len(qualities):
                raise BrokenFastq(f"{path}: read {name.decode()} has {len(bases)} bases and {len(qualities)} qualities")
            records.append(b"@%b/%d/%d\n%b\n+\n%b\n" % (name, lane, mate, bases, qualities))
        yield len(starts), int((ends_of - starts).sum()), records


def keep_fragments(found: Path, kept: Path, table: KmerTable) -> tuple[int, int]:
    """Write the fished reads whose fragments share enough k-mers; return how many, and how many of them are mates."""
    shared: Counter[bytes] = Counter()
    for block, ends in blocks_of(found):
        starts = ends[0::4] + 1
        counts = kmers_shared(block, starts, ends[1::4] - starts, table)
        for name, count in zip(fragment_names(block, ends), counts.tolist(), strict=True):
            shared[name] += count
    written: Counter[bytes] = Counter()
    with igzip.open(kept, "wb", compresslevel=1) as file:
        for block, ends in blocks_of(found):
            for name, head, end in zip(fragment_names(block, ends), heads_of(ends), ends[3::4], strict=True):
                if shared[name] >= FEWEST_SHARED:
                    written[name] += 1
                    file.write(block[head : end + 1].tobytes())
    return written.total(), sum(reads for reads in written.values() if reads > 1)


def fragment_names(block: np.ndarray, ends: np.ndarray) -> list[bytes]:
    """The names of the fragments of fished reads: theirs without the mate."""
    return [block[head + 1 : end - 2].tobytes() for head, end in zip(heads_of(ends), ends[0::4], strict=True)]


def files_of(fq1: list[Path], fq2: list[Path]) -> Iterator[tuple[int, int, Path, bytes]]:
    """Number of the lane and the mate (0: single ends), path, and what its reads' names end in that tells the mate."""
    endings = [mate_endings(*pair) for pair in zip(fq1, fq2, strict=False)]
    for mate, files in enumerate((fq1, fq2)):
        for lane, path in enumerate(files):
            yield lane + 1, mate + 1 if fq2 else 0, path, endings[lane][mate] if fq2 else b""


def mate_endings(fq1: Path, fq2: Path) -> tuple[bytes, bytes]:
    """What the names of two files' reads end in that tells mates, beside /1 and /2: .1 and .2, or _1 and _2."""
    firsts = [first_names(path) for path in (fq1, fq2)]
    for mark in (b".", b"_"):
        both = mark + b"1", mark + b"2"
        # A number of the read may stand there as well, so all of some names have to say it.
        if all(names and all(name.endswith(end) for name in names) for names, end in zip(firsts, both, strict=True)):
            return both
    return b"", b""


def first_names(path: Path, count: int = 100) -> list[bytes]:
    """Names of the first reads of a file; none of one that is broken, which is told when it is read."""
    with suppress(*DAMAGED):
        for block, ends in blocks_of(path):
            lines = zip(heads_of(ends)[:count], ends[0::4], strict=False)
            return [bare_name(block[head + 1 : end].tobytes()) for head, end in lines]
    return []


def bare_name(head: bytes) -> bytes:
    """A read's name without what tells its mate: a comment, /1 or /2."""
    name = head.split(None, 1)[0] if head.strip() else b"unnamed"
    return name[:-2] if name[-2:] in (b"/1", b"/2") else name


def fish(
    fq1: list[Path],
    fq2: list[Path],
    bam: Path | None,
    sample: str | None,
    reference: Path | None,
    index: Index,
    output: Path,
) -> dict:
    """Write what is fished into `output`; return what was seen. Raise NoReads where the input cannot be used."""
    table = KmerTable(index.array("kmers"))
    seen = bases = 0
    notes: list[str] = []
    paired = bool(fq2)
    found = output.with_name(f"{output.name}.part")
    try:
        with igzip.open(found, "wb", compresslevel=1) as file:
            for lane, mate, path, ending in files_of(fq1, fq2):
                for reads, length, records in fish_fastq(path, lane, mate, ending, table):
                    seen, bases = seen + reads, bases + length
                    file.write(b"".join(records))
            if bam:
                for reads, length, records, pairs in reads_of_bam(bam, sample, reference, table, notes):
                    seen, bases, paired = seen + reads, bases + length, paired or pairs
                    file.write(b"".join(records))
    except OSError as error:
        # pysam tells of a damaged file as of a disk that fails, but without a number; what has one fails the job.
        if not bam or error.errno:
            raise
        needs = "" if reference or bam.suffix != ".cram" else "; a CRAM needs its genome: set hla: reference"
        raise NoReads(f"{bam}: {error}{needs}; bring the file again") from error
    except DAMAGED as error:
        raise NoReads(f"{bam or path}: {error}; bring the file again") from error
    if not seen:
        why = f" to look at ({'; '.join(notes)})" if notes else ""
        raise NoReads(f"{bam or fq1[0]} holds no reads{why}; leave the lane out or bring the file again")
    fished, mates = keep_fragments(found, output, table)
    found.unlink()
    if fq2 and not mates and fished >= STRANGERS:
        raise NoReads(
            f"no read of {fq2[0]} has the name of one of {fq1[0]}, so they are no mates; name two files of one lane"
        )
    return {
        "reads": seen,
        "bases": bases,
        "fished": fished,
        "paired": paired,
        "mean_read_length": bases / seen,
        "source": "bam" if bam else "fastq",
        "release": index.release,
        "notes": notes,
    }


def main(
    fq1: list[Path],
    fq2: list[Path],
    bam: Path | None,
    reference: Path | None,
    index: Path,
    output: Path,
    names: list[str] | None = None,
    sample: str | None = None,
) -> None:
    """`names` are what the table of samples calls the files, for reasons: a job in the cloud has copies elsewhere.

    `sample` is whose a BAM has to be, where its read groups tell.
    """
    start = datetime.now(UTC).isoformat(timespec="seconds")
    output.mkdir(parents=True, exist_ok=True)
    reads = output / "reads.fastq.gz"
    try:
        told = fish(fq1, fq2, bam, sample, reference, Index(index), reads)
    except NoReads as error:
        for path in output.glob("reads.fastq.gz*"):
            path.unlink()
        reason = str(error)
        for path, name in zip([*fq1, *fq2, *([bam] if bam else [])], names or [], strict=False):
            reason = reason.replace(str(path), name)
        (output / "failed.txt").write_text(f"fish_hla_reads: {reason}\n")
        return
    (output / "fished.json").write_text(json.dumps({"start": start, **told}, indent=2) + "\n")


if __name__ == "__main__":
    log_to(snakemake.log[0])
    main(
        [Path(path) for path in snakemake.input.get("fq1", [])],
        [Path(path) for path in snakemake.input.get("fq2", [])],
        Path(snakemake.input.bam) if snakemake.input.get("bam") else None,
        Path(snakemake.input.reference) if snakemake.input.get("reference") else None,
        Path(snakemake.input.index),
        Path(snakemake.output[0]),
        snakemake.params.names,
        snakemake.wildcards.sample,
    )
