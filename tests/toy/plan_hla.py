"""Make up HLA alleles as a tree: kins of loci, families, proteins, silent and intronic changes.

No sequence is real: all comes from the seed. Names follow the WHO's rules:
https://hla.alleles.org/nomenclature/naming.html
"""

import random
from dataclasses import dataclass

CODONS = dict(
    zip(
        (a + b + c for a in "TCAG" for b in "TCAG" for c in "TCAG"),
        "FFLLSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG",
        strict=True,
    )
)
UNTRANSLATED = 150  # bases before the first exon, and after the last
INSERTED = 4  # bases that some families have in their first intron
BETWEEN_LOCI, BETWEEN_FAMILIES, BETWEEN_PROTEINS = 0.07, 12, 3  # a base; codons in the exons that bind the peptide


@dataclass(frozen=True, slots=True)
class Locus:
    """A locus: lengths of its exons in bases, and the exons (counted from 1) that make the peptide's groove."""

    name: str
    kin: str
    exons: tuple[int, ...]
    groove: tuple[int, ...]
    families: int = 5
    decoy: bool = False


CLASS_I = (73, 270, 276, 276, 117, 33, 48, 5)
DRB = (100, 270, 282, 111, 24, 14)
DPA = (100, 246, 282, 155)
LOCI = (
    *(Locus(name, "I", CLASS_I, (2, 3)) for name in "ABC"),
    *(Locus(name, "I", CLASS_I, (2, 3), 1, True) for name in "HJ"),
    Locus("DRB1", "DRB", DRB, (2,)),
    *(Locus(f"DRB{number}", "DRB", DRB, (2,), 2) for number in (3, 4, 5)),
    Locus("DRB6", "DRB", DRB, (2,), 1, True),
    Locus("DQA1", "DQA", (82, 249, 282, 155), (2,)),
    Locus("DQB1", "DQB", (109, 270, 282, 111, 14), (2,)),
    Locus("DPA1", "DPA", DPA, (2,)),
    Locus("DPA2", "DPA", DPA, (2,), 1, True),
    Locus("DPB1", "DPB", (100, 264, 282, 111, 20), (2,)),
)


@dataclass(frozen=True, slots=True)
class Allele:
    """An allele: `parts` are, in turns, untranslated or intron and exon, all alleles of a locus over the same columns.

    `.` is a column that the allele has no base in. Of `known` exons (counted from 1) the sequence is published, and of
    the rest of the gene if `genomic`.
    """

    locus: str
    name: str
    parts: tuple[str, ...]
    known: tuple[int, ...]
    genomic: bool

    def exon(self, number: int) -> str:
        return self.parts[2 * number - 1]

    def bases(self) -> str:
        """All of its bases, known or not: what a cell with this allele has."""
        return "".join(self.parts).replace(".", "")


