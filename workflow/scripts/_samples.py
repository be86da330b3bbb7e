"""The sample table: lanes gathered into samples, and every mistake of the table found at once."""

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from _genomes import Genomes, Mistake, organism_key
from _paths import file_problem, is_local, tidy
from _tables import Problem, Row, cell_problems, in_words, parse_table, suggest_from


@dataclass(frozen=True, slots=True)
class Lane:
    """One row: reads (`fq2` empty for single ends) or, in their place, `bam`; what else is empty is not known."""

    name: str
    fq1: str
    fq2: str
    bam: str
    library: str
    platform: str
    platform_unit: str
    center: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample: its lanes in the table's order; all of them have mates, or none has."""

    name: str
    organism: str
    analyses: frozenset[str]
    lanes: tuple[Lane, ...]
    read_length: int | None
    library_type: str

    @property
    def fq1(self) -> tuple[str, ...]:
        return tuple(lane.fq1 for lane in self.lanes if lane.fq1)

    @property
    def fq2(self) -> tuple[str, ...]:
        return tuple(lane.fq2 for lane in self.lanes if lane.fq2)

    @property
    def bam(self) -> str:
        return next((lane.bam for lane in self.lanes if lane.bam), "")

    def lane(self, name: str) -> Lane:
        return next(lane for lane in self.lanes if lane.name == name)


# What every row of a sample must say alike.
OF_THE_SAMPLE = ("analyses", "organism", "read_length", "library_type")
# What a read group says (https://samtools.github.io/hts-specs/SAMv1.pdf, @RG); an aligned file has its own.
OF_THE_READ_GROUP = ("library", "platform", "platform_unit", "center")
FILES = ("fq1", "fq2", "bam")
# Salmon's library types of single ends, and the first letters of those of pairs; A says nothing.
SINGLE_END, PAIRED = ("U", "SF", "SR"), ("I", "M", "O")
R1_OR_R2 = re.compile(r"(?<=[_.])R[12](?=[_.])")
# Analyses that need an organism of the lock; HLA types are of humans.
ON_A_GENOME = {"quant", "align"}
HUMAN, HUMAN_NAMES, HUMAN_TAXON = "homo_sapiens", {"homo_sapiens", "human"}, "9606"


def read_samples(
    path: Path, schema: dict, genomes: Genomes, look_for_files: bool = False, check: bool = True
) -> tuple[dict[str, Sample], list[str]]:
    """Read the table of samples into a dictionary by name, or else say all that is wrong with the table.

    `look_for_files`: a local read file that does not exist is a mistake, and so is a web server that does not answer.
    Without `check`, only what the samples cannot be read without is looked at.
    """
    rows, problems = parse_table(path, schema)
    if check:
        misspelt = cell_problems(path, rows, schema)
        missing = (*missing_files(rows), *missing_on_the_web(rows)) if look_for_files else ()
        found = [*row_problems(rows, genomes), *missing]
        by_cell: dict[tuple[int, str], Problem] = {}
        for problem in [*misspelt, *(Problem(path, *mistake) for mistake in found)]:
            # A cell has one message: the first thing to mend.
            by_cell.setdefault((problem.row, problem.column), problem)
        problems += by_cell.values()
    if problems:
        return {}, in_words(problems)
    lanes: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        lanes[row["sample"]].append(row)
    return {name: make_sample(name, of_sample, genomes) for name, of_sample in lanes.items()}, []


def analyses_by_sample(path: Path, schema: dict) -> dict[str, set[str]]:
    """What the samples of a table want that may have mistakes."""
    wanted: dict[str, set[str]] = defaultdict(set)
    for row in parse_table(path, schema)[0]:
        wanted[row["sample"]] |= analyses_of(row)
    return wanted


def make_sample(name: str, rows: list[Row], genomes: Genomes) -> Sample:
    first = rows[0]
    return Sample(
        name=name,
        organism=next(iter(genomes.find(first["organism"])), first["organism"] or HUMAN),
        analyses=frozenset(first["analyses"].split(",")),
        lanes=tuple(make_lane(row) for row in rows),
        read_length=int(first["read_length"]) if first["read_length"] else None,
        library_type=first["library_type"],
    )


def make_lane(row: Row) -> Lane:
    files = (tidy(row[column]) for column in FILES)
    return Lane(row["lane"], *files, *(row[column] for column in OF_THE_READ_GROUP))


