"""The fished reads of a sample, one after the other in flat arrays."""

import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from _hla_scan import blocks_of

SHADES = 1_000_000  # of down-sampling
CODE_OF = np.zeros(256, dtype=np.uint8)
CODE_OF[[ord(base) for base in "ACGT"]] = 1, 2, 3, 4
COMPLEMENT = np.array([0, 4, 3, 2, 1], dtype=np.uint8)


@dataclass
class Reads:
    """Reads: `fragment` has the number of each one's fragment (mates have one), `starts` (reads + 1) where its letters
    of `bases` and its Phred `quality` begin."""

    fragment: np.ndarray
    starts: np.ndarray
    bases: np.ndarray
    quality: np.ndarray

    @cached_property
    def length(self) -> np.ndarray:
        """The number of bases of each read."""
        return np.diff(self.starts)

    def __len__(self) -> int:
        return len(self.fragment)

    def sequence(self, number: int) -> bytes:
        """The bases of a read as letters."""
        return self.bases[self.starts[number] : self.starts[number + 1]].tobytes()

    def show(self, number: int, backward: bool) -> tuple[np.ndarray, np.ndarray]:
        """The bases of a read as codes, 0 for one that is not known, and their qualities, on one strand."""
        here = slice(self.starts[number], self.starts[number + 1])
        codes, quality = CODE_OF[self.bases[here]], self.quality[here]
        return (COMPLEMENT[codes[::-1]], quality[::-1]) if backward else (codes, quality)


def read_fished(path: Path, share: float) -> Reads:
    """The fished reads, or a share of them by name."""
    numbers: dict[bytes, int] = {}
    fragment, lengths, bases, quality = [], [], [], []
    for block, _ in blocks_of(path):
        lines = block.tobytes().split(b"\n")
        # Names end in the number of the lane and, which is not part of the fragment's name, of the mate: "/1/2".
        names = [head[1:-2] for head in lines[0:-1:4]]
        kept = range(len(names))
        if share < 1:
            kept = [number for number in kept if zlib.crc32(names[number]) % SHADES < share * SHADES]
        fragment += [numbers.setdefault(names[number], len(numbers)) for number in kept]
        lengths += [len(lines[4 * number + 1]) for number in kept]
        bases.append(b"".join([lines[4 * number + 1] for number in kept]))
        quality.append(b"".join([lines[4 * number + 3] for number in kept]))
    return Reads(
        np.array(fragment, dtype=np.int64),
        np.cumsum([0, *lengths]),
        np.frombuffer(b"".join(bases), dtype=np.uint8),
        np.frombuffer(b"".join(quality), dtype=np.uint8) - np.uint8(33),
    )
