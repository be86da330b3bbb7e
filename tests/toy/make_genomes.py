"""Make genomes: random letters, in which one gene's sequence is copied, nearly, to others."""

import random
from collections.abc import Iterable, Mapping

from tests.toy.choose_organisms import Organism
from tests.toy.plan_genes import Gene, Transcript

# 256 byte values shared out to letters: 102 of A and T (40 % GC, fungi), or 122 of G and C (48 %, bacteria).
LETTERS = {True: b"A" * 77 + b"T" * 77 + b"G" * 51 + b"C" * 51, False: b"A" * 67 + b"T" * 67 + b"G" * 61 + b"C" * 61}
COMPLEMENT = str.maketrans("ACGT", "TGCA")
BASES_A_LINE = 60
BASES_A_CHANGE = 100


def make_genome(organism: Organism, genes: Iterable[Gene], seed: int) -> dict[str, str]:
    """Make the sequence of each contig; `genes` are those planned on it, of which families come to be alike."""
    rng = random.Random(f"{seed}/genome/{organism.name}")
    genome = {name: random_bases(rng, length, organism.spliced) for name, length in organism.contigs}
    founders: dict[str, Gene] = {}
    for gene in genes:
        if gene.family and (founder := founders.setdefault(gene.family, gene)) is not gene:
            copy = change_bases(locus_of(genome, founder), rng)
            genome[gene.contig] = put(genome[gene.contig], gene.start, orient(copy, gene.strand))
    return genome


def random_bases(rng: random.Random, length: int, poor_in_gc: bool) -> str:
    return rng.randbytes(length).translate(LETTERS[poor_in_gc]).decode()


def change_bases(bases: str, rng: random.Random) -> str:
    """Change one base of each hundred: no stretch of hundred stays the same."""
    changed = list(bases)
    for start in range(0, len(bases), BASES_A_CHANGE):
        place = rng.randrange(start, min(start + BASES_A_CHANGE, len(bases)))
        changed[place] = rng.choice([base for base in "ACGT" if base != changed[place]])
    return "".join(changed)


def locus_of(genome: Mapping[str, str], gene: Gene) -> str:
    """Read a gene, introns and all, in the direction of transcription."""
    return orient(genome[gene.contig][gene.start - 1 : gene.end], gene.strand)


def sequence_of(genome: Mapping[str, str], transcript: Transcript) -> str:
    """Read a transcript, 5' to 3'. Exons are 1-based, both ends included, in ascending order."""
    bases = "".join(genome[transcript.contig][start - 1 : end] for start, end in transcript.exons)
    return orient(bases, transcript.strand)


def orient(bases: str, strand: str) -> str:
    return bases if strand == "+" else reverse_complement(bases)


def reverse_complement(bases: str) -> str:
    return bases.translate(COMPLEMENT)[::-1]


def put(contig: str, start: int, bases: str) -> str:
    """Replace the bases from `start` (1-based) on."""
    return contig[: start - 1] + bases + contig[start - 1 + len(bases) :]


def fasta_text(organism: Organism, contigs: Mapping[str, str]) -> str:
    """Write contigs as Ensembl does: 60 bases a line, and a header that tells the place of the contig.

    https://ftp.ensembl.org/pub/release-110/fasta/homo_sapiens/dna/README
    """
    lines = []
    for name, bases in contigs.items():
        lines.append(f">{name} dna:chromosome chromosome:{organism.assembly}:{name}:1:{len(bases)}:1 REF")
        lines += [bases[start : start + BASES_A_LINE] for start in range(0, len(bases), BASES_A_LINE)]
    return "\n".join(lines) + "\n"
