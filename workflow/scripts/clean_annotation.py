"""Leave out the GTF rows that no transcriptome can be built from, and count them by reason.

A transcript that loses an exon is another transcript, so all its rows go when one of its exons cannot be used.
"""

import gzip
import json
import re
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from _formats import complaint, start_of
from _log import InputError, log_to

GENE = re.compile(r'(?:^|;) *gene_id +"([^"]+)"')
TRANSCRIPT = re.compile(r'(?:^|;) *transcript_id +"([^"]+)"')
# Attributes as RSEM reads them: at others it stops, and it overlooks a last one that lacks its semicolon
# (https://github.com/deweylab/RSEM/blob/master/GTFItem.h).
WELL_FORMED = re.compile(r'(?: *+[^\s";]++ ++(?:"[^";]*+"|(?<!_id )\d++);)++ *')
ATTRIBUTE = re.compile(r'([^\s";]+)\s*("[^"]*"|[^";]*)')
BOTH_STRANDS = "exons on both strands"
OTHER = {"+": "-", "-": "+"}


@dataclass
class Survey:
    """What the first reading finds: where each transcript is, and why some cannot be used there.

    `place`: contig, strand and gene of a transcript's first usable exon. `unusable`: reasons, by transcript and contig.
    `spans`: start and end of each row of a transcript itself, by transcript and place; more than one: its id is used
    twice in one gene.
    """

    place: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    unusable: dict[tuple[str, str], str] = field(default_factory=dict)
    spans: dict[tuple[str, tuple[str, str, str]], list[tuple[int, int]]] = field(default_factory=dict)


@dataclass
class Report:
    """What was left out and mended, in rows by reason, and what is left."""

    rows_in: int = 0
    rows_kept: int = 0
    removed: Counter = field(default_factory=Counter)
    repaired: Counter = field(default_factory=Counter)
    transcripts: set[str] = field(default_factory=set)
    genes: set[str] = field(default_factory=set)


def survey(rows: Iterable[str], lengths: dict[str, int]) -> Survey:
    """Find where the transcripts are and which of them cannot be used, from their exons.

    `lengths` maps a contig to its length in bases. GTF coordinates are 1-based, both ends included
    (http://mblab.wustl.edu/GTF22.html). Raises InputError with the row's number where a row is no GTF.
    """
    found = Survey()
    for number, row in enumerate(rows, start=1):
        if row.startswith("#") or not row.strip():
            continue
        columns = split_row(row, number)
        if columns[2] not in ("exon", "transcript"):
            continue
        gene, transcript = ids_of(mend_attributes(columns[8]))
        if transcript is None:
            continue
        contig, strand = columns[0], columns[6]
        place = (contig, strand, gene)
        if "pseudogene" in row:
            if columns[2] == "exon":
                found.unusable.setdefault((transcript, contig), "pseudogene")
        elif columns[2] == "transcript":
            found.spans.setdefault((transcript, place), []).append((int(columns[3]), int(columns[4])))
        elif reason := unusable(columns, gene, lengths):
            found.unusable.setdefault((transcript, contig), reason)
        elif (first := found.place.setdefault(transcript, place)) != place and first == (contig, OTHER[strand], gene):
            found.unusable.setdefault((transcript, contig), BOTH_STRANDS)
    return found


def clean(rows: Iterable[str], lengths: dict[str, int], found: Survey, report: Report) -> Iterator[str]:
    """Yield comments and usable rows of a GTF, mended where that can be done; count everything in `report`."""
    for number, row in enumerate(rows, start=1):
        if row.startswith("#"):
            yield row
            continue
        if not row.strip():  # at an empty line RSEM stops
            continue
        report.rows_in += 1
        columns = split_row(row, number)
        gene, transcript = ids_of(attributes := mend_attributes(columns[8]))
        if reason := reason_to_drop(row, columns, gene, transcript, lengths, found):
            report.removed[reason] += 1
            continue
        if attributes != columns[8]:
            report.repaired[what_was_mended(columns[8])] += 1
            row = "\t".join([*columns[:8], attributes]) + "\n"
        report.rows_kept += 1
        if columns[2] == "exon":
            report.transcripts.add(transcript)
            report.genes.add(gene)
        yield row


