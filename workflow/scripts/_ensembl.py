"""What Ensembl has: its releases, its genomes, and the files of a genome.

REST (https://rest.ensembl.org/documentation) knows the current release and all names of a genome; the FTP site
(https://www.ensembl.org/info/data/ftp) knows every release, by a table of species, and the files that really exist, by
a file CHECKSUMS in each folder.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import quote

from _ensembl_answers import (
    MAIN,
    AnswerError,
    Genome,
    parse_checksums,
    parse_division,
    parse_main,
    parse_release,
    parse_table,
)
from _genomes import organism_key
from _web import AbsentError, UnreachableError, Web, WebError


@dataclass(frozen=True, slots=True)
class File:
    """A file on the FTP site. `sum` and `blocks` are what the command `sum` prints: BSD checksum, KiB rounded up."""

    name: str
    url: str
    sum: str
    blocks: str
    size: int


class LackingError(Exception):
    """The FTP site does not have both files of a genome; the message says which it lacks."""


def choose_genome(files: list[str], assembly: str) -> str | None:
    """Choose the FASTA file of the primary assembly, or else of the whole one (same thing where nothing is patched)."""
    for kind in ("primary_assembly", "toplevel"):
        if found := [file for file in files if file.endswith(f".dna.{kind}.fa.gz")]:
            return of_assembly(found, assembly)
    return None


def choose_annotation(files: list[str], release: str, assembly: str) -> str | None:
    """Choose the GTF file of all genes: neither of chromosomes only (.chr.) nor of predictions (.abinitio.)."""
    found = [file for file in files if file.endswith(f".{release}.gtf.gz")]
    return of_assembly(found, assembly) if found else None


def of_assembly(files: list[str], assembly: str) -> str:
    """Choose the file that names the assembly, should a folder hold files of several; file names have no blanks."""
    named = [file for file in files if f".{organism_key(assembly)}." in organism_key(file)]
    return (named or files)[0]


def assembly_of(file: str, genome: Genome, release: str) -> str:
    """Read the assembly out of a FASTA file's name: Homo_sapiens.GRCh38.dna.toplevel.fa.gz is GRCh38."""
    stem = re.sub(r"\.dna\.\w+\.fa\.gz$", "", file)
    # A url_name may hold dots (Actinia_equina_GCA_011057435.1), so the first dot need not end the name.
    prefixes = [name for name in (genome.url_name, genome.name) if name and stem.lower().startswith(f"{name.lower()}.")]
    stem = stem[len(prefixes[0]) + 1 :] if prefixes else stem.partition(".")[2]
    # Until release 75 (main) and 31 (others) the release stood in the names of FASTA files, too.
    return clean_assembly(stem.removesuffix(f".{release}") or genome.assembly)


