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
# What lies between exons tells genes apart. It tells less of alleles, most of which have it from a relative, and what is
# wrong there is wrong in every fragment: a difference weighs little, and all of a fragment's no more than one in an exon.
GENE_WEIGHT, ALLELE_WEIGHT, MOST_BETWEEN = 0.5, 0.15, 2.0
LOST_MATE = 25.0  # the mate fits another gene, and not this one
TELLING = 40  # bases in exons, or half of a short read: fragments with fewer do not say which type it is
STRANGE = 8.0  # beyond what sequencing errors explain: such a fragment fits no allele of the release


@dataclass
class Locus:
    """What speaks on one locus.

    `fit` is fragments by alleles, from -FLOOR to 0 (as good as the best anywhere); `elsewhere` the best fit in the
    genes that are not typed; `fragments` numbers the rows; `exon_bases` are a fragment's in exons.
    """

    gene: IndexedGene
    fragments: np.ndarray
    fit: np.ndarray
    elsewhere: np.ndarray
    exon_bases: np.ndarray
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
    shown = sum(len(placed.base) for placed in placements.values()) / max(
        sum(len(placed.read) for placed in placements.values()), 1
    )
    telling = min(TELLING, shown / 2)
    best = np.full(count, -np.inf, np.float32)
    strange = np.zeros(count, bool)
    fits, best_gene = {}, np.full(count, -1)
    for number, (name, placed) in enumerate(placements.items()):
        rows, row_of = np.unique(fragment_of[placed.read], return_inverse=True)
        gene = index.gene(name)
        exons, between = read_likelihoods(gene, placed, row_of, len(rows))
        limit = -(STRANGE + 2 * expected_penalties(placed, row_of, len(rows)))
        in_exon = gene.exon_of[placed.column] > 0
        exon_bases = np.bincount(row_of[placed.row], weights=in_exon, minlength=len(rows))
        odd = exons.max(axis=1) + GENE_WEIGHT * between.max(axis=1) < limit
        nearest = (exons + np.float32(GENE_WEIGHT) * between).max(axis=1)
        fit = exons
        fit += np.maximum(np.float32(ALLELE_WEIGHT) * between, -MOST_BETWEEN)
        fit += (nearest - fit.max(axis=1))[:, None]
        clipped = np.bincount(row_of, weights=np.minimum(placed.clipped, MOST_CLIPPED), minlength=len(rows))
        # Of a gene that is known in exons only, a mate beside the exon cannot be found.
        lost = LOST_MATE * (mates[rows] - np.bincount(row_of)) if (gene.kinds == 0).any() else 0
        fit -= (CLIP_COST * clipped + lost)[:, None].astype(np.float32)
        top = fit.max(axis=1)
        better = top > best[rows]
        strange[rows[better]] = odd[better]
        best_gene[rows[better]] = number
        best[rows] = np.maximum(best[rows], top)
        kept = fit if name in loci else top[:, None]
        fits[name] = rows, kept, exon_bases, row_of
    elsewhere = np.full(count, -FLOOR, np.float32)
    for name, (rows, fit, _, _) in fits.items():
        if name not in loci:
            elsewhere[rows] = np.maximum(elsewhere[rows], fit[:, 0] - best[rows])
    found = {}
    for name in loci:
        if name in fits:
            rows, fit, exon_bases, row_of = fits.pop(name)
            here = (fit.max(axis=1) > best[rows] - FLOOR) & ~strange[rows] & (exon_bases >= telling)
            renumber = np.where(here, np.cumsum(here) - 1, -1)
            fragments = rows[here]
            within = np.maximum(fit[here] - best[fragments, None], -FLOOR)
            found[name] = Locus(
                index.gene(name),
                fragments,
                within,
                elsewhere[fragments],
                exon_bases[here],
                placements[name],
                renumber[row_of],
            )
    names = list(placements)
    genes, counts = np.unique(best_gene[(best_gene >= 0) & ~strange], return_counts=True)
    others = {names[g]: int(n) for g, n in zip(genes, counts, strict=True) if names[g] not in TYPED}
    return Evidence(found, others, count, int(strange.sum()))
