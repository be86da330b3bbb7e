"""Find out what Ensembl has of the organisms that are wanted, and write it down: config/organisms.lock.tsv."""

import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import yaml
from _ensembl import Ensembl, File, LackingError, assembly_of
from _ensembl_answers import Genome
from _genomes import DIVISIONS, source_problem
from _lock_file import difference, read_lock, show, write_lock
from _match_organisms import CellError, describe, is_called, match_genomes
from _own_genome import own_name, own_row
from _tables import Row, TableError, read_table
from _web import CONNECTIONS, AbsentError, UnreachableError, Web, WebError

SCHEMAS = Path(__file__).parent.parent / "schemas"
PROGRESS_EVERY = 500


@dataclass(frozen=True, slots=True)
class Wanted:
    """A genome that a row of the table asks for, with the release as a number."""

    row: Row
    genome: Genome
    release: str

    @property
    def whole_division(self) -> bool:
        return self.row["organism"] == "*"


def known_divisions(ensembl: Ensembl, divisions: Iterable[str], asked: str) -> list[str]:
    """Find the divisions that know a name, for a hint; a division that cannot be asked is passed over."""
    found = []
    for division in divisions:
        try:
            genomes = ensembl.overview(division)
        except WebError:
            continue
        if any(is_called(genome, asked) for genome in genomes):
            found.append(division)
    return found


def resolve(rows: list[Row], ensembl: Ensembl) -> tuple[list[Wanted], list[tuple[Row, str, str]]]:
    """Turn rows into genomes; return also the mistakes as (row, column, problem)."""
    wanted: list[Wanted] = []
    problems: list[tuple[Row, str, str]] = []
    silent: set[tuple[str, str]] = set()

    def elsewhere(asked: str, but: str) -> list[str]:
        return known_divisions(ensembl, [other for other in DIVISIONS if other != but], asked)

    for row in rows:
        division, release = row["division"], row["release"]
        if (division, release) in silent:  # has been reported, and asking again would only take its time
            continue
        try:
            found, number = find_genomes(row, ensembl, lambda asked, own=division: elsewhere(asked, own))
            wanted += [Wanted(row, genome, number) for genome in found]
        except CellError as error:
            problems.append((row, error.column, str(error)))
        except UnreachableError:
            raise
        except WebError as error:
            silent.add((division, release))
            problems.append((row, "division", str(error)))
    return wanted, problems


def find_genomes(row: Row, ensembl: Ensembl, elsewhere: Callable[[str], list[str]]) -> tuple[list[Genome], str]:
    """Find the genomes that a row asks for, and the release's number."""
    division, release = row["division"], row["release"]
    genomes, number = survey(ensembl, division, release)
    try:
        return match_genomes(row, genomes, elsewhere), number
    except CellError:
        if release == "latest" or not is_current(ensembl, division, release):
            raise
    # REST, which knows the current release only, has more names of a genome than the table.
    return match_genomes(row, ensembl.genomes(division, None), elsewhere), number


def is_current(ensembl: Ensembl, division: str, release: str) -> bool:
    try:
        return ensembl.current_release(division) == release
    except WebError:  # what the table said stands
        return False


def survey(ensembl: Ensembl, division: str, release: str) -> tuple[list[Genome], str]:
    """List a division's genomes in a release, and the release's number."""
    if release == "latest":
        return ensembl.genomes(division, None), ensembl.current_release(division)
    try:
        return ensembl.genomes(division, release), release
    except AbsentError as error:
        current = ensembl.current_release(division)
        raise CellError(
            "release", f"{division} has no table of release {release} ({error}); the current release is {current}"
        ) from error


def named_first(wanted: list[Wanted]) -> list[Wanted]:
    """Leave out of a whole division (*) the genomes that a row names: that row says which release and assembly."""
    named = {one.genome.name for one in wanted if not one.whole_division}
    return [one for one in wanted if not (one.whole_division and one.genome.name in named)]


