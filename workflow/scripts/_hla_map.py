"""Map fished reads with minimap2 to a panel of alleles, and say what each shows in the columns of the genes it fits.

A read that fits several genes is placed in each; which of them it came from is for the typing to weigh.
"""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import mappy
import numpy as np
from _hla_index import EXON, Index
from _hla_release import GAP

CODE_OF = np.zeros(256, dtype=np.uint8)
CODE_OF[[ord(base) for base in "ACGT"]] = 1, 2, 3, 4
COMPLEMENT = np.array([0, 4, 3, 2, 1, 5], dtype=np.uint8)
GAP_QUALITY = 35
# A read that differs from the panel in more than this of its bases is no read of the gene.
DIVERGENCE = 0.12
BEHIND = 50  # a gene that a read fits so much worse than another, five a difference, is not looked at
SHORTEST = 25  # aligned bases
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
        self.genes, self.sequences = zip(*(line.split("\t") for line in index.strings("contigs")), strict=True)
        starts = np.cumsum([0, *(len(sequence) for sequence in self.sequences)])
        maps = index.array("maps")
        self.columns = [maps[start:end] for start, end in pairwise(starts)]
        self.codes = [CODE_OF[np.frombuffer(sequence.encode(), dtype=np.uint8)] for sequence in self.sequences]
        self.blocks = [index.gene(gene).block_of[found] for gene, found in zip(self.genes, self.columns, strict=True)]
        self.exons = {gene: index.gene(gene).kinds == EXON for gene in set(self.genes)}
        self.gaps = {gene: {tuple(run) for run in index.array(f"{gene}/gaps").tolist()} for gene in set(self.genes)}
        # A mapper drops what covers a read in part beside what covers it whole: genes that are known in exons only, and
        # not what lies between, are mapped to by themselves.
        lone = [number for number, gene in enumerate(self.genes) if self.exons[gene].all()]
        whole = [number for number in range(len(self.genes)) if number not in set(lone)]
        self.relatives = {gene for gene in set(self.genes) for number in lone if gene[:2] == self.genes[number][:2]}
        self.aligners = [self.aligner(numbers) for numbers in (whole, lone) if numbers]

    def aligner(self, numbers: list[int]) -> mappy.Aligner:
        """A mapper to some of the contigs, named by their numbers."""
        with tempfile.NamedTemporaryFile("w", suffix=".fa") as fasta:
            fasta.writelines(f">{number}\n{self.sequences[number]}\n" for number in numbers)
            fasta.flush()
            # Short k-mers, as alleles that the panel lacks differ every few bases where they are most various.
            return mappy.Aligner(fasta.name, preset="sr", k=15, w=8, min_cnt=2, min_chain_score=20, best_n=12)

    def best_hits(self, sequence: str) -> list[mappy.Alignment]:
        """The best hit of a read in each gene."""
        best: dict[str, tuple] = {}
        for aligner in self.aligners:
            if aligner is not self.aligners[0] and self.relatives.isdisjoint(best):
                continue
            for hit in aligner.map(sequence):
                gene = self.genes[int(hit.ctg)]
                worth = (hit.q_en - hit.q_st) - 5 * hit.NM
                better = gene not in best or worth > best[gene][0]
                if hit.blen >= SHORTEST and hit.NM / hit.blen <= DIVERGENCE and better:
                    best[gene] = worth, hit
        enough = max((worth for worth, _ in best.values()), default=0) - BEHIND
        return [hit for worth, hit in best.values() if worth >= enough or self.exons[self.genes[int(hit.ctg)]].all()]


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
    target = panel.codes[contig]
    start, end = (hit.q_st, hit.q_en) if hit.strand > 0 else (len(codes) - hit.q_en, len(codes) - hit.q_st)
    before = extension(codes[:start][::-1], target[: hit.r_st][::-1])
    after = extension(codes[end:], target[hit.r_en :])
    steps = [list(step) for step in hit.cigar]
    steps[0][0] += before
    steps[-1][0] += after
    parts = follow(steps, hit.r_st - before, start - before, codes, quality, panel, contig)
    # What hangs over the contig's end is no difference.
    clipped = min(start - before, hit.r_st - before) + min(len(codes) - end - after, len(target) - hit.r_en - after)
    return (clipped, *(np.concatenate(part) for part in zip(*parts, strict=True)))


def follow(steps: list, place: int, read: int, codes, quality, panel: Panel, contig: int) -> list[tuple]:
    """Columns, bases and qualities along an alignment; gaps count in exons only, where they are told from repeats."""
    columns, blocks, gene = panel.columns[contig], panel.blocks[contig], panel.genes[contig]
    exon = panel.exons[gene]
    parts: list[tuple] = [gaps(columns[:0])]
    lacking = 0  # inserted bases that belong into a gap of the contig farther on
    for length, kind in steps:
        if kind in (0, 7, 8):
            inner = columns[place : place + length]
            jumps = np.flatnonzero((np.diff(inner) > 1) & (np.diff(blocks[place : place + length]) == 0))
            done = 0
            for jump in jumps:
                room = np.arange(inner[jump] + 1, inner[jump + 1])
                if lacking and len(room) == lacking:
                    upto = jump + 1
                    parts.append(seen(inner[done:upto], codes, quality, read + done - lacking))
                    parts.append(seen(room, codes, quality, read + upto - lacking))
                    done, lacking = upto, 0
                elif exon[blocks[place + jump]]:
                    parts.append(gaps(room))
            parts.append(seen(inner[done:], codes, quality, read + done))
            place, read = place + length, read + length
        elif kind == 2:
            if exon[blocks[place]]:
                parts.append(gaps(known_gap(columns, place, length, panel.codes[contig], panel.gaps[gene])))
            place += length
        elif kind == 1:
            room = np.arange(columns[place - 1] + 1, columns[place]) if 0 < place < len(columns) else columns[:0]
            if len(room) == length:
                parts.append(seen(room, codes, quality, read))
            else:
                lacking = length
            read += length
    return parts


def seen(columns: np.ndarray, codes: np.ndarray, quality: np.ndarray, read: int) -> tuple:
    """What a read shows in some columns, from its base `read` on."""
    return columns, codes[read : read + len(columns)], quality[read : read + len(columns)]


def known_gap(columns: np.ndarray, place: int, length: int, target: np.ndarray, known: set[tuple]) -> np.ndarray:
    """The columns of a deletion, moved along a repeat to where an allele of the release has such a gap."""
    for shift in range(0, min(length * 4 + 12, len(target) - place - length)):
        own = columns[place + shift : place + shift + length]
        if (int(own[0]), int(own[-1]) + 1) in known:
            return own
        if target[place + shift] != target[place + shift + length]:
            break
    return columns[place : place + length]


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
