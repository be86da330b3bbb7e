"""A small Ensembl on loopback, and the table of organisms locked against it."""

import json
from pathlib import Path

import pytest
from _tables import Row, TableError, read_table
from _web import Web
from lock_organisms import main, read_schema

from tests.unit.loopback import Site, serve

LOCK_SCHEMA = read_schema("organisms.lock.schema.yaml")
CONTENT = b"x" * 1500
TABLE = "#name\tspecies\tdivision\ttaxonomy_id\tassembly\tassembly_accession\tcore_db\tspecies_id"
FOLDERS = {"EnsemblVertebrates": "/ftp", "EnsemblFungi": "/genomes/fungi", "EnsemblPlants": "/genomes/plants"}


def put(site: Site, division: str, release: int, below: str, name: str, stem: str, total: int = 7) -> None:
    """Put the files of one genome on the site, as Ensembl lays them out."""
    folder = f"{FOLDERS[division]}/release-{release}"
    fasta, gtf = f"{folder}/fasta/{below}{name}/dna", f"{folder}/gtf/{below}{name}"
    site.pages[f"{fasta}/CHECKSUMS"] = (
        f"{total:05}     2 {stem}.dna.toplevel.fa.gz\n1 1 {stem}.dna_sm.toplevel.fa.gz\n".encode()
    )
    site.pages[f"{gtf}/CHECKSUMS"] = f"8 2 {stem}.{release}.chr.gtf.gz\n9     2 {stem}.{release}.gtf.gz\n".encode()
    site.pages[f"{fasta}/{stem}.dna.toplevel.fa.gz"] = CONTENT
    site.pages[f"{gtf}/{stem}.{release}.gtf.gz"] = CONTENT


@pytest.fixture
def site():
    """A small Ensembl: human and mouse, three fungi in a collection (one without files), wheat without files."""
    with serve() as site:
        pages = {
            "/rest/info/software": {"release": 110},
            "/rest/info/eg_version": {"version": 57},
            "/rest/info/species": {
                "species": [
                    {"name": "homo_sapiens", "display_name": "Human", "assembly": "GRCh38", "taxon_id": "9606"}
                    | {"aliases": ["man"], "accession": "GCA_000001405.29", "strain": None},
                    {"name": "mus_musculus", "display_name": "Mouse", "assembly": "GRCm39", "taxon_id": "10090"},
                ]
            },
            "/rest/info/genomes/division/EnsemblFungi": [
                fungus("fusarium_fujikuroi", "Fusarium fujikuroi", "EF1", "EF 1", "GCA_000315255.1", None),
                fungus("fusarium_fujikuroi_gca_1", "Fusarium fujikuroi", "v 1", "v 1", None, "B14"),
                fungus("_candida_x", "[Candida] x", "ASM1", "ASM1", "GCA_3.1", None),
            ],
            "/rest/info/genomes/division/EnsemblPlants": [
                fungus("triticum_aestivum_mace", "Triticum aestivum", "PGSBv2.1", "PGSBv2.0_Mace", "GCA_4.1", "Mace")
            ],
        }
        site.pages = {path: json.dumps(answer).encode() for path, answer in pages.items()}
        collection = "fungi_ascomycota1_collection"
        core = f"{collection}_core_57_110_1"
        table = [
            TABLE,
            f"Fusarium fujikuroi\tfusarium_fujikuroi\tEnsemblFungi\t1\tEF 1\tGCA_000315255.1\t{core}\t1\t",
            f"Fusarium fujikuroi\tfusarium_fujikuroi_gca_1\tEnsemblFungi\t1\tv 1\t\t{core}\t2\t",
            "[Candida] x\t_candida_x\tEnsemblFungi\t1\tASM1\tGCA_3.1\t_candida_x_core_57_110_1\t1\t",
        ]
        site.pages["/genomes/fungi/release-57/species_EnsemblFungi.txt"] = "\n".join(table).encode()
        site.pages["/genomes/plants/release-57/species_EnsemblPlants.txt"] = TABLE.encode()
        old = (
            f"{TABLE}\nHuman\thomo_sapiens\tEnsemblVertebrates\t9606\tGRCh38.p13\tGCA_1.28\thomo_sapiens_core_100_38\t1"
        )
        site.pages["/ftp/release-100/species_EnsemblVertebrates.txt"] = old.encode()
        put(site, "EnsemblVertebrates", 110, "", "homo_sapiens", "Homo_sapiens.GRCh38")
        put(site, "EnsemblVertebrates", 100, "", "homo_sapiens", "Homo_sapiens.GRCh38", total=6)
        put(site, "EnsemblVertebrates", 110, "", "mus_musculus", "Mus_musculus.GRCm39")
        put(site, "EnsemblFungi", 57, f"{collection}/", "fusarium_fujikuroi", "Fusarium_fujikuroi.EF1")
        put(site, "EnsemblFungi", 57, f"{collection}/", "fusarium_fujikuroi_gca_1", "Fusarium_fujikuroi_gca_1.v_1")
        yield site


def fungus(name: str, species: str, default: str, assembly: str, accession: str | None, strain: str | None) -> dict:
    return {
        "name": name,
        "scientific_name": species,
        "display_name": species,
        "url_name": name.capitalize(),
        "assembly_default": default,
        "assembly_name": assembly,
        "assembly_accession": accession,
        "strain": strain,
        "taxonomy_id": 1,
    }


def lock(site: Site, folder: Path, *lines: str) -> dict[str, Row]:
    """Write the table of organisms, lock it, and read the lock."""
    table, locked = folder / "organisms.tsv", folder / "organisms.lock.tsv"
    table.write_text("\n".join(["organism\tdivision\trelease\tassembly\tgenome\tannotation", *lines]) + "\n")
    addresses = {
        "rest": f"{site.address}/rest",
        "ftp": f"{site.address}/ftp",
        "genomes_ftp": f"{site.address}/genomes/",
    }
    main(table, locked, addresses, Web(attempts=3, backoff=0.01))
    rows, problems = read_table(locked, LOCK_SCHEMA)
    assert problems == []
    return {row["organism"]: row for row in rows}


def row(
    organism: str, division: str = "", release: str = "", assembly: str = "", genome: str = "", gtf: str = ""
) -> str:
    return "\t".join([organism, division, release, assembly, genome, gtf])


def mistakes(site: Site, folder: Path, *lines: str) -> list[str]:
    with pytest.raises(TableError) as caught:
        lock(site, folder, *lines)
    assert not (folder / "organisms.lock.tsv").exists()
    return str(caught.value).replace(f"{folder}/", "").replace(site.address, "").split("\n")
