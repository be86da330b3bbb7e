"""From the posterior of a locus to what is said of it: alleles, ambiguities, confidence, and what does not fit."""

from dataclasses import dataclass, field

import numpy as np
from _hla_evidence import FLOOR, Locus
from _hla_genotypes import Posterior
from _hla_release import EXPRESSION, GAP, fields, two_fields

ALIKE = 1.0  # log likelihood: alleles that differ by less fit equally well
CALLED = 0.75  # the probability below which an allele is not called
HOMOZYGOUS_CALLED = 0.9  # to call an allele twice says that no second one was missed, which takes more
HOMOZYGOUS_DEPTH = 6.0  # of each exon that tells types: all reads of a base are of one of two alleles in 1 of 32 cases
TELLING_EXONS = {"A": (2, 3), "B": (2, 3), "C": (2, 3)}  # of other genes, exon 2
ROUNDING = 1e-3  # of fits, which are sums of 32-bit numbers
NOT_RESOLVED, ABSENT = "not resolved", "absent"
MISFIT_SHARE, MISFIT_READS = 0.2, 4
SURE_QUALITY = 20
THIRD_GAIN, THIRD_SHARE, THIRD_FRAGMENTS = 6.0, 0.06, 6
THIRD_SPREAD = 0.5  # of the exon columns that all fragments cover


@dataclass
class Call:
    """What is said of one locus; `alleles` are names, or why there is none; `rows` number the likeliest pair."""

    alleles: tuple[str, str]
    zygosity: str
    rows: tuple[int, int]
    confidence: float
    confidences: tuple[float, float]
    ambiguities: tuple[list[str], list[str]]
    alternatives: list[tuple[tuple[str, str], float]]  # with the likeliest, where not both alleles are called
    flags: list[str] = field(default_factory=list)
    misfits: list[dict] = field(default_factory=list)
    third: dict | None = None


