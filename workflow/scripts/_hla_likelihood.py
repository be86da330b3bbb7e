"""How well each read fits each allele: the logarithm of a likelihood, 0 where it fits without a difference."""

import numpy as np
from _hla_index import TILE, IndexedGene
from _hla_map import Placements

LEAST_ERROR = 0.002  # of a base, whatever its quality claims: errors before sequencing, and of mapping


def penalties(quality: np.ndarray) -> np.ndarray:
    """What a base that differs costs: the log ratio of its likelihoods, right and wrong."""
    error = np.clip(10 ** (-quality.astype(np.float32) / 10), LEAST_ERROR, 0.74)
    return np.log((1 - error) / (error / 3)).astype(np.float32)


def read_likelihoods(
    gene: IndexedGene, placed: Placements, row_of: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """What the differences of each fragment from each allele cost: in exons, and in what lies between them.

    `row_of` has the fragment, below `count`, of each row of the placements, or -1. Results are fragments by alleles,
    and fragments by settings of alleles. Where two mates show the same column, the base of better quality counts.
    """
    _, settings = np.unique(gene.setting, return_index=True)
    exons = np.zeros((count, len(gene.names)), dtype=np.float32)
    between = np.zeros((count, len(settings)), dtype=np.float32)
    cost = penalties(placed.quality)
    kept = np.flatnonzero((placed.base > 0) & (row_of[placed.row] >= 0))
    kept = kept[np.lexsort((placed.quality[kept], placed.column[kept]))]
    tile_of = placed.column[kept] // TILE
    borders = np.flatnonzero((np.diff(tile_of) > 0) | (np.diff(gene.block_of[placed.column[kept]]) > 0)) + 1
    for part in np.split(kept, borders):
        if not len(part):
            continue
        tile, block = int(placed.column[part[0]] // TILE), int(gene.block_of[placed.column[part[0]]])
        rows, place = np.unique(row_of[placed.row[part]], return_inverse=True)
        pieces, which = gene.tile(tile), gene.which[tile]
        base = np.zeros((len(rows), TILE), dtype=np.uint8)
        price = np.zeros((len(rows), TILE), dtype=np.float32)
        base[place, placed.column[part] % TILE] = placed.base[part]
        price[place, placed.column[part] % TILE] = cost[part]
        shown = price[:, :, None] * (base[:, :, None] == np.arange(1, 6))
        has = (pieces[:, :, None] == np.arange(1, 6)).reshape(len(pieces), -1).astype(np.float32)
        differing = shown.reshape(len(rows), -1).astype(np.float32) @ has.T
        differing -= price.sum(axis=1, keepdims=True)
        if differing.min() > -0.01:
            continue
        if gene.kinds[block]:
            exons[rows] += np.take(differing, which, axis=1, mode="clip")
        else:
            between[rows] += np.take(differing, which[settings], axis=1, mode="clip")
    return exons, between


def expected_penalties(placed: Placements, row_of: np.ndarray, count: int) -> np.ndarray:
    """What sequencing errors alone cost each fragment on average."""
    error = np.clip(10 ** (-placed.quality.astype(np.float32) / 10), LEAST_ERROR, 0.74)
    owner = row_of[placed.row]
    kept = owner >= 0
    cost = (error * penalties(placed.quality))[kept]
    return np.bincount(owner[kept], weights=cost, minlength=count).astype(np.float32)
