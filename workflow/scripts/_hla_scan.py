"""Find the reads of a FASTQ stream that share a k-mer with an HLA gene, a block of the stream at a time."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from _hla_kmers import K, pack_words
from isal import igzip

BLOCK = 1 << 22  # bytes
TABLE_BITS = 24
MIX = np.uint64(0x9E3779B97F4A7C15)
NEWLINE, AT, PLUS = ord("\n"), ord("@"), ord("+")
FEWEST = 4  # k-mers looked up of a read


class KmerTable:
    """The k-mers of an index, asked for many at a time: a table of hashes turns most away, a search finds the rest."""

    def __init__(self, kmers: np.ndarray) -> None:
        self.kmers = kmers
        self.seen = np.zeros(1 << TABLE_BITS, dtype=bool)
        self.seen[self.hashes(kmers)] = True

    @staticmethod
    def hashes(kmers: np.ndarray) -> np.ndarray:
        return (kmers * MIX) >> np.uint64(64 - TABLE_BITS)

    def contains(self, kmers: np.ndarray) -> np.ndarray:
        """Which of the k-mers the index has."""
        found = self.seen[self.hashes(kmers)]
        maybe = np.flatnonzero(found)
        place = np.searchsorted(self.kmers, kmers.ravel()[maybe])
        place[place == len(self.kmers)] = 0
        found.ravel()[maybe] = self.kmers[place] == kmers.ravel()[maybe]
        return found


class BrokenFastq(ValueError):
    """A file that is not whole FASTQ; the message says where."""


def blocks_of(path: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Whole records of a FASTQ file, gzip or plain, some megabytes at a time, and where their lines end."""
    with path.open("rb") as raw:
        start = raw.read(2)
        raw.seek(0)
        file = igzip.open(raw, "rb") if start == b"\x1f\x8b" else raw
        rest, seen = b"", 0
        while data := file.read(BLOCK):
            data = rest + data
            block, ends = whole_records(data)
            if len(ends):
                yield check_block(block, ends, seen)
            seen += len(ends)
            rest = data[len(block) :]
        if rest.strip():
            block, ends = whole_records(rest.rstrip() + b"\n")
            if len(ends) != 4:
                raise BrokenFastq(f"it ends in the middle of a read, after line {seen}: it was cut")
            yield check_block(block, ends, seen)


def whole_records(data: bytes) -> tuple[np.ndarray, np.ndarray]:
    """The whole records at the beginning of some text, and where their lines end."""
    block = np.frombuffer(data, dtype=np.uint8)
    ends = np.flatnonzero(block == NEWLINE)
    ends = ends[: len(ends) // 4 * 4]
    return block[: ends[-1] + 1 if len(ends) else 0], ends


def heads_of(ends: np.ndarray) -> np.ndarray:
    """Where the records of whole FASTQ begin, from where its lines end."""
    return np.concatenate([[0], ends[3:-1:4] + 1])


def check_block(block: np.ndarray, ends: np.ndarray, before: int) -> tuple[np.ndarray, np.ndarray]:
    """The block, where the lines of its records begin as they must; `before` counts the lines before it."""
    heads = heads_of(ends)
    wrong = (block[heads] != AT) | (block[ends[1::4] + 1] != PLUS)
    if wrong.any():
        raise BrokenFastq(f"line {before + 4 * int(wrong.argmax()) + 1} begins no read of FASTQ")
    return block, ends


def kmers_shared(block: np.ndarray, starts: np.ndarray, lengths: np.ndarray, table: KmerTable) -> np.ndarray:
    """How many of some evenly spread k-mers each read, that starts there and is so long, shares with the table."""
    shared = np.zeros(len(starts), dtype=int)
    long_enough = np.flatnonzero(lengths >= K)
    if not len(long_enough):
        return shared
    room = lengths[long_enough] - K
    # One after the other, nearer in short reads, and the last at the read's end.
    step = np.clip(room // (FEWEST - 1), 1, K)
    number = np.arange(-(-room // step).min() + 1)[:, None]
    places = starts[long_enough] + np.minimum(number * step, room)
    words = np.ndarray(len(block) - 7, dtype="<u8", buffer=block, strides=(1,))
    kmers = pack_words(words[places])
    for part in range(1, K // 8):
        kmers |= pack_words(words[places + 8 * part]) << np.uint64(16 * part)
    shared[long_enough] = (table.contains(kmers) & (number * step < room + step)).sum(axis=0)
    return shared
