"""What the fished reads of a sample say: how well each fragment fits each allele of each locus.

A fragment is a read, or two mates by their name. What it says of an allele is held against its best fit anywhere: other
genes of the release are there so that their reads do not speak for alleles of the typed loci.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from _hla_hits import Hits, Placements
from _hla_index import TYPED, Index, IndexedGene
from _hla_likelihood import Costs, expected_penalties, read_costs

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

    `fragments` numbers the rows of the fits; a fit is `costs` and the `level` of its fragment in sum; `elsewhere` is a
    fragment's best fit in the genes that are not typed, `doubt` what its best fit anywhere lacks beyond what sequencing
    errors explain.
    """

    gene: IndexedGene
    fragments: np.ndarray
    costs: Costs
    level: np.ndarray
    elsewhere: np.ndarray
    doubt: np.ndarray
    placed: Placements
    row_of: np.ndarray  # of each row of `placed`, the row of a fit, or -1

    def fits(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Fits, some fragments at a time by all alleles: from -FLOOR to 0, as good as the best anywhere."""
        for start in range(0, len(self.fragments), CHUNK):
            part = slice(start, min(start + CHUNK, len(self.fragments)))
            yield part, self.lift(self.costs, part)

    def fit(self, alleles: Sequence[int] | np.ndarray) -> np.ndarray:
        """Fits of all fragments to some alleles."""
        return self.lift(self.costs.of(np.asarray(alleles)), slice(0, len(self.fragments)))

    def lift(self, costs: Costs, part: slice) -> np.ndarray:
        """Fits of some fragments from their costs."""
        fit = weigh_around(costs, costs.in_exons(part), part)
        fit += self.level[part, None]
        return np.maximum(fit, -FLOOR, out=fit)


@dataclass
class Evidence:
    """All loci, and how many fragments were best placed in each of the other genes."""

    loci: dict[str, Locus]
    others: dict[str, int]
    fragments: int
    strange: int


def weigh(index: Index, hits: Hits, fragment_of: np.ndarray, loci: Sequence[str]) -> Evidence:
    """Weigh every hit: `fragment_of` has the fragment of each read."""
    count = int(fragment_of.max(initial=-1)) + 1
    mates = np.bincount(fragment_of[hits.mapped()], minlength=count)
    telling = min(TELLING, hits.size.mean() / 2)
    weighed, shown = {}, {}
    for name in hits.genes:
        placed = hits.placements(name)
        weighed[name] = weigh_gene(index.gene(name), placed, fragment_of, mates, telling if name in loci else 0)
        if name in loci:
            shown[name] = placed.within(index.gene(name).exon_of > 0)
        else:
            weighed[name].costs = None
    best, best_gene, strange = np.full(count, -np.inf, np.float32), np.full(count, -1), np.zeros(count, bool)
    doubt = np.zeros(count, np.float32)
    for number, gene in enumerate(weighed.values()):
        better = gene.top > best[gene.rows]
        strange[gene.rows[better]] = gene.odd[better]
        doubt[gene.rows[better]] = np.maximum(-gene.top - gene.errors, 0)[better]
        best_gene[gene.rows[better]] = number
        best[gene.rows] = np.maximum(best[gene.rows], gene.top)
    elsewhere = np.full(count, -FLOOR, np.float32)
    for name, gene in weighed.items():
        if name not in loci:
            elsewhere[gene.rows] = np.maximum(elsewhere[gene.rows], gene.top - best[gene.rows])
    found = {}
    for name in loci:
        if name in weighed:
            found[name] = make_locus(index.gene(name), shown.pop(name), weighed[name], best, elsewhere, strange, doubt)
    names = hits.genes
    genes, counts = np.unique(best_gene[(best_gene >= 0) & ~strange], return_counts=True)
    others = {names[g]: int(n) for g, n in zip(genes, counts, strict=True) if names[g] not in TYPED}
    return Evidence(found, others, count, int(strange.sum()))


@dataclass
class Weighed:
    """The fragments of a gene, numbered in `rows`.

    `costs` by alleles; `lift`, what is to be added to them so that the best is `top`; `odd`, where that is too bad;
    `errors`, what sequencing errors cost on average.
    """

    rows: np.ndarray
    costs: Costs | None
    lift: np.ndarray
    top: np.ndarray
    odd: np.ndarray
    errors: np.ndarray
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
    costs = read_costs(gene, placed, row_of, len(rows))
    errors = expected_penalties(placed, row_of, len(rows))
    limit = -(STRANGE + 2 * errors)
    top, most, odd = np.empty(len(rows), np.float32), np.empty(len(rows), np.float32), np.empty(len(rows), bool)
    for start in range(0, len(rows), CHUNK):
        part = slice(start, min(start + CHUNK, len(rows)))
        in_exons = costs.in_exons(part)
        odd[part] = in_exons.max(axis=1) + GENE_WEIGHT * costs.between[part].max(axis=1) < limit[part]
        most[part] = weigh_around(costs, in_exons.copy(), part).max(axis=1)
        costs.add_around(in_exons, part, GENE_WEIGHT)
        top[part] = in_exons.max(axis=1)
    clipped = np.minimum(placed.clipped[kept], MOST_CLIPPED)
    top -= CLIP_COST * np.bincount(row_of[kept], weights=clipped, minlength=len(rows))
    # Of a gene that is known in exons only, a mate beside the exon cannot be found.
    if (gene.kinds == 0).any():
        top -= LOST_MATE * (mates[rows] - np.bincount(row_of[kept], minlength=len(rows)))
    return Weighed(rows, costs, top - most, top, odd, errors, row_of)


def weigh_around(costs: Costs, in_exons: np.ndarray, part: slice) -> np.ndarray:
    """Costs in exons with those between them, as they tell alleles apart."""
    costs.add_around(in_exons, part, ALLELE_WEIGHT, MOST_BETWEEN)
    return in_exons


def make_locus(
    gene: IndexedGene,
    placed: Placements,
    weighed: Weighed,
    best: np.ndarray,
    elsewhere: np.ndarray,
    strange: np.ndarray,
    doubt: np.ndarray,
) -> Locus:
    """The fragments of a typed locus that fit it nearly as well as anything, against the best that they fit."""
    here = (weighed.top > best[weighed.rows] - FLOOR) & ~strange[weighed.rows]
    fragments = weighed.rows[here]
    row_of = np.append(np.where(here, np.cumsum(here) - 1, -1), -1)[weighed.row_of]
    level = weighed.lift[here] - best[fragments]
    costs = weighed.costs.select(here)
    return Locus(gene, fragments, costs, level, elsewhere[fragments], doubt[fragments], placed, row_of)