class Gene:
    """The columns of a gene while it is changed."""

    def __init__(self, parts: list[list[str]], coding: list[tuple[int, int]]) -> None:
        self.parts, self.coding = parts, coding

    def copy(self) -> "Gene":
        return Gene([part[:] for part in self.parts], self.coding)

    def codon(self, number: int) -> str:
        return "".join(self.parts[part][column] for part, column in self.coding[3 * number : 3 * number + 3])

    def codons_of(self, exons: tuple[int, ...]) -> list[int]:
        """The codons that begin in these exons, but for the first and the last of the gene."""
        wanted = {2 * exon - 1 for exon in exons}
        return [number for number in range(1, len(self.coding) // 3 - 1) if self.coding[3 * number][0] in wanted]

    def change_codons(self, exons: tuple[int, ...], count: int, silent: bool, rng: random.Random) -> None:
        """Change one base in each of `count` codons, with or without changing the protein; none becomes a stop."""
        places = self.codons_of(exons)
        rng.shuffle(places)
        for number in places:
            choices = self.other_codons(number, silent) if count else []
            if choices:
                offset, base = rng.choice(choices)
                part, column = self.coding[3 * number + offset]
                self.parts[part][column] = base
                count -= 1

    def other_codons(self, number: int, silent: bool) -> list[tuple[int, str]]:
        codon = self.codon(number)
        if "." in codon:
            return []
        found = []
        for offset in range(3):
            for base in "ACGT".replace(codon[offset], ""):
                meaning = CODONS[codon[:offset] + base + codon[offset + 1 :]]
                if meaning != "*" and (meaning == CODONS[codon]) == silent:
                    found.append((offset, base))
        return found

    def change_introns(self, count: int, rng: random.Random) -> None:
        for _ in range(count):
            part = self.parts[rng.choice(range(0, len(self.parts), 2))]
            column = rng.choice([column for column, base in enumerate(part) if base != "."])
            part[column] = rng.choice("ACGT".replace(part[column], ""))

    def delete_codon(self, number: int) -> None:
        for part, column in self.coding[3 * number : 3 * number + 3]:
            self.parts[part][column] = "."


def make_gene(locus: Locus, rng: random.Random) -> Gene:
    """Make the ancestor of a kin: random bases, open from its start to its stop."""
    meaningful = [codon for codon, meaning in CODONS.items() if meaning != "*"]
    codons = ["ATG", *rng.choices(meaningful, k=sum(locus.exons) // 3 - 2), "TGA"]
    bases, parts, coding = list("".join(codons)), [rng.choices("ACGT", k=UNTRANSLATED)], []
    for number, length in enumerate(locus.exons, start=1):
        exon = [bases.pop(0) for _ in range(length)]
        coding += [(len(parts), column) for column in range(length)]
        last = number == len(locus.exons)
        parts += [exon, rng.choices("ACGT", k=UNTRANSLATED if last else rng.randrange(120, 260))]
    parts[2][60:60] = "." * INSERTED
    return Gene(parts, coding)


def plan_alleles(seed: int) -> dict[str, list[Allele]]:
    """Plan all alleles of a release, by locus; the first of a locus is the one that others are compared with."""
    ancestors: dict[str, Gene] = {}
    found = {}
    for locus in LOCI:
        rng = random.Random(f"{seed}/hla/{locus.name}")
        if locus.kin not in ancestors:
            ancestors[locus.kin] = make_gene(locus, random.Random(f"{seed}/hla/kin {locus.kin}"))
        gene = ancestors[locus.kin].copy()
        everywhere = tuple(range(1, len(locus.exons) + 1))
        gene.change_codons(everywhere, int(BETWEEN_LOCI * sum(locus.exons) * 0.7), False, rng)
        gene.change_codons(everywhere, int(BETWEEN_LOCI * sum(locus.exons) * 0.3), True, rng)
        gene.change_introns(int(BETWEEN_LOCI * sum(map(len, gene.parts[::2]))), rng)
        found[locus.name] = [
            allele for family in range(1, locus.families + 1) for allele in plan_family(locus, gene, family, rng)
        ]
    return found


def plan_family(locus: Locus, ancestor: Gene, number: int, rng: random.Random) -> list[Allele]:
    """Plan one family (first field): what differs in introns, silently, in a protein; what is known in part."""
    everywhere = tuple(range(1, len(locus.exons) + 1))
    rest = tuple(exon for exon in everywhere if exon not in locus.groove)
    founder = ancestor.copy()
    if number > 1:
        founder.change_codons(locus.groove, BETWEEN_FAMILIES, False, rng)
        founder.change_codons(locus.groove, BETWEEN_FAMILIES // 2, True, rng)
        founder.change_codons(rest, 4, False, rng)
        founder.change_introns(12, rng)
    if number == 2:
        founder.parts[2][60 : 60 + INSERTED] = rng.choices("ACGT", k=INSERTED)
    if number == 3:
        founder.delete_codon(founder.codons_of((1,))[4])

    def changed(gene: Gene, exons: tuple[int, ...], count: int, silent: bool = False, introns: int = 0) -> Gene:
        made = gene.copy()
        made.change_codons(exons, count, silent, rng)
        made.change_introns(introns, rng)
        return made

    def allele(fields: str, gene: Gene, known: tuple[int, ...] = everywhere, genomic: bool = True) -> Allele:
        name = f"{locus.name}*{number:02d}:{fields}"
        return Allele(locus.name, name, tuple("".join(part) for part in gene.parts), known, genomic)

    family = [
        allele("01:01:01", founder),
        allele("01:01:02", changed(founder, (), 0, introns=2)),
        allele("01:02", changed(founder, locus.groove, 1, silent=True, introns=1)),
        allele("02", changed(founder, locus.groove, BETWEEN_PROTEINS, introns=2)),
    ]
    if not locus.decoy:
        outside = (max(locus.groove) + 1,)
        family += [
            allele("03", changed(founder, locus.groove, BETWEEN_PROTEINS), genomic=False),
            allele("04", changed(founder, locus.groove, BETWEEN_PROTEINS), known=locus.groove, genomic=False),
            allele("05", changed(founder, outside, 1)),  # alike in the groove, and so in the first one's G group
        ]
    if number == 1 and locus.name == "A":
        family.append(allele("06N", without_a_base(founder, locus.groove[0])))
    return family


def without_a_base(gene: Gene, exon: int) -> Gene:
    """Lose one base of an exon, which breaks the frame: the protein is not made."""
    made = gene.copy()
    made.parts[2 * exon - 1][40] = "."
    return made
