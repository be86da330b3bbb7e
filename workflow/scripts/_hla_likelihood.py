"""How well each read fits each allele: the logarithm of a likelihood, 0 where it fits without a difference.

Alleles that are the same in a block of columns share what a fragment's differences cost there, and are few: so costs
are kept block by block, and put together for all alleles, a few fragments at a time.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from _hla_gene import distinct_rows
from _hla_hits import Placements
from _hla_index import TILE, IndexedGene

LEAST_ERROR = 0.002  # of a base, whatever its quality claims: errors before sequencing, and of mapping
ERROR = np.clip(10 ** (-np.arange(256, dtype=np.float32) / 10), LEAST_ERROR, 0.74)  # by Phred quality
# What a base that differs costs: the log ratio of its likelihoods, right and wrong.
PENALTY = np.log((1 - ERROR) / (ERROR / 3)).astype(np.float32)
CODES = np.arange(1, 6, dtype=np.uint8)


@dataclass
class BlockCosts:
    """Costs in one exon: of some fragments, `rows` in rising order, by groups of alleles, `group` of each."""

    rows: np.ndarray
    costs: np.ndarray
    group: np.ndarray


@dataclass
class Costs:
    """What the differences of `count` fragments from each allele cost, 0 or less.

    `between` has fragments by settings: what lies between exons is the same for alleles of one `setting`.
    """

    count: int
    exons: list[BlockCosts]
    between: np.ndarray
    setting: np.ndarray

    def in_exons(self, part: slice) -> np.ndarray:
        """Costs in exons of some fragments, by alleles."""
        total = np.zeros((part.stop - part.start, len(self.setting)), dtype=np.float32)
        for block in self.exons:
            here = slice(*np.searchsorted(block.rows, [part.start, part.stop]))
            if here.start < here.stop:
                total[block.rows[here] - part.start] += block.costs[here].take(block.group, axis=1)
        return total

    def add_around(self, total: np.ndarray, part: slice, weight: float, most: float = np.inf) -> None:
        """Add what costs between exons weigh to what those of some fragments, by alleles, are in `total`."""
        between = np.maximum(np.float32(weight) * self.between[part], np.float32(-most))
        total += between.take(self.setting, axis=1)

    def of(self, alleles: np.ndarray) -> "Costs":
        """The costs of some alleles alone."""
        exons = [BlockCosts(block.rows, block.costs, block.group[alleles]) for block in self.exons]
        return Costs(self.count, exons, self.between, self.setting[alleles])

    def select(self, kept: np.ndarray) -> "Costs":
        """The costs of the fragments for which `kept` is true."""
        number = np.cumsum(kept) - 1
        exons = []
        for block in self.exons:
            here = kept[block.rows]
            exons.append(BlockCosts(number[block.rows[here]], block.costs[here], block.group))
        return Costs(int(kept.sum()), exons, self.between[kept], self.setting)


def read_costs(gene: IndexedGene, placed: Placements, row_of: np.ndarray, count: int) -> Costs:
    """What the differences of each fragment from each allele cost.

    `row_of` has the fragment, below `count`, of each row of the placements, or -1. Where two mates show the same
    column, the base of better quality counts.
    """
    _, settings = np.unique(gene.setting, return_index=True)
    between = np.zeros((count, len(settings)), dtype=np.float32)
    exons = []
    known = np.flatnonzero((placed.base > 0) & (row_of[placed.row] >= 0))
    known = known[np.argsort(placed.quality[known], kind="stable")]
    for block, kept in split_by(gene.block_of, placed, known):
        if gene.kinds[block]:
            exons.append(exon_costs(gene, block, placed, kept, row_of, count))
            continue
        for tile, rows, differing in tile_costs(gene, placed, kept, row_of, count):
            between[rows] += differing.take(gene.which[tile, settings], axis=1)
    return Costs(count, exons, between, gene.setting)


def exon_costs(
    gene: IndexedGene, block: int, placed: Placements, kept: np.ndarray, row_of: np.ndarray, count: int
) -> BlockCosts:
    """Costs in one exon, of what the bases `kept` of the placements show."""
    first, last = np.flatnonzero(gene.block_of == block)[[0, -1]] // TILE
    groups, group = distinct_rows(gene.which[first : last + 1].T)
    rows, _ = number_rows(row_of[placed.row[kept]], count)
    costs = np.zeros((len(rows), len(groups)), dtype=np.float32)
    for tile, some, differing in tile_costs(gene, placed, kept, row_of, count):
        costs[np.searchsorted(rows, some)] += differing.take(groups[:, tile - first], axis=1)
    return BlockCosts(rows, costs, group)


def tile_costs(
    gene: IndexedGene, placed: Placements, kept: np.ndarray, row_of: np.ndarray, count: int
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Of each tile that tells alleles apart: the fragments that show something of it, and their costs by its pieces."""
    for tile, part in split_by(np.arange(len(gene.block_of)) // TILE, placed, kept):
        rows, place = number_rows(row_of[placed.row[part]], count)
        cell = place * TILE + placed.column[part] % TILE
        base, price = np.zeros(len(rows) * TILE, dtype=np.uint8), np.zeros(len(rows) * TILE, dtype=np.float32)
        base[cell], price[cell] = placed.base[part], PENALTY[placed.quality[part]]
        shown = np.zeros((len(rows), TILE * len(CODES)), dtype=np.float32)
        known = np.flatnonzero(base)
        shown.ravel()[known * len(CODES) + base[known] - 1] = price[known]
        pieces = gene.tile(tile)
        has = (pieces[:, :, None] == CODES).reshape(len(pieces), -1).astype(np.float32)
        differing = shown @ has.T - price.reshape(len(rows), TILE).sum(axis=1, keepdims=True)
        if differing.min() <= -0.01:
            yield tile, rows, differing


def split_by(number_of: np.ndarray, placed: Placements, kept: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """The bases `kept` by a number of their columns, in the order that they had."""
    number = number_of.astype(np.uint16)[placed.column[kept]]
    order = np.argsort(number, kind="stable")
    borders = np.flatnonzero(np.diff(number[order])) + 1
    for part in np.split(order, borders):
        if len(part):
            yield int(number[part[0]]), kept[part]


def number_rows(owner: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The different numbers, all below `count`, in rising order, and the place of each among them."""
    seen = np.zeros(count, dtype=bool)
    seen[owner] = True
    rows = np.flatnonzero(seen)
    return rows, (np.cumsum(seen) - 1)[owner]


def expected_penalties(placed: Placements, row_of: np.ndarray, count: int) -> np.ndarray:
    """What sequencing errors alone cost each fragment on average."""
    owner = row_of[placed.row]
    kept = owner >= 0
    return np.bincount(owner[kept], weights=(ERROR * PENALTY)[placed.quality[kept]], minlength=count).astype(np.float32)
