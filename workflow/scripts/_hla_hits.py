"""What mapped reads show in the columns of the genes: bases and gaps, with their qualities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from _hla_reads import CODE_OF, COMPLEMENT, Reads
from _hla_release import GAP
from _hla_steps import GAP_QUALITY, follow

if TYPE_CHECKING:
    from _hla_map import Panel

COLUMNS = 7  # of the table of hits
EXTENDED, ALIKE = 20, 0.6  # bases at a read's end that the mapper left out; the share of them that must be the same
CHUNK = 4096  # hits at a time, for the sake of memory


@dataclass
class Placements:
    """The reads placed in one gene; a row is a read.

    `read` numbers them; `clipped` counts bases outside the alignment. The others are parallel and flat, a base each:
    its `row`, its `column` in the gene, its `base` (code, 5 a gap) and its Phred `quality`.
    """

    read: np.ndarray
    clipped: np.ndarray
    row: np.ndarray
    column: np.ndarray
    base: np.ndarray
    quality: np.ndarray

    def within(self, columns: np.ndarray) -> Placements:
        """What they show in the columns for which `columns` is true."""
        kept = columns[self.column]
        flat = (part[kept] for part in (self.row, self.column, self.base, self.quality))
        return Placements(self.read, self.clipped, *flat)


class Hits:
    """Reads on contigs of the panel, one hit a read and gene, in the order of reads.

    A row of `table` is a hit: read, contig, whether backward, first base and last base + 1 of the read on the contig's
    strand, first base and last base + 1 of the contig. `cigars` has those with insertions or deletions, by row.
    """

    def __init__(self, panel: Panel, reads: Reads, table: np.ndarray, cigars: dict[int, list]) -> None:
        self.panel, self.reads = panel, reads
        self.read, self.contig, self.backward, start, end, place, until = table.T.astype(np.int64)
        before, after = start, reads.length[self.read] - end
        room_before, room_after = place, panel.starts[self.contig + 1] - panel.starts[self.contig] - until
        first = panel.starts[self.contig]
        more_before = np.where(self.alike(start - before, first + place - before, before, room_before), before, 0)
        more_after = np.where(self.alike(end, first + until, after, room_after), after, 0)
        # What hangs over the contig's end is no difference.
        self.clipped = np.minimum(before, room_before) - more_before + np.minimum(after, room_after) - more_after
        self.start, self.length = start - more_before, end - start + more_before + more_after
        self.place = first + place - more_before
        self.size = self.length + self.gap_range(slice(None))[1]
        self.steps = {}
        for hit, cigar in cigars.items():
            steps = [list(step) for step in cigar]
            steps[0][0] += int(more_before[hit])
            steps[-1][0] += int(more_after[hit])
            self.steps[hit] = self.follow(hit, steps)
            self.size[hit] = len(self.steps[hit][0])
        self.genes = list(dict.fromkeys(panel.genes[contig] for contig in self.contig.tolist()))
        numbers = {gene: number for number, gene in enumerate(self.genes)}
        self.gene = np.array([numbers.get(gene, -1) for gene in panel.genes])[self.contig]

    def mapped(self) -> np.ndarray:
        """The reads that fit a gene."""
        return np.unique(self.read)

    def show(self, hits: np.ndarray, start: np.ndarray, length: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Codes and qualities of some bases of the reads of hits on one strand; `start` is counted on this strand."""
        first, reads = self.reads.starts[self.read[hits]], self.reads
        if len(hits) and self.backward[hits[0]]:
            base = spans(first + reads.length[self.read[hits]] - 1 - start, length, -1)
            return COMPLEMENT[CODE_OF[reads.bases[base]]], reads.quality[base]
        base = spans(first + start, length)
        return CODE_OF[reads.bases[base]], reads.quality[base]

    def alike(self, start: np.ndarray, place: np.ndarray, length: np.ndarray, room: np.ndarray) -> np.ndarray:
        """Which hits go on outside the alignment: all of a few bases lie on the contig, and most are the same."""
        found = (length > 0) & (length <= EXTENDED) & (length <= room)
        for hits in self.by_strand(np.flatnonzero(found)):
            codes, _ = self.show(hits, start[hits], length[hits])
            same = codes == self.panel.codes[spans(place[hits], length[hits])]
            owner = np.repeat(np.arange(len(hits)), length[hits])
            found[hits] = np.bincount(owner, weights=same, minlength=len(hits)) >= ALIKE * length[hits]
        return found

    def by_strand(self, hits: np.ndarray) -> list[np.ndarray]:
        """The forward and the backward hits."""
        return [hits[self.backward[hits] == strand] for strand in (0, 1)]

    def gap_range(self, hits: np.ndarray | slice) -> tuple[np.ndarray, np.ndarray]:
        """Where in the panel's gaps those begin that lie inside hits, and how many they are."""
        first = self.panel.gap_starts[self.place[hits]]
        return first, self.panel.gap_starts[self.place[hits] + self.length[hits] - 1] - first

    def follow(self, hit: int, steps: list) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Columns, bases and qualities of a hit with insertions or deletions."""
        contig = int(self.contig[hit])
        place = int(self.place[hit] - self.panel.starts[contig])
        shown = self.reads.show(int(self.read[hit]), bool(self.backward[hit]))
        return follow(steps, place, int(self.start[hit]), *shown, self.panel, contig)

    def placements(self, gene: str) -> Placements:
        """What the reads of a gene show of it."""
        hits = np.flatnonzero(self.gene == self.genes.index(gene))
        sizes = self.size[hits]
        offsets = np.cumsum(sizes) - sizes
        total = int(sizes.sum())
        column, base, quality = np.empty(total, np.int32), np.empty(total, np.uint8), np.empty(total, np.uint8)
        plain = np.array([hit not in self.steps for hit in hits.tolist()], dtype=bool)
        into_of = np.zeros(len(self.read), dtype=np.int64)
        into_of[hits] = offsets
        for start in range(0, len(hits), CHUNK):
            for some in self.by_strand(hits[start : start + CHUNK][plain[start : start + CHUNK]]):
                length = self.length[some]
                into = spans(into_of[some], length)
                column[into] = self.panel.columns[spans(self.place[some], length)]
                base[into], quality[into] = self.show(some, self.start[some], length)
                first, count = self.gap_range(some)
                into = spans(into_of[some] + length, count)
                column[into] = self.panel.gaps[spans(first, count)]
                base[into], quality[into] = GAP, GAP_QUALITY
        for number in np.flatnonzero(~plain):
            into = slice(offsets[number], offsets[number] + sizes[number])
            column[into], base[into], quality[into] = self.steps[int(hits[number])]
        row = np.repeat(np.arange(len(hits), dtype=np.int32), sizes)
        return Placements(self.read[hits], self.clipped[hits], row, column, base, quality)


def spans(starts: np.ndarray, lengths: np.ndarray, step: int = 1) -> np.ndarray:
    """The numbers from each of `starts` on, up or down, so many as `lengths` says, one after the other."""
    before = np.cumsum(lengths) - lengths
    return np.repeat(starts - step * before, lengths) + step * np.arange(int(lengths.sum()))
