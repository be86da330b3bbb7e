"""Choose the invented organisms of the toy Ensembl: who they are, and how large."""

from dataclasses import dataclass

MAIN_RELEASE, GENOMES_RELEASE, OLDER_RELEASE = 110, 57, 56
MAIN = "EnsemblVertebrates"
GENOMES_A_COLLECTION = 100
SMALLEST = {"bacterium": 15_000, "fungus": 60_000}


@dataclass(frozen=True, slots=True)
class Organism:
    """One genome of the toy Ensembl. `contigs` are (name, bases); `spliced`: its transcripts have several exons."""

    name: str
    species: str
    division: str
    assembly: str
    number: int
    contigs: tuple[tuple[str, int], ...]
    spliced: bool = True
    collection: str = ""
    releases: tuple[int, ...] = (GENOMES_RELEASE,)
    on_ftp: bool = True

    @property
    def url_name(self) -> str:
        """The name as it begins file names: Toya_fabularis."""
        return self.name[0].upper() + self.name[1:]

    @property
    def accession(self) -> str:
        """An accession in INSDC's form; numbers this small belong to nobody's assembly."""
        return f"GCA_{self.number:09d}.1"

    @property
    def taxon_id(self) -> str:
        """A number beyond those of NCBI's taxonomy."""
        return str(900_000_000 + self.number)

    @property
    def bases(self) -> int:
        return sum(length for _, length in self.contigs)


def choose_fungus(bases: int = 200_000) -> Organism:
    """The eukaryote of the toy samples; an older release of it is kept as well, so that a release can be pinned."""
    at_least(bases, "fungus")
    contigs = (("I", bases * 45 // 100), ("II", bases * 35 // 100), ("III", bases * 20 // 100))
    releases = (OLDER_RELEASE, GENOMES_RELEASE)
    return Organism("toya_fabularis", "Toya fabularis", "EnsemblFungi", "TOYA1", 900, contigs, releases=releases)


def choose_bacterium(number: int, bases: int = 120_000) -> Organism:
    """The number-th bacterium, counted from 1; 100 of them share the folder of a collection."""
    at_least(bases, "bacterium")
    return Organism(
        name=f"bacillus_fabula_gca_{number:09d}",
        species=f"Bacillus fabula str. T{number}",
        division="EnsemblBacteria",
        assembly=f"ASM{number}v1",
        number=number,
        contigs=(("Chromosome", bases),),
        spliced=False,
        collection=f"bacteria_{(number - 1) // GENOMES_A_COLLECTION}_collection",
    )


def choose_others() -> list[Organism]:
    """One small genome of each other division, and a fungus which REST names but which the FTP site lacks."""
    contigs = (("1", 30_000), ("2", 20_000))
    return [
        Organism("fabula_minor", "Fabula minor", MAIN, "TOYV1.1", 901, contigs, releases=(MAIN_RELEASE,)),
        Organism("herba_fabularis", "Herba fabularis", "EnsemblPlants", "Toy_v2.0", 902, contigs),
        Organism("guttula_fabularis", "Guttula fabularis", "EnsemblProtists", "TOYP1", 903, contigs),
        Organism("bestiola_fabularis", "Bestiola fabularis", "EnsemblMetazoa", "TOYM1", 904, contigs),
        Organism("absens_fabularis", "Absens fabularis", "EnsemblFungi", "ABSENS1", 905, contigs, on_ftp=False),
    ]


def choose_fleet(bacteria: int = 1, bacterium_bases: int = 120_000, fungus_bases: int = 200_000) -> list[Organism]:
    """The organisms that the toy tables ask for: the fungus, and `bacteria` bacteria."""
    return [choose_fungus(fungus_bases), *(choose_bacterium(n, bacterium_bases) for n in range(1, bacteria + 1))]


def at_least(bases: int, kind: str) -> None:
    if bases < SMALLEST[kind]:
        raise ValueError(f"a {kind} of {bases:,} bases has no room for its genes; give it at least {SMALLEST[kind]:,}")
