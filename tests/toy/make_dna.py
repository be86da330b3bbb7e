"""Make DNA reads of one sample of which it is known which are duplicates, and the variants that the sample has."""

import random
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.toy.make_genomes import reverse_complement
from tests.toy.make_reads import ADAPTERS
from tests.toy.pack import pack

NAME = "fungus_dna"
BASES = 100
FRAGMENT_MEAN, FRAGMENT_SD = 300, 40  # bases
BASES_A_VARIANT = 500
KNOWN = 0.9  # share of the sample's variants that the file of known sites has
TWICE = 0.1  # share of fragments of a library that are read again
# Errors are as many as these qualities claim; lane 2 claims more than is true.
QUALITIES = (37, 33, 27)
OVERSTATED = {1: 0, 2: 4}  # Phred, by lane of the flow cell
FLOW_CELL = "TOYFCX1"
NEAR, FAR = 60, 20_000  # pixels; duplicates within 100 of each other are optical


# Stretches that the genome has several of: contig, start (0-based) and end.
Copies = Collection[tuple[str, int, int]]


@dataclass(frozen=True, slots=True)
class Variant:
    """A base that the sample has on both chromosomes; `position` is 1-based."""

    contig: str
    position: int
    reference: str
    base: str


@dataclass(frozen=True, slots=True)
class Lane:
    """One pair of files: `number` is the lane of the flow cell."""

    library: str
    number: int

    @property
    def name(self) -> str:
        return f"{self.library}{self.number}"

    def files(self) -> list[str]:
        return [f"{NAME}_{self.name}_R{mate}.fastq.gz" for mate in (1, 2)]


LANES = tuple(Lane(library, number) for library in "AB" for number in (1, 2))


@dataclass(frozen=True, slots=True)
class Fragment:
    contig: str
    start: int
    size: int
    reverse: bool

    def overlaps_any(self, others: Copies) -> bool:
        return any(
            self.contig == contig and self.start < end and start < self.start + self.size
            for contig, start, end in others
        )

    def ends(self) -> set[tuple[str, int, str]]:
        return {(self.contig, self.start, "start"), (self.contig, self.start + self.size, "end")}