def split_row(row: str, number: int) -> list[str]:
    columns = row.rstrip("\n").split("\t")
    if len(columns) != 9 or not (columns[3].isdecimal() and columns[4].isdecimal()):
        raise InputError(
            f"row {number} is no GTF: nine columns separated by tabs are needed, with numbers in the fourth and fifth, "
            f"not {row.strip()[:80]!r}"
        )
    return columns


def ids_of(attributes: str) -> tuple[str | None, str | None]:
    """The gene and the transcript that a row names."""
    gene, transcript = GENE.search(attributes), TRANSCRIPT.search(attributes)
    return gene and gene[1], transcript and transcript[1]


def mend_attributes(attributes: str) -> str:
    """Write attributes that RSEM would not read in the one form that all tools read; `;` in a value becomes `,`."""
    if WELL_FORMED.fullmatch(attributes) and attributes.count("gene_id ") < 2:
        return attributes
    pairs: list[tuple[str, str]] = []
    for name, value in ATTRIBUTE.findall(attributes):
        value = value.strip('" ').replace(";", ",")
        if not (name in ("gene_id", "transcript_id") and any(name == earlier for earlier, _ in pairs)):
            pairs.append((name, value))
    return " ".join(f'{name} "{value}";' for name, value in pairs)


def what_was_mended(attributes: str) -> str:
    inside_quotes = attributes.split('"')[1::2]
    return "semicolon in a quoted value" if any(";" in value for value in inside_quotes) else "attributes out of form"


def unusable(columns: list[str], gene: str | None, lengths: dict[str, int]) -> str | None:
    """Say why a row cannot be used for itself; None where it can."""
    contig, start, end = columns[0], int(columns[3]), int(columns[4])
    if contig not in lengths:
        return "contig not in genome"
    if start < 1 or start > end:
        return "start after end"
    if end > lengths[contig]:
        return "ends beyond its contig"
    if columns[6] not in OTHER:
        return "no strand"
    if gene is None:
        return "transcript without a gene"
    return None


def reason_to_drop(
    row: str, columns: list[str], gene: str | None, transcript: str | None, lengths: dict[str, int], found: Survey
) -> str | None:
    if "pseudogene" in row:
        return "pseudogene"
    if reason := unusable(columns, gene, lengths):
        return reason
    if transcript is None:
        return "exon without a transcript" if columns[2] == "exon" else None
    if " " in transcript:  # Salmon would cut its name there
        return "blank in a transcript id"
    place = (columns[0], columns[6], gene)
    if found.place.get(transcript, place) != place and (transcript, columns[0]) not in found.unusable:
        return "transcript id used twice"
    if reason := found.unusable.get((transcript, columns[0])):
        return reason if reason == BOTH_STRANDS else "transcript with an unusable exon"
    if belongs_to_another(int(columns[3]), int(columns[4]), found.spans.get((transcript, place), ())):
        return "transcript id used twice"
    return None


def belongs_to_another(start: int, end: int, spans: Sequence[tuple[int, int]]) -> bool:
    """Say of a row whether it is not surely of the first of the transcripts that have its id: they lie at `spans`."""
    if len(set(spans)) < 2:
        return False
    first, last = spans[0]
    mixed = any(other != spans[0] and other[0] <= last and other[1] >= first for other in spans)
    return mixed or not first <= start <= end <= last


def read_lengths(rows: Iterable[str]) -> dict[str, int]:
    """Count the bases of each contig of a FASTA file."""
    lengths: dict[str, int] = {}
    contig = None
    for number, row in enumerate(rows, start=1):
        if row.startswith(">") and row[1:].strip():
            contig = row[1:].split(maxsplit=1)[0]
            if contig in lengths:
                raise InputError(f"the contig {contig} is in it twice; give each contig once, under a name of its own")
            lengths[contig] = 0
        elif contig is None:
            raise InputError(f"the genome is no FASTA: it starts with {row.strip()[:40]!r}, not with '>' and a name")
        else:
            bases = row.rstrip()
            if bases and not bases.isalpha():
                other = next(letter for letter in bases if not letter.isalpha())
                raise InputError(f"row {number} has {other!r}, which is no base; {AGAIN}")
            lengths[contig] += len(bases)
    if empty := [contig for contig, length in lengths.items() if not length]:
        raise InputError(f"of the contigs {some(empty)} it has names only, no bases; take them out, or bring it again")
    return lengths


