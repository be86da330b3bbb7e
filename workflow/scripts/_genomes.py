"""The genomes of a run: what config/organisms.tsv asks for, as config/organisms.lock.tsv says it is."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from _paths import file_problem, is_local
from _tables import Problem, Row, cell_problems, in_words, parse_table, suggest_from

DIVISIONS = (
    "EnsemblVertebrates",
    "EnsemblPlants",
    "EnsemblFungi",
    "EnsemblBacteria",
    "EnsemblProtists",
    "EnsemblMetazoa",
)
LOCK_PROBLEMS_SHOWN = 3
UNLOCKED = "there is no such file yet; run `snakemake lock`, which asks Ensembl for it"
# A row's number, the column, and what is wrong there with its remedy.
Mistake = tuple[int, str, str]


@dataclass
class Genomes:
    """The genomes of a run, and what the table of samples may call them."""

    # The lock's rows that are asked for, by organism.
    locked: dict[str, Row] = field(default_factory=dict)
    # Organisms by every other name, as `organism_key` writes it; none where the lock lacks what is asked for.
    names: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    # What the table of organisms asks for, as it is written there.
    asked: list[str] = field(default_factory=list)
    # Files of known variants, by organism; organisms without any are not here.
    known_sites: dict[str, tuple[str, ...]] = field(default_factory=dict)
    # False where tables cannot be read or a whole division is not locked yet: names not found here may be right.
    complete: bool = True

    def find(self, name: str) -> set[str]:
        """Find the organisms that a name may mean: one with exactly this name, else all that are called like it."""
        return {name} if name in self.locked else self.names.get(organism_key(name), set())


def organism_key(name: str) -> str:
    """Write a name so that case, and blanks or underscores, make no difference: Homo sapiens -> homo_sapiens."""
    return re.sub(r"[\s_]+", "_", name.strip().lower())


def genome_name(genome: Row) -> str:
    """Name a genome as its files are named: organism.assembly.release."""
    return f"{genome['organism']}.{genome['assembly']}.{genome['release']}"


def read_genomes(
    organisms: Path,
    lock: Path,
    organisms_schema: dict,
    lock_schema: dict,
    look_for_files: bool = False,
    check: bool = True,
) -> tuple[Genomes, list[str]]:
    """Read both tables; return the genomes that are asked for, and all that is wrong.

    A row that is asked for and not in the lock, or there with another release or source, is a mistake: the lock has to
    be made again. `look_for_files`: a local file that does not exist is a mistake, as is an own genome of another size
    than was locked. Without `check`, only what the genomes cannot be found without is looked at.
    """
    wanted, unread = parse_table(organisms, organisms_schema)
    locked, lock_unread = [], [Problem(lock, 0, "", UNLOCKED)]
    if lock.exists():
        locked, lock_unread = parse_table(lock, lock_schema)
    genomes, unanswered = match_lock(wanted, locked)
    genomes.complete = genomes.complete and not unread and not lock_unread
    if not check:
        return genomes, in_words(unread) + in_words(lock_unread)
    if not wanted and not unread:
        unread = [Problem(organisms, 0, "", "it asks for no organism; add a row")]
    misspelt = cell_problems(organisms, wanted, organisms_schema)
    lock_problems = lock_unread + cell_problems(lock, locked, lock_schema) + doubly_locked(lock, locked)
    # One message a row: the first thing to mend. Whether a broken lock answers a row is no question yet.
    files = (*missing_sites(wanted), *changed_files(wanted, genomes)) if look_for_files else ()
    found = [*([] if lock_problems else unanswered), *files, *row_problems(wanted)]
    told = {problem.row for problem in misspelt}
    untold = {number: Problem(organisms, number, *words) for number, *words in found if number not in told}
    return genomes, in_words([*unread, *misspelt, *untold.values()]) + shorten(in_words(lock_problems))


def match_lock(wanted: list[Row], locked: list[Row]) -> tuple[Genomes, list[Mistake]]:
    """Find the lock's rows of each row of the table of organisms; return also the rows that it does not answer."""
    by_request: dict[tuple[str, str], dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    assemblies: dict[str, list[str]] = defaultdict(list)
    for genome in locked:
        request = (organism_key(genome["requested"]), genome["requested_assembly"])
        by_request[request][genome["division"]].append(genome)
        assemblies[request[0]].append(genome["requested_assembly"] or genome["assembly"])
    suggest = suggest_from(list(dict.fromkeys(genome["requested"] for genome in locked)))
    genomes = Genomes()
    unanswered = []
    for row in wanted:
        request = organism_key(row["organism"])
        divisions = by_request.get((request, row["assembly"]), {})
        if problem := lock_problem(row, divisions, assemblies[request], suggest):
            unanswered.append((row.number, *problem))
            genomes.complete = genomes.complete and request != "*"
        found = {genome["organism"]: genome for genome in divisions.get(row["division"], [])}
        genomes.locked.update(found)
        if sites := site_files(row):
            genomes.known_sites.update(dict.fromkeys(found, sites))
        if request != "*":
            genomes.names[request].update(found)
            genomes.asked.append(row["organism"])
    by_name = defaultdict(set)
    for organism in genomes.locked:
        by_name[organism_key(organism)].add(organism)
    genomes.names.update(by_name)
    return genomes, unanswered


def lock_problem(
    row: Row, divisions: dict[str, list[Row]], assemblies: list[str], suggest: Callable[[str], str]
) -> tuple[str, str] | None:
    """Say in which column the lock does not answer a row of the table of organisms, and why; None where it does.

    `divisions`: what the lock has of the row's organism and assembly; `assemblies`: of the organism in all.
    """
    again = "if the table is right, run `snakemake lock`"
    if not divisions and assemblies:
        return "assembly", f"the lock has {' and '.join(assemblies)} of {row['organism']!r}; {again}"
    if not divisions:
        return "organism", f"the lock has no row for {row['organism']!r}; {suggest(row['organism'])}; {again}"
    if row["division"] not in divisions:
        return "division", f"the lock has {' and '.join(divisions) or 'none'}; {again}"
    for genome in divisions[row["division"]]:
        if row["release"] not in ("latest", genome["release"]) and genome["release"] != "own":
            return "release", f"the lock has release {genome['release']}; {again}"
        for column in ("genome", "annotation"):
            if row[column] != (genome[f"{column}_url"] if genome["release"] == "own" else ""):
                return column, f"the lock has {genome[f'{column}_url']}; {again}"
    return None


def row_problems(wanted: list[Row]) -> Iterator[Mistake]:
    """Find what rows of the table of organisms say against themselves and each other, whatever Ensembl has."""
    first: dict[tuple[str, ...], Row] = {}
    for row in wanted:
        same = first.setdefault((organism_key(row["organism"]), row["assembly"].lower(), row["division"]), row)
        if problem := source_problem(row):
            yield row.number, *problem
        elif same is not row:
            words = f"row {same.number} asks for {row['organism']!r}, too; remove one of the two rows"
            yield row.number, "organism", words


def source_problem(row: Row) -> tuple[str, str] | None:
    """Say, as column and message, why it is not clear where a row's genome shall come from."""
    own = [column for column in ("genome", "annotation") if row[column]]
    if own == ["annotation"]:
        return "genome", "empty, but annotation is given; give both files, or neither to take Ensembl's"
    if own and row["organism"] == "*":
        return "organism", "* is for Ensembl's divisions; give your own genome a name"
    if own and row["division"]:
        return "division", "leave it empty beside your own genome, or remove genome and annotation"
    for column, signs in (("organism", "_-"), ("assembly", "_.-")):
        # Blanks become underscores, as in Ensembl's names.
        if own and (wrong := [sign for sign in row[column] if not sign.isalnum() and sign not in f" {signs}"]):
            remedy = f"write {file_name_of(row[column], signs)!r}"
            return column, f"{row[column]!r} names files, in which {wrong[0]!r} cannot stand; {remedy}"
    if not own and not row["division"]:
        return "division", f"empty; write one of {', '.join(DIVISIONS)}, or give your own genome and annotation"
    if row["organism"] == "*" and row["assembly"]:
        return "assembly", "leave it empty for a whole division (*)"
    if row["organism"] == "*" and row["known_sites"]:
        return "known_sites", "leave it empty for a whole division (*); give the organism a row of its own"
    return None


def file_name_of(name: str, signs: str) -> str:
    """Write a name of the user's own in letters, digits and `signs`, which can stand in names of files."""
    return re.sub(rf"[^A-Za-z0-9{signs}]+", "_", name).strip("_") or "_"


def site_files(row: Row) -> tuple[str, ...]:
    """The files of known sites that a row of the table of organisms names."""
    return tuple(path.strip() for path in row["known_sites"].split(";") if path.strip())


def missing_sites(wanted: list[Row]) -> Iterator[Mistake]:
    """Name the local files of known sites that do not exist; URLs are left to the storage that serves them."""
    for row in wanted:
        for path in site_files(row):
            if is_local(path) and (problem := file_problem(path)):
                yield row.number, "known_sites", problem


def changed_files(wanted: list[Row], genomes: Genomes) -> Iterator[Mistake]:
    """Name the user's own local files whose size is not the lock's: Snakemake notices only those with a newer time."""
    locked = {
        genome[f"{kind}_url"]: genome[f"{kind}_size"]
        for genome in genomes.locked.values()
        if genome["release"] == "own"
        for kind in ("genome", "annotation")
    }
    for row in wanted:
        for kind in ("genome", "annotation"):
            path = row[kind]
            if not path or path not in locked or not is_local(path):
                continue
            if problem := file_problem(path):
                yield row.number, kind, problem
            elif locked[path] and (found := Path(path).stat().st_size) != int(locked[path]):
                words = f"{path} changed since it was locked: it has {found:,} bytes, in the lock {int(locked[path]):,}"
                yield (
                    row.number,
                    kind,
                    f"{words}; bring the earlier file back, or run `snakemake lock` to take this one",
                )


def doubly_locked(lock: Path, locked: list[Row]) -> list[Problem]:
    """Find organisms that are in the lock twice, also in other case: their files would have the same names."""
    first: dict[str, Row] = {}
    return [
        Problem(lock, row.number, "organism", f"row {earlier.number} is of {earlier['organism']}, too")
        for row in locked
        if (earlier := first.setdefault(row["organism"].lower(), row)) is not row
    ]


def shorten(lock_problems: list[str]) -> list[str]:
    """Tell the first problems of the lock, and the one remedy of them all: nobody mends it by hand."""
    if len(lock_problems) <= 1 and "snakemake lock" in "".join(lock_problems):
        return lock_problems
    remedy = "run `snakemake lock`, which writes the lock anew"
    more = len(lock_problems) - LOCK_PROBLEMS_SHOWN
    shown = [f"{problem}; {remedy}" for problem in islice(lock_problems, LOCK_PROBLEMS_SHOWN)]
    return [*shown, f"... and {more:,} more mistakes in the lock"] if more > 0 else shown
