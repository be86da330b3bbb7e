"""The reference, contig by contig, with the sites where variants are known: there a mismatch is no error."""

import gzip
import re
from array import array
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _bam_blocks import N

KNOWN = 8  # added to the code of a base
EDGE = 1 << 16  # bases around a contig, so that a window over a clipped read stays within
CODE_OF = bytes(b"ACGTN".find(bytes([letter]).upper()) % (N + 1) for letter in range(256))  # whatever is not found is N
SHORT = 16  # bases: sites of fewer are marked many at a time
END = re.compile(rb"(?:^|;)END=(\d+)")


@dataclass(frozen=True)
class Sites:
    """The first and the last bases of known variants on a contig, counted from 0, each sorted."""

    first: np.ndarray
    last: np.ndarray

    def begin_in(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """Whether a site begins at one of the bases from start to end."""
        return np.searchsorted(self.first, end, "right") > np.searchsorted(self.first, start)

    def end_in(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """Whether a site ends at one of the bases from start to end."""
        return np.searchsorted(self.last, end, "right") > np.searchsorted(self.last, start)

    def across(self, base: np.ndarray) -> np.ndarray:
        """Whether a site holds both a base and the next one."""
        return np.searchsorted(self.first, base, "right") > np.searchsorted(self.last, base, "right")


@dataclass(frozen=True)
class Contig:
    """`codes`: 0 to 4 for each base, plus KNOWN at a known site, with EDGE bases before and after."""

    codes: np.ndarray
    sites: Sites


def read_sites(path: Path) -> dict[str, Sites]:
    """Read where the variants of a VCF file lie (gzip or plain), by contig."""
    found: dict[bytes, tuple[array, array]] = defaultdict(lambda: (array("i"), array("i")))
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as rows:
        for row in rows:
            if row.startswith(b"#"):
                continue
            contig, place, _, reference, _, _, _, info = row.split(b"\t", 8)[:8]
            end = END.search(info)
            first, last = found[contig]
            first.append(int(place) - 1)
            last.append(int(end[1]) - 1 if end else int(place) + len(reference) - 2)
    return {contig.decode(): Sites(*map(np.sort, map(np.array, columns))) for contig, columns in found.items()}


class Reference:
    """The contigs of a FASTA file that has an index (.fai) beside it; one of them is held in memory at a time."""

    def __init__(self, fasta: Path, sites: Mapping[str, Sites]) -> None:
        self.fasta, self.sites = fasta, sites
        rows = [row.split("\t") for row in fasta.with_name(f"{fasta.name}.fai").read_text().splitlines()]
        self.index: dict[str, Sequence[int]] = {name: [int(number) for number in numbers] for name, *numbers in rows}
        self.name, self.held = "", None

    def contig(self, name: str) -> Contig:
        """Raise ValueError where the FASTA file has no such contig."""
        if name not in self.index:
            raise ValueError(f"{self.fasta} has no contig {name}; it is not what the reads were aligned to")
        if name != self.name:
            nothing = np.zeros(0, np.int64)
            self.name, self.held = name, self.read(name, self.sites.get(name, Sites(nothing, nothing)))
        return self.held

    def read(self, name: str, sites: Sites) -> Contig:
        bases, offset, bases_a_line, bytes_a_line = self.index[name]
        with self.fasta.open("rb") as file:
            file.seek(offset)
            lines = file.read(bases // bases_a_line * bytes_a_line + bases % bases_a_line)
        codes = np.full(bases + 2 * EDGE, N, np.uint8)
        codes[EDGE : EDGE + bases] = np.frombuffer(lines.translate(CODE_OF, b"\r\n"), np.uint8)
        # Sites pair up by rank: that covers the same bases.
        size = sites.last - sites.first
        for distance in range(SHORT):
            codes[EDGE + sites.first[size >= distance] + distance] |= KNOWN
        for first, last in zip(sites.first[size >= SHORT], sites.last[size >= SHORT], strict=True):
            codes[EDGE + first : EDGE + last + 1] |= KNOWN
        return Contig(codes, sites)
