"""Read a BAM file as blocks of whole records, for work on many records at once.

The layout of a record is in section 4.2 of https://samtools.github.io/hts-specs/SAMv1.pdf
"""

import re
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, count
from typing import BinaryIO

import numpy as np

HEAD = np.dtype(
    [
        ("size", "<i4"),
        ("contig", "<i4"),
        ("place", "<i4"),
        ("name", "u1"),
        ("mapping_quality", "u1"),
        ("bin", "<u2"),
        ("operations", "<u2"),
        ("flag", "<u2"),
        ("bases", "<i4"),
        ("mate_contig", "<i4"),
        ("mate_place", "<i4"),
        ("template", "<i4"),
    ]
)
PAIRED, UNMAPPED, MATE_UNMAPPED, REVERSE, MATE_REVERSE = 0x1, 0x4, 0x8, 0x10, 0x20
SECOND, SECONDARY, FAILED, DUPLICATE = 0x80, 0x100, 0x200, 0x400
NO_QUALITIES = 0xFF  # in place of a read's first quality
BLOCK = 1 << 24  # bytes
SPARE = 1 << 16  # bytes behind the records, so that a window over the last one stays within the buffer
N = 4  # a base that is none of A, C, G, T, which are 0 to 3
CODES = np.full(16, N, np.uint8)
CODES[[1, 2, 4, 8]] = range(4)
# Two bases at once: what a byte of a record's sequence holds.
CODE_PAIRS = np.stack([CODES[np.arange(256) >> 4], CODES[np.arange(256) & 15]], axis=1).copy().view("<u2").ravel()
TAG_SIZES = {b"A": 1, b"c": 1, b"C": 1, b"s": 2, b"S": 2, b"i": 4, b"I": 4, b"f": 4}


@dataclass(frozen=True)
class Header:
    """The header of a BAM file: its text, the names and lengths of its contigs, and its bytes."""

    text: str
    contigs: dict[str, int]
    raw: bytes

    @property
    def platform_units(self) -> dict[str, str]:
        """The platform unit of each read group, by ID; the ID itself where it has none."""
        lines = [line.split("\t")[1:] for line in self.text.split("\n") if line.startswith("@RG\t")]
        groups = [dict(field.split(":", 1) for field in fields) for fields in lines]
        return {group["ID"]: group.get("PU", group["ID"]) for group in groups}

    def with_program(self, name: str, command: str) -> bytes:
        """The header's bytes with one program more; a name that is taken gets a number, since IDs are unique."""
        lines = self.text.splitlines()
        taken = {field for line in lines if line.startswith("@PG\t") for field in line.split("\t")}
        numbered = chain([name], (f"{name}.{number}" for number in count(1)))
        own = next(each for each in numbered if f"ID:{each}" not in taken)
        text = "".join(f"{line}\n" for line in [*lines, f"@PG\tID:{own}\tPN:fishladder\tCL:{command}"]).encode()
        (before,) = struct.unpack_from("<i", self.raw, 4)
        return self.raw[:4] + struct.pack("<i", len(text)) + text + self.raw[8 + before :]


@dataclass(frozen=True)
class Block:
    """Whole records. `buffer`: their bytes up to `size`, and SPARE bytes more; `starts`: where each record begins."""

    buffer: np.ndarray
    size: int
    starts: np.ndarray

    @cached_property
    def head(self) -> np.ndarray:
        return windows(self.buffer, self.starts, HEAD.itemsize).view(HEAD).ravel()

    @cached_property
    def cigars(self) -> np.ndarray:
        return self.starts + HEAD.itemsize + self.head["name"]

    @cached_property
    def sequences(self) -> np.ndarray:
        return self.cigars + 4 * self.head["operations"].astype(np.int64)

    @cached_property
    def qualities(self) -> np.ndarray:
        return self.sequences + (self.head["bases"].astype(np.int64) + 1) // 2

    @cached_property
    def tags(self) -> np.ndarray:
        return self.qualities + self.head["bases"]

    @cached_property
    def ends(self) -> np.ndarray:
        return self.starts + 4 + self.head["size"]

    def text(self, start: int, end: int) -> bytes:
        return self.buffer[start:end].tobytes()


def windows(buffer: np.ndarray, starts: np.ndarray, width: int) -> np.ndarray:
    """Copy `width` bytes from each start: an array of starts x width."""
    return np.lib.stride_tricks.sliding_window_view(buffer, width)[starts]