def reader(path: Path) -> Callable[[], Iterator[str]]:
    """Make a function that reads a gzip text from its start, line by line, so that it can be read twice."""

    def rows() -> Iterator[str]:
        with gzip.open(path, "rt", encoding="utf-8", errors="replace") as lines:
            yield from lines

    return rows


@contextmanager
def told_of(name: str) -> Iterator[None]:
    """Say of which file an InputError is, and make one of a file that is cut or damaged."""
    try:
        yield
    except EOFError as error:
        raise InputError(f"{name} ends in the middle of its gzip stream: it was cut; {AGAIN}") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{name} is damaged ({error}); {AGAIN}") from error
    except InputError as error:
        raise InputError(f"{name}: {error}") from error


# An annotation whose genome was cut has more rows than these beyond the ends of contigs, and a larger share of all.
BEYOND_ROWS, BEYOND_SHARE = 20, 0.02
AGAIN = "bring the file again and run `snakemake lock`"


def nothing_left(rows: Iterator[str], lengths: dict[str, int], report: Report, genome: str) -> str:
    """Say why no transcript is left."""
    contigs = {row.partition("\t")[0]: None for row in rows if "\t" in row and not row.startswith("#")}
    if not contigs:
        return "it has no rows but comments; is it the whole file? bring it again and run `snakemake lock`"
    if contigs.keys().isdisjoint(lengths):
        return (
            f"none of its contigs ({some(contigs)}) is in the genome {genome} ({some(lengths)}): they are of different "
            "assemblies, or one of them writes chr1 where the other writes 1; give files that belong together and run "
            "`snakemake lock`"
        )
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in report.removed.most_common()) or "it has no exons"
    return f"no transcript is left of it (rows left out: {reasons}); is it the annotation of {genome}, in full?"


def cut_genome(report: Report, genome: str) -> str | None:
    """Say that a genome ends too soon; a few rows beyond their contigs are mistakes of the annotation itself."""
    beyond = report.removed["ends beyond its contig"]
    if beyond <= BEYOND_ROWS or beyond <= BEYOND_SHARE * report.rows_in:
        return None
    return (
        f"{beyond:,} of its {report.rows_in:,} rows end beyond their contigs: the genome {genome} was cut, or is of "
        "another assembly; bring it again, or the annotation of this assembly, and run `snakemake lock`"
    )


def some(names: Collection[str], shown: int = 3) -> str:
    return ", ".join(islice(names, shown)) + (", ..." if len(names) > shown else "")


def main(
    genome: Path, gtf: Path, output: Path, report_file: Path, organism: dict[str, str], sources: dict[str, str]
) -> None:
    """Clean `gtf`; `sources` says what the files are called where they come from (genome_url, annotation_url)."""
    with told_of(sources["genome_url"]):
        refuse_other_formats(genome, "genome")
        lengths = read_lengths(reader(genome)())
    rows = reader(gtf)
    report = Report()
    with told_of(sources["annotation_url"]):
        refuse_other_formats(gtf, "annotation")
        found = survey(rows(), lengths)
        with gzip.GzipFile(output, "wb", compresslevel=1, mtime=0) as kept:
            for row in clean(rows(), lengths, found, report):
                kept.write(row.encode())
        if not report.transcripts:
            raise InputError(nothing_left(rows(), lengths, report, sources["genome_url"]))
        if problem := cut_genome(report, sources["genome_url"]):
            raise InputError(problem)
    counts = vars(report) | {"transcripts": len(report.transcripts), "genes": len(report.genes)}
    report_file.write_text(json.dumps(organism | counts, indent=2) + "\n")


def refuse_other_formats(path: Path, kind: str) -> None:
    if problem := complaint(path.name, start_of(path), kind):
        raise InputError(problem)


if __name__ == "__main__":
    log_to(snakemake.log[0])
    main(
        Path(snakemake.input.genome),
        Path(snakemake.input.gtf),
        Path(snakemake.output.gtf),
        Path(snakemake.output.report),
        dict(snakemake.wildcards.items()),
        snakemake.params.sources,
    )
