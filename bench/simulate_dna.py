"""Simulate paired DNA reads of a diploid donor whose every error, duplicate and variant follows from a seed.

Two lanes of one library; lane 1 overstates its qualities by 0.5 dB and lane 2 by 3 dB, both of them more towards the
end of a read and after the bases GG. A tenth of the pairs are duplicates, a fifth of those optical ones. Some fragments
are shorter than a read, and some pairs are rich in N, split between two places, or of no genome at all.

    python bench/simulate_dna.py DIRECTORY --pairs 800000 --genome 4900000 --seed 1
"""

import argparse
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from isal import igzip

BASES = 150
LANES = (1, 2)
CHUNK = 20000  # pairs
LETTERS = np.frombuffer(b"ACGTN", np.uint8)
N = 4
ADAPTERS = (
    b"AGATCGGAAGAGCACACGTCTGAACTCCAGTCACATCACGATCTCGTATG",
    b"AGATCGGAAGAGCGTCGTGTAGGGAAAGAGTGTAGATCTCGGTGGTCGCC",
)
QUALITIES = np.array([41, 37, 32, 27, 22, 12], np.uint8)  # of a patterned flow cell; 2 stands for N
OVERSTATED = {1: 0.5, 2: 3.0}  # dB, by lane
OVERSTATED_AT_END, OVERSTATED_AFTER_GG = 2.0, 3.0  # dB
DUPLICATES, OPTICAL = 0.1, 0.2
READ_THROUGH, N_RICH, SPLIT, NOT_OF_GENOME = 0.03, 0.003, 0.005, 0.005
SNVS, INDELS, KNOWN, UNUSED_KNOWN = 1e-3, 1e-4, 0.9, 3e-3  # a base; the share of the donor's; a base


@dataclass(frozen=True)
class Variant:
    """A difference between the donor and the genome; `place` counts from 0, `homozygous`: on both haplotypes."""

    contig: str
    place: int
    reference: str
    alternative: str
    homozygous: bool


@dataclass(frozen=True)
class Donor:
    """The two haplotypes as codes of bases (0 to 3), the contigs one after the other, and where each contig ends."""

    haplotypes: tuple[np.ndarray, np.ndarray]
    ends: tuple[np.ndarray, np.ndarray]


def spell(codes: np.ndarray) -> str:
    return LETTERS[codes].tobytes().decode()