def duplicates(owners: Iterable[tuple[Row, str]]) -> list[tuple[Row, str, str]]:
    """Find the organisms that two rows ask for; the organism is the key of the lock and can be there once."""
    first: dict[str, Row] = {}
    twice: dict[tuple[int, int], tuple[Row, list[str]]] = {}
    for row, name in owners:
        earlier = first.setdefault(name, row)
        if earlier is not row:
            twice.setdefault((row.number, earlier.number), (row, []))[1].append(name)
    return [
        (row, "organism", f"row {earlier} gives {some(names)}, too; remove one of the two rows")
        for (_, earlier), (row, names) in twice.items()
    ]


def some(names: list[str], shown: int = 5) -> str:
    """Name a few of many."""
    return ", ".join(names[:shown]) + (f" and {len(names) - shown} others" if len(names) > shown else "")


def find_files(
    wanted: list[Wanted], ensembl: Ensembl, progress: Callable[[str], None]
) -> Iterator[tuple[Wanted, tuple[File, File] | LackingError | WebError]]:
    """Look up the files of all genomes, several at once, in order; who stops listening stops the look-ups."""

    def look(one: Wanted) -> tuple[File, File] | LackingError | WebError:
        try:
            return ensembl.files(one.genome, one.row["division"], one.release, exact=not one.whole_division)
        except (LackingError, WebError) as error:
            return error

    pool = ThreadPoolExecutor(CONNECTIONS)
    try:
        for done, (one, answer) in enumerate(zip(wanted, pool.map(look, wanted), strict=True), start=1):
            if done % PROGRESS_EVERY == 0:
                progress(f"{done:,} of {len(wanted):,} genomes looked up")
            yield one, answer
    finally:
        pool.shutdown(cancel_futures=True)


def locked_row(one: Wanted, genome_file: File, annotation: File) -> dict[str, str]:
    """Write what was found of a genome as a row of the lock."""
    genome = one.genome
    return {
        "requested": one.row["organism"],
        "requested_assembly": one.row["assembly"],
        "organism": genome.name,
        "species": genome.species,
        "strain": genome.strain,
        "taxon_id": genome.taxon_id,
        "division": one.row["division"],
        "collection": genome.collection,
        "assembly": assembly_of(genome_file.name, genome, one.release),
        "accession": genome.accession,
        "release": one.release,
        "genome_url": genome_file.url,
        "genome_size": str(genome_file.size),
        "genome_checksum": f"sum:{int(genome_file.sum)} {int(genome_file.blocks)}",
        "annotation_url": annotation.url,
        "annotation_size": str(annotation.size),
        "annotation_checksum": f"sum:{int(annotation.sum)} {int(annotation.blocks)}",
    }


def lock_rows(
    path: Path, rows: list[Row], misspelt: list[str], ensembl: Ensembl, say: Callable, progress: Callable
) -> list[dict]:
    """Make the rows of the lock, or raise TableError with all that stands against it.

    `misspelt` is what is wrong with the table itself; its rows that are not concerned are looked up all the same.
    """
    problems: list[tuple[Row, str, str]] = []
    own, listed = [], []
    for row in rows:
        if any(problem.startswith(f"{path}, row {row.number},") for problem in misspelt):
            continue
        if mistake := source_problem(row):
            problems.append((row, *mistake))
        else:
            (own if row["genome"] else listed).append(row)
    wanted, mistakes = resolve(listed, ensembl)
    wanted = named_first(wanted)
    problems += mistakes + duplicates(
        [(one.row, one.genome.name) for one in wanted] + [(row, own_name(row["organism"])) for row in own]
    )
    locked = []
    for row in own:
        try:
            locked.append(own_row(row, ensembl.web))
        except CellError as error:
            problems.append((row, error.column, str(error)))
    # Whole divisions take long: they are looked up when nothing else stands against the lock.
    for some_wanted in (
        [one for one in wanted if not one.whole_division],
        [one for one in wanted if one.whole_division],
    ):
        if some_wanted and not ((problems or misspelt) and some_wanted[0].whole_division):
            found, mistakes = lock_wanted(some_wanted, ensembl, say, progress)
            locked += found
            problems += mistakes
    if problems or misspelt:
        problems.sort(key=lambda problem: problem[0].number)
        found = (f"{path}, row {row.number}, column {column}: {problem}" for row, column, problem in problems)
        raise TableError([*misspelt, *found])
    return sorted(locked, key=lambda row: (row.get("division", ""), row["organism"]))


