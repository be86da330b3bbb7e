"""Make the GTF of a genome as Ensembl writes it, with rows that have to be cleaned, each marked with the reason.

The layout: https://ftp.ensembl.org/pub/release-110/gtf/homo_sapiens/README
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from tests.toy.choose_organisms import Organism
from tests.toy.plan_genes import ROLES, Gene, Transcript

PSEUDOGENE, NO_GENE, NO_CONTIG, REVERSED, BEYOND, TWICE = ROLES
WITH_UNUSABLE_EXON = "transcript with an unusable exon"
NO_TRANSCRIPT = "exon without a transcript"
SEMICOLON = "semicolon in a quoted value"
REASONS = (*ROLES, WITH_UNUSABLE_EXON, NO_TRANSCRIPT)
LACKING_CONTIG = "unplaced_1"
UNTRANSLATED = 30  # bases before and after the coding sequence of a spliced transcript


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a GTF. `reason`: why it has to be left out, empty where it stays. `mended`: it stays, changed."""

    contig: str
    feature: str
    start: int
    end: int
    strand: str
    frame: str
    attributes: tuple[tuple[str, str], ...]
    reason: str = ""
    mended: bool = False

    def text(self) -> str:
        attributes = " ".join(f'{name} "{value}";' for name, value in self.attributes)
        place = f"{self.start}\t{self.end}\t.\t{self.strand}\t{self.frame}"
        return f"{self.contig}\ttoy\t{self.feature}\t{place}\t{attributes}"

    def __getitem__(self, attribute: str) -> str:
        return dict(self.attributes).get(attribute, "")


def make_annotation(organism: Organism, genes: list[Gene]) -> list[Row]:
    """Make all rows of an organism's GTF, in the order of the file."""
    ordinary = [gene for gene in genes if not gene.role]
    rows: list[Row] = []
    for gene in genes:
        if gene.role:
            rows += make_awkward(gene, organism, twin=ordinary[0].transcripts[0].id)
        else:
            rows += quote_semicolons(rows_of(gene)) if gene is ordinary[1] else rows_of(gene)
    spare = next(row for row in rows if row.feature == "exon" and row["gene_id"] == ordinary[-1].id)
    rows.append(replace(without(spare, "transcript_id"), reason=NO_TRANSCRIPT))
    contigs = [name for name, _ in organism.contigs]
    # The sort is stable: rows of a gene stay in Ensembl's order, and the contig which the genome lacks comes last.
    return sorted(rows, key=lambda row: contigs.index(row.contig) if row.contig in contigs else len(contigs))


def make_awkward(gene: Gene, organism: Organism, twin: str) -> list[Row]:
    """Make the rows of an awkward gene; `twin` is the transcript whose id is used a second time."""
    if gene.role == PSEUDOGENE:
        return [replace(row, reason=PSEUDOGENE) for row in rows_of(gene, "pseudogene")]
    rows = rows_of(gene, "ncRNA")
    if gene.role == NO_GENE:
        return [replace(without(row, "gene_id"), reason=NO_GENE) for row in rows if row.feature != "gene"]
    if gene.role == NO_CONTIG:
        return [replace(row, contig=LACKING_CONTIG, reason=NO_CONTIG) for row in rows]
    if gene.role == REVERSED:
        awkward = next(row for row in rows if row.feature == "exon")
        turned = replace(awkward, start=awkward.end, end=awkward.start, reason=REVERSED)
        return [turned if row is awkward else unusable(row) for row in rows]
    if gene.role == BEYOND:
        return [move_beyond(row, gene, dict(organism.contigs)[gene.contig]) for row in rows]
    return [use_twice(row, twin) for row in rows]


def unusable(row: Row) -> Row:
    """Mark a row of a transcript one of whose exons cannot be used; the row of the gene stays."""
    return row if row.feature == "gene" else replace(row, reason=WITH_UNUSABLE_EXON)


def move_beyond(row: Row, gene: Gene, length: int, bases: int = 25) -> Row:
    """Move a row along with its gene, to where the gene ends some bases beyond its contig."""
    shift = length + bases - gene.end
    moved = replace(row, start=row.start + shift, end=row.end + shift)
    return replace(moved, reason=BEYOND) if moved.end > length else unusable(moved)


