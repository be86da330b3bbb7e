"""Every reason that the steps really give, and the advice that it gets; the reasons are made, not copied."""

import gzip
import re
from pathlib import Path

import pytest
from _advice import ADVICE, OTHER_ADVICE, advise
from check_reads import check_sample

READ = b"@r\nACGT\n+\nIIII\n"


@pytest.mark.parametrize(
    ("name", "contents", "remedy"),
    [
        ("cut.fq.gz", [gzip.compress(READ * 999)[:-9]], "Compare the file with the checksums"),
        ("long.fq", [READ + b"@s\nACGT\n+\nIIIII\n"], "Compare the file with the checksums"),
        ("empty.fq", [b""], "take its row out of the table of samples"),
        ("cram.fq.gz", [b"CRAM\3\0"], "`samtools fastq` makes them from CRAM"),
        ("plain.fq.gz", [READ], "Rename the file without .gz"),
        ("mates.fq", [READ, READ + READ], "See that fq1 and fq2 in the table of samples are of the same lane"),
        (
            "names.fq",
            [READ, READ.replace(b"@r", b"@s")],
            "See that fq1 and fq2 in the table of samples are of the same",
        ),
    ],
)
def test_reads_that_cannot_be_used_get_the_advice_that_fits(tmp_path: Path, name, contents, remedy):
    paths = []
    for number, content in enumerate(contents):
        paths.append(tmp_path / f"{number}_{name}")
        paths[-1].write_bytes(content)
    verdict = check_sample([(paths[0], paths[1] if len(paths) > 1 else None)])
    assert not verdict["success"]
    assert remedy in advise(verdict["reason"])


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        (
            "salmon was only able to assign 0 fragments to transcripts in the index, but the minimum number of",
            "Next to none of the reads are of yeast's transcripts: correct the organism in the table of samples.",
        ),
        ("0 of 900 reads fit an HLA gene: no reads of HLA genes, or not of a human", "See that the files are of this"),
        ("reads of 28 bases are too short to type; 36 or more are needed", "Take hla out of the sample's analyses"),
        ("none of 900 reads maps; is it the right organism?", "Correct the organism in the table of samples"),
        (
            "a.bam lacks the contig 2; it was aligned to another reference: name that as the organism, or give",
            "Do what the reason says",
        ),
        ("a.bam has no read groups; correct the sample in the table, or the file: samtools", "Do what the reason says"),
        ("s.vcf.gz has no variants; bring the file again, or take it out of known_sites", "Do what the reason says"),
        ("a.bam is no BAM or CRAM, or ends early; bring the file again", "Compare the file with the checksums"),
        ("terminate called after throwing an instance of 'std::bad_alloc'", "Let the step have more memory"),
        ("/bin/bash: line 22:   411 Killed                  salmon quant", "Let the step have more memory"),
        ("OSError: [Errno 28] No space left on device", "Free disk space"),
        ("urllib.error.HTTPError: HTTP Error 403: Forbidden", "Correct the address in the table"),
        ("x.gtf changed since it was locked: ...; or run `snakemake lock` to take this one", "Do what it says"),
        ("no room in the ark for 137 bloomers", OTHER_ADVICE),
        ("it left no word; it was killed, or its log is elsewhere", OTHER_ADVICE),
    ],
)
def test_advises_by_the_reason(reason, remedy):
    assert advise(reason, "yeast").startswith(remedy)


def test_no_two_rows_of_the_advice_say_the_same():
    remedies = [remedy for _, remedy in ADVICE]
    assert len(remedies) == len(set(remedies))
    assert all(re.compile(pattern) for pattern, _ in ADVICE)