def call_locus(locus: Locus, posterior: Posterior, explained: np.ndarray) -> Call:
    """Call the likeliest two-field genotype, as far as it is certain; `explained` as for `own_fragments`."""
    names = locus.gene.names
    types = np.array([two_fields(name) for name in names])
    kinds, kind_of = np.unique(types, return_inverse=True)
    low = np.minimum(kind_of[posterior.first], kind_of[posterior.second])
    high = np.maximum(kind_of[posterior.first], kind_of[posterior.second])
    pairs, pair_of = np.unique(low.astype(np.int64) * len(kinds) + high, return_inverse=True)
    shares = np.bincount(pair_of, weights=posterior.probability)
    order = np.argsort(-shares, kind="stable")
    best = order[0]
    first, second = (int(kind) for kind in divmod(int(pairs[best]), len(kinds)))
    marginals = tuple(float(posterior.probability[(low == kind) | (high == kind)].sum()) for kind in (first, second))
    leader = int(np.flatnonzero(pair_of == best)[0])
    rows = int(posterior.first[leader]), int(posterior.second[leader])
    if kind_of[rows[0]] != first:
        rows = rows[::-1]
    ambiguities = tuple(alike(posterior, rows[place], rows[1 - place], names) for place in (0, 1))
    confidence = float(shares[best])
    called = [common_name(names[row], found) for row, found in zip(rows, ambiguities, strict=True)]
    zygosity = "heterozygous"
    if first == second:
        zygosity = "homozygous"
        if not deep_enough(locus, rows, own_fragments(locus, rows, explained)):
            # The model knows the reads that came, not that those of a second allele would have come.
            confidence = min(confidence, CALLED)
            called[1], zygosity = NOT_RESOLVED, NOT_RESOLVED
        elif confidence < CALLED or alone(locus, posterior, rows[0]) < HOMOZYGOUS_CALLED:
            called[1], zygosity = NOT_RESOLVED, NOT_RESOLVED
        # How sure it is that the allele is there at all, and that it is there twice.
        confidences = (marginals[0], confidence)
    else:
        confidences = marginals
        for place in (0, 1):
            if confidences[place] < CALLED:
                called[place], zygosity = NOT_RESOLVED, NOT_RESOLVED
    if confidences[0] < CALLED and called[1] == NOT_RESOLVED:
        called, zygosity = ["", ""], "no call"
    elif called[0] == NOT_RESOLVED:
        called, rows, confidences = called[::-1], rows[::-1], confidences[::-1]
        ambiguities = ambiguities[::-1]
    alternatives = [
        ((str(kinds[pairs[place] // len(kinds)]), str(kinds[pairs[place] % len(kinds)])), float(shares[place]))
        for place in order[int(all("*" in name for name in called)) : 6]
        if shares[place] >= 0.001
    ]
    return Call(tuple(called), zygosity, rows, confidence, confidences, ambiguities, alternatives)


def own_fragments(locus: Locus, rows: tuple[int, int], explained: np.ndarray) -> np.ndarray:
    """Which fragments the locus' own alleles explain; `explained` is how well other loci and genes explain each."""
    return locus.fit(rows).max(axis=1) >= explained - ROUNDING


def deep_enough(locus: Locus, rows: tuple[int, int], own: np.ndarray) -> bool:
    """Whether a second allele would be seen in every exon that tells types."""
    return all(mean_depth(each) >= HOMOZYGOUS_DEPTH for each in telling(locus.gene.name, exon_depths(locus, rows, own)))


def telling(name: str, exons: list[dict]) -> list[dict]:
    """Of a locus' exons, those that tell types."""
    return [each for each in exons if each["exon"] in TELLING_EXONS.get(name, (2,))]


def mean_depth(*exons: dict) -> float:
    """The mean depth over all bases of some exons."""
    return sum(sum(each["depth"]) for each in exons) / max(sum(each["length"] for each in exons), 1)


def alone(locus: Locus, posterior: Posterior, row: int) -> float:
    """How likely it is that there is no other type, but for those that fit every fragment as this one does."""
    types = np.array([two_fields(name) for name in locus.gene.names])
    alike = np.ones(len(types), dtype=bool)
    for _, fit in locus.fits():
        alike &= (fit == fit[:, [row]]).all(axis=0)
    same = np.flatnonzero((types == types[row]) | alike)
    return float(posterior.probability[np.isin(posterior.first, same) & np.isin(posterior.second, same)].sum())


def alike(posterior: Posterior, row: int, partner: int, names: list[str]) -> list[str]:
    """The alleles that fit as well as this one beside its partner, this one first."""
    beside = np.where(
        posterior.first == partner, posterior.second, np.where(posterior.second == partner, posterior.first, -1)
    )
    own = posterior.likelihood[beside == row].max()
    found = beside[(beside >= 0) & (posterior.likelihood >= own - ALIKE)]
    return [names[row], *sorted({names[other] for other in found} - {names[row]}, key=sort_key)]


def sort_key(name: str) -> list[int]:
    """Alleles sort by their fields as numbers."""
    return [int(part.rstrip(EXPRESSION)) for part in name.split("*")[1].split(":")]


def common_name(name: str, ambiguity: list[str]) -> str:
    """The allele in as many fields as all that fit equally well, and share its two-field type, agree in."""
    relatives = [other for other in ambiguity if two_fields(other) == two_fields(name)]
    if len(relatives) == 1:
        return name
    for count in (3, 2):
        if len({fields(other, count).rstrip(EXPRESSION) for other in relatives}) == 1:
            return fields(name, count).rstrip(EXPRESSION)
    return two_fields(name)


def find_misfits(locus: Locus, rows: tuple[int, int], fragments: np.ndarray) -> list[dict]:
    """Positions in exons where many good bases are of neither allele. `fragments` is true for those of this locus."""
    gene, placed = locus.gene, locus.placed
    owner = locus.row_of[placed.row]
    kept = (owner >= 0) & (placed.quality >= SURE_QUALITY) & (placed.base > 0) & (gene.exon_of[placed.column] > 0)
    kept[kept] = fragments[owner[kept]]
    count = np.bincount(placed.column[kept] * 6 + placed.base[kept], minlength=6 * len(gene.exon_of)).reshape(-1, 6)
    alleles = gene.rows(np.array(rows))
    depth = count.sum(axis=1)
    strange = count.copy()
    for allele in alleles:
        strange[np.arange(len(allele)), allele] = 0
    base = strange.argmax(axis=1)
    most = strange.max(axis=1)
    found = np.flatnonzero((most >= MISFIT_READS) & (most >= MISFIT_SHARE * depth))
    return [
        {
            "exon": int(gene.exon_of[column]),
            "position": position_in_exon(gene, alleles[0], column),
            "base": "?ACGT-"[base[column]],
            "reads": int(most[column]),
            "depth": int(depth[column]),
        }
        for column in found
    ]


def position_in_exon(gene, row: np.ndarray, column: int) -> int:
    """Which base of its exon a column is, counted from 1, in the first allele; a gap counts as the base before it."""
    start = int(np.flatnonzero(gene.exon_of == gene.exon_of[column])[0])
    return int((row[start : column + 1] != GAP).sum())


def find_third(locus: Locus, rows: tuple[int, int], explained: np.ndarray) -> dict | None:
    """An allele beside the two that many fragments need, all over the exons: the sample may be of two people."""
    present = np.maximum(locus.fit(rows).max(axis=1), explained)
    gain = np.zeros(len(locus.gene.names))
    for part, fit in locus.fits():
        gain += np.maximum(fit - present[part, None], 0).sum(axis=0)
    third = int(gain.argmax())
    helped = locus.fit([third])[:, 0] - present >= THIRD_GAIN
    if helped.sum() < max(THIRD_FRAGMENTS, THIRD_SHARE * len(helped)):
        return None
    owner, exon = locus.row_of[locus.placed.row], locus.gene.exon_of[locus.placed.column] > 0
    covered = np.unique(locus.placed.column[exon & (owner >= 0)])
    kept = exon & (owner >= 0)
    kept[kept] = helped[owner[kept]]
    if len(np.unique(locus.placed.column[kept])) < THIRD_SPREAD * len(covered):
        return None
    return {"allele": locus.gene.names[third], "reads": int(helped.sum())}


def exon_depths(locus: Locus, rows: tuple[int, int], fragments: np.ndarray) -> list[dict]:
    """Depth of each exon base by base: of all fragments of the locus, and of those that fit each allele best."""
    gene, placed = locus.gene, locus.placed
    owner = locus.row_of[placed.row]
    kept = (owner >= 0) & (gene.exon_of[placed.column] > 0) & (placed.base > 0)
    kept[kept] = fragments[owner[kept]]
    # Two mates of one fragment show a base once.
    in_exon = np.flatnonzero(gene.exon_of)
    seen = np.zeros((len(locus.fragments), len(in_exon)), dtype=bool)
    seen[owner[kept], np.searchsorted(in_exon, placed.column[kept])] = True
    fit = locus.fit(rows)
    best = np.maximum(fit.max(axis=1), -FLOOR + 1)
    tables = np.zeros((3, len(gene.exon_of)), dtype=int)
    tables[:, in_exon] = [seen.sum(axis=0), *(seen[fit[:, place] >= best - 1].sum(axis=0) for place in (0, 1))]
    row = gene.rows(np.array(rows[:1]))[0]
    exons = []
    for exon in range(1, int(gene.exon_of.max()) + 1):
        columns = np.flatnonzero((gene.exon_of == exon) & (row != GAP))
        depth, *alleles = (table[columns].tolist() for table in tables)
        exons.append(
            {
                "exon": exon,
                "start": int(columns[0]) if len(columns) else 0,
                "length": len(columns),
                "depth": depth,
                "alleles": alleles,
            }
        )
    return exons