def make_genome(bases: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Two contigs of three and two fifths, with a repeat of 1,000 bases twenty times in each."""
    contigs = {}
    repeat = rng.integers(0, 4, 1000, np.uint8)
    for name, size in (("chr1", bases * 3 // 5), ("chr2", bases * 2 // 5)):
        contigs[name] = rng.choice(np.array([0, 1, 2, 3], np.uint8), size, p=[0.29, 0.21, 0.21, 0.29])
        for start in rng.integers(0, size - len(repeat), 20):
            contigs[name][start : start + len(repeat)] = repeat
    return contigs


def draw_variants(
    contig: str, codes: np.ndarray, rng: np.random.Generator, snvs: float, indels: float
) -> list[Variant]:
    """Draw variants 20 bases or more apart."""
    number = int(len(codes) * (snvs + indels))
    places = np.sort(rng.choice(len(codes) // 20 - 2, number, replace=False)) * 20 + 20
    variants = []
    for place in places.tolist():
        length = 0 if rng.random() < snvs / (snvs + indels) else int(rng.choice([-6, -3, -2, -1, 1, 2, 3, 6]))
        reference = spell(codes[place : place + 1 + max(-length, 0)])
        if length:
            alternative = reference[0] + spell(rng.integers(0, 4, max(length, 0)))
        else:
            alternative = spell((codes[place : place + 1] + rng.integers(1, 4)) % 4)
        variants.append(Variant(contig, place, reference, alternative, bool(rng.random() < 0.4)))
    return variants


def make_donor(genome: dict[str, np.ndarray], variants: list[Variant]) -> Donor:
    """The heterozygous variants are all on the first haplotype."""
    code_of = {letter: code for code, letter in enumerate("ACGT")}
    haplotypes, ends = [], []
    for only_homozygous in (False, True):
        pieces, sizes = [], []
        for contig, codes in genome.items():
            before, last = len(pieces), 0
            for variant in variants:
                if variant.contig == contig and (variant.homozygous or not only_homozygous):
                    pieces.append(codes[last : variant.place])
                    pieces.append(np.array([code_of[letter] for letter in variant.alternative], np.uint8))
                    last = variant.place + len(variant.reference)
            pieces.append(codes[last:])
            sizes.append(sum(map(len, pieces[before:])))
        haplotypes.append(np.concatenate(pieces))
        ends.append(np.cumsum(sizes))
    return Donor(tuple(haplotypes), tuple(ends))


@dataclass
class Pairs:
    """A chunk of pairs: for each its haplotype, start and size of the fragment, strand, and place on the flow cell."""

    haplotype: np.ndarray
    start: np.ndarray
    size: np.ndarray
    turned: np.ndarray
    lane: np.ndarray
    tile: np.ndarray
    x: np.ndarray
    y: np.ndarray


def draw_pairs(number: int, donor: Donor, rng: np.random.Generator) -> Pairs:
    size = np.clip(rng.normal(350, 70, number), BASES + 10, 700).astype(np.int64)
    short = rng.random(number) < READ_THROUGH
    size[short] = rng.integers(80, BASES, short.sum())
    haplotype = rng.integers(0, 2, number)
    start = np.empty(number, np.int64)
    for which, ends in enumerate(donor.ends):
        rows = haplotype == which
        drawn = rng.integers(0, ends[-1] - 700, rows.sum())
        across = np.searchsorted(ends, drawn, "right") != np.searchsorted(ends, drawn + 700, "right")
        start[rows] = np.where(across, drawn - 700, drawn)
    pairs = Pairs(
        haplotype=haplotype,
        start=start,
        size=size,
        turned=rng.random(number) < 0.5,
        lane=rng.integers(LANES[0], LANES[-1] + 1, number),
        tile=1101 + rng.integers(0, 20, number),
        x=rng.integers(15000, 32000, number),
        y=rng.integers(15000, 49000, number),
    )
    originals, copies = np.array_split(rng.permutation(number), [int(number * (1 - DUPLICATES))])
    originals = originals[: len(copies)]
    for array in (pairs.haplotype, pairs.start, pairs.size, pairs.turned):
        array[copies] = array[originals]
    optical = int(len(copies) * OPTICAL)
    for array, distance in ((pairs.lane, 0), (pairs.tile, 0), (pairs.x, 60), (pairs.y, 60)):
        array[copies[:optical]] = array[originals[:optical]] + rng.integers(0, distance + 1, optical)
    return pairs


def read_bases(pairs: Pairs, donor: Donor, mate: int) -> np.ndarray:
    """The bases of one mate without errors, as codes: an array of pairs x BASES."""
    forward = pairs.turned == (mate == 1)
    first = np.where(forward, pairs.start, pairs.start + pairs.size - 1)
    step = np.where(forward, 1, -1)
    places = first[:, None] + step[:, None] * np.arange(BASES)
    codes = np.empty(places.shape, np.uint8)
    for which, haplotype in enumerate(donor.haplotypes):
        rows = pairs.haplotype == which
        codes[rows] = haplotype.take(places[rows], mode="clip")
    codes[~forward] = 3 - codes[~forward]
    adapter = np.searchsorted(LETTERS[:4], np.frombuffer(ADAPTERS[mate].ljust(BASES, b"A"), np.uint8)).astype(np.uint8)
    for row in np.flatnonzero(pairs.size < BASES):
        codes[row, pairs.size[row] :] = adapter[: BASES - pairs.size[row]]
    return codes


def quality_table() -> np.ndarray:
    """The quality for each of 4 kinds of reads, each cycle and each of 256 draws: good reads stay good for longer."""
    kinds, cycles, draws = np.ogrid[:4, :BASES, :256]
    level = (draws / 256) ** 3 * (1.2 + 3.8 * (cycles / BASES) ** 1.5 * (1 + kinds) / 2)
    return QUALITIES[np.minimum(level.astype(int), len(QUALITIES) - 1)]


def error_table(lane: int) -> np.ndarray:
    """The chance of an error for each quality (0 to 41), cycle, and without or after GG."""
    qualities, cycles, after_gg = np.ogrid[:42, :BASES, :2]
    true = qualities - OVERSTATED[lane] - OVERSTATED_AT_END * cycles / BASES - OVERSTATED_AFTER_GG * after_gg
    return np.minimum(10 ** (-true / 10), 0.75).astype(np.float32)


def sequence(pairs: Pairs, donor: Donor, mate: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Codes of bases with errors, and qualities, both pairs x BASES."""
    codes = read_bases(pairs, donor, mate)
    number, cycles = len(codes), np.arange(BASES)
    kinds = rng.integers(0, 4, number)
    qualities = quality_table()[kinds[:, None], cycles, rng.integers(0, 256, codes.shape, np.uint8)]
    after_gg = np.zeros(codes.shape, np.uint8)
    after_gg[:, 2:] = (codes[:, :-2] == 2) & (codes[:, 1:-1] == 2)
    chance = np.empty(codes.shape, np.float32)
    for lane in LANES:
        rows = pairs.lane == lane
        flat = (qualities[rows].astype(np.int32) * BASES + cycles) * 2 + after_gg[rows]
        chance[rows] = error_table(lane).ravel().take(flat)
    wrong = rng.random(codes.shape, np.float32) < chance
    codes[wrong] = (codes[wrong] + rng.integers(1, 4, wrong.sum())) % 4
    return codes, qualities


def spoil(mates: list[tuple[np.ndarray, np.ndarray]], rng: np.random.Generator) -> None:
    """Make some pairs random, split or rich in N."""
    number = len(mates[0][0])
    kinds = rng.random(number)
    of_nothing = np.flatnonzero(kinds < NOT_OF_GENOME)
    split = np.flatnonzero((kinds >= NOT_OF_GENOME) & (kinds < NOT_OF_GENOME + SPLIT))
    n_rich = np.flatnonzero(kinds > 1 - N_RICH)
    mates[0][0][split, BASES // 2 :] = mates[0][0][(split + 1) % number, BASES // 2 :]
    for codes, qualities in mates:
        codes[of_nothing] = rng.integers(0, 4, (len(of_nothing), BASES), np.uint8)
        unread = rng.random((len(n_rich), BASES)) < 0.3
        codes[n_rich] = np.where(unread, N, codes[n_rich])
        qualities[n_rich] = np.where(unread, 2, qualities[n_rich])


def digits(numbers: np.ndarray, width: int) -> np.ndarray:
    """Numbers in decimal, as an array of numbers x width."""
    return (numbers[:, None] // 10 ** np.arange(width - 1, -1, -1) % 10 + ord("0")).astype(np.uint8)


def fastq(pairs: Pairs, mate: int, codes: np.ndarray, qualities: np.ndarray) -> np.ndarray:
    """FASTQ records, all of one length, as an array of pairs x characters."""

    def same(text: str) -> np.ndarray:
        return np.broadcast_to(np.frombuffer(text.encode(), np.uint8), (len(codes), len(text)))

    place = [digits(number, width) for number, width in ((pairs.lane, 1), (pairs.tile, 4), (pairs.x, 5), (pairs.y, 5))]
    name = [same("@SIM:1:FCX1:"), place[0], same(":"), place[1], same(":"), place[2], same(":"), place[3]]
    comment = same(f" {mate + 1}:N:0:ATCACG\n")
    return np.hstack([*name, comment, LETTERS[codes], same("\n+\n"), qualities + 33, same("\n")])


def read_chunks(pairs: int, donor: Donor, rng: np.random.Generator) -> Iterator[tuple[int, int, np.ndarray]]:
    """Yield lane, mate (0 or 1) and FASTQ records."""
    for done in range(0, pairs, CHUNK):
        drawn = draw_pairs(min(CHUNK, pairs - done), donor, rng)
        mates = [sequence(drawn, donor, mate, rng) for mate in (0, 1)]
        spoil(mates, rng)
        for mate, (codes, qualities) in enumerate(mates):
            records = fastq(drawn, mate, codes, qualities)
            for lane in LANES:
                yield lane, mate, records[drawn.lane == lane]


def write_vcf(path: Path, genome: dict[str, np.ndarray], variants: list[Variant], genotypes: bool) -> None:
    with path.open("w") as text:
        text.write("##fileformat=VCFv4.2\n")
        text.writelines(f"##contig=<ID={name},length={len(codes)}>\n" for name, codes in genome.items())
        if genotypes:
            text.write('##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n')
        text.write("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO" + "\tFORMAT\tdonor" * genotypes + "\n")
        for row in variants:
            genotype = ("\tGT\t1/1" if row.homozygous else "\tGT\t0/1") * genotypes
            text.write(f"{row.contig}\t{row.place + 1}\t.\t{row.reference}\t{row.alternative}\t.\tPASS\t.{genotype}\n")


def simulate(directory: Path, pairs: int, genome_size: int, seed: int) -> None:
    """Write genome.fa, truth.vcf, known.vcf and donor_FCX1_L{lane}_{mate}.fastq.gz into a directory."""
    rng = np.random.default_rng(seed)
    genome = make_genome(genome_size, rng)
    donors, known = [], []
    for contig, codes in genome.items():
        own = draw_variants(contig, codes, rng, SNVS, INDELS)
        taken = {variant.place for variant in own}
        others = [v for v in draw_variants(contig, codes, rng, UNUSED_KNOWN, 0) if v.place not in taken]
        donors += own
        known += sorted(
            [*(variant for variant in own if rng.random() < KNOWN), *others], key=lambda variant: variant.place
        )
    with (directory / "genome.fa").open("w") as text:
        for name, codes in genome.items():
            bases = spell(codes)
            text.write(f">{name}\n" + "".join(f"{bases[at : at + 60]}\n" for at in range(0, len(bases), 60)))
    write_vcf(directory / "truth.vcf", genome, donors, genotypes=True)
    write_vcf(directory / "known.vcf", genome, known, genotypes=False)
    with ExitStack() as files:
        targets: dict[tuple[int, int], BinaryIO] = {
            (lane, mate): files.enter_context(
                igzip.open(directory / f"donor_FCX1_L{lane}_{mate + 1}.fastq.gz", "wb", compresslevel=1)
            )
            for lane in LANES
            for mate in (0, 1)
        }
        for lane, mate, records in read_chunks(pairs, make_donor(genome, donors), rng):
            targets[lane, mate].write(records.tobytes())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--pairs", type=int, default=800_000)
    parser.add_argument("--genome", type=int, default=4_900_000, help="bases")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    arguments.directory.mkdir(parents=True, exist_ok=True)
    simulate(arguments.directory, arguments.pairs, arguments.genome, arguments.seed)


if __name__ == "__main__":
    main()
