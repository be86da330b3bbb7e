"""Break reads in each way that is seen: what is sent may be cut, mixed up, damaged, empty, or something else."""

import gzip
import random
from collections.abc import Callable

from tests.toy.pack import pack

LINES_A_READ = 4


def cut_gzip(packed: bytes, kept: float = 0.6) -> bytes:
    """Cut a gzip file off, as a transfer that broke off leaves it."""
    return packed[: int(len(packed) * kept)]


def drop_last_reads(packed: bytes, reads: int = 3) -> bytes:
    """Leave out the last reads of a gzip FASTQ file, so that its mates are more than it holds."""
    lines = gzip.decompress(packed).splitlines(keepends=True)
    return pack(b"".join(lines[: -reads * LINES_A_READ]))


def lengthen_quality(packed: bytes, read: int = 2) -> bytes:
    """Give a read (counted from 0) of a gzip FASTQ file more qualities than bases."""
    lines = gzip.decompress(packed).splitlines(keepends=True)
    place = read * LINES_A_READ + 3
    return pack(b"".join([*lines[:place], b"IIIII" + lines[place], *lines[place + 1 :]]))


def empty(_: bytes = b"") -> bytes:
    """A file of no bytes."""
    return b""


def disguise_cram(packed: bytes) -> bytes:
    """Bytes that begin as CRAM 3.0 does (https://samtools.github.io/hts-specs/CRAMv3.pdf), as long as the file was."""
    return b"CRAM\x03\x00" + random.Random(len(packed)).randbytes(len(packed))


# What happens to the first and to the second file of a pair; None: nothing.
BREAKS: dict[str, tuple[Callable[[bytes], bytes] | None, Callable[[bytes], bytes] | None]] = {
    "truncated": (cut_gzip, None),
    "unequal_mates": (None, drop_last_reads),
    "long_quality": (lengthen_quality, None),
    "empty": (empty, empty),
    "cram": (disguise_cram, disguise_cram),
}


def break_reads(kind: str, files: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """Break the gzip FASTQ file of a sample, or both of its mates, in one of the ways of `BREAKS`."""
    if kind == "unequal_mates" and len(files) < 2:
        raise ValueError("unequal_mates is for a pair of files; give both")
    ways = BREAKS[kind]
    return tuple(way(content) if way else content for content, way in zip(files, ways, strict=False))
