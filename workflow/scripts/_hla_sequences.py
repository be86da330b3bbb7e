"""A release whose sequences are not aligned: `hla.dat`, or `hla_nuc.fasta` with `hla_gen.fasta`, brought into columns.

An allele has parts: what is before its first exon, exons and introns in turns, what is after. `hla.dat` tells them (see
the release's Manual.md); in FASTA they are found by laying an allele's coding sequence over its gene.
"""

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from _hla_pairwise import align_part
from _hla_release import Alignment, Release
from _log import InputError

Parts = dict[int, str]
FEATURE = re.compile(r"^FT   (UTR|exon|intron)\s+<?(\d+)\.\.>?(\d+)")
NUMBER = re.compile(r'^FT\s+/number="?(\d+)')
DAT_RELEASE = re.compile(r"^CC   IPD-IMGT/HLA Release Version (\S+)", re.MULTILINE)
DAT_ALLELE = re.compile(r"^DE   (?:HLA-)?([A-Z]+[0-9]*\*[0-9:]+[A-Z]?)\s*,", re.MULTILINE)
FASTA_HEAD = re.compile(r"\S+\s+(?:HLA-)?([A-Z]+[0-9]*\*[0-9:]+[A-Z]?)\b")
BEFORE, AFTER = 0, 10_000
SEED, SHORTEST_INTRON, SLIP = 16, 50, 12  # bases


def read_unaligned(files: list[Path], name: str) -> Release | None:
    """A release from `hla.dat` or FASTA, or None where there is neither.

    FASTA does not say of which release it is, so `name` is believed. Raise InputError where a file cannot be used.
    """
    for path in files:
        if path.suffix == ".dat":
            return from_dat(path)
    fasta = {path.name.split(".")[0][-3:]: read_fasta(path) for path in files if path.suffix in (".fasta", ".fa")}
    return from_fasta(fasta["nuc"], fasta.get("gen", {}), name) if "nuc" in fasta else None


def from_dat(path: Path) -> Release:
    """Read `hla.dat`."""
    releases, alleles = set(), {}
    for number, entry in enumerate(path.read_text().split("\n//"), start=1):
        if not entry.strip():
            continue
        described, told = DAT_ALLELE.search(entry), DAT_RELEASE.search(entry)
        head, _, tail = entry.partition("\nSQ ")
        bases = re.sub("[^a-z]", "", tail.partition("\n")[2]).upper()
        if not described or not told or not bases:
            raise InputError(
                f"{path}: entry {number} lacks its allele, release or sequence; it was cut: bring it again"
            )
        places = dat_places(head)
        if any(end > len(bases) for _, end in places.values()):
            raise InputError(f"{path}: {described[1]} is shorter than its parts; the file was cut: bring it again")
        releases.add(told[1])
        alleles[described[1]] = {part: bases[start - 1 : end] for part, (start, end) in places.items()}
    if len(releases) != 1:
        raise InputError(f"{path} is of the releases {sorted(releases)}; bring the file of one release")
    release = Release(releases.pop(), {}, {})
    for gene, found in by_gene(alleles).items():
        last = max((part for parts in found.values() for part in parts if part % 2), default=0)
        if not last:
            continue
        release.coding[gene] = aligned(found, [*range(1, last + 1, 2)])
        whole = {allele: parts for allele, parts in found.items() if 2 in parts or (last == 1 and BEFORE in parts)}
        if whole:
            release.genes[gene] = aligned(whole, [BEFORE, *range(1, last + 1), AFTER])
    return release


def dat_places(head: str) -> dict[int, tuple[int, int]]:
    """Where each part of an entry begins and ends, counted from 1: exon n is part 2n - 1, intron n is part 2n."""
    places: dict[int, tuple[int, int]] = {}
    kind, span = "", (0, 0)
    for line in head.split("\n"):
        if feature := FEATURE.match(line):
            kind, span = feature[1], (int(feature[2]), int(feature[3]))
            if kind == "UTR":
                places[AFTER if any(part % 2 for part in places) else BEFORE] = span
        elif (number := NUMBER.match(line)) and kind in ("exon", "intron"):
            places[2 * int(number[1]) - (kind == "exon")] = span
            kind = ""
    return places