def lock_wanted(
    wanted: list[Wanted], ensembl: Ensembl, say: Callable, progress: Callable
) -> tuple[list[dict], list[tuple[Row, str, str]]]:
    """Make the rows of genomes of Ensembl; say which ones of a whole division are left out for want of files."""
    locked, problems = [], []
    left_out: dict[int, list[tuple[Wanted, str]]] = {}
    for one, answer in find_files(wanted, ensembl, progress):
        if isinstance(answer, WebError):
            return [], [(one.row, "division", str(answer))]
        if not isinstance(answer, LackingError):
            locked.append(locked_row(one, *answer))
        elif one.whole_division:
            left_out.setdefault(one.row.number, []).append((one, str(answer)))
        else:
            problem = f"{describe(one.genome)} has no files in release {one.release}: {answer}"
            problems.append((one.row, "organism", f"{problem}; choose another release, or remove the row"))
    for number, lacking in left_out.items():
        row, total = lacking[0][0].row, sum(one.row.number == number for one in wanted)
        if len(lacking) == total:
            problem = f"none of the {total:,} genomes has files, as {lacking[0][1]}; check the addresses of Ensembl"
            problems.append((row, "organism", problem))
        say(f"{row['division']}: {len(lacking):,} of {total:,} genomes are left out, as their files do not exist:")
        show(say, [f"  {one.genome.name}: {reason}" for one, reason in lacking])
    return locked, problems


def read_schema(name: str) -> dict:
    return yaml.safe_load((SCHEMAS / name).read_text(encoding="utf-8"))


def main(
    organisms: Path,
    lock: Path,
    addresses: dict[str, str],
    web: Web | None = None,
    say: Callable[[str], None] = print,
    progress: Callable[[str], None] = print,
) -> None:
    """Make the lock anew and say what changed; raise TableError, and leave the old lock, where a row is wrong."""
    rows, misspelt = read_table(organisms, read_schema("organisms.schema.yaml"))
    if not rows and not misspelt:
        raise TableError([f"{organisms}: it asks for no organism; add a row"])
    schema = read_schema("organisms.lock.schema.yaml")
    old = read_lock(lock, schema, say)
    try:
        new = lock_rows(organisms, rows, misspelt, Ensembl(web or Web(), addresses), say, progress)
    except UnreachableError as error:
        remedy = "is there a network? The addresses are the keys below `ensembl` in config/config.yaml"
        raise TableError([*misspelt, f"{error}; {remedy}"]) from error
    write_lock(lock, new, schema)
    lines, unchanged = difference(old, {row["organism"]: row for row in new})
    show(say, lines)
    say(f"{lock}: {len(new):,} genomes, {len(lines):,} added, removed or changed, {unchanged:,} unchanged")


def teller(*files: TextIO) -> Callable[[str], None]:
    """Make a function that writes a line to each of several files."""

    def tell(line: str) -> None:
        for file in files:
            print(line, file=file, flush=True)

    return tell


if __name__ == "__main__":
    with Path(snakemake.log[0]).open("w", encoding="utf-8") as log:
        try:
            main(
                Path(snakemake.params.organisms),
                Path(snakemake.params.lock),
                dict(snakemake.params.ensembl),
                say=teller(log, sys.stdout),
                progress=teller(log, sys.stderr),
            )
        except TableError as mistakes:  # Snakemake shows the log of what failed
            teller(log)(f"{mistakes}\nthe lock is left as it was")
            sys.exit(1)
