"""The genomes of a run: what config/organisms.tsv asks for, as config/organisms.lock.tsv says it is."""

from pathlib import Path

from _tables import Row, nearest, read_table


def organism_key(name: str) -> str:
    """Bring an organism's name into the form of the lock: Homo sapiens -> homo_sapiens."""
    return name.strip().replace(" ", "_").lower() if " " in name else name


def genome_name(genome: Row) -> str:
    """Name a genome as its files are named: organism.assembly.release."""
    return f"{genome['organism']}.{genome['assembly']}.{genome['release']}"


def read_genomes(
    organisms: Path, lock: Path, organisms_schema: dict, lock_schema: dict
) -> tuple[dict[str, Row], list[str]]:
    """Read both tables; return the lock's rows that are asked for, by organism, and all that is wrong.

    A row that is asked for and not in the lock, or there with another release or source, is a mistake: the lock has to
    be made again.
    """
    wanted, problems = read_table(organisms, organisms_schema)
    if not lock.exists() and not problems:
        return {}, [f"{lock}: there is no such file yet; run `snakemake lock`, which asks Ensembl and writes it"]
    locked, lock_problems = read_table(lock, lock_schema)
    problems += lock_problems
    by_request: dict[tuple[str, str], list[Row]] = {}
    for genome in locked:
        by_request.setdefault((genome["requested"], genome["requested_assembly"]), []).append(genome)
    genomes: dict[str, Row] = {}
    for row in wanted:
        found = by_request.get((row["organism"], row["assembly"]), [])
        if problem := lock_problem(row, found, [genome["requested"] for genome in locked]):
            problems.append(f"{organisms}, row {row.number}, {problem}")
        genomes.update((genome["organism"], genome) for genome in found)
    return genomes, problems


def lock_problem(row: Row, found: list[Row], known: list[str]) -> str | None:
    """Say why the lock does not answer a row of the table of organisms; None where it does."""
    if not found:
        return (
            f"column organism: the lock has no row for {row['organism']!r} ({nearest(row['organism'], known)}); "
            "run `snakemake lock`"
        )
    genome = found[0]
    if row["division"] != genome["division"]:
        return f"column division: the lock has {genome['division'] or 'none'}; run `snakemake lock`"
    if row["release"] not in ("latest", genome["release"]) and genome["release"] != "own":
        return f"column release: the lock has release {genome['release']}; run `snakemake lock`"
    for column in ("genome", "annotation"):
        if row[column] and row[column] != genome[f"{column}_url"]:
            return f"column {column}: the lock has {genome[f'{column}_url']}; run `snakemake lock`"
    return None
