"""Plan where the genes of a genome lie, and which transcripts they have."""

import random
from dataclasses import dataclass, replace

from tests.toy.choose_organisms import Organism

Exons = tuple[tuple[int, int], ...]

SLOT = {True: 2_950, False: 1_400}  # bases for one gene, spliced or not, with what lies between genes
SHORTEST_TRANSCRIPT = 300  # bases, so that a fragment of usual length fits
FAMILY = "fabulin"
FAMILY_SIZE = {True: 3, False: 2}
# What is made awkward; each takes the place of one gene.
ROLES = (
    "pseudogene",
    "transcript without a gene",
    "contig not in genome",
    "start after end",
    "ends beyond its contig",
    "transcript id used twice",
)


@dataclass(frozen=True, slots=True)
class Transcript:
    """`exons` are (start, end), 1-based, both ends included, ascending on the contig whatever the strand."""

    id: str
    gene: str
    contig: str
    strand: str
    exons: Exons


@dataclass(frozen=True, slots=True)
class Gene:
    """`family`: genes of a family have nearly the same sequence. `role`: why it is awkward, empty where it is not."""

    id: str
    name: str
    contig: str
    strand: str
    start: int
    end: int
    transcripts: tuple[Transcript, ...]
    family: str = ""
    role: str = ""


def plan_genes(organism: Organism, seed: int) -> list[Gene]:
    """Plan all genes of an organism, in the order of contigs and places, awkward ones among them."""
    rng = random.Random(f"{seed}/genes/{organism.name}")
    slots = [
        (contig, start)
        for contig, length in organism.contigs
        for start in range(1, length - SLOT[organism.spliced] + 2, SLOT[organism.spliced])
    ]
    roles = choose_roles(organism, slots, rng)
    ordinary = [place for place in range(len(slots)) if place not in roles]
    family = sorted(rng.sample(ordinary, min(FAMILY_SIZE[organism.spliced], len(ordinary))))
    family_shape = plan_shape(organism.spliced, 3, rng)
    genes = []
    for place, (contig, start) in enumerate(slots):
        role = roles.get(place, "")
        if place in family:
            shape = family_shape
        else:
            # Awkward genes have two exons, so that one can be awkward and the other not.
            shape = plan_shape(organism.spliced, 2 if role else rng.choice((1, 2, 2, 3, 3, 4, 5)), rng)
        gene = plan_gene(organism, place + 1, contig, start, shape, rng)
        genes.append(replace(gene, role=role, family=FAMILY if place in family else ""))
    return genes


def choose_roles(organism: Organism, slots: list[tuple[str, int]], rng: random.Random) -> dict[int, str]:
    """Choose which slots are awkward: the last is the end of a contig, and the twin of an id comes after the first."""
    last = len(slots) - 1
    places = rng.sample(range(1, last - 1), len(ROLES) - 2)
    return {**dict(zip(places, ROLES, strict=False)), last - 1: ROLES[-1], last: ROLES[-2]}


def plan_shape(spliced: bool, exons: int, rng: random.Random) -> list[int]:
    """Choose the lengths of exons and introns in turn: exon, intron, exon, ... in bases, 5' to 3'."""
    if not spliced:
        return [rng.randrange(350, 1_250)]
    if exons == 1:
        return [rng.randrange(400, 1_400)]
    lengths = [rng.randrange(150, 450) for _ in range(exons)]
    introns = [rng.randrange(60, 120) for _ in range(exons - 1)]
    return [length for pair in zip(lengths, introns, strict=False) for length in pair] + [lengths[-1]]


def plan_gene(organism: Organism, number: int, contig: str, slot: int, shape: list[int], rng: random.Random) -> Gene:
    """Place a gene of the shape somewhere in its slot, on either strand."""
    strand = rng.choice("+-")
    start = slot + rng.randrange(50, SLOT[organism.spliced] - sum(shape) - 20)
    end = start + sum(shape) - 1
    prefix = organism.assembly.upper().replace("_", "").replace(".", "")
    gene_id = f"{prefix}_{number:05d}"
    transcripts = tuple(
        Transcript(f"{gene_id}-T{version}", gene_id, contig, strand, place_exons(isoform, start, end, strand))
        for version, isoform in enumerate(plan_isoforms(shape), start=1)
    )
    return Gene(gene_id, f"fab{number}", contig, strand, start, end, transcripts)


def plan_isoforms(shape: list[int]) -> list[Exons]:
    """Plan unlike transcripts of a gene, in offsets from its 5' end (0-based, the end not included).

    All exons; without the second exon; with the first intron left in.
    """
    edges = [sum(shape[:place]) for place in range(len(shape) + 1)]
    exons = tuple((edges[place], edges[place + 1]) for place in range(0, len(shape), 2))
    isoforms = [exons]
    if len(exons) >= 3:
        isoforms.append((exons[0], *exons[2:]))
    if len(exons) >= 3 and shape[1] % 2:  # as good as by chance
        isoforms.append(((exons[0][0], exons[1][1]), *exons[2:]))
    return isoforms


def place_exons(offsets: Exons, start: int, end: int, strand: str) -> Exons:
    """Turn offsets from a gene's 5' end into places on its contig."""
    if strand == "+":
        return tuple((start + first, start + last - 1) for first, last in offsets)
    return tuple((end - last + 1, end - first) for first, last in reversed(offsets))
