"""Answer as Ensembl's REST service does about releases and genomes.

https://rest.ensembl.org/documentation/info/species, .../info_genomes_division, .../software, .../info_eg_version
"""

from tests.toy.choose_organisms import GENOMES_RELEASE, MAIN, MAIN_RELEASE, Organism

DIVISIONS = (MAIN, "EnsemblPlants", "EnsemblFungi", "EnsemblBacteria", "EnsemblProtists", "EnsemblMetazoa")


def answer_all(organisms: list[Organism]) -> dict[str, object]:
    """Make every answer, by its path below /info; `species.<division>` is /info/species?division=<division>."""
    answers: dict[str, object] = {
        "software": {"release": MAIN_RELEASE},
        "eg_version": {"version": GENOMES_RELEASE},
        "species": answer_species(organisms, MAIN),
    }
    for division in DIVISIONS:
        answers[f"species.{division}"] = answer_species(organisms, division)
        answers[f"genomes/division/{division}"] = answer_division(organisms, division)
    return answers


def answer_species(organisms: list[Organism], division: str) -> dict[str, list[dict]]:
    return {"species": [species_record(organism) for organism in organisms if organism.division == division]}


def answer_division(organisms: list[Organism], division: str) -> list[dict]:
    return [division_record(organism) for organism in organisms if organism.division == division]


def species_record(organism: Organism) -> dict:
    """One genome as /info/species tells of it."""
    common = organism.species.split()[0].lower()
    return {
        "strain": None,
        "common_name": common,
        "accession": organism.accession,
        "groups": ["core"],
        "display_name": common.capitalize(),
        "name": organism.name,
        "taxon_id": organism.taxon_id,
        "division": organism.division,
        "assembly": organism.assembly,
        "strain_collection": None,
        "release": MAIN_RELEASE,
        "aliases": [organism.species.lower(), organism.name[0] + organism.name.split("_")[1], organism.taxon_id],
    }


def division_record(organism: Organism) -> dict:
    """One genome as /info/genomes/division/<division> tells of it."""
    _, _, strain = organism.species.partition(" str. ")
    return {
        "name": organism.name,
        "scientific_name": organism.species,
        "display_name": display_name(organism),
        "url_name": organism.url_name,
        "strain": strain or None,
        "serotype": None,
        "division": organism.division,
        "taxonomy_id": int(organism.taxon_id),
        "species_taxonomy_id": int(organism.taxon_id),
        "organism_id": organism.number,
        "assembly_id": organism.number,
        "assembly_name": organism.assembly.replace("_", " "),
        "assembly_default": organism.assembly,
        "assembly_accession": organism.accession,
        "assembly_level": "chromosome",
        "assembly_ucsc": None,
        "base_count": organism.bases,
        "genebuild": "2023-02-Toy",
        "reference": None,
        "data_release_id": 73,
        "website_packed": 0,
        "has_genome_alignments": 0,
        "has_microarray": 0,
        "has_other_alignments": 0,
        "has_pan_compara": 0,
        "has_peptide_compara": 0,
        "has_synteny": 0,
        "has_variations": 0,
    }


def display_name(organism: Organism) -> str:
    """The name for people; of a bacterium, with its accession."""
    return f"{organism.species} ({organism.accession.partition('.')[0]})" if organism.collection else organism.species
