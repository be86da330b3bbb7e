"""Make pairs of reads of chosen HLA alleles, of other genes and of unrelated bases, from a seed, and fast."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from isal import igzip

LETTERS = np.frombuffer(b"ACGT", dtype=np.uint8)
COMPLEMENT = np.zeros(256, dtype=np.uint8)
COMPLEMENT[list(b"ACGTN")] = list(b"TGCAN")
FLANK = 300  # bases of chance before and after each gene, so that depth does not fall off at its ends
POOR_SHARE, POOR, GOOD = 0.04, ord("+"), ord("F")  # of bases, with their qualities


@dataclass(frozen=True, slots=True)
class Template:
    """Something reads come from: its bases, its depth, and where it was captured (start, end), if not everywhere;
    the depth is that of the captured stretches.

    `flanked`: bases of chance stand before and after it.
    """

    name: str
    bases: str
    depth: float
    captured: tuple[tuple[int, int], ...] = ()
    flanked: bool = True


@dataclass(frozen=True, slots=True)
class Sequencing:
    """How reads are made: length, mean and deviation of fragments in bases, wrong bases among all."""

    length: int = 100
    fragment_mean: float = 320.0
    fragment_sd: float = 50.0
    errors: float = 0.003


def make_pairs(
    templates: Sequence[Template], sequencing: Sequencing, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Make the pairs of all templates in random order.

    Returns bases and qualities of the first reads and of the second (pairs x length, as bytes), and the index of the
    template of each pair.
    """
    firsts, seconds, origins = [], [], []
    for place, template in enumerate(templates):
        first, second = cut_pairs(template, sequencing, rng)
        firsts.append(first)
        seconds.append(second)
        origins.append(np.full(len(first), place))
    first, second, origin = np.concatenate(firsts), np.concatenate(seconds), np.concatenate(origins)
    order = rng.permutation(len(first))
    swapped = rng.random(len(first)) < 0.5
    first, second = np.where(swapped[:, None], second, first)[order], np.where(swapped[:, None], first, second)[order]
    first, first_qualities = misread(first, sequencing.errors, rng)
    second, second_qualities = misread(second, sequencing.errors, rng)
    return first, first_qualities, second, second_qualities, origin[order]


def cut_pairs(template: Template, sequencing: Sequencing, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Cut fragments out of a template and read both of their ends (fragments x length, as bytes)."""
    flanks = rng.choice(LETTERS, (2, FLANK if template.flanked else 0))
    bases = np.concatenate([flanks[0], np.frombuffer(template.bases.encode(), dtype=np.uint8), flanks[1]])
    weights = start_weights(template, len(bases), sequencing)
    wanted = template.depth * sum(end - start for start, end in template.captured or ((0, len(bases)),))
    count = rng.poisson(wanted / on_target(template, weights, sequencing) / (2 * sequencing.length))
    lengths = np.clip(
        np.round(rng.normal(sequencing.fragment_mean, sequencing.fragment_sd, count)).astype(int),
        sequencing.length,
        len(bases),
    )
    middles = rng.choice(len(bases), size=count, p=weights / weights.sum())
    starts = np.clip(middles - lengths // 2, 0, len(bases) - lengths)
    within = np.arange(sequencing.length)
    forward = bases[starts[:, None] + within]
    backward = COMPLEMENT[bases[(starts + lengths - 1)[:, None] - within]]
    return forward, backward


def on_target(template: Template, weights: np.ndarray, sequencing: Sequencing) -> float:
    """The share of bases that are read where they were to be captured, of fragments of mean length."""
    if not template.captured:
        return 1.0
    flank = FLANK if template.flanked else 0
    target = np.zeros(len(weights))
    for start, end in template.captured:
        target[flank + start : flank + end] = 1
    before = np.concatenate([[0], np.cumsum(target)])
    half, last = int(sequencing.fragment_mean // 2), len(weights) - sequencing.length
    middles = np.arange(len(weights))
    starts = (np.clip(middles - half, 0, last), np.clip(middles + half - sequencing.length, 0, last))
    inside = sum(before[start + sequencing.length] - before[start] for start in starts)
    return float((weights * inside).sum() / weights.sum() / (2 * sequencing.length))


def start_weights(template: Template, bases: int, sequencing: Sequencing) -> np.ndarray:
    """How likely a fragment's middle is at each base: alike everywhere, or near what was captured."""
    if not template.captured:
        return np.ones(bases)
    weights = np.full(bases, 0.002)
    reach = int(sequencing.fragment_mean // 3)
    flank = FLANK if template.flanked else 0
    for start, end in template.captured:
        weights[max(0, flank + start - reach) : flank + end + reach] = 1.0
    return weights


def misread(reads: np.ndarray, errors: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Put wrong bases into reads, two of three of them where the quality is poor; return reads and qualities.

    Poor bases grow more frequent towards the end of a read.
    """
    length = reads.shape[1]
    rise = np.linspace(0.3, 1.7, length)
    poor = rng.random(reads.shape, dtype=np.float32) < POOR_SHARE * rise
    chance = np.where(poor, errors * 0.67 / POOR_SHARE, errors * 0.33)
    wrong = rng.random(reads.shape, dtype=np.float32) < chance
    misread_bases = reads.copy()
    codes = np.searchsorted(LETTERS, reads[wrong])
    misread_bases[wrong] = LETTERS[(codes + rng.integers(1, 4, codes.size)) % 4]
    return misread_bases, np.where(poor, np.uint8(POOR), np.uint8(GOOD))


def fastq(bases: np.ndarray, qualities: np.ndarray, name: str, mate: int, first: int = 0) -> bytes:
    """Write reads (reads x length, as bytes) as FASTQ; a read's name is that of the sample, its number and its mate."""
    count = len(bases)
    if count == 0:
        return b""
    heads = np.char.mod(f"@{name}:%09d/{mate}\n", np.arange(first, first + count)).astype(bytes)
    parts = [
        heads.view(np.uint8).reshape(count, -1),
        bases,
        np.broadcast_to(np.frombuffer(b"\n+\n", dtype=np.uint8), (count, 3)),
        qualities,
        np.full((count, 1), ord("\n"), dtype=np.uint8),
    ]
    return np.concatenate(parts, axis=1).tobytes()


def write_pairs(
    templates: Sequence[Template], sequencing: Sequencing, name: str, seed: int, fq1: Path, fq2: Path
) -> int:
    """Write the pairs of a sample as gzip FASTQ files, and return how many they are."""
    rng = np.random.default_rng([seed, *name.encode()])
    first, first_qualities, second, second_qualities, _ = make_pairs(templates, sequencing, rng)
    for path, bases, qualities, mate in ((fq1, first, first_qualities, 1), (fq2, second, second_qualities, 2)):
        path.write_bytes(igzip.compress(fastq(bases, qualities, name, mate), compresslevel=1, mtime=0))
    return len(first)
