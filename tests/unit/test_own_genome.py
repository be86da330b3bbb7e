import gzip
import hashlib

import pytest
from _own_genome import own_assembly, own_name
from _tables import Row
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.small_ensembl import lock, mistakes, row, site

__all__ = ["site"]  # a fixture


def test_locks_the_users_own_files_wherever_they_are(site, tmp_path):
    genome = tmp_path / "my genome v1.fa.gz"
    genome.write_bytes(gzip.compress(b">I\nACGT\n"))
    site.pages["/own/genes.gtf"] = b"I\tme\texon\t1\t2\t.\t+\t.\t\n"
    found = lock(site, tmp_path, row("My E coli", genome=str(genome), gtf=f"{site.address}/own/genes.gtf"))
    mine = found["My_E_coli"]
    assert (mine["release"], mine["assembly"], mine["division"]) == ("own", "my_genome_v1", "")
    assert mine["genome_checksum"] == f"sha256:{hashlib.sha256(genome.read_bytes()).hexdigest()}"
    assert mine["annotation_checksum"] == f"sha256:{hashlib.sha256(site.pages['/own/genes.gtf']).hexdigest()}"
    assert (mine["genome_size"], mine["annotation_size"]) == (str(genome.stat().st_size), "21")
    assert (mine["genome_url"], mine["requested"]) == (str(genome), "My E coli")


def test_own_files_that_are_missing_or_empty_are_refused_by_column(site, tmp_path):
    (tmp_path / "empty.gtf").touch()
    (tmp_path / "one.fa").write_text(">I\nACGT\n")
    found = mistakes(
        site,
        tmp_path,
        row("a", genome="nowhere.fa", gtf="nowhere.gtf"),
        row("b", genome=str(tmp_path / "one.fa"), gtf=str(tmp_path / "empty.gtf")),
        row("c", genome=f"{site.address}/own/none.fa", gtf="x.gtf"),
        row("*", genome="x.fa", gtf="x.gtf"),
        row("d", "EnsemblFungi", genome="x.fa", gtf="x.gtf"),
    )
    assert [line.split(": ")[0] for line in found] == [
        f"organisms.tsv, row {number}, column {column}"
        for number, column in enumerate(("genome", "annotation", "genome", "organism", "division"), start=2)
    ]


def test_an_own_genome_is_locked_under_the_name_that_was_written_or_refused(site, tmp_path):
    genome, gtf = tmp_path / "a.fa", tmp_path / "a.gtf"
    genome.write_text(">I\nACGT\n")
    gtf.write_text("I\tme\texon\t1\t2\t.\t+\t.\t\n")
    found = mistakes(
        site,
        tmp_path,
        row("My E. coli", genome=str(genome), gtf=str(gtf)),
        row("bug", assembly="v1+2", genome=str(genome), gtf=str(gtf)),
    )
    assert found == [
        "organisms.tsv, row 2, column organism: 'My E. coli' names files, in which '.' cannot stand; write 'My_E_coli'",
        "organisms.tsv, row 3, column assembly: 'v1+2' names files, in which '+' cannot stand; write 'v1_2'",
    ]


def test_own_files_that_are_something_else_are_refused_by_row_and_column_with_the_remedy(site, tmp_path):
    site.pages["/own/page.fa.gz"] = b"\n<!doctype html>"
    contents = {
        "one.fa": b">I\nACGT\n",
        "one.gtf": b"I\tme\texon\t1\t2\t.\t+\t.\t\n",
        "plain.fa.gz": b">I\nACGT\n",
        "proteins.fa.gz": gzip.compress(b">p\nMLE*\n"),
        "genes.gtf.gz": gzip.compress(b"# by hand\nI\tme\tmRNA\t1\t2\t.\t+\t.\tID=t1;Parent=g1\n"),
        "reads.fa": b"CRAM\3\1",
    }
    path = {name: str(tmp_path / name) for name in contents}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    found = mistakes(
        site,
        tmp_path,
        row("a", genome=f"{site.address}/own/page.fa.gz", gtf=path["one.gtf"]),
        row("b", genome=path["plain.fa.gz"], gtf=path["one.gtf"]),
        row("c", genome=path["proteins.fa.gz"], gtf=path["one.gtf"]),
        row("d", genome=path["one.fa"], gtf=path["genes.gtf.gz"]),
        row("e", genome=path["one.fa"], gtf=path["one.fa"]),
        row("f", genome=path["reads.fa"], gtf=path["one.gtf"]),
    )
    expected = [
        "row 2, column genome: /own/page.fa.gz: it is a web page (HTML), not FASTA; look for the file's own address",
        "row 3, column genome: plain.fa.gz: it is not gzip, though its name says so; bring the file again, or",
        "row 4, column genome: proteins.fa.gz: it holds the letters E, L, which are amino acids: these are proteins;",
        "row 5, column annotation: genes.gtf.gz: it is GFF3, not GTF; turn it into GTF, as by `gffread -T genes.gff3",
        "row 6, column annotation: one.fa: it is FASTA, not GTF; give the annotation of the genome",
        "row 7, column genome: reads.fa: it is a CRAM file; give FASTA, plain or gzip",
    ]
    assert [
        line.removeprefix("organisms.tsv, ")[: len(one)] for line, one in zip(found, expected, strict=True)
    ] == expected


@pytest.mark.parametrize(
    ("genome", "assembly", "name"),
    [
        ("data/R64-1-1.fa.gz", "", "R64-1-1"),
        ("https://x.org/a%20b/My%20genome.v2.fasta?download=1", "", "My_genome.v2"),
        ("genome.fna", "Build 3", "Build_3"),
        (".fa", "", "assembly"),
    ],
)
def test_names_the_assembly_of_an_own_genome_by_its_column_or_its_file(genome, assembly, name):
    assert own_assembly(Row(genome=genome, assembly=assembly)) == name


@given(st.text())
def test_the_name_of_an_own_genome_fits_the_lock(text):
    assert own_name(text).isascii() and own_name(text).replace("_", "a").replace("-", "a").isalnum()
