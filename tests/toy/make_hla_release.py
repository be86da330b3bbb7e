"""Write a made-up HLA release in the files and forms of IPD-IMGT/HLA: alignments, FASTA, lists, G and P groups.

Forms: https://www.ebi.ac.uk/ipd/imgt/hla/alignment/help/ and the headers of the release's own files.
"""

import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, pairwise
from pathlib import Path

from tests.toy.plan_hla import CODONS, LOCI, Allele, plan_alleles

VERSION = "0.1.0"
MEMBER_TIME = (2001, 1, 1, 0, 0, 0)  # the same seed makes the same bytes
GROOVE = {locus.name: locus.groove for locus in LOCI}
DECOYS = {locus.name for locus in LOCI if locus.decoy}
COMMON_PROTEINS = ("01", "02")


def make_hla_release(folder: Path, seed: int) -> dict[str, list[Allele]]:
    """Write a release to `folder`; return its alleles by locus.

    Alignments_Rel_010.zip (and alignments/ as plain files), hla_nuc.fasta, hla_gen.fasta, Allelelist.txt,
    wmda/hla_nom_g.txt, wmda/hla_nom_p.txt, and common.csv, a list of common alleles in the form of CIWD 3.0.
    """
    alleles = plan_alleles(seed)
    files = alignment_files(alleles)
    (folder / "alignments").mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / "alignments" / name).write_text(text)
    pack_alignments(folder / "Alignments_Rel_010.zip", files)
    every = list(chain.from_iterable(alleles.values()))
    number = {allele.name: f"HLA{place:05d}" for place, allele in enumerate(every, start=1)}
    (folder / "hla_nuc.fasta").write_text(fasta((a, number[a.name], coding_bases(a)) for a in every))
    (folder / "hla_gen.fasta").write_text(fasta((a, number[a.name], a.bases()) for a in every if a.genomic))
    listed = "".join(f"{number[allele.name]},{allele.name}\n" for allele in every)
    (folder / "Allelelist.txt").write_text(header("Allelelist.txt") + "AlleleID,Allele\n" + listed)
    (folder / "wmda").mkdir(exist_ok=True)
    for letter in "gp":
        name = f"hla_nom_{letter}.txt"
        (folder / "wmda" / name).write_text(header(name) + groups_text(alleles, letter.upper()))
    (folder / "common.csv").write_text(common_text(every))
    return alleles


def header(name: str) -> str:
    return (
        f"# file: {name}\n# date: 2001-01-01\n# version: IPD-IMGT/HLA {VERSION}\n"
        "# origin: made up from a seed, no real allele is in it\n# repository: none\n# author: tests/toy\n"
    )


def alignment_files(alleles: Mapping[str, list[Allele]]) -> dict[str, str]:
    """The text of each alignment file; coding sequences of all DRB loci share one, as in the real release."""
    together = [locus for locus in alleles if locus.startswith("DRB")]
    files = {"DRB_nuc.txt": nuc_alignment("DRB_nuc.txt", list(chain.from_iterable(alleles[name] for name in together)))}
    for locus, its in alleles.items():
        if locus not in together:
            files[f"{locus}_nuc.txt"] = nuc_alignment(f"{locus}_nuc.txt", its)
        files[f"{locus}_gen.txt"] = gen_alignment(f"{locus}_gen.txt", [one for one in its if one.genomic])
    return files


def pack_alignments(path: Path, files: Mapping[str, str]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(f"alignments/{name}", MEMBER_TIME), text)


def nuc_alignment(name: str, alleles: Sequence[Allele]) -> str:
    """Coding sequences in codons, 25 a row; `|` stands between exons."""
    count = len(alleles[0].parts) // 2
    rows = {
        one.name: [
            one.exon(number) if number in one.known else "*" * len(one.exon(number)) for number in range(1, count + 1)
        ]
        for one in alleles
    }
    return header(name) + "".join(blocks(rows, codon_cuts(next(iter(rows.values()))), 25, numbered_codons, "|"))


def gen_alignment(name: str, alleles: Sequence[Allele]) -> str:
    """Whole genes in tens, 10 a row; ` | ` stands between exons and introns."""
    rows = {one.name: list(one.parts) for one in alleles}
    columns = sum(map(len, alleles[0].parts))
    return header(name) + "".join(blocks(rows, list(range(0, columns, 10)), 10, numbered_bases, " | "))


