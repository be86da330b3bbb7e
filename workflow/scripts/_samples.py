"""The sample table: lanes gathered into samples, and every mistake of the table found at once."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from _genomes import organism_key
from _tables import Row, nearest, read_table


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample: its reads are `fq1` (and `fq2`, as long or empty), one file a lane, in the table's order."""

    name: str
    organism: str
    analyses: frozenset[str]
    fq1: tuple[str, ...]
    fq2: tuple[str, ...]
    read_length: int | None
    library_type: str


# What every row of a sample must say alike.
OF_THE_SAMPLE = ("analyses", "organism", "read_length", "library_type")


def read_samples(
    path: Path, schema: dict, organisms: Collection[str], look_for_files: bool
) -> tuple[dict[str, Sample], list[str]]:
    """Read the table of samples into a dictionary by name, or else say all that is wrong with the table.

    `organisms` are the names that the lock knows. `look_for_files`: a local read file that does not exist is a mistake.
    """
    rows, problems = read_table(path, schema)
    found = [*row_problems(rows, organisms), *(missing_files(rows) if look_for_files else ())]
    problems += [f"{path}, row {number}, {problem}" for number, problem in sorted(found)]
    if problems:
        return {}, problems
    lanes: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        lanes[row["sample"]].append(row)
    return {name: make_sample(name, of_sample) for name, of_sample in lanes.items()}, []


def make_sample(name: str, rows: list[Row]) -> Sample:
    first = rows[0]
    return Sample(
        name=name,
        organism=organism_key(first["organism"]),
        analyses=frozenset(first["analyses"].split(",")),
        fq1=tuple(row["fq1"] for row in rows),
        fq2=tuple(row["fq2"] for row in rows if row["fq2"]),
        read_length=int(first["read_length"]) if first["read_length"] else None,
        library_type=first["library_type"],
    )


def row_problems(rows: list[Row], organisms: Collection[str]) -> Iterator[tuple[int, str]]:
    """Find what no single cell shows: yield the row's number, and column, mistake and remedy."""
    first_of: dict[str, Row] = {}
    lane_row: dict[tuple[str, str], int] = {}
    file_row: dict[str, int] = {}
    for row in rows:
        first = first_of.setdefault(row["sample"], row)
        yield from lane_problems(row, first, lane_row)
        yield from read_file_problems(row, first, file_row)
        if row["organism"] and organism_key(row["organism"]) not in organisms:
            hint = nearest(row["organism"], organisms) if organisms else "the lock is empty"
            yield (
                row.number,
                f"column organism: the lock has no {row['organism']!r}; {hint}; "
                "or add it to the table of organisms and run `snakemake lock`",
            )


def lane_problems(row: Row, first: Row, lane_row: dict[tuple[str, str], int]) -> Iterator[tuple[int, str]]:
    lane = (row["sample"], row["lane"])
    if (earlier := lane_row.setdefault(lane, row.number)) != row.number:
        yield (
            row.number,
            f"column lane: sample {row['sample']} has a lane {row['lane']!r} in row {earlier} already; "
            "give each of its rows another lane",
        )
    for column in OF_THE_SAMPLE:
        if row[column] != first[column]:
            yield (
                row.number,
                f"column {column}: {row[column] or 'nothing'!r} here, but {first[column] or 'nothing'!r} in row "
                f"{first.number} of the same sample {row['sample']}; make them alike, or rename the sample",
            )


def read_file_problems(row: Row, first: Row, file_row: dict[str, int]) -> Iterator[tuple[int, str]]:
    if not row["fq1"]:
        remedy = "move fq2 to fq1" if row["fq2"] else "name a FASTQ file"
        yield row.number, f"column fq1: sample {row['sample']} has no reads here; {remedy}"
    elif bool(row["fq2"]) != bool(first["fq2"]):
        yield (
            row.number,
            f"column fq2: the mate is {'given' if row['fq2'] else 'missing'} here, unlike in row {first.number} of the "
            f"same sample {row['sample']}; lanes of a sample are all paired or all single",
        )
    for column in ("fq1", "fq2"):
        if row[column] and (earlier := file_row.setdefault(row[column], row.number)) != row.number:
            yield row.number, f"column {column}: {row[column]} is in row {earlier} already; name each file once"
    if row["fq1"] and row["fq1"] == row["fq2"]:
        yield row.number, f"column fq2: {row['fq2']} is fq1 as well; name the file of the mates"


def missing_files(rows: Iterable[Row]) -> Iterator[tuple[int, str]]:
    """Name the local read files that do not exist; URLs are left to the storage that serves them."""
    for row in rows:
        for column in ("fq1", "fq2"):
            if row[column] and "://" not in row[column] and not Path(row[column]).is_file():
                yield row.number, f"column {column}: there is no file {row[column]}; correct the path"