def use_twice(row: Row, twin: str) -> Row:
    if row.feature == "gene":
        return row
    attributes = tuple((name, twin if name == "transcript_id" else value) for name, value in row.attributes)
    return replace(row, attributes=attributes, reason=TWICE)


def quote_semicolons(rows: Iterable[Row]) -> list[Row]:
    """Put `;` inside quoted values, as names and notes of people have them."""
    return [
        replace(
            row,
            attributes=(
                *((name, "alpha;beta" if name == "gene_name" else value) for name, value in row.attributes),
                ("note", "first; then second"),
            ),
            mended=True,
        )
        for row in rows
    ]


def without(row: Row, attribute: str) -> Row:
    return replace(row, attributes=tuple(pair for pair in row.attributes if pair[0] != attribute))


def rows_of(gene: Gene, biotype: str = "protein_coding") -> list[Row]:
    """Write a gene as Ensembl does: gene; then, for each transcript, itself, exons, coding sequence and codons."""
    of_gene = (("gene_name", gene.name), ("gene_source", "toy"), ("gene_biotype", biotype))
    ids = (("gene_id", gene.id), ("gene_version", "1"))
    rows = [Row(gene.contig, "gene", gene.start, gene.end, gene.strand, ".", (*ids, *of_gene))]
    for transcript in gene.transcripts:
        of_both = (*of_gene, ("transcript_source", "toy"), ("transcript_biotype", biotype))
        rows += rows_of_transcript(transcript, ids, of_both, coding=biotype == "protein_coding")
    return rows


def rows_of_transcript(transcript: Transcript, ids: tuple, others: tuple, coding: bool) -> Iterator[Row]:
    ids = (*ids, ("transcript_id", transcript.id), ("transcript_version", "1"))
    contig, strand, exons = transcript.contig, transcript.strand, transcript.exons
    yield Row(contig, "transcript", exons[0][0], exons[-1][1], strand, ".", (*ids, *others))
    numbered = list(enumerate(exons if strand == "+" else reversed(exons), start=1))
    parts = list(coding_parts(transcript)) if coding else []
    for number, (start, end) in numbered:
        attributes = (*ids, ("exon_number", str(number)), *others)
        exon_id = ("exon_id", f"{transcript.id}-E{number}")
        yield Row(contig, "exon", start, end, strand, ".", (*attributes, exon_id, ("exon_version", "1")))
        for feature, first, last, frame in parts:
            if start <= first <= end:
                protein = (("protein_id", f"{transcript.id}-P"), ("protein_version", "1")) if feature == "CDS" else ()
                yield Row(contig, feature, first, last, strand, frame, (*attributes, *protein))


def coding_parts(transcript: Transcript) -> Iterator[tuple[str, int, int, str]]:
    """Yield (feature, start, end, frame) of the coding sequence, cut at exon ends; a CDS is without its stop codon."""
    bases = sum(end - start + 1 for start, end in transcript.exons)
    first = UNTRANSLATED if len(transcript.exons) > 1 else 0
    last = bases - first
    last -= (last - first) % 3
    for feature, begin, stop in (
        ("CDS", first, last - 3),
        ("start_codon", first, first + 3),
        ("stop_codon", last - 3, last),
    ):
        done = 0
        for start, end in cut(transcript, begin, stop):
            yield feature, start, end, str(-done % 3)
            done += end - start + 1


def cut(transcript: Transcript, begin: int, stop: int) -> Iterator[tuple[int, int]]:
    """Yield where on the contig a stretch of the transcript lies, 5' to 3'; 0-based, `stop` not included."""
    passed = 0
    for start, end in transcript.exons if transcript.strand == "+" else reversed(transcript.exons):
        bases = end - start + 1
        low, high = max(begin - passed, 0), min(stop - passed, bases)
        if low < high:
            yield (start + low, start + high - 1) if transcript.strand == "+" else (end - high + 1, end - low)
        passed += bases


def gtf_text(organism: Organism, rows: Iterable[Row]) -> str:
    """Write rows below the header lines of Ensembl's GTF files."""
    header = (
        f"#!genome-build {organism.assembly}",
        f"#!genome-version {organism.assembly}",
        "#!genome-date 2023-01",
        f"#!genome-build-accession {organism.accession}",
        "#!genebuild-last-updated 2023-02",
    )
    return "\n".join([*header, *(row.text() for row in rows)]) + "\n"
