"""Make sequencing reads of which it is known where they come from."""

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate

from tests.toy.make_genomes import reverse_complement

FRAGMENT_MEAN, FRAGMENT_SD = 200, 30  # bases
EXPRESSION_SD = 1.2  # of the logarithm of a transcript's copies
ERRORS_A_BASE = 0.002
READ_THROUGH = 0.03  # share of fragments shorter than a read
ADAPTERS = ("AGATCGGAAGAGCACACGTCTGAACTCCAGTCA", "AGATCGGAAGAGCGTCGTGTAGGGAAAGAGTGT")  # of Illumina's TruSeq kits
STRANDS = ("unstranded", "forward", "reverse")
QUALITIES = "IIIIHHGGFF"
POOR = "+"


@dataclass(frozen=True, slots=True)
class Library:
    """How a sample was sequenced. `bases`: length of a read; `strand`: how the first read lies to its transcript."""

    bases: int = 100
    paired: bool = False
    strand: str = "unstranded"
    errors_a_base: float = ERRORS_A_BASE
    read_through: float = READ_THROUGH

    def __post_init__(self) -> None:
        if self.strand not in STRANDS:
            raise ValueError(f"strand {self.strand!r} is unknown; choose one of {', '.join(STRANDS)}")

    @property
    def library_type(self) -> str:
        """Salmon's letters for it: https://salmon.readthedocs.io/en/latest/library_type.html"""
        of_strand = {"unstranded": "U", "forward": "SF", "reverse": "SR"}[self.strand]
        return f"I{of_strand}" if self.paired else of_strand


def express(transcripts: Mapping[str, str], fragments: int, rng: random.Random) -> dict[str, int]:
    """Share out fragments to transcripts (sequences by id): log-normal copies, times the places where one can start."""
    weights = [
        rng.lognormvariate(0, EXPRESSION_SD) * max(len(bases) - FRAGMENT_MEAN + 1, 1) for bases in transcripts.values()
    ]
    drawn = Counter(rng.choices(list(transcripts), cum_weights=list(accumulate(weights)), k=fragments))
    return {name: drawn[name] for name in transcripts}


def make_reads(
    transcripts: Mapping[str, str], counts: Mapping[str, int], library: Library, sample: str, rng: random.Random
) -> Iterator[tuple[str, ...]]:
    """Yield the reads of each fragment, as FASTQ records: one, or two mates; fragments come in random order.

    The first word of a read's name is the same for mates; the second word is the transcript it comes from.
    """
    origins = [name for name, count in counts.items() for _ in range(count)]
    rng.shuffle(origins)
    qualities = make_qualities(library.bases, rng)
    for number, name in enumerate(origins, start=1):
        fragment = cut_fragment(transcripts[name], library, rng)
        if library.strand == "reverse" or (library.strand == "unstranded" and rng.random() < 0.5):
            fragment = reverse_complement(fragment)
        ends = (fragment, reverse_complement(fragment)) if library.paired else (fragment,)
        yield tuple(
            f"@{sample}:{number} {name}\n{read_end(end, adapter, library, qualities, rng)}"
            for end, adapter in zip(ends, ADAPTERS, strict=False)
        )


def cut_fragment(transcript: str, library: Library, rng: random.Random) -> str:
    """Cut a fragment out of a transcript; a few are shorter than a read."""
    if rng.random() < library.read_through:
        bases = int(library.bases * (0.6 + 0.35 * rng.random()))
    else:
        bases = max(int(rng.gauss(FRAGMENT_MEAN, FRAGMENT_SD)), library.bases)
    bases = min(bases, len(transcript))
    start = int(rng.random() * (len(transcript) - bases + 1))
    return transcript[start : start + bases]


def read_end(fragment: str, adapter: str, library: Library, qualities: list[str], rng: random.Random) -> str:
    """Read the beginning of a fragment, and on into the adapter; the three lines of a FASTQ record below its name."""
    bases = fragment[: library.bases]
    if len(bases) < library.bases:
        bases = (bases + adapter).ljust(library.bases, "A")[: library.bases]
    quality = qualities[int(rng.random() * len(qualities))]
    # At most one error a read: at these rates a second one hardly ever happens.
    if rng.random() < library.errors_a_base * library.bases:
        place = int(rng.random() * library.bases)
        wrong = rng.choice("ACGT".replace(bases[place], ""))
        bases = f"{bases[:place]}{wrong}{bases[place + 1 :]}"
        quality = f"{quality[:place]}{POOR}{quality[place + 1 :]}"
    return f"{bases}\n+\n{quality}\n"


def make_qualities(bases: int, rng: random.Random, count: int = 16) -> list[str]:
    """Make some lines of qualities (Phred + 33) that fall off towards the end of the read."""
    steps = len(QUALITIES)
    return [
        "".join(QUALITIES[min(place * steps // bases + rng.randrange(2), steps - 1)] for place in range(bases))
        for _ in range(count)
    ]