def row_problems(rows: list[Row], genomes: Genomes) -> Iterator[Mistake]:
    """Find what no single cell shows."""
    first_of: dict[str, Row] = {}
    first_in_any_case: dict[str, Row] = {}
    lane_row: dict[tuple[str, str], int] = {}
    file_row: dict[object, int] = {}
    unit_row: dict[tuple[str, str], Row] = {}
    aligned_row: dict[str, int] = {}
    single_row: dict[tuple[str, str], Row] = {}
    organism_problem = organism_check(genomes)
    for row in rows:
        first = first_of.setdefault(row["sample"], row)
        alike = first_in_any_case.setdefault(row["sample"].lower(), row)
        if first is row and alike is not row and row["sample"]:
            yield (
                row.number,
                "sample",
                f"{row['sample']} differs from {alike['sample']} in row {alike.number} only by case, "
                "and some file systems take them for one; write them alike, or rename one of the samples",
            )
        if problem := organism_problem(row) or annotation_problem(row, genomes):
            yield row.number, "organism", problem
        yield from lane_problems(row, first, lane_row, genomes)
        yield from (alignment_problems(row, aligned_row) if row["bam"] else read_file_problems(row, first))
        yield from repeated_files(row, file_row)
        yield from separated_mates(row, single_row)
        yield from unit_problems(row, unit_row)


def analyses_of(row: Row) -> set[str]:
    return set(row["analyses"].split(","))


def organism_check(genomes: Genomes) -> Callable[[Row], str | None]:
    """Make the check of a row's organism: None where it is one genome, or one that has been reported already."""
    # Asked for as Toya fungus, locked as toya_fungus: one organism, by the name that it was asked for.
    suggest = suggest_from(list({organism_key(name): name for name in [*genomes.locked, *genomes.asked]}.values()))

    def check(row: Row) -> str | None:
        name, on_a_genome = row["organism"], analyses_of(row) & ON_A_GENOME
        if not name:
            return "the cell is empty; fill it in" if on_a_genome else None
        found = genomes.find(name)
        if "hla" in analyses_of(row) and not may_be_human(name, [genomes.locked[one] for one in found]):
            return f"HLA types are of humans, not of {name!r}; write homo_sapiens, or take hla out of the analyses"
        if not on_a_genome:
            return None
        if len(found) > 1:
            return f"{name!r} may be {' or '.join(sorted(found))}; write the one that is meant"
        if found or organism_key(name) in genomes.names or not genomes.complete:
            return None
        problem = f"the table of organisms has no {name!r}; {suggest(name)}"
        return f"{problem}; if it is right, add it there and run `snakemake lock`"

    return check


def may_be_human(name: str, genomes: list[Row]) -> bool:
    """Tell whether an organism may be human: called so, or so for Ensembl, or a genome of the user's own."""
    if organism_key(name) in HUMAN_NAMES:
        return True
    return any(genome.get("taxon_id") in (HUMAN_TAXON, "", None) for genome in genomes)


def lane_problems(row: Row, first: Row, lane_row: dict[tuple[str, str], int], genomes: Genomes) -> Iterator[Mistake]:
    lane = (row["sample"], row["lane"])
    if (earlier := lane_row.setdefault(lane, row.number)) != row.number:
        yield (
            row.number,
            "lane",
            f"sample {row['sample']} has a lane {row['lane']!r} in row {earlier} already; "
            "give each of its rows another lane",
        )
    for column in OF_THE_SAMPLE:
        if row[column] != first[column] and meaning(row, column, genomes) != meaning(first, column, genomes):
            yield (
                row.number,
                column,
                f"{quoted(row[column])} here, but {quoted(first[column])} in row {first.number} "
                f"of the same sample {row['sample']}; make them alike, or rename the sample",
            )


def quoted(cell: str) -> str:
    return repr(cell) if cell else "nothing"


def meaning(row: Row, column: str, genomes: Genomes) -> str | set[str]:
    """Say what a cell means, however it is written: a,b is b,a and Homo sapiens is homo_sapiens."""
    if column == "analyses":
        return set(row[column].split(","))
    return (genomes.find(row[column]) or row[column]) if column == "organism" else row[column]


def annotation_problem(row: Row, genomes: Genomes) -> str | None:
    """Say that an organism has no annotation, where transcripts are asked for."""
    found = [genomes.locked[name] for name in genomes.find(row["organism"]) if name in genomes.locked]
    if "quant" not in analyses_of(row) or not found or found[0].get("annotation_url", "x"):
        return None
    return (
        f"{row['organism']!r} has no annotation, and quant needs one; name it in the table of organisms and run "
        "`snakemake lock`, or leave quant out of analyses"
    )


def alignment_problems(row: Row, aligned_row: dict[str, int]) -> Iterator[Mistake]:
    """Hold a row that names an aligned file against what else it says, and the first such row of its sample."""
    earlier = aligned_row.setdefault(row["sample"], row.number)
    if row["fq1"] or row["fq2"]:
        yield row.number, "bam", "reads are given as well; name the reads or the alignments, not both"
    elif "quant" in analyses_of(row):
        yield row.number, "bam", "quant needs reads; name them in fq1, or leave quant out of analyses"
    elif "hla" in analyses_of(row) and earlier != row.number:
        yield row.number, "bam", f"hla reads one file, and row {earlier} names one; join them by `samtools merge`"
    for column in OF_THE_READ_GROUP:
        if row[column]:
            yield row.number, column, f"the read groups of {row['bam']} say it; leave the cell empty"