def unpack_bases(packed: np.ndarray) -> np.ndarray:
    """Turn bytes of sequences, n x width, into codes of bases, n x 2 width."""
    return CODE_PAIRS[packed].view(np.uint8)


def read_header(stream: BinaryIO) -> Header:
    """Read the header; raise ValueError where this is no BAM file."""
    magic = stream.read(4)
    if magic != b"BAM\1":
        raise ValueError("this is no BAM file")
    size = stream.read(4)
    text = stream.read(*struct.unpack("<i", size))
    count = stream.read(4)
    raw, contigs = [magic, size, text, count], {}
    for _ in range(*struct.unpack("<i", count)):
        name_size = stream.read(4)
        name = stream.read(*struct.unpack("<i", name_size))
        length = stream.read(4)
        contigs[name[:-1].decode()] = struct.unpack("<i", length)[0]
        raw += [name_size, name, length]
    return Header(text.rstrip(b"\0").decode(), contigs, b"".join(raw))


def read_blocks(stream: BinaryIO) -> Iterator[Block]:
    """Yield the records after the header; raise ValueError where the last one is cut."""
    size_at = struct.Struct("<i").unpack_from
    rest, ended = np.zeros(0, np.uint8), False
    while not ended:
        buffer = np.zeros(len(rest) + BLOCK + SPARE, np.uint8)
        buffer[: len(rest)] = rest
        view = memoryview(buffer)
        filled = len(rest)
        while filled < len(rest) + BLOCK and not ended:
            more = stream.readinto(view[filled : len(rest) + BLOCK])
            filled, ended = filled + more, not more
        starts, start = [], 0
        add = starts.append
        while start + 4 <= filled:
            end = start + 4 + size_at(view, start)[0]
            if end > filled:
                break
            add(start)
            start = end
        rest = buffer[start:filled].copy()
        if starts:
            yield Block(buffer, start, np.array(starts))
    if len(rest):
        raise ValueError("the BAM file ends within a record: it was cut")


def read_ahead(blocks: Iterator[Block]) -> Iterator[Block]:
    """The same blocks, of which the next one is read while one is worked on."""
    with ThreadPoolExecutor(1) as reader:
        following = reader.submit(next, blocks, None)
        while block := following.result():
            following = reader.submit(next, blocks, None)
            yield block


def find_tag(block: Block, record: int, name: bytes) -> int | None:
    """Where the value of a record's tag begins; None where the record has no such tag."""
    text = block.text(start := int(block.tags[record]), int(block.ends[record]))
    at = 0
    while at < len(text):
        kind, value = text[at + 2 : at + 3], at + 3
        if text[at : at + 2] == name:
            return start + value
        if kind in b"ZH":
            at = text.index(b"\0", value) + 1
        elif kind == b"B":
            at = value + 5 + TAG_SIZES[text[value : value + 1]] * int.from_bytes(text[value + 1 : value + 5], "little")
        else:
            at = value + TAG_SIZES[kind]
    return None


def read_groups_of(block: Block, places: dict[str, int]) -> np.ndarray:
    """The place of each record's read group, by the group's ID; -1 for a record without one of these."""
    buffer = block.buffer[: block.size]
    found = np.flatnonzero((buffer[:-2] == ord("R")) & (buffer[1:-1] == ord("G")) & (buffer[2:] == ord("Z")))
    record = np.searchsorted(block.starts, found, "right") - 1
    in_tags = found >= block.tags[record]
    found, record = found[in_tags] + 3, record[in_tags]
    groups = np.full(len(block.starts), -1)
    for name, place in places.items():
        value = np.frombuffer(name.encode() + b"\0", np.uint8)
        same = (windows(block.buffer, found, len(value)) == value).all(axis=1)
        groups[record[same]] = place
    # The letters RGZ may also stand in another tag's text.
    for several in np.flatnonzero(np.bincount(record, minlength=len(groups)) > 1):
        at = find_tag(block, several, b"RG")
        text = b"" if at is None else block.text(at, int(block.ends[several])).split(b"\0", 1)[0]
        groups[several] = places.get(text.decode(), -1)
    return groups


def restore_original_qualities(block: Block) -> None:
    """Put the qualities of the tag OQ, where a record has it, in place of its qualities."""
    found = [match.start() for match in re.finditer(b"OQZ", block.buffer.data[: block.size])]
    for record in np.unique(np.searchsorted(block.starts, found, "right") - 1):
        if (at := find_tag(block, record, b"OQ")) is not None:
            first, bases = int(block.qualities[record]), int(block.head["bases"][record])
            block.buffer[first : first + bases] = block.buffer[at : at + bases] - 33
