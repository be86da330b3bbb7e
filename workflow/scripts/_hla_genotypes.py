"""Genotypes of one locus: which alleles can be in it at all, and how likely each pair is.

A fragment comes from either allele of a pair with the same chance, so a pair's likelihood is the product over fragments
of the mean of its two alleles' likelihoods. Or it comes from elsewhere: from another locus, as well as its alleles
explain it, or from a gene that the release lacks. That bounds what it says, of one allele and of two alike.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from _hla_evidence import Locus
from _hla_release import fields, two_fields

KEPT = 120  # alleles
SCANNED = 40
MOST_FRAGMENTS = 20_000  # of a locus, to look at all alleles of the release
OWN_SHARE = 0.1  # of what an allele explains alone, in its rank by the pairs it makes
MOST_SUBTYPES = 50
LISTED, UNLISTED = {"C": 1.0, "I": 0.1, "WD": 0.02}, 0.005  # by how common a list calls a type
# The chance that a fragment is of a gene that the release lacks, which bounds what one fragment says against a
# genotype. Older releases lack DQB2, which is very near to DQB1.
STRAY, STRAY_BESIDE = 1e-5, {"DQB1": ("DQB2", 0.02)}
MOST_STRAY = 0.5
BESIDE = 0.5  # the chance that a fragment is of another locus, before it is seen how well that explains it
UNEVEN = (0.3,)  # shares of the fragments that one of two alleles may have, beside a half
LEADERS = 6
NEAR = 25.0  # log likelihood: pairs that much worse than the best are out of the question
BATCH = 2_000_000  # fits at a time, for the sake of memory
HOMOZYGOUS = 0.1  # prior share of homozygous genotypes at a locus
TRUST = 0.75  # of a log likelihood: fragments are not independent (duplicates, paralogues, one error in many)


@dataclass
class Candidates:
    """Alleles that can be in the genotype: `alleles` numbers them, best first; equal ones stand in one of `classes`."""

    alleles: np.ndarray
    classes: list[np.ndarray]


def find_candidates(locus: Locus, explained: np.ndarray) -> Candidates:
    """The alleles of the best pairs, by what they add to `explained`; those that nothing tells apart are one class."""
    solo = np.zeros(len(locus.gene.names))
    for part, fit in locus.fits():
        solo += np.maximum(fit, explained[part, None]).sum(axis=0)
    tops = np.argsort(-solo, kind="stable")[:SCANNED]
    pair = np.full(len(solo), -np.inf)
    seen: set[int] = set()
    for _ in range(2):
        new = [allele for allele in tops.tolist() if allele not in seen]
        seen |= set(new)
        sums = pair_sums(locus, explained, new)
        pair = np.maximum(pair, sums.max(axis=0, initial=-np.inf))
        pair[new] = np.maximum(pair[new], sums.max(axis=1))
        # Beside an allele that explains all, any other makes as good a pair: what explains much itself goes first.
        ranks = np.argsort(-(pair + OWN_SHARE * solo), kind="stable")
        tops = ranks[:SCANNED]
    alleles = ranks[:KEPT]
    _, first, inverse = np.unique(
        np.ascontiguousarray(locus.fit(alleles).T), axis=0, return_index=True, return_inverse=True
    )
    order = np.argsort(first)
    classes = [alleles[np.flatnonzero(inverse.ravel() == group)] for group in order]
    return Candidates(alleles, classes)


def pair_sums(locus: Locus, explained: np.ndarray, some: list[int]) -> np.ndarray:
    """How well pairs of each of `some` alleles with every allele explain the fragments, in sum."""
    sums = np.zeros((len(some), len(locus.gene.names)))
    for part, fit in locus.fits():
        fit = np.maximum(fit, explained[part, None])
        both = np.empty_like(fit)
        for row, allele in zip(sums, some, strict=True):
            row += np.maximum(fit, fit[:, [allele]], out=both).sum(axis=0)
    return sums


def priors(names: list[str], ciwd: dict[str, str]) -> np.ndarray:
    """How likely each allele is before any read is seen; they sum to 1.

    Common types have been sequenced most, so the number of subtypes that the release has of a two-field type tells; and
    a list of common and well-documented alleles, where one is given.
    """
    types = [fields(name, 2).rstrip("ACLNQS") for name in names]
    members: dict[str, int] = {}
    for kind in types:
        members[kind] = members.get(kind, 0) + 1
    weight = {kind: float(min(count, MOST_SUBTYPES)) ** 1.5 for kind, count in members.items()}
    if ciwd:
        weight = {kind: LISTED.get(ciwd.get(kind, ""), UNLISTED) * own for kind, own in weight.items()}
    prior = np.array([weight[kind] / members[kind] for kind in types])
    expressed = np.array([0.05 if name[-1] in "NQ" else 1.0 for name in names])
    prior *= expressed
    return prior / prior.sum()


def pair_chance(same: bool | np.ndarray, first: np.ndarray, second: np.ndarray, homozygous: float) -> np.ndarray:
    """How likely pairs are before any read is seen, by how likely their alleles are, and that they are one."""
    return np.where(same, homozygous * first, (1 - homozygous) * 2 * first * second)


def find_leaders(
    locus: Locus, candidates: Candidates, first: np.ndarray, second: np.ndarray, weight: np.ndarray
) -> list[int]:
    """The alleles of the likeliest pairs: of those of one type that fit alike, one."""
    class_of = {int(allele): number for number, members in enumerate(candidates.classes) for allele in members}
    found: dict[tuple[int, str], int] = {}
    for pair in np.argsort(-weight, kind="stable"):
        for allele in (int(first[pair]), int(second[pair])):
            found.setdefault((class_of[allele], two_fields(locus.gene.names[allele])), allele)
        if len(found) >= LEADERS:
            break
    return list(found.values())


@dataclass
class Chances:
    """How likely each fragment of a locus is: `elsewhere`, and `here` times its likelihood given an allele."""

    elsewhere: np.ndarray
    here: np.ndarray

    def of(self, fit: np.ndarray, part: slice = slice(None)) -> np.ndarray:
        """Chances of some fragments (all) by alleles, from their fits; changes `fit` to them."""
        np.exp(fit, out=fit)
        fit *= self.here[part, None]
        fit += self.elsewhere[part, None]
        return fit


def weigh_fragments(locus: Locus, explained: np.ndarray, stray: float) -> Chances:
    """What no allele of the release explains well is the likelier of a gene that the release lacks: `stray` or more."""
    strays = np.clip(STRAY * np.exp(np.minimum(locus.doubt, -np.log(STRAY))), stray, MOST_STRAY)
    elsewhere = strays + (1 - strays) * BESIDE * np.exp(explained)
    return Chances(elsewhere.astype(np.float32), ((1 - strays) * (1 - BESIDE)).astype(np.float32))


def beside_leaders(
    locus: Locus, leaders: list[int], rest: np.ndarray, chances: Chances
) -> tuple[np.ndarray, np.ndarray]:
    """The log likelihood of each leader with each of the rest, and which alleles of all fit as each leader does."""
    total = np.zeros((len(leaders), len(rest)))
    alike = np.ones((len(leaders), len(locus.gene.names)), dtype=bool)
    for part, fit in locus.fits():
        for same, leader in zip(alike, leaders, strict=True):
            same &= (fit == fit[:, [leader]]).all(axis=0)
        found = chances.of(fit, part)
        others = found[:, rest]
        for row, leader in zip(total, leaders, strict=True):
            row += np.log(0.5 * (found[:, [leader]] + others)).sum(axis=0)
    return total, alike


def even_out(
    locus: Locus, first: np.ndarray, second: np.ndarray, chances: Chances, likelihood: np.ndarray
) -> np.ndarray:
    """The log likelihoods of pairs of which either allele may have more fragments, from those of even pairs.

    Capture and mapping favour one allele of two: few fragments, all of one, do not rule the other out.
    """
    total = np.empty((2 * len(UNEVEN) + 1, len(likelihood)))
    total[-1] = likelihood
    batch = max(1, BATCH // len(chances.here))
    for start in range(0, len(first), batch):
        part = slice(start, start + batch)
        left, right = (chances.of(locus.fit(alleles[part])) for alleles in (first, second))
        for row, share in enumerate([*UNEVEN, *(1 - each for each in UNEVEN)]):
            total[row, part] = np.log(np.float32(share) * left + np.float32(1 - share) * right).sum(axis=0)
    most = total.max(axis=0)
    return most + np.log(np.exp(total - most).mean(axis=0))


@dataclass
class Posterior:
    """Probabilities of pairs of a locus' alleles: `first` and `second` number alleles, `probability` is parallel."""

    first: np.ndarray
    second: np.ndarray
    probability: np.ndarray
    likelihood: np.ndarray


