"""What the fished reads of a sample say: how well each fragment fits each allele of each locus.

A fragment is a read, or two mates by their name. What it says of an allele is held against its best fit anywhere: other
genes of the release are there so that their reads do not speak for alleles of the typed loci.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from _hla_index import TYPED, Index, IndexedGene
from _hla_likelihood import expected_penalties, read_likelihoods
from _hla_map import Placements

FLOOR = 12.0  # a fragment never speaks louder than this against a genotype: it may be an error, or of another gene
CLIP_COST, MOST_CLIPPED = 1.0, 20  # of each base outside the alignment
# What lies between exons tells genes apart. It tells less of alleles, most of which have it from a relative, and what
# is wrong there is wrong in every fragment: so a difference weighs little, and all of a fragment's a bounded sum.
GENE_WEIGHT, ALLELE_WEIGHT, MOST_BETWEEN = 0.5, 0.15, 2.0
CHUNK = 256  # fragments at a time, for the sake of memory
LOST_MATE = 25.0  # the mate fits another gene, and not this one
TELLING = 40  # bases in exons, or half of a short read: fragments with fewer do not say which type it is
STRANGE = 8.0  # beyond what sequencing errors explain: such a fragment fits no allele of the release


@dataclass
class Locus:
    """What speaks on one locus.

    `fit` is fragments by alleles, from -FLOOR to 0 (as good as the best anywhere); `elsewhere` the best fit in the
    genes that are not typed; `fragments` numbers the rows.
    """

    gene: IndexedGene
    fragments: np.ndarray
    fit: np.ndarray
    elsewhere: np.ndarray
    placed: Placements
    row_of: np.ndarray  # of each row of `placed`, the row of `fit`, or -1


@dataclass
class Evidence:
    """All loci, and how many fragments were best placed in each of the other genes."""

    loci: dict[str, Locus]
    others: dict[str, int]
    fragments: int
    strange: int


def weigh(index: Index, placements: dict[str, Placements], fragment_of: np.ndarray, loci: Sequence[str]) -> Evidence:
    """Weigh every placement: `fragment_of` has the fragment of each read."""
    count = int(fragment_of.max(initial=-1)) + 1
    placed_reads = np.zeros(len(fragment_of), bool)
    for placed in placements.values():
        placed_reads[placed.read] = True
    mates = np.bincount(fragment_of[placed_reads], minlength=count)
    bases, rows = (
        sum(len(part) for part in parts) for parts in zip(*((p.base, p.read) for p in placements.values()), strict=True)
    )
    telling = min(TELLING, bases / rows / 2)
    weighed = {}
    for name, placed in placements.items():
        weighed[name] = weigh_gene(index.gene(name), placed, fragment_of, mates, telling if name in loci else 0)
    best, best_gene, strange = np.full(count, -np.inf, np.float32), np.full(count, -1), np.zeros(count, bool)
    for number, gene in enumerate(weighed.values()):
        better = gene.top > best[gene.rows]
        strange[gene.rows[better]] = gene.odd[better]
        best_gene[gene.rows[better]] = number
        best[gene.rows] = np.maximum(best[gene.rows], gene.top)
    elsewhere = np.full(count, -FLOOR, np.float32)
    for name, gene in weighed.items():
        if name not in loci:
            elsewhere[gene.rows] = np.maximum(elsewhere[gene.rows], gene.top - best[gene.rows])
    found = {}
    for name in loci:
        if name in weighed:
            found[name] = make_locus(index.gene(name), placements[name], weighed.pop(name), best, elsewhere, strange)
    names = list(placements)
    genes, counts = np.unique(best_gene[(best_gene >= 0) & ~strange], return_counts=True)
    others = {names[g]: int(n) for g, n in zip(genes, counts, strict=True) if names[g] not in TYPED}
    return Evidence(found, others, count, int(strange.sum()))


@dataclass
class Weighed:
    """The fragments of a gene: their numbers, their fit to each allele, the best of it, and whether that is too bad."""

    rows: np.ndarray
    fit: np.ndarray
    top: np.ndarray
    odd: np.ndarray
    row_of: np.ndarray  # of each placement, its place in `rows`, or -1


def weigh_gene(
    gene: IndexedGene, placed: Placements, fragment_of: np.ndarray, mates: np.ndarray, telling: float
) -> Weighed:
    """Weigh the fragments of a gene that show at least `telling` bases of its exons."""
    rows, row_of = np.unique(fragment_of[placed.read], return_inverse=True)
    exon_bases = np.bincount(row_of[placed.row], weights=gene.exon_of[placed.column] > 0, minlength=len(rows))
    enough = exon_bases >= telling
    row_of = np.where(enough, np.cumsum(enough) - 1, -1)[row_of]
    rows, kept = rows[enough], row_of >= 0
    fit, between = read_likelihoods(gene, placed, row_of, len(rows))
    limit = -(STRANGE + 2 * expected_penalties(placed, row_of, len(rows)))
    top, odd = np.empty(len(rows), np.float32), np.empty(len(rows), bool)
    for start in range(0, len(rows), CHUNK):
        part = slice(start, start + CHUNK)
        around = between[part][:, gene.setting]
        odd[part] = fit[part].max(axis=1) + GENE_WEIGHT * around.max(axis=1) < limit[part]
        top[part] = (fit[part] + np.float32(GENE_WEIGHT) * around).max(axis=1)
        fit[part] += np.maximum(np.float32(ALLELE_WEIGHT) * around, np.float32(-MOST_BETWEEN))
    clipped = np.minimum(placed.clipped[kept], MOST_CLIPPED)
    top -= CLIP_COST * np.bincount(row_of[kept], weights=clipped, minlength=len(rows))
    # Of a gene that is known in exons only, a mate beside the exon cannot be found.
    if (gene.kinds == 0).any():
        top -= LOST_MATE * (mates[rows] - np.bincount(row_of[kept], minlength=len(rows)))
    fit += (top - fit.max(axis=1))[:, None]
    return Weighed(rows, fit, top, odd, row_of)


def make_locus(
    gene: IndexedGene,
    placed: Placements,
    weighed: Weighed,
    best: np.ndarray,
    elsewhere: np.ndarray,
    strange: np.ndarray,
) -> Locus:
    """The fragments of a typed locus that fit it nearly as well as anything, against the best that they fit."""
    here = (weighed.top > best[weighed.rows] - FLOOR) & ~strange[weighed.rows]
    fragments = weighed.rows[here]
    fit = np.maximum(weighed.fit[here] - best[fragments, None], -FLOOR)
    row_of = np.append(np.where(here, np.cumsum(here) - 1, -1), -1)[weighed.row_of]
    return Locus(gene, fragments, fit, elsewhere[fragments], placed, row_of)
