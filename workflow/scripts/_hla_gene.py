"""A gene of an HLA release in one set of columns: exons of all alleles, and what lies between them.

Most alleles of a release are known in a few exons only. What is unknown is taken from the nearest relative, and marked.
"""

from dataclasses import dataclass

import numpy as np
from _hla_index import BETWEEN, EXON, TILE
from _hla_release import EXPRESSION, GAP, UNKNOWN, Alignment


@dataclass
class Gene:
    """All alleles: `rows` alleles by columns; `ends` and `kinds` of blocks of columns; `filled` alleles by blocks."""

    name: str
    names: list[str]
    rows: np.ndarray
    ends: np.ndarray
    kinds: np.ndarray
    filled: np.ndarray

    def columns(self, block: int) -> slice:
        """The columns of a block, counted from 0."""
        return slice(int(self.ends[block - 1]) if block else 0, int(self.ends[block]))

    def in_exon(self) -> np.ndarray:
        """Whether each column lies in an exon."""
        return np.repeat(self.kinds == EXON, np.diff(self.ends, prepend=0))

    def exon_columns(self) -> np.ndarray:
        """The columns that lie in exons."""
        return np.flatnonzero(self.in_exon())


def merge_gene(name: str, coding: Alignment | None, genes: Alignment | None, lender: Alignment | None = None) -> Gene:
    """One set of columns for a gene; `lender` is a close relative's alignment of genes, for one that has none.

    Exons have the columns of the coding sequences, as more alleles are there; the rest has those of the genes.
    """
    if coding is None or (
        genes is not None and len(genes.ends) != 2 * len(coding.ends) + 1 and coding_is_part(coding, genes)
    ):
        return alone(name, genes, np.arange(len(genes.ends)) % 2)
    around = genes if genes is not None else lender
    if around is None or len(around.ends) != 2 * len(coding.ends) + 1:
        return alone(name, coding, np.ones(len(coding.ends), dtype=int))
    place = {allele: row for row, allele in enumerate(around.names)}
    source = np.array([place.get(allele, -1) for allele in coding.names])
    blocks = []
    for block in range(len(around.ends)):
        outer = np.full((len(source), around.block(block).shape[1]), UNKNOWN, dtype=np.uint8)
        outer[source >= 0] = around.block(block)[source[source >= 0]]
        inner = coding.block(block // 2) if block % 2 else None
        blocks.append(outer if inner is None or spliced_out(inner, outer) else without_introns(inner, outer))
    ends = np.cumsum([block.shape[1] for block in blocks])
    rows = np.concatenate(blocks, axis=1)
    return Gene(
        name, list(coding.names), rows, ends, np.arange(len(blocks)) % 2, np.zeros((len(rows), len(blocks)), bool)
    )


def alone(name: str, alignment: Alignment, kinds: np.ndarray) -> Gene:
    """A gene of which there is one alignment only."""
    filled = np.zeros((len(alignment.names), len(alignment.ends)), bool)
    return Gene(name, list(alignment.names), alignment.rows.copy(), np.array(alignment.ends), kinds, filled)


def coding_is_part(coding: Alignment, genes: Alignment) -> bool:
    """Whether the alignment of genes has every allele; then it serves alone where the two do not fit together."""
    return 2 * len(genes.names) >= len(coding.names)


def spliced_out(inner: np.ndarray, outer: np.ndarray) -> bool:
    """Whether an exon is left out of most coding sequences though it is in the gene, as exon 5 of DQB1."""
    both = (outer != UNKNOWN).any(axis=1)
    return bool(both.any()) and bool(((inner[both] == GAP).all(axis=1) & (outer[both] != GAP).any(axis=1)).mean() > 0.5)


def without_introns(inner: np.ndarray, outer: np.ndarray) -> np.ndarray:
    """An exon's columns of the coding sequences, without an intron that stays in the RNA of some, as the gene tells.

    B*15:01:01:02N has intron 1 in its exon 1: a genome's reads that leave the exon would fit it better than any other.
    """
    both = (inner != UNKNOWN).all(axis=1) & (outer != UNKNOWN).all(axis=1)
    longer = both & ((inner != GAP).sum(axis=1) > (outer != GAP).sum(axis=1))
    of_others = np.isin(inner[~longer], (UNKNOWN, GAP), invert=True).any(axis=0)
    return inner[:, of_others | (inner[longer] == GAP).all(axis=0)]


def fill_gene(gene: Gene, lender: Gene | None = None) -> None:
    """Fill what is unknown from the nearest relative that has it, block by block, and mark it in `filled`.

    The nearest differs in the fewest known exon columns; of equals, the one that shares most fields of the name. A gene
    without an alignment of its own borrows what lies around its exons from `lender`, which has the same columns.
    """
    unknown = np.stack(
        [(gene.rows[:, gene.columns(block)] == UNKNOWN).any(axis=1) for block in range(len(gene.ends))], axis=1
    )
    gene.filled |= unknown
    known_exons = ~unknown[:, gene.kinds == EXON]
    count = known_exons.sum(axis=1)
    donors = [(gene, block, np.flatnonzero(count == count.max())) for block in np.flatnonzero(gene.kinds == EXON)]
    for block in np.flatnonzero(gene.kinds == BETWEEN):
        known = (gene.rows[:, gene.columns(block)] != UNKNOWN).sum(axis=1)
        if known.any():
            donors.append((gene, block, np.flatnonzero(known >= 0.9 * known.max())))
        elif lender is not None:
            donors.append((lender, block, np.flatnonzero(~lender.filled[:, block])))
    for donor in [gene] if lender is None else [gene, lender]:
        own = [(block, candidates) for giver, block, candidates in donors if giver is donor and len(candidates)]
        candidates = np.unique(np.concatenate([np.zeros(0, int), *(found for _, found in own)]))
        takers = np.flatnonzero(unknown[:, [block for block, _ in own]].any(axis=1))
        if not len(takers) or not len(candidates):
            continue
        key = 8 * distances(exons_of(gene)[takers], exons_of(donor)[candidates])
        key -= shared(gene.names, takers, donor.names, candidates)
        for block, found in own:
            fill_block(gene, donor, block, takers, found[np.argmin(key[:, np.isin(candidates, found)], axis=1)])


def exons_of(gene: Gene) -> np.ndarray:
    """The exon columns of all alleles."""
    return gene.rows[:, gene.exon_columns()]


def fill_block(gene: Gene, donor: Gene, block: int, takers: np.ndarray, nearest: np.ndarray) -> None:
    """Fill the unknown columns of a block of each taker from its nearest relative."""
    rows = gene.rows[takers, gene.columns(block)]
    given = donor.rows[nearest, donor.columns(block)]
    gene.rows[takers, gene.columns(block)] = np.where(rows == UNKNOWN, given, rows)


def distinct_rows(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different rows of a matrix of codes, and which of them each row is; hashes sort much faster than rows."""
    numbers = np.random.default_rng(0).integers(1, 1 << 63, (2, rows.shape[1]), dtype=np.uint64)
    hashes = (rows.astype(np.uint64) + np.uint64(1)) * numbers[0]
    _, first, which = np.unique(
        ((hashes ^ (hashes >> np.uint64(31))) * numbers[1]).sum(axis=1), return_index=True, return_inverse=True
    )
    return rows[first], which


def distances(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """In how many columns each of `some` differs from each of `others`, where both are known; alleles by alleles."""
    total = np.zeros((len(some), len(others)), dtype=np.int32)
    for start in range(0, some.shape[1], TILE):
        left, left_of = distinct_rows(some[:, start : start + TILE])
        right, right_of = distinct_rows(others[:, start : start + TILE])
        counts = np.zeros((len(left), len(right)), dtype=np.int32)
        for column in range(left.shape[1]):
            a, b = left[:, column, None], right[None, :, column]
            counts += (a != b) & (a != UNKNOWN) & (b != UNKNOWN)
        total += counts[left_of][:, right_of]
    return total


def shared(names: list[str], some: np.ndarray, other_names: list[str], others: np.ndarray) -> np.ndarray:
    """How many leading fields of the name each of `some` shares with each of `others`."""
    numbers: dict[str, int] = {}

    def split(allele: str) -> list[int]:
        parts = allele.split("*")[1].rstrip(EXPRESSION).split(":")
        return [numbers.setdefault(":".join(parts[: i + 1]), len(numbers)) if i < len(parts) else -1 for i in range(4)]

    left = np.array([split(names[i]) for i in some])
    right = np.array([split(other_names[i]) for i in others])
    return sum(((left[:, None, i] == right[None, :, i]) & (left[:, None, i] >= 0)).astype(np.int32) for i in range(4))
