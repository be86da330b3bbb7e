"""Whole genes out of a release's alignments, for simulation: nothing of the typing itself is used here.

Exons come from the coding alignment (X_nuc.txt), the rest from the genomic one (X_gen.txt), of the allele itself or of
the nearest relative that has it.
"""

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

UNKNOWN, SAME = ord("*"), ord("-")
PARALOGUES_APART = 0.1  # of the bases between exons


@dataclass(frozen=True, slots=True)
class Alignment:
    """Names, bases (alleles x columns, as bytes, `.` a gap, `*` unknown) and the columns where exons, introns begin."""

    names: list[str]
    bases: np.ndarray
    starts: list[int]

    def parts(self, row: int) -> list[str]:
        """The sequence of an allele, cut at the borders of exons; gaps are left out."""
        edges = [*self.starts, self.bases.shape[1]]
        cuts = pairwise(edges)
        return [self.bases[row, start:end].tobytes().decode().replace(".", "") for start, end in cuts]


@dataclass(frozen=True, slots=True)
class Gene:
    """An allele as a whole gene: its bases and where its exons are in them (start, end, counted from 0)."""

    name: str
    bases: str
    exons: tuple[tuple[int, int], ...]

    @property
    def locus(self) -> str:
        return self.name.split("*")[0]


def alignment_texts(release: Path) -> Iterator[tuple[str, str]]:
    """Yield name (A_nuc) and text of the alignments of a release: its folder, or its Alignments_Rel archive."""
    if release.is_dir():
        packed = sorted(release.glob("Alignments_Rel_*.zip"))
        if not packed:
            for path in sorted((release / "alignments").glob("*.txt")):
                yield path.stem, path.read_text()
            return
        release = packed[-1]
    with zipfile.ZipFile(release) as archive:
        for name in sorted(archive.namelist()):
            if re.fullmatch(r"alignments/[A-Z0-9]+_(nuc|gen)\.txt", name):
                yield Path(name).stem, archive.read(name).decode()


def parse_alignment(text: str) -> Alignment:
    rows: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, _, bases = line.strip().partition(" ")
        if "*" in name and not line.startswith("#"):
            rows.setdefault(name, []).append(bases.replace(" ", ""))
    joined = ["".join(parts) for parts in rows.values()]
    pieces = joined[0].split("|")
    starts = [0, *np.cumsum([len(piece) for piece in pieces])[:-1].tolist()]
    plain = [one.replace("|", "") for one in joined]
    width = len(plain[0])
    bases = np.frombuffer("".join(one[:width].ljust(width, "*") for one in plain).encode(), dtype=np.uint8)
    bases = bases.reshape(len(plain), width)
    return Alignment(list(rows), np.where(bases == SAME, bases[0], bases), starts)


def read_genes(release: Path) -> dict[str, list[Gene]]:
    """Read the alleles of each locus whose coding sequence is whole, as genes; loci without it, as far as they go."""
    alignments = {
        name: parse_alignment(text) for name, text in alignment_texts(release) if not name.startswith("Class")
    }
    genomic = {name.removesuffix("_gen"): found for name, found in alignments.items() if name.endswith("_gen")}
    found: dict[str, list[Gene]] = {}
    for name, coding in alignments.items():
        if name.endswith("_nuc"):
            for row, allele in enumerate(coding.names):
                if UNKNOWN not in coding.bases[row]:
                    gene = whole_gene(allele, coding, row, genomic)
                    found.setdefault(gene.locus, []).append(gene)
    for locus, its in genomic.items():  # pseudogenes, of which a coding sequence is in pieces
        if locus not in found:
            rows = [row for row in range(len(its.names)) if np.mean(its.bases[row] == UNKNOWN) < 0.2]
            found[locus] = [Gene(its.names[row], "".join(its.parts(row)).replace("*", ""), ()) for row in rows]
    return {locus: genes for locus, genes in found.items() if genes}


def whole_gene(allele: str, coding: Alignment, row: int, genomic: dict[str, Alignment]) -> Gene:
    """Put the exons of an allele between the introns of its own, or of the relative whose exons are most like its."""
    exons = coding.parts(row)
    locus = allele.split("*")[0]
    lender = locus if locus in genomic else "DRB1" if locus.startswith("DRB") else ""
    around = genomic.get(lender)
    if around is None or len(around.starts) != 2 * len(exons) + 1:
        return Gene(allele, "".join(exons), ((0, sum(map(len, exons))),))
    between = introns_of(allele, row, coding, around)
    if lender != locus:  # paralogues differ most between exons
        between = [diverged(intron, f"{locus} {number}") for number, intron in enumerate(between)]
    bases, places = between[0], []
    for exon, intron in zip(exons, between[1:], strict=True):
        places.append((len(bases), len(bases) + len(exon)))
        bases += exon + intron
    return Gene(allele, bases, tuple(places))


def introns_of(allele: str, row: int, coding: Alignment, around: Alignment) -> list[str]:
    """What lies around the exons: the allele's own bases, and where they are unknown, the nearest relative's."""
    place = {name: number for number, name in enumerate(coding.names)}
    unknown = np.count_nonzero(around.bases == UNKNOWN, axis=1)
    rows = [number for number, name in enumerate(around.names) if name in place] or list(range(len(around.names)))
    others = coding.bases[[place.get(around.names[number], row) for number in rows]]
    apart = np.count_nonzero(others != coding.bases[row], axis=1)
    filled = np.full(around.bases.shape[1], UNKNOWN, dtype=np.uint8)
    other = [around.names[number] != allele for number in rows]
    for number in sorted(range(len(rows)), key=lambda one: (other[one], apart[one], unknown[rows[one]])):
        bases = around.bases[rows[number]]
        filled = np.where(filled == UNKNOWN, bases, filled)
        if UNKNOWN not in filled:
            break
    parts = Alignment([allele], filled[None, :], around.starts).parts(0)[::2]
    return [part.replace("*", "") for part in parts]


def diverged(bases: str, name: str) -> str:
    """Change a share of the bases, the same ones for the same name."""
    rng = np.random.default_rng(list(name.encode()))
    letters = np.frombuffer(bases.encode(), dtype=np.uint8).copy()
    changed = rng.random(letters.size) < PARALOGUES_APART
    letters[changed] = rng.choice(np.frombuffer(b"ACGT", dtype=np.uint8), int(changed.sum()))
    return letters.tobytes().decode()
