"""The recalibration table: what is counted of the covariates, and the qualities that follow of it.

The estimates are those of GATK 4.6.
https://gatk.broadinstitute.org/hc/en-us/articles/360035890531
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from _covariates import CONTEXTS, LOWEST, PER_CYCLE, QUALITIES, TURNED

HIGHEST = QUALITIES - 1
BASES, MISMATCHES = 0, 1
SUPPOSED = np.arange(61)  # the qualities among which the true one is sought
SPREAD = 0.5  # of the prior, a normal distribution over the distance from what is expected
FARTHEST = 40


@dataclass
class Counts:
    """Bases and mismatches of one read group. `cycles`: 2 x cycle x quality, for second reads in [1]; `contexts`:
    quality x context; both with bases in [..., 0] and mismatches in [..., 1]."""

    cycles: np.ndarray = field(default_factory=lambda: np.zeros((2, 1, QUALITIES, 2), np.int64))
    contexts: np.ndarray = field(default_factory=lambda: np.zeros((QUALITIES, CONTEXTS, 2), np.int64))

    def add_bases(self, keys: np.ndarray, cycles: int, second: bool, reverse: bool) -> None:
        """Count keys of covariates (see `Reads`) with cycles up to `cycles`; key 0 stands for what does not count."""
        counted = np.bincount(keys, minlength=(cycles + 1) * PER_CYCLE).reshape(-1, QUALITIES, CONTEXTS)
        counted[0] = 0
        self.add(counted.sum(axis=2), counted.sum(axis=0), BASES, second, reverse)

    def add_mismatches(self, keys: np.ndarray, cycles: int, second: bool, reverse: bool) -> None:
        """The same for the few keys of mismatches, all of which count."""
        by_cycle = np.bincount(keys // CONTEXTS, minlength=(cycles + 1) * QUALITIES).reshape(-1, QUALITIES)
        by_context = np.bincount(keys % PER_CYCLE, minlength=PER_CYCLE).reshape(QUALITIES, CONTEXTS)
        self.add(by_cycle, by_context, MISMATCHES, second, reverse)

    def add(self, by_cycle: np.ndarray, by_context: np.ndarray, kind: int, second: bool, reverse: bool) -> None:
        self.lengthen(len(by_cycle) - 1)
        self.cycles[int(second), : len(by_cycle), :, kind] += by_cycle
        self.contexts[..., kind] += by_context[:, TURNED] if reverse else by_context

    def lengthen(self, cycle: int) -> None:
        """Make room for a cycle."""
        if (more := cycle + 1 - self.cycles.shape[1]) > 0:
            self.cycles = np.pad(self.cycles, ((0, 0), (0, more), (0, 0), (0, 0)))

    @property
    def by_quality(self) -> np.ndarray:
        return self.cycles.sum(axis=(0, 1))


def estimate(counts: np.ndarray, expected: np.ndarray | float) -> np.ndarray:
    """The most likely quality, given bases and mismatches (..., 2), and what is expected before they are seen."""
    bases, mismatches = counts[..., 0, None] + 2.0, counts[..., 1, None] + 1.0
    error = 10.0 ** (SUPPOSED / -10.0)
    with np.errstate(divide="ignore"):
        likelihood = mismatches * np.log(error) + (bases - mismatches) * np.log1p(-error)
    distance = np.minimum(np.abs(np.trunc(SUPPOSED - np.asarray(expected, float)[..., None])), FARTHEST)
    prior = -0.5 * (distance / SPREAD) ** 2
    return np.argmax(np.maximum(likelihood, -1e300) + prior, axis=-1)


def reported_quality(by_quality: np.ndarray) -> float:
    """The mean of the qualities of all bases (quality x 2), as errors; 4 decimals, as the report has it."""
    qualities = np.arange(QUALITIES)
    bases = by_quality[:, 0]
    mean = -10.0 * np.log10((bases * 10.0 ** (qualities / -10.0)).sum() / bases.sum())
    return float(np.floor(mean * 1e4 + 0.5) / 1e4)


class Recalibration:
    """How the qualities of one read group are corrected, from its counts and its mean reported quality."""

    def __init__(self, counts: Counts, reported: float) -> None:
        by_quality = counts.by_quality
        of_group = int(estimate(by_quality.sum(axis=0), reported))
        seen = by_quality[:, 0] > 0
        self.qualities = np.where(seen, estimate(by_quality, of_group), of_group)
        self.cycles = self.difference(counts.cycles, self.qualities)
        self.contexts = self.difference(counts.contexts, self.qualities[:, None])

    @staticmethod
    def difference(counts: np.ndarray, expected: np.ndarray) -> np.ndarray:
        return np.where(counts[..., 0] > 0, estimate(counts, expected) - expected, 0)

    def lookup(self, cycles: int, second: bool, reverse: bool, mapping: np.ndarray) -> np.ndarray:
        """The corrected quality for each cycle (0 to `cycles`), quality and context, in one row."""
        of_cycle = np.zeros((cycles + 1, QUALITIES), int)
        known = min(self.cycles.shape[1], cycles + 1)
        of_cycle[:known] = self.cycles[int(second), :known]
        contexts = self.contexts[:, TURNED] if reverse else self.contexts
        corrected = self.qualities[:, None] + of_cycle[:, :, None] + contexts
        corrected = mapping[np.clip(corrected, 1, HIGHEST)]
        corrected[:, :LOWEST] = np.arange(LOWEST)[:, None]
        return corrected.astype(np.uint8).ravel()


def static_mapping(levels: Sequence[int]) -> np.ndarray:
    """Which of a few qualities stands for each quality; each for itself where `levels` is empty."""
    mapping = np.arange(QUALITIES)
    if not levels:
        return mapping
    if len(levels) == 1:
        mapping[LOWEST:] = levels[0]
        return mapping
    right = 1 - 10.0 ** (np.arange(QUALITIES) / -10.0)
    before = LOWEST
    for level in sorted(levels):
        for quality in range(before, level):
            nearer_above = right[quality] - right[before] > right[level] - right[quality]
            mapping[quality] = level if nearer_above else before
        before = level
    mapping[before:] = before
    return mapping