def read_fasta(path: Path) -> dict[str, str]:
    """The sequences of a FASTA file by allele."""
    found = {}
    for record in path.read_text().split("\n>"):
        head, _, body = record.lstrip(">").partition("\n")
        named = FASTA_HEAD.match(head)
        bases = "".join(body.split()).upper()
        if not named or not bases or bases.strip("ACGTN"):
            raise InputError(f"{path}: the record {head[:60]!r} is no allele of HLA; bring the file again")
        found[named[1]] = bases
    return found


def from_fasta(coding: dict[str, str], genes: dict[str, str], name: str) -> Release:
    """Lay the coding sequences over the genes; a gene of which that works for no allele is known as one exon."""
    release = Release(name, {}, {})
    for gene, found in by_gene(coding).items():
        laid = {allele: lay(genes[allele], bases) for allele, bases in found.items() if allele in genes}
        counts = Counter(max(parts, key=lambda part: part % AFTER) for parts in laid.values() if parts)
        last = counts.most_common(1)[0][0] if counts else 1
        whole = {allele: parts for allele, parts in laid.items() if parts and max(p % AFTER for p in parts) == last}
        reference = next((allele for allele in whole if len(found[allele]) == max(map(len, found.values()))), None)
        reference = reference or next(iter(whole), max(found, key=lambda allele: len(found[allele])))
        rows, columns = align_part(found, reference)
        ends = [rows.shape[1]]
        if reference in whole:
            lengths = [len(whole[reference][part]) for part in range(1, last + 1, 2)]
            ends = [int(columns[sum(lengths[:n])]) for n in range(1, len(lengths))] + ends
        release.coding[gene] = Alignment(list(found), rows, ends)
        if whole:
            release.genes[gene] = aligned(whole, [BEFORE, *range(1, last + 1), AFTER])
    return release


def lay(gene: str, coding: str) -> Parts:
    """The parts of a gene whose exons, one after the other, are the coding sequence; none where they are not found."""
    start = gene.find(coding[:SEED])
    if start < 0:
        return {}
    parts, place, done, part = {BEFORE: gene[:start]}, start, 0, 1
    while True:
        length = shared_length(gene[place:], coding[done:])
        if done + length == len(coding):
            parts[part] = gene[place : place + length]
            parts[AFTER] = gene[place + length :]
            return parts
        found = next_exon(gene, place, coding, done, length)
        if found is None:
            return {}
        length, onward = found
        parts[part] = gene[place : place + length]
        parts[part + 1] = gene[place + length : onward]
        place, done, part = onward, done + length, part + 2


def shared_length(some: str, other: str) -> int:
    """How many bases two sequences share from their beginning."""
    return next((n for n, (a, b) in enumerate(zip(some, other, strict=False)) if a != b), min(len(some), len(other)))


def next_exon(gene: str, place: int, coding: str, done: int, length: int) -> tuple[int, int] | None:
    """How long an exon is, and where the next begins: with GT or GC after it and AG before it, where there is such."""
    slips = [length - slip for slip in range(min(SLIP, length - 1) + 1)]
    for own in slips:
        if gene[place + own : place + own + 2] in ("GT", "GC"):
            onward = gene.find("AG" + coding[done + own : done + own + SEED], place + own + SHORTEST_INTRON)
            if onward >= 0:
                return own, onward + 2
    for own in slips:
        onward = gene.find(coding[done + own : done + own + SEED], place + own + SHORTEST_INTRON)
        if onward >= 0:
            return own, onward
    return None


def by_gene(alleles: Mapping[str, str | Parts]) -> dict[str, dict]:
    """Alleles by their gene."""
    genes: dict[str, dict] = {}
    for allele, found in alleles.items():
        genes.setdefault(allele.split("*")[0], {})[allele] = found
    return genes


def aligned(alleles: Mapping[str, Parts], wanted: list[int]) -> Alignment:
    """Align the wanted parts of some alleles, each by itself."""
    blocks = []
    for part in wanted:
        known = {allele: parts[part] for allele, parts in alleles.items() if parts.get(part)}
        rows = np.zeros((len(alleles), 0), dtype=np.uint8)
        if known:
            lengths = Counter(map(len, known.values()))
            usual = lengths.most_common(1)[0][0]
            found, _ = align_part(known, next(allele for allele, bases in known.items() if len(bases) == usual))
            rows = np.zeros((len(alleles), found.shape[1]), dtype=np.uint8)
            rows[[number for number, allele in enumerate(alleles) if allele in known]] = found
        blocks.append(rows)
    ends = np.cumsum([block.shape[1] for block in blocks]).tolist()
    return Alignment(list(alleles), np.concatenate(blocks, axis=1), ends)
