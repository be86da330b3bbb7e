"""Genomes and annotations that are something else than they should be: the message names the file and the remedy."""

import gzip
import random

import pytest
from _log import InputError
from clean_annotation import main

from tests.unit.test_clean_annotation import SOURCES, row

CUT = gzip.compress(b">I\n" + bytes(random.Random(1).choices(b"ACGT", k=4000)))[:-100]


@pytest.mark.parametrize(
    ("genome", "gtf", "expected"),
    [
        (
            b"<!DOCTYPE html><html>",
            row(),
            "my.fa.gz: it is a web page (HTML), not FASTA; look for the file's own address",
        ),
        (b"@r\nACGT\n", row(), "my.fa.gz: it starts with '@r\\nACGT', not with '>' and a name as FASTA does; give"),
        (
            b"\xef\xbb\xbf>I\nAC\n",
            row(),
            "my.fa.gz: it starts with a byte order mark, which RSEM does not know; take it off",
        ),
        (b">p1\nMKVLEEF\n", row(), "my.fa.gz: it holds the letters E, F, L, which are amino acids: these are proteins"),
        (b">I\nAC\n>II\nAC\n>I\nAC\n", row(), "my.fa.gz: the contig I is in it twice; give each contig once, under a"),
        (CUT, row(), "my.fa.gz ends in the middle of its gzip stream: it was cut; bring the file again and run `snake"),
        (
            b">I\nAC\n",
            gzip.compress(row().encode())[:-9],
            "my.gtf ends in the middle of its gzip stream: it was cut; b",
        ),
        (b">I\nAC\n", ">I\nAC\n", "my.gtf: it is FASTA, not GTF; give the annotation of the genome"),
        (b">I\nAC\n", "##gff-version 3\n", "my.gtf: it is GFF3, not GTF; turn it into GTF, as by `gffread -T"),
        (b">I\nAC\n", row(attributes="ID=t;Parent=g"), "my.gtf: it is GFF3, not GTF; turn it into GTF, as by `gffr"),
        (b">I\nAC\n", "#!genome-build x\n", "my.gtf: it has no rows but comments; is it the whole file? bring it"),
        (b">I\nAC\n", "I\ttest\n", "my.gtf: row 1 has 2 columns separated by tabs, where GTF has 9; give a GTF file"),
        (b">I\nAC\n", row() + "I\ttest\n", "my.gtf: row 2 is no GTF: nine columns separated by tabs are needed, with"),
        (
            b">chr1\nAC\n>chr2\nAC\n",
            row() + row(contig="II"),
            "my.gtf: none of its contigs (I, II) is in the genome my.fa.gz (chr1, chr2): they are of different",
        ),
        (
            b">I\nAC\n",
            row(end=99),
            "my.gtf: no transcript is left of it (rows left out: 1 ends beyond its contig); is it",
        ),
        (b">I\nAC\n", row("gene", 1, 2), "my.gtf: no transcript is left of it (rows left out: it has no exons); is it"),
    ],
)
def test_files_that_no_transcript_can_be_built_from_are_named_with_the_remedy(tmp_path, genome, gtf, expected):
    for name, content in (("genome", genome), ("gtf", gtf)):
        content = content.encode() if isinstance(content, str) else content
        whole = content if content.startswith(b"\x1f\x8b") else gzip.compress(content)
        (tmp_path / f"{name}.gz").write_bytes(whole)
    with pytest.raises(InputError) as refused:
        main(tmp_path / "genome.gz", tmp_path / "gtf.gz", tmp_path / "clean.gz", tmp_path / "report.json", {}, SOURCES)
    assert str(refused.value)[: len(expected)] == expected
    assert not (tmp_path / "report.json").exists()