def codon_cuts(reference: list[str]) -> list[int]:
    """The columns where a new codon of the reference begins."""
    bases = "".join(reference)
    letters = [column for column, base in enumerate(bases) if base != "."]
    return letters[::3]


def numbered_codons(column: int, reference: str) -> list[str]:
    before = len(reference[:column].replace(".", ""))
    codon = before // 3 - 24
    return [f" cDNA              {before + 1}", f" AA codon          {codon if codon < 0 else codon + 1}"]


def numbered_bases(column: int, reference: str) -> list[str]:
    before = len(reference[:column].replace(".", "")) - 150
    return [f" gDNA              {before if before < 0 else before + 1}"]


def blocks(
    rows: Mapping[str, list[str]], cuts: list[int], groups: int, numbered: Callable[[int, str], list[str]], mark: str
) -> Iterable[str]:
    """Yield the alignment in blocks of `groups` groups of columns, which begin at `cuts`."""
    reference = "".join(next(iter(rows.values())))
    ends = exon_ends(next(iter(rows.values())))
    edges = [*cuts, len(reference)]
    joined = {name: "".join(parts) for name, parts in rows.items()}
    for first in range(0, len(cuts), groups):
        shown = edges[first : first + groups + 1]
        yield "                   \n" + "\n".join(numbered(shown[0], reference)) + "\n                   |\n"
        for name, bases in joined.items():
            told = bases if bases is joined[next(iter(joined))] else compared(bases, reference)
            words = (marked(told, start, end, ends, mark) for start, end in pairwise(shown))
            yield f" {name:<18}{' '.join(words)} \n"
        yield "\n"
    yield "\nMade up; see tests/toy.\n"


def exon_ends(parts: list[str]) -> set[int]:
    ends, column = set(), 0
    for part in parts[:-1]:
        column += len(part)
        ends.add(column)
    return ends


def compared(bases: str, reference: str) -> str:
    return "".join(
        "-" if base == other and base not in ".*" else base for base, other in zip(bases, reference, strict=True)
    )


def marked(bases: str, start: int, end: int, ends: set[int], mark: str) -> str:
    return "".join((mark if column in ends else "") + bases[column] for column in range(start, end))


def coding_bases(allele: Allele) -> str:
    return "".join(allele.exon(number) for number in allele.known).replace(".", "")


def fasta(sequences: Iterable[tuple[Allele, str, str]]) -> str:
    return "".join(f">HLA:{number} {one.name} {len(bases)} bp\n{bases}\n" for one, number, bases in sequences)


def groups_text(alleles: Mapping[str, list[Allele]], letter: str) -> str:
    """The G groups (the same bases in the groove's exons) or P groups (the same protein there), one a row."""
    text = []
    for locus, its in alleles.items():
        if locus in DECOYS:
            continue
        members: dict[str, list[Allele]] = defaultdict(list)
        for one in its:
            if letter == "G":
                members["/".join(one.exon(number) for number in GROOVE[locus])].append(one)
            elif not one.name.endswith("N"):
                members[groove_protein(one, its[0])].append(one)
        for group in members.values():
            names = [one.name.split("*")[1] for one in group]
            fields = [*names[0].split(":"), "01"][: 3 if letter == "G" else 2]
            text.append(f"{locus}*;{'/'.join(names)};{':'.join(fields) + letter if len(names) > 1 else ''}\n")
    return "".join(text)


def groove_protein(allele: Allele, reference: Allele) -> str:
    """The amino acids of the codons that begin in the groove's exons."""
    coding, within, column = [], [], 0
    for number in range(1, len(allele.parts) // 2 + 1):
        for base, of_reference in zip(allele.exon(number), reference.exon(number), strict=True):
            if of_reference != ".":
                coding.append(base)
                within.append(number in GROOVE[allele.locus])
                column += 1
    codons = ["".join(coding[place : place + 3]) for place in range(0, len(coding), 3)]
    return "".join(CODONS.get(codon, ".") for codon, inside in zip(codons, within[::3], strict=True) if inside)


def common_text(alleles: Iterable[Allele]) -> str:
    """A list in the form of the CIWD table: the first two proteins of each family, as common ones."""
    names = dict.fromkeys(
        ":".join(one.name.split(":")[:2])
        for one in alleles
        if one.locus not in DECOYS and one.name.split(":")[1] in COMMON_PROTEINS
    )
    return "ALLELE,TOTAL,AFA,API,EURO,HIS,MENA,NAM,UNK\n" + "".join(f"{name},C,C,C,C,C,C,C,C\n" for name in names)