def stray_chance(locus: str, genes: Collection[str]) -> float:
    """The chance that a fragment of a locus is of none of the genes of the release."""
    neighbour, chance = STRAY_BESIDE.get(locus, ("", STRAY))
    return STRAY if neighbour in genes else chance


def weigh_pairs(
    locus: Locus,
    candidates: Candidates,
    explained: np.ndarray,
    prior: np.ndarray,
    stray: float = STRAY,
    homozygous: float = HOMOZYGOUS,
) -> Posterior:
    """The posterior over all pairs of candidates, and over the best candidates with any allele of the release.

    The second kind is what keeps a second allele open that the reads cannot show: with few fragments, many alleles fit.
    """
    chosen = candidates.alleles
    chances = weigh_fragments(locus, explained, stray)
    shares = chances.of(locus.fit(chosen))
    first, second = np.triu_indices(len(chosen))
    likelihood = np.empty(len(first), dtype=np.float64)
    for number in range(len(chosen)):
        here = slice(*np.searchsorted(first, [number, number + 1]))
        likelihood[here] = np.log(0.5 * (shares[:, [number]] + shares[:, second[here]])).sum(axis=0)
    pairs_first, pairs_second = chosen[first], chosen[second]
    chance = pair_chance(pairs_first == pairs_second, prior[pairs_first], prior[pairs_second], homozygous)
    leaders = find_leaders(locus, candidates, pairs_first, pairs_second, TRUST * likelihood + np.log(chance))
    rest = np.setdiff1d(np.arange(len(locus.gene.names)), chosen)
    if len(rest) and len(locus.fragments) <= MOST_FRAGMENTS:
        more, alike = beside_leaders(locus, leaders, rest, chances)
        likelihood = np.append(likelihood, more.ravel())
        pairs_first = np.append(pairs_first, np.repeat(leaders, len(rest)))
        pairs_second = np.append(pairs_second, np.tile(rest, len(leaders)))
        # A leader stands for all alleles of its type that fit as it does.
        types = np.array([two_fields(name) for name in locus.gene.names])
        stands_for = ((types == types[leaders, None]) & alike) @ prior
        chance = np.append(chance, pair_chance(False, stands_for[:, None], prior[rest], homozygous).ravel())
    near = np.flatnonzero(likelihood >= likelihood.max() - NEAR)
    likelihood[near] = even_out(locus, pairs_first[near], pairs_second[near], chances, likelihood[near])
    weight = TRUST * likelihood + np.log(chance)
    probability = np.exp(weight - weight.max())
    probability /= probability.sum()
    order = np.argsort(-probability, kind="stable")
    return Posterior(pairs_first[order], pairs_second[order], probability[order], likelihood[order])