def unit_problems(row: Row, unit_row: dict[tuple[str, str], Row]) -> Iterator[Mistake]:
    """Find rows of a sample that name one platform unit, which is unique to a library on a lane, and differ."""
    if not row["platform_unit"]:
        return
    earlier = unit_row.setdefault((row["sample"], row["platform_unit"]), row)
    for column in ("library", "platform", "center"):
        if row[column] != earlier[column]:
            yield (
                row.number,
                "platform_unit",
                f"{row['platform_unit']} is in row {earlier.number} of the same sample already, "
                f"with {column} {quoted(earlier[column])} where it is {quoted(row[column])} here; give each its own "
                "(flow cell, lane and barcode)",
            )
            return


def read_file_problems(row: Row, first: Row) -> Iterator[Mistake]:
    fq1, fq2, kind = tidy(row["fq1"]), tidy(row["fq2"]), row["library_type"]
    if not fq1:
        remedy = "move fq2 to fq1" if fq2 else "name a FASTQ file"
        if not fq2 and analyses_of(row) & {"align", "hla"}:
            remedy += ", or aligned reads in column bam"
        yield row.number, "fq1", f"sample {row['sample']} has no reads here; {remedy}"
    elif bool(fq2) != bool(first["fq2"]) and first["fq1"]:
        yield (
            row.number,
            "fq2",
            f"the mate is {'given' if fq2 else 'missing'} here, unlike in row {first.number} of the "
            f"same sample {row['sample']}; lanes of a sample are all paired or all single",
        )
    elif kind in SINGLE_END and fq2:
        yield (
            row.number,
            "library_type",
            f"{kind} is of single ends, but fq2 is given; write the type of pairs, or A",
        )
    elif kind.startswith(PAIRED) and not fq2:
        yield row.number, "fq2", f"the mate is missing, as {kind} is of pairs; name it, or write U, SF, SR or A"
    if fq1 and identity(fq1) == identity(fq2):
        yield row.number, "fq2", f"{row['fq2']} is fq1 as well; name the file of the mates"
    for column in ("fq1", "fq2"):
        if row[column].lower().endswith((".bam", ".cram", ".sam")):
            yield row.number, column, f"{row[column]} is no FASTQ by its name; name a BAM or CRAM file in column bam"


def repeated_files(row: Row, file_row: dict[object, int]) -> Iterator[Mistake]:
    for column, path in ((column, tidy(row[column])) for column in FILES):
        if path and (earlier := file_row.setdefault(identity(path), row.number)) != row.number:
            yield row.number, column, f"{row[column]} is in row {earlier} already; name each file once"


def identity(path: str) -> object:
    """What tells a file from others: a local one that is there may have several paths, links among them."""
    try:
        found = os.stat(path)  # a URL is no file, either  # noqa: PTH116
    except OSError:
        return path
    return found.st_dev, found.st_ino


def separated_mates(row: Row, single_row: dict[tuple[str, str], Row]) -> Iterator[Mistake]:
    """Find two rows of single ends whose files are called as those of pairs are, ..._R1... and ..._R2..."""
    if row["fq1"] and not row["fq2"] and (apart := R1_OR_R2.sub("R?", row["fq1"])) != row["fq1"]:
        earlier = single_row.setdefault((row["sample"], apart), row)
        if earlier["fq1"] != row["fq1"]:
            yield (
                row.number,
                "fq1",
                f"{row['fq1']} and {earlier['fq1']} in row {earlier.number} are mates by their names; name them in one "
                "row, as fq1 and fq2, or rename them if they are single ends",
            )


def missing_on_the_web(rows: list[Row]) -> Iterator[Mistake]:
    """Name the web servers of reads that cannot be reached, each at its first file, and files that the others lack:
    Snakemake would name no row."""
    files: dict[str, list[tuple[Row, str]]] = defaultdict(list)
    for row in rows:
        for column in FILES:
            if row[column].startswith(("http://", "https://")):
                files[urlsplit(row[column]).netloc].append((row, column))
    if not files:
        return
    from _reach import absent, unreachable  # takes 0.05 s to import, which most tables need not pay for

    reasons = unreachable(row[column] for (row, column), *_ in files.values())
    for server, ((row, column), *more) in files.items():
        if reason := reasons.get(row[column]):
            others = f" (nor {len(more):,} more in this table)" if more else ""
            yield (
                row.number,
                column,
                f"{row[column]} cannot be reached{others}, as {server} does not answer ({reason}); "
                "is there a network, and is the address right?",
            )
    reached = [
        cell for cells in files.values() if (first := cells[0]) and first[0][first[1]] not in reasons for cell in cells
    ]
    gone = absent(row[column] for row, column in reached)
    for row, column in reached:
        if row[column] in gone:
            yield row.number, column, f"{row[column]}: the server has no such file; correct the address"


def missing_files(rows: list[Row]) -> Iterator[Mistake]:
    """Name the local files that do not exist; URLs are left to the storage that serves them."""
    for row in rows:
        for column in FILES:
            if row[column] and is_local(row[column]) and (problem := file_problem(row[column])):
                yield row.number, column, problem