def clean_assembly(text: str) -> str:
    """Write an assembly's name in the letters that file names have."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", text.strip()).lstrip(".-") or "assembly"


class Ensembl:
    """Ensembl at the addresses of the configuration: `rest`, `ftp` (main site), `genomes_ftp` (the others)."""

    def __init__(self, web: Web, addresses: dict[str, str]) -> None:
        self.web = web
        self.addresses = {name: address.rstrip("/") for name, address in addresses.items()}
        self.known: dict[tuple[str, ...], object] = {}

    def once(self, what: tuple[str, ...], ask: Callable[[], object]) -> object:
        """Ask for something once; a failure, which took minutes of retries, is an answer, too."""
        if what not in self.known:
            try:
                self.known[what] = ask()
            except WebError as error:
                self.known[what] = error
        if isinstance(self.known[what], WebError):
            raise self.known[what]
        return self.known[what]

    def current_release(self, division: str) -> str:
        """Ask for the number of the current release; the divisions other than the main one share theirs."""
        path, field = ("software", "release") if division == MAIN else ("eg_version", "version")
        url = self.rest(path)

        def ask() -> str:
            try:
                return parse_release(self.web.json(url), field, url)
            except (AbsentError, AnswerError) as error:
                raise UnreachableError(
                    f"Ensembl's REST service is not at {self.addresses['rest']} ({error})"
                ) from error

        return self.once((url,), ask)

    def rest(self, path: str) -> str:
        return f"{self.addresses['rest']}/info/{path}?content-type=application/json"

    def folder(self, division: str, release: str) -> str:
        if division == MAIN:
            return f"{self.addresses['ftp']}/release-{release}"
        return f"{self.addresses['genomes_ftp']}/{division.removeprefix('Ensembl').lower()}/release-{release}"

    def genomes(self, division: str, release: str | None) -> list[Genome]:
        """List the genomes of a division, with all names that REST knows in the current release (None).

        Of a release that is pinned the table is enough, and REST is not asked.
        """
        if release:
            return self.tabulated(division, release)
        return self.once((division, "named"), lambda: self.named(division, self.current_release(division)))

    def named(self, division: str, release: str) -> list[Genome]:
        """List the genomes of a division in the current release as REST names them, with the folders of the table."""
        if division == MAIN:
            url = self.rest("species")
            return parse_main(self.web.json(url), url)
        collections = {genome.name: genome.collection for genome in self.tabulated(division, release)}
        url = self.rest(f"genomes/division/{division}")
        genomes = parse_division(self.web.json(url), url)
        return [replace(genome, collection=collections.get(genome.name, "")) for genome in genomes]

    def tabulated(self, division: str, release: str) -> list[Genome]:
        """List the genomes of a division by the FTP site's table, which every release has."""
        url = f"{self.folder(division, release)}/species_{division}.txt"
        return self.once((url,), lambda: parse_table(self.web.text(url), url))

    def overview(self, division: str) -> list[Genome]:
        """List the genomes of a division the cheap way: of Bacteria, the table has 5 MB where REST sends 20."""
        return self.genomes(division, None if division == MAIN else self.current_release(division))

    def files(self, genome: Genome, division: str, release: str, exact: bool) -> tuple[File, File]:
        """Find a genome's FASTA and GTF file, with two requests; with two more, `exact` asks for their sizes.

        Without, a size is the number of KiB in CHECKSUMS, too large by 1,023 bytes at the most.
        """
        if not re.fullmatch(r"[A-Za-z0-9_-]+", genome.name):
            raise LackingError(f"its name {genome.name!r} cannot name files; tell Ensembl")
        below = f"{genome.collection}/{genome.name}" if genome.collection else genome.name
        fasta, gtf = (f"{self.folder(division, release)}/{part}" for part in (f"fasta/{below}/dna", f"gtf/{below}"))
        sums = self.checksums(fasta)
        genome_file = self.file(fasta, sums, choose_genome(list(sums), genome.assembly), "genome", exact)
        sums = self.checksums(gtf)
        annotation = choose_annotation(list(sums), release, genome.assembly)
        return genome_file, self.file(gtf, sums, annotation, "annotation", exact)

    def checksums(self, folder: str) -> dict[str, tuple[str, str]]:
        url = f"{folder}/CHECKSUMS"
        try:
            return parse_checksums(self.web.text(url), url)
        except AbsentError as error:
            raise LackingError(f"{url} does not exist") from error
        except AnswerError as error:
            # One damaged file among 30,000 is a genome to leave out; a server that does not answer is another matter.
            raise LackingError(str(error)) from error

    def file(self, folder: str, sums: dict, name: str | None, what: str, exact: bool) -> File:
        if name is None:
            raise LackingError(f"{folder}/CHECKSUMS names no {what} file")
        url = f"{folder}/{quote(name)}"
        total, blocks = sums[name]
        try:
            size = (self.web.size(url) if exact else None) or int(blocks) * 1024
        except AbsentError as error:
            raise LackingError(f"{url} does not exist") from error
        return File(name, url, total, blocks, size)
