"""Map fished reads with minimap2 to a panel of alleles, and say what each shows in the columns of the genes it fits.

A read that fits several genes is placed in each; which of them it came from is for the typing to weigh.
"""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import mappy
import numpy as np
from _hla_index import Index
from _hla_release import GAP

CODE_OF = np.zeros(256, dtype=np.uint8)
CODE_OF[[ord(base) for base in "ACGT"]] = 1, 2, 3, 4
COMPLEMENT = np.array([0, 4, 3, 2, 1, 5], dtype=np.uint8)
GAP_QUALITY = 35
# A read that differs from the panel in more than this of its bases is no read of the gene.
DIVERGENCE = 0.12
BEHIND = 50  # a gene that a read fits so much worse than another, five a difference, is not looked at
SHORTEST = 30  # aligned bases
EXTENDED = 20  # bases at a read's end that the mapper left out because they differ


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


class Panel:
    """The alleles to map to, and where their bases lie in the columns of their genes."""

    def __init__(self, index: Index) -> None:
        self.genes, sequences = zip(*(line.split("\t") for line in index.strings("contigs")), strict=True)
        starts = np.cumsum([0, *(len(sequence) for sequence in sequences)])
        maps = index.array("maps")
        self.columns = [maps[start:end] for start, end in pairwise(starts)]
        self.codes = [CODE_OF[np.frombuffer(sequence.encode(), dtype=np.uint8)] for sequence in sequences]
        with tempfile.NamedTemporaryFile("w", suffix=".fa") as fasta:
            fasta.writelines(f">{number}\n{sequence}\n" for number, sequence in enumerate(sequences))
            fasta.flush()
            # Short k-mers, as alleles that the panel lacks differ every few bases where they are most various.
            self.aligner = mappy.Aligner(fasta.name, preset="sr", k=15, w=5, min_cnt=2, min_chain_score=20, best_n=12)
        self.blocks = {}
        for number, gene in enumerate(self.genes):
            self.blocks[number] = index.gene(gene).block_of[self.columns[number]]

    def best_hits(self, sequence: str) -> list[mappy.Alignment]:
        """The best hit of a read in each gene."""
        best = {}
        for hit in self.aligner.map(sequence):
            gene = self.genes[int(hit.ctg)]
            worth = (hit.q_en - hit.q_st) - 5 * hit.NM
            if hit.blen >= SHORTEST and hit.NM / hit.blen <= DIVERGENCE and (gene not in best or worth > best[gene][0]):
                best[gene] = worth, hit
        enough = max((worth for worth, _ in best.values()), default=0) - BEHIND
        return [hit for worth, hit in best.values() if worth >= enough]


def place_reads(panel: Panel, reads: Iterable[tuple[str, np.ndarray]]) -> dict[str, Placements]:
    """Place reads, given as bases and Phred qualities, in the genes that they fit."""
    found: dict[str, list] = {}
    for number, (sequence, quality) in enumerate(reads):
        hits = panel.best_hits(sequence)
        if not hits:
            continue
        codes = CODE_OF[np.frombuffer(sequence.encode(), dtype=np.uint8)]
        for hit in hits:
            contig = int(hit.ctg)
            backward = hit.strand < 0
            shown = observe(
                hit,
                COMPLEMENT[codes[::-1]] if backward else codes,
                quality[::-1] if backward else quality,
                panel,
                contig,
            )
            found.setdefault(panel.genes[contig], []).append((number, *shown))
    return {gene: gather(rows) for gene, rows in found.items()}


def observe(hit, codes, quality, panel: Panel, contig: int) -> tuple:
    """Bases outside the alignment, and columns, bases and qualities of those inside, of one hit of one read."""
    columns, blocks, target = panel.columns[contig], panel.blocks[contig], panel.codes[contig]
    start, end = (hit.q_st, hit.q_en) if hit.strand > 0 else (len(codes) - hit.q_en, len(codes) - hit.q_st)
    before = extension(codes[:start][::-1], target[: hit.r_st][::-1])
    after = extension(codes[end:], target[hit.r_en :])
    place, read = hit.r_st - before, start - before
    parts: list[tuple] = []
    steps = [list(step) for step in hit.cigar]
    steps[0][0] += before
    steps[-1][0] += after
    for length, kind in steps:
        if kind in (0, 7, 8):
            inner = columns[place : place + length]
            parts.append((inner, codes[read : read + length], quality[read : read + length]))
            jumps = np.flatnonzero(np.diff(inner) > 1)
            for jump in jumps:
                if blocks[place + jump] == blocks[place + jump + 1]:
                    parts.append(gaps(np.arange(inner[jump] + 1, inner[jump + 1])))
            place, read = place + length, read + length
        elif kind == 2:
            parts.append(gaps(columns[place : place + length]))
            place += length
        elif kind == 1:
            room = np.arange(columns[place - 1] + 1, columns[place]) if 0 < place < len(columns) else columns[:0]
            if len(room) >= length:
                parts.append((room[:length], codes[read : read + length], quality[read : read + length]))
            read += length
    # What hangs over the contig's end is no difference.
    clipped = min(start - before, hit.r_st - before) + min(len(codes) - end - after, len(target) - hit.r_en - after)
    return (clipped, *(np.concatenate(part) for part in zip(*parts, strict=True)))


def gaps(columns: np.ndarray) -> tuple:
    """What a read shows in columns that it lacks."""
    return columns, np.full(len(columns), GAP, np.uint8), np.full(len(columns), GAP_QUALITY, np.uint8)


def extension(codes: np.ndarray, target: np.ndarray) -> int:
    """How many bases beyond an alignment's end still lie on the target: all, where most of a few are the same."""
    length = len(codes)
    if not 0 < length <= EXTENDED or length > len(target):
        return 0
    return length if (codes == target[:length]).mean() >= 0.6 else 0


def gather(rows: list) -> Placements:
    """Put the rows of one gene together."""
    sizes = [len(row[2]) for row in rows]
    return Placements(
        np.array([row[0] for row in rows]),
        np.array([row[1] for row in rows]),
        np.repeat(np.arange(len(rows)), sizes),
        *(np.concatenate([row[part] for row in rows]) for part in (2, 3, 4)),
    )