def plant_variants(genome: Mapping[str, str], copies: Copies, rng: random.Random) -> list[Variant]:
    """Choose one place in each 500 bases, not near the ends of contigs or in copies, and another base for it."""
    variants = []
    for contig, sequence in genome.items():
        for start in range(BASES_A_VARIANT, len(sequence) - BASES_A_VARIANT, BASES_A_VARIANT):
            place = start + rng.randrange(BASES_A_VARIANT // 2)
            if Fragment(contig, place - BASES, 2 * BASES, False).overlaps_any(copies):
                continue
            reference = sequence[place]
            variants.append(Variant(contig, place + 1, reference, rng.choice("ACGT".replace(reference, ""))))
    return variants


def put_in(genome: Mapping[str, str], variants: list[Variant]) -> dict[str, str]:
    letters = {contig: list(sequence) for contig, sequence in genome.items()}
    for variant in variants:
        letters[variant.contig][variant.position - 1] = variant.base
    return {contig: "".join(sequence) for contig, sequence in letters.items()}


def vcf_text(genome: Mapping[str, str], variants: list[Variant]) -> str:
    contigs = "".join(f"##contig=<ID={contig},length={len(sequence)}>\n" for contig, sequence in genome.items())
    rows = "".join(f"{one.contig}\t{one.position}\t.\t{one.reference}\t{one.base}\t.\t.\t.\n" for one in variants)
    return f"##fileformat=VCFv4.2\n{contigs}#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n{rows}"


def choose_fragments(
    genome: Mapping[str, str], copies: Copies, count: int, rng: random.Random, others: Iterable[Fragment] = ()
) -> list[Fragment]:
    """Choose fragments that share no start and no end, neither with `others`: only planned copies are duplicates."""
    contigs, weights = list(genome), [len(sequence) for sequence in genome.values()]
    chosen: list[Fragment] = []
    taken = {end for fragment in others for end in fragment.ends()}
    while len(chosen) < count:
        (contig,) = rng.choices(contigs, weights)
        size = max(int(rng.gauss(FRAGMENT_MEAN, FRAGMENT_SD)), BASES)
        start = rng.randrange(len(genome[contig]) - size)
        fragment = Fragment(contig, start, size, rng.random() < 0.5)
        # Where one sequence is there several times, chance alone says where a read is placed.
        if not fragment.ends() & taken and not fragment.overlaps_any(copies):
            taken |= fragment.ends()
            chosen.append(fragment)
    return chosen


def read_pair(fragment: Fragment, genome: Mapping[str, str], lane: Lane, worse: int, rng: random.Random) -> list[str]:
    """Read both ends of a fragment; `worse`: how much lower than usual the qualities are, in Phred."""
    bases = genome[fragment.contig][fragment.start : fragment.start + fragment.size]
    if fragment.reverse:
        bases = reverse_complement(bases)
    ends = (bases, reverse_complement(bases))
    return [read_end(end, adapter, lane, worse, rng) for end, adapter in zip(ends, ADAPTERS, strict=True)]


def read_end(fragment: str, adapter: str, lane: Lane, worse: int, rng: random.Random) -> str:
    bases = (fragment + adapter).ljust(BASES, "A")[:BASES]
    letters, qualities = [], []
    for place, base in enumerate(bases):
        quality = QUALITIES[place * len(QUALITIES) // BASES] - worse
        if rng.random() < 10 ** (-quality / 10):
            base = rng.choice("ACGT".replace(base, ""))
        letters.append(base)
        qualities.append(chr(33 + quality + OVERSTATED[lane.number]))
    return f"{''.join(letters)}\n+\n{''.join(qualities)}\n"


def make_lanes(
    genome: Mapping[str, str], copies: Copies, pairs: int, rng: random.Random
) -> Iterator[tuple[Lane, str, list[str], str]]:
    """Yield the pairs of all lanes: lane, name, both reads, and what a duplicate is of ("" for a first copy).

    Both libraries have the same fragments first of all, which are no duplicates of each other. Some fragments are read
    twice within a library: on the same lane nearby (optical), on the same lane far off, or on the other lane. The
    second copy has lower qualities, so that the first one is the one to keep.
    """
    shared = choose_fragments(genome, copies, pairs // 4, rng)
    number = 0
    for library in "AB":
        for fragment in [*shared, *choose_fragments(genome, copies, pairs - len(shared), rng, shared)]:
            number += 1
            lane = Lane(library, rng.choice((1, 2)))
            x, y = rng.randrange(FAR, 2 * FAR), rng.randrange(FAR)
            name = read_name(lane, x, y, number)
            yield lane, name, read_pair(fragment, genome, lane, 0, rng), ""
            if rng.random() < TWICE:
                number += 1
                kind = rng.choice(("optical", "far", "other lane"))
                other = Lane(library, 3 - lane.number) if kind == "other lane" else lane
                copy = read_name(other, x + (NEAR if kind == "optical" else FAR), y, number)
                yield other, copy, read_pair(fragment, genome, other, 8, rng), kind


def read_name(lane: Lane, x: int, y: int, number: int) -> str:
    """A name as Illumina writes it; the run's number tells the pairs apart, and is none that Picard looks at."""
    return f"TOY:{number}:{FLOW_CELL}:{lane.number}:1101:{x}:{y}"


def make_dna(genome: Mapping[str, str], copies: Copies, pairs: int, seed: int, reads: Path, truth: Path) -> None:
    """Write reads of `pairs` fragments a library and known sites to `reads`, and to `truth` duplicates and variants."""
    rng = random.Random(f"{seed}/dna")
    variants = plant_variants(genome, copies, rng)
    known = [variant for variant in variants if rng.random() < KNOWN]
    (reads / f"{NAME}_known_sites.vcf").write_text(vcf_text(genome, known))
    (truth / f"{NAME}.variants.vcf").write_text(vcf_text(genome, variants))
    texts: dict[str, list[str]] = {name: [] for lane in LANES for name in lane.files()}
    duplicates = []
    for lane, name, ends, kind in make_lanes(put_in(genome, variants), copies, pairs, rng):
        if kind:
            duplicates.append(f"{name}\t{lane.library}\t{kind}\n")
        for mate, (file, end) in enumerate(zip(lane.files(), ends, strict=True), start=1):
            texts[file].append(f"@{name} {mate}:N:0:TOY\n{end}")
    for file, records in texts.items():
        (reads / file).write_bytes(pack("".join(records).encode()))
    (truth / f"{NAME}.duplicates.tsv").write_text("".join(["name\tlibrary\tkind\n", *duplicates]))


def ask_for_dna(config: Path, organism: str, reads: str) -> None:
    """Add the sample, and known sites of its organism, to the tables that are there, where `reads` are named so."""
    table = config / "organisms.tsv"
    header, *rows = table.read_text().splitlines()
    sites = [f"{reads}/{NAME}_known_sites.vcf" if row.startswith(f"{organism}\t") else "" for row in rows]
    lines = [f"{header}\tknown_sites", *(f"{row}\t{site}" for row, site in zip(rows, sites, strict=True))]
    table.write_text("\n".join(lines) + "\n")
    table = config / "samples.tsv"
    header, *rows = table.read_text().splitlines()
    lanes = [
        "\t".join([NAME, lane.name, "align", organism, *(f"{reads}/{name}" for name in lane.files()), lane.library])
        for lane in LANES
    ]
    table.write_text("\n".join([f"{header}\tlibrary", *(f"{row}\t" for row in rows), *lanes]) + "\n")
