"""Lay out the files of the toy Ensembl as they lie on Ensembl's sites, REST answers beside them.

/pub/release-110/... as on the main FTP site, /pub/fungi/release-57/... as on that of the other divisions, /info/... as
the REST service answers.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from tests.toy.answer_rest import DIVISIONS, answer_all, display_name
from tests.toy.choose_organisms import GENOMES_RELEASE, MAIN, MAIN_RELEASE, Organism
from tests.toy.make_annotation import Row, gtf_text
from tests.toy.make_genomes import fasta_text
from tests.toy.pack import pack
from tests.toy.sum_files import write_checksums

COLUMNS = [
    *("#name", "species", "division", "taxonomy_id", "assembly", "assembly_accession", "genebuild", "variation"),
    *("microarray", "pan_compara", "peptide_compara", "genome_alignments", "other_alignments", "core_db", "species_id"),
]
# Release 57 of the other divisions came out with release 110 of the main site.
MAIN_AHEAD = MAIN_RELEASE - GENOMES_RELEASE
PATCH = "CHR_1_PATCH"


def lay_out_genome(site: Path, organism: Organism, release: int, genome: Mapping[str, str], rows: list[Row]) -> None:
    """Write the FASTA and GTF files of a genome, the ones beside them that are easily mixed up, and CHECKSUMS."""
    below = Path(organism.collection, organism.name)
    stem = f"{organism.url_name}.{organism.assembly}"
    folder = release_folder(site, organism.division, release)
    fasta, gtf = folder / "fasta" / below / "dna", folder / "gtf" / below
    for made in (fasta, gtf):
        made.mkdir(parents=True, exist_ok=True)
    files = {fasta / f"{stem}.dna.toplevel.fa.gz": fasta_text(organism, genome)}
    files[gtf / f"{stem}.{release}.gtf.gz"] = gtf_text(organism, rows)
    if organism.division == MAIN:
        files[fasta / f"{stem}.dna.primary_assembly.fa.gz"] = fasta_text(organism, genome)
        patch = next(iter(genome.values()))[:1_000]
        files[fasta / f"{stem}.dna.toplevel.fa.gz"] = fasta_text(organism, {**genome, PATCH: patch})
    if not organism.collection:
        masked = {name: bases[:500].lower() + bases[500:] for name, bases in genome.items()}
        files[fasta / f"{stem}.dna_sm.toplevel.fa.gz"] = fasta_text(organism, masked)
        files[gtf / f"{stem}.{release}.abinitio.gtf.gz"] = gtf_text(organism, rows[:1])
    for path, text in files.items():
        path.write_bytes(pack(text.encode(), level=6))
    (fasta / "README").write_text("Invented genomes: nothing here is of a living being.\n")
    write_checksums(fasta)
    write_checksums(gtf)


def lay_out_tables(site: Path, organisms: list[Organism]) -> None:
    """Write the table of species of each division and release."""
    for division in DIVISIONS:
        releases = {release for one in organisms if one.division == division for release in one.releases}
        for release in sorted(releases):
            listed = [one for one in organisms if one.division == division and release in one.releases and one.on_ftp]
            folder = release_folder(site, division, release)
            folder.mkdir(parents=True, exist_ok=True)
            lines = ["\t".join(COLUMNS), *("\t".join(table_row(one, release)) + "\t" for one in listed)]
            (folder / f"species_{division}.txt").write_text("\n".join(lines) + "\n")
            write_checksums(folder)


def table_row(organism: Organism, release: int) -> list[str]:
    # The numbers of a database: release, release of the main site, version; on the main site there is but the first.
    numbers = f"{release}_1" if organism.division == MAIN else f"{release}_{release + MAIN_AHEAD}_1"
    return [
        organism.species.split()[0] if organism.division == MAIN else display_name(organism),
        organism.name,
        organism.division,
        organism.taxon_id,
        organism.assembly,
        organism.accession,
        "2023-02-Toy",
        *"NNNNNN",
        f"{organism.collection or organism.name}_core_{numbers}",
        str(organism.number if organism.collection else 1),
    ]


def lay_out_answers(site: Path, organisms: list[Organism]) -> None:
    """Write the answers of the REST service."""
    for name, answer in answer_all(organisms).items():
        path = site / "info" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(answer) + "\n")


def release_folder(site: Path, division: str, release: int) -> Path:
    if division == MAIN:
        return site / "pub" / f"release-{release}"
    return site / "pub" / division.removeprefix("Ensembl").lower() / f"release-{release}"
