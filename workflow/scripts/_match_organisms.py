"""Match a row of config/organisms.tsv with the genomes of its division, or say why that cannot be done."""

from collections.abc import Callable

from _ensembl_answers import Genome
from _genomes import organism_key
from _tables import Row, nearest


class CellError(ValueError):
    """A cell of config/organisms.tsv cannot be served; `column` says which one."""

    def __init__(self, column: str, problem: str) -> None:
        super().__init__(problem)
        self.column = column


def match_genomes(row: Row, genomes: list[Genome], elsewhere: Callable[[str], list[str]]) -> list[Genome]:
    """Find what a row asks for among the genomes of its division: all for *, else exactly one.

    A production name, written as such, means that genome, even where other genomes are of a species of that name.
    `elsewhere` says in which other divisions a name is known; it is asked only where this one does not know it.
    """
    asked = row["organism"]
    if asked == "*" and not genomes:
        raise CellError("organism", f"{row['division']} has no genomes in this release; choose another release")
    if asked == "*":
        return list({genome.name: genome for genome in genomes}.values())
    if exact := [genome for genome in genomes if genome.name.lower() == asked.lower()]:
        found = exact
    elif not (found := [genome for genome in genomes if is_called(genome, asked)]):
        raise CellError("organism", unknown(asked, row["division"], genomes, elsewhere(asked)))
    if row["assembly"]:
        # The assembly may well be that of another genome of the species than the one that bears its name.
        related = found if not exact else [genome for genome in genomes if is_called(genome, asked)]
        assembly = organism_key(row["assembly"])
        of_assembly = [genome for genome in found if assembly in genome.assemblies]
        of_assembly = of_assembly or [genome for genome in related if assembly in genome.assemblies]
        if not of_assembly:
            known = ", ".join(map(describe, related))
            raise CellError("assembly", f"{asked} has no assembly {row['assembly']!r}; choose one of {known}")
        found = of_assembly
    if len(found) > 1:
        choice = ", ".join(sorted(map(describe, found)))
        raise CellError("organism", f"{len(found)} genomes are called {asked!r}; write the name of one of {choice}")
    return found


def is_called(genome: Genome, asked: str) -> bool:
    return organism_key(asked) in genome.names


def describe(genome: Genome) -> str:
    """Name a genome and its assembly, for a message."""
    return f"{genome.name} ({', '.join(filter(None, (genome.assembly, genome.accession, genome.strain)))})"


def unknown(asked: str, division: str, genomes: list[Genome], divisions: list[str]) -> str:
    """Say that a name is not known, and what may have been meant."""
    problem = f"{division} has no genome called {asked!r}"
    if divisions:
        return f"{problem}; it is known in {' and '.join(divisions)}: correct the division"
    start = organism_key(asked)
    if longer := sorted({genome.name for genome in genomes if any(name.startswith(start) for name in genome.names)}):
        more = f" or {len(longer) - 10} others" if len(longer) > 10 else ""
        return f"{problem}; did you mean {', '.join(longer[:10])}{more}?"
    return f"{problem}; {nearest(start, sorted({name for genome in genomes for name in genome.names}))}"
