"""The alignments of an IPD-IMGT/HLA release: every allele of every gene, in the columns of its gene.

The format is that of the release's folder `alignments` (https://github.com/ANHIG/IMGTHLA): `X_nuc.txt` has the coding
sequences, with `|` between exons, and `X_gen.txt` the genes, with `|` between exons and what lies between them. The
first allele of a file is written out; in the others `-` is the same base, `.` a gap, and `*` an unknown base.
"""

import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _log import InputError

UNKNOWN, GAP = 0, 5
EXPRESSION = "ACLNQS"  # letters at the end of an allele's name
CODES = np.full(256, 255, dtype=np.uint8)
CODES[[ord(letter) for letter in "*ACGT."]] = range(6)
CODES[[ord(letter) for letter in "acgtN"]] = 1, 2, 3, 4, UNKNOWN
SAME, BORDER = ord("-"), ord("|")
ALLELE = re.compile(r"^ ?([A-Z]+[0-9]*)\*([0-9]+(?::[0-9]+)*[A-Z]?) ")
VERSION = re.compile(r"version:\s*(?:IPD-IMGT/HLA|IMGT/HLA)?\s*(?:Release:?\s*)?([0-9]+\.[0-9]+\.[0-9]+)")


@dataclass
class Alignment:
    """The alleles of one gene in one file.

    `rows` is a matrix of codes, alleles by columns: 0 unknown, 1 to 4 A, C, G, T, 5 gap. `ends` has the column after
    each block: the exons of a coding sequence; of a gene, what is before, exons and introns in turns, what is after.
    """

    names: list[str]
    rows: np.ndarray
    ends: list[int]

    def block(self, number: int) -> np.ndarray:
        """The columns of one block, counted from 0."""
        return self.rows[:, ([0, *self.ends])[number] : self.ends[number]]


@dataclass
class Release:
    """A release: its name, and its alignments of coding sequences and of genes by gene."""

    name: str
    coding: dict[str, Alignment]
    genes: dict[str, Alignment]


def read_release(files: Sequence[Path]) -> Release:
    """Read the alignments of a release, from its archive or its folder; raise InputError where they cannot be used."""
    names, coding, genes = set(), {}, {}
    for file, text in alignment_files(files):
        name, found = read_alignments(text, file)
        names.add(name)
        kind = coding if file.endswith("_nuc.txt") else genes
        own = file.rsplit("_", 1)[0]
        for gene, alignment in found.items():
            # A gene that stands in a file of its own and in one with its relatives is taken from its own.
            if gene == own or gene not in kind:
                kind[gene] = alignment
    if not coding:
        raise InputError(
            f"{', '.join(map(str, files))}: no alignments of an IMGT/HLA release; name its Alignments_Rel_*.zip in "
            "hla: release"
        )
    if len(names) > 1:
        raise InputError(f"{files[0]} mixes the releases {', '.join(sorted(names))}; bring one release whole")
    return Release(names.pop(), coding, genes)


def alignment_files(files: Iterable[Path]) -> Iterator[tuple[str, str]]:
    """Name and text of each file of coding sequences and of genes."""
    for path in files:
        if path.is_dir():
            inside = sorted(path.glob("Alignments_Rel_*.zip")) or sorted(
                {*path.glob("*.txt"), *path.glob("alignments/*.txt")}
            )
            yield from alignment_files(inside)
        elif path.suffix == ".zip":
            yield from archived(path)
        elif wanted(path.name):
            yield path.name, path.read_text()


def archived(archive: Path) -> Iterator[tuple[str, str]]:
    """The same of an archive."""
    try:
        with zipfile.ZipFile(archive) as files:
            for name in sorted(files.namelist()):
                if wanted(name):
                    yield Path(name).name, files.read(name).decode()
    except (zipfile.BadZipFile, zlib.error, EOFError, UnicodeDecodeError) as error:
        raise InputError(f"{archive} cannot be read ({error}); bring the release again") from error


def wanted(name: str) -> bool:
    """Whether a file of a release holds an alignment that is used; ClassI repeats what the files of its genes have."""
    return (
        name.endswith(("_nuc.txt", "_gen.txt")) and "MACOSX" not in name and not Path(name).name.startswith("ClassI_")
    )


def read_alignments(text: str, file: str) -> tuple[str, dict[str, Alignment]]:
    """The release that a file names, and its alleles by gene; raise InputError where the file is not whole."""
    version = VERSION.search(text[:2000])
    if not version:
        raise InputError(f"{file} names no release in its header; bring the alignments of an IMGT/HLA release")
    pieces: dict[str, list[str]] = {}
    for line in text.splitlines():
        if match := ALLELE.match(line):
            pieces.setdefault(f"{match[1]}*{match[2]}", []).append(line[match.end() :].replace(" ", ""))
    if not pieces:
        raise InputError(f"{file} has no alleles; it was cut: bring the release again")
    return version[1], by_gene({name: "".join(parts) for name, parts in pieces.items()}, file)


def by_gene(sequences: dict[str, str], file: str) -> dict[str, Alignment]:
    """Decode the aligned sequences of one file, and part them by gene."""
    first = next(iter(sequences))
    reference = np.frombuffer(sequences[first].encode(), dtype=np.uint8)
    borders = np.flatnonzero(reference == BORDER)
    ends = [int(end) for end in np.append(borders, len(reference)) - np.arange(len(borders) + 1)]
    rows = np.empty((len(sequences), ends[-1]), dtype=np.uint8)
    for number, (name, sequence) in enumerate(sequences.items()):
        # Alleles that lost their stop codon go on after the reference's end, where no other allele has columns.
        letters = np.frombuffer(sequence.encode(), dtype=np.uint8)[: len(reference)]
        if len(letters) < len(reference):
            raise InputError(
                f"{file}: {name} has {len(letters)} columns, {first} has {len(reference)}; the file was cut or "
                "changed: bring the release again"
            )
        codes = CODES[np.where(letters == SAME, reference, letters)]
        codes = np.delete(codes, borders)
        if codes.max() > GAP:
            raise InputError(f"{file}: {name} has letters that are no bases; bring the release again")
        rows[number] = codes
    genes: dict[str, list[int]] = {}
    for number, name in enumerate(sequences):
        genes.setdefault(name.split("*")[0], []).append(number)
    names = list(sequences)
    return {gene: Alignment([names[row] for row in found], rows[found], ends) for gene, found in genes.items()}


def read_groups(path: Path) -> dict[str, str]:
    """The G or P group of each allele that is in one, from `wmda/hla_nom_g.txt` or `hla_nom_p.txt`."""
    groups = {}
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if line.startswith("#") or not line.strip():
            continue
        cells = line.split(";")
        if len(cells) != 3 or not cells[0].endswith("*"):
            raise InputError(f"{path}, row {number}: not a row of groups (gene*;alleles;group); bring the file again")
        gene, alleles, group = cells
        for allele in alleles.split("/"):
            groups[gene + allele] = gene + (group or allele)
    return groups


def fields(name: str, count: int) -> str:
    """The first fields of an allele's name: A*02:01:01:02L in two is A*02:01; a letter stays with the whole name."""
    parts = name.split(":")
    return ":".join(parts[:count]) if len(parts) > count else name


def two_fields(name: str) -> str:
    """The two-field type of an allele, without the letter of its expression."""
    return fields(name, 2).rstrip(EXPRESSION)
