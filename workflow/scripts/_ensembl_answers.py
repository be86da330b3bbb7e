"""Read Ensembl's answers: releases, genomes, the files of a folder; what is not of the right shape is an AnswerError.

REST answers: https://rest.ensembl.org/documentation. Species tables and CHECKSUMS: https://ftp.ensembl.org/pub.
"""

import re
from dataclasses import dataclass

from _genomes import DIVISIONS, organism_key
from _web import WebError

MAIN = DIVISIONS[0]


class AnswerError(WebError):
    """An answer is not of the shape that Ensembl's answers have."""


@dataclass(frozen=True, slots=True)
class Genome:
    """One genome of a division. `names` and `assemblies` are all it may be called, as `organism_key` writes them."""

    name: str
    species: str
    strain: str
    taxon_id: str
    assembly: str
    accession: str
    names: frozenset[str]
    assemblies: frozenset[str]
    url_name: str = ""
    collection: str = ""


def keys(*names: str) -> frozenset[str]:
    return frozenset(organism_key(name) for name in names if name)


def cell(value: object) -> str:
    """Write a value of an answer as one table cell: null is empty, white space of any kind is one blank."""
    return "" if value is None else " ".join(str(value).split())


def make_genome(name: str, strain: str, assemblies: list[str], accession: str, names: list[str], **known) -> Genome:
    """Make a genome from cleaned text; `assemblies` begins with the one that names the files."""
    accessions = [accession, accession.partition(".")[0]]
    # GRCh38 is GRCh38.p14 in the species tables: a patch changes no file name.
    unpatched = [re.sub(r"\.p\d+$", "", assembly) for assembly in assemblies]
    with_strain = [f"{other} {strain}" for other in names if strain]
    return Genome(
        name=name,
        strain=strain,
        assembly=assemblies[0],
        accession=accession,
        names=keys(name, *names, *with_strain),
        assemblies=keys(*assemblies, *unpatched, *accessions),
        **known,
    )


def species_from_name(name: str, strain: str = "") -> str:
    """Write a production name as a scientific name: mus_musculus_balbcj of the strain BALB/cJ is Mus musculus."""
    words = [word for word in name.split("_") if word and not re.fullmatch(r"gca\d+(v\d+)?", word)]
    if len(words) > 2 and words[-1] == re.sub(r"[^a-z0-9]", "", strain.lower()):
        words.pop()
    return " ".join(words).capitalize()


def parse_release(answer: object, field: str, url: str) -> str:
    """Read a release from /info/software ({"release": 110}) or /info/eg_version ({"version": 57})."""
    number = answer.get(field) if isinstance(answer, dict) else None
    if not re.fullmatch(r"\d+", str(number)):
        raise AnswerError(f'{url}: expected an answer like {{"{field}": 110}}; is this Ensembl\'s REST service?')
    return str(number)


def parse_main(answer: object, url: str) -> list[Genome]:
    """Read /info/species, the genomes of the main site."""
    genomes = []
    for record in records(answer.get("species") if isinstance(answer, dict) else None, url):
        name, strain, taxon = cell(record["name"]), cell(record.get("strain")), cell(record.get("taxon_id"))
        others = [record.get("display_name"), record.get("common_name"), *(record.get("aliases") or [])]
        # The answer holds no scientific name: the one made up here is for the reader, not for finding the genome, as
        # every strain of the mouse would then answer to Mus musculus.
        genomes.append(
            make_genome(
                name,
                strain,
                [cell(record.get("assembly"))],
                cell(record.get("accession")),
                [cell(other) for other in others],
                species=species_from_name(name, strain),
                taxon_id=taxon,
            )
        )
    return genomes


def parse_division(answer: object, url: str) -> list[Genome]:
    """Read /info/genomes/division/<division>, which names its fields otherwise than /info/species."""
    genomes = []
    for record in records(answer, url):
        text = {field: cell(value) for field, value in record.items()}
        assemblies = [text.get("assembly_default", ""), text.get("assembly_name", "")]
        species, url_name = text.get("scientific_name", ""), text.get("url_name", "")
        genomes.append(
            make_genome(
                text["name"],
                text.get("strain", ""),
                assemblies if assemblies[0] else assemblies[::-1],
                text.get("assembly_accession", ""),
                [species, url_name, text.get("display_name", "")],
                species=species or species_from_name(text["name"]),
                taxon_id=text.get("taxonomy_id", ""),
                url_name=url_name,
            )
        )
    return genomes


def records(answer: object, url: str) -> list[dict]:
    """Make sure that an answer is a list of genomes that have a name."""
    if not isinstance(answer, list):
        raise AnswerError(f"{url}: expected a list of genomes; is this Ensembl's REST service?")
    for record in answer:
        if not isinstance(record, dict) or not isinstance(record.get("name"), str) or not record["name"].strip():
            raise AnswerError(f"{url}: expected genomes with a name, found {str(record)[:80]!r}; try again later")
        if not isinstance(record.get("aliases") or [], list):
            raise AnswerError(f"{url}: expected a list of aliases of {record['name']}; try again later")
    return answer


def parse_table(text: str, url: str) -> list[Genome]:
    """Read a species table of the FTP site; columns come and go between releases, and rows may end in a tab."""
    lines = [line.rstrip("\r") for line in text.split("\n")]
    header = lines[0].lstrip("#").split("\t")
    if "species" not in header or "name" not in header:
        raise AnswerError(f"{url}: expected a table with the columns name and species; is this Ensembl's FTP site?")
    genomes = []
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        row = {column: cell(value) for column, value in zip(header, line.split("\t"), strict=False)}
        name, display = row.get("species", ""), row["name"]
        if not name:
            raise AnswerError(f"{url}, row {number}: no production name; the table is damaged, try again later")
        main = row.get("division") == MAIN
        scientific = re.sub(r" \(.*", "", display)
        genomes.append(
            make_genome(
                name,
                "",
                [row.get("assembly", "")],
                row.get("assembly_accession", ""),
                [display, scientific],
                # On the main site the column `name` holds Human, on the others Actinidia chinensis Red5.
                species=species_from_name(name) if main or not scientific else scientific,
                taxon_id=row.get("taxonomy_id", ""),
                collection=collection_of(row.get("core_db", "")),
            )
        )
    return genomes


def collection_of(core_db: str) -> str:
    """Name the folder that a genome shares with others, by its database; "" where it has its own.

    fungi_ascomycota3_collection_core_57_110_1 -> fungi_ascomycota3_collection
    """
    match = re.match(r"(\w+_collection)_core_\d", core_db, re.ASCII)
    return match[1] if match else ""


def parse_checksums(text: str, url: str) -> dict[str, tuple[str, str]]:
    """Read a CHECKSUMS file, lines `<sum> <blocks> <file>`, into (sum, blocks) by file."""
    found = {}
    for number, line in enumerate(text.split("\n"), start=1):
        match = re.fullmatch(r"\s*([0-9]+)\s+([0-9]+)\s+(?:.*/)?([^/]*[^/\s])\s*", line)
        if match:
            found[match[3]] = (match[1], match[2])
        elif line.strip():
            raise AnswerError(f"{url}, row {number}: expected `<sum> <blocks> <file>`, found {line[:80]!r}; try again")
    return found
