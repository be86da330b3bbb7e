"""Recalibration held against GATK's own, on alignments of every kind; and the files that it reads and writes."""

import gzip
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from _bam_blocks import read_blocks, read_header
from _bgzf import END, BgzfWriter, open_bgzf
from _known_sites import EDGE, KNOWN, Reference, Sites, read_sites
from _recalibration_report import read_gatk_report, write_gatk_report
from _recalibration_table import static_mapping
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.toy.make_odd_alignments import CONTIGS, READ_GROUPS, write_odd_alignments

SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"
COUNTING = ("--reference", "genome.fa", "--known", "sites.vcf.gz")
ORIGINAL = "--use-original-qualities"
STATIC = {"all": [], "few": ["10", "20", "30"], "one": ["20"]}


def run(*command: object, folder: Path) -> str:
    done = subprocess.run(list(map(str, command)), cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def ours(script: str, *options: object, folder: Path) -> None:
    run(sys.executable, SCRIPTS / script, "--bam", "reads.bam", *options, folder=folder)


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """A folder with odd alignments, sorted, and our report of their original qualities."""
    folder = tmp_path_factory.mktemp("odd")
    write_odd_alignments(folder, number=2000, seed=5)
    run("samtools", "faidx", "genome.fa", folder=folder)
    run("samtools", "dict", "-o", "genome.dict", "genome.fa", folder=folder)
    run("bgzip", "sites.vcf", folder=folder)
    run("tabix", "-p", "vcf", "sites.vcf.gz", folder=folder)
    run("samtools", "sort", "--write-index", "-o", "reads.bam##idx##reads.bam.bai", "reads.sam", folder=folder)
    ours("count_covariates.py", *COUNTING, "--table", "ours.table", ORIGINAL, folder=folder)
    return folder


def records(bam: Path) -> list[list[str]]:
    return [line.split("\t") for line in run("samtools", "view", bam, folder=bam.parent).splitlines()]


def gatk(tool: str, *options: object, folder: Path) -> None:
    if shutil.which("gatk") is None and not os.environ.get("CI"):
        pytest.skip("GATK is not installed (./setup.sh test)")
    java = "-Xmx1g -XX:+UseSerialGC -XX:TieredStopAtLevel=1"
    run("gatk", "--java-options", java, tool, "-I", "reads.bam", *options, folder=folder)


@pytest.mark.parametrize("qualities", [[ORIGINAL], []])
def test_the_report_is_that_of_gatk_byte_for_byte(odd, qualities):
    gatk(
        "BaseRecalibrator",
        "-R",
        "genome.fa",
        "--known-sites",
        "sites.vcf.gz",
        "-O",
        "gatk.table",
        *qualities,
        folder=odd,
    )
    ours("count_covariates.py", *COUNTING, "--table", "again.table", *qualities, folder=odd)

    assert (odd / "again.table").read_text() == (odd / "gatk.table").read_text()
    assert (odd / "again.table").read_text().count("\n") > 5000
    assert ((odd / "again.table").read_text() == (odd / "ours.table").read_text()) == bool(qualities)


@pytest.mark.parametrize("static", STATIC)
def test_corrected_qualities_are_those_of_gatk_and_nothing_else_is_changed(odd, static):
    levels = [word for level in STATIC[static] for word in ("--static-quantized-quals", level)]
    gatk("ApplyBQSR", "-bqsr", "ours.table", "-O", f"gatk.{static}.bam", ORIGINAL, *levels, folder=odd)
    few = ["--static", *STATIC[static]] if STATIC[static] else []
    files = ["--table", "ours.table", "--output", f"{static}.bam", "--md5", f"{static}.md5"]
    ours("apply_recalibration.py", *few, *files, folder=odd)

    corrected, of_gatk, given_ = (records(odd / name) for name in (f"{static}.bam", f"gatk.{static}.bam", "reads.bam"))
    # GATK's default filter leaves out the reads that came without qualities.
    known = [record for record, before in zip(corrected, given_, strict=True) if before[10] != "*"]
    assert [record[:11] for record in known] == [record[:11] for record in of_gatk]
    assert [record[:10] + record[11:] for record in corrected] == [record[:10] + record[11:] for record in given_]
    assert [record[10] for record in corrected] != [record[10] for record in given_]
    assert (odd / f"{static}.md5").read_text().strip() == hashlib.md5((odd / f"{static}.bam").read_bytes()).hexdigest()
    run("samtools", "quickcheck", f"{static}.bam", folder=odd)


def test_reads_without_qualities_get_none(odd):
    ours("apply_recalibration.py", "--table", "ours.table", "--output", "none.bam", "--md5", "none.md5", folder=odd)

    without = {
        record[0] for record in records(odd / "reads.bam") if record[10] == "*" and "OQ:Z:" not in "".join(record)
    }
    assert len(without) > 50
    assert {record[0] for record in records(odd / "none.bam") if record[10] == "*"} == without


def test_a_report_that_is_read_and_written_again_is_the_same(odd, tmp_path):
    counts = {unit: counts for unit, (counts, _) in read_gatk_report(odd / "ours.table").items()}
    write_gatk_report(tmp_path / "again.table", counts)

    assert (tmp_path / "again.table").read_text() == (odd / "ours.table").read_text()


def test_a_read_group_that_the_report_lacks_keeps_its_qualities(odd, tmp_path):
    left = {unit: counts for unit, (counts, _) in read_gatk_report(odd / "ours.table").items() if unit != "CELL.1"}
    write_gatk_report(tmp_path / "less.table", left)
    files = ["--table", tmp_path / "less.table", "--output", tmp_path / "less.bam", "--md5", tmp_path / "less.md5"]
    ours("apply_recalibration.py", *files, folder=odd)

    of_group = ["samtools", "view", "--read-group", "A", "--expr", "!exists([OQ])"]
    kept = run(*of_group, tmp_path / "less.bam", folder=odd)
    assert kept.count("\n") > 100
    assert kept == run(*of_group, "reads.bam", folder=odd)


def test_a_file_of_alignments_that_was_cut_is_refused(odd, tmp_path):
    whole = gzip.decompress((odd / "reads.bam").read_bytes())
    (tmp_path / "cut.bam").write_bytes(gzip.compress(whole[:-7]))

    with open_bgzf(tmp_path / "cut.bam") as stream:
        read_header(stream)
        with pytest.raises(ValueError, match="ends within a record"):
            list(read_blocks(stream))


def test_what_is_no_bam_file_is_refused(tmp_path):
    (tmp_path / "reads.bam").write_bytes(gzip.compress(b"@SQ\tSN:c1\tLN:3\n"))

    with open_bgzf(tmp_path / "reads.bam") as stream, pytest.raises(ValueError, match="no BAM file"):
        read_header(stream)


def test_the_header_tells_contigs_and_platform_units(odd):
    with open_bgzf(odd / "reads.bam") as stream:
        header = read_header(stream)

    assert header.contigs == CONTIGS
    assert header.platform_units == {name: unit or name for name, unit in READ_GROUPS.items()}


def test_the_header_says_that_the_qualities_were_recalibrated_each_time(odd, tmp_path):
    options = ["--table", odd / "ours.table", "--md5", tmp_path / "md5", "--static", "10"]
    ours("apply_recalibration.py", *options, "--output", tmp_path / "reads.bam", folder=odd)
    ours("apply_recalibration.py", *options, "--output", tmp_path / "twice.bam", folder=tmp_path)

    before, after = (run("samtools", "head", tmp_path / name, folder=odd) for name in ("reads.bam", "twice.bam"))
    said = "PN:fishladder\tCL:apply_recalibration.py --table ours.table --static 10\n"
    assert before == run("samtools", "head", "reads.bam", folder=odd) + f"@PG\tID:apply_recalibration\t{said}"
    assert after == before + f"@PG\tID:apply_recalibration.1\t{said}"
    run("samtools", "quickcheck", tmp_path / "twice.bam", folder=odd)


def test_what_is_no_report_is_refused(tmp_path):
    (tmp_path / "reads.table").write_text("sample\tlane\n")

    with pytest.raises(ValueError, match=r"reads\.table is no report"):
        read_gatk_report(tmp_path / "reads.table")


def test_a_contig_that_the_reference_lacks_is_named(odd):
    with pytest.raises(ValueError, match=r"genome\.fa has no contig chr9"):
        Reference(odd / "genome.fa", {}).contig("chr9")


@given(st.lists(st.tuples(st.integers(0, 899), st.integers(0, 40)), max_size=30))
@settings(max_examples=50)
def test_known_sites_are_marked_and_nothing_besides(odd, spans):
    first = np.array([start for start, _ in spans], np.int64)
    last = np.minimum([start + length for start, length in spans], 899).astype(np.int64)
    contig = Reference(odd / "genome.fa", {"c2": Sites(np.sort(first), np.sort(last))}).contig("c2")

    marked = set(np.flatnonzero(contig.codes & KNOWN).tolist())
    expected = {EDGE + place for start, end in zip(first, last, strict=True) for place in range(start, end + 1)}
    assert marked == expected


def test_sites_are_read_from_plain_and_packed_files_alike(odd, tmp_path):
    (tmp_path / "sites.vcf").write_bytes(gzip.decompress((odd / "sites.vcf.gz").read_bytes()))

    packed, plain = read_sites(odd / "sites.vcf.gz"), read_sites(tmp_path / "sites.vcf")
    assert packed.keys() == plain.keys() == CONTIGS.keys()
    assert all((packed[name].last == plain[name].last).all() for name in packed)


@given(st.lists(st.binary(max_size=200_000), max_size=4))
@settings(max_examples=25, deadline=None)
def test_what_is_packed_comes_out_again(tmp_path_factory, parts):
    path = tmp_path_factory.mktemp("bgzf") / "packed"
    with BgzfWriter(path) as target:
        for part in parts:
            target.write(part)

    assert gzip.decompress(path.read_bytes()) == b"".join(parts)
    assert path.read_bytes().endswith(END)
    assert target.checksum == hashlib.md5(path.read_bytes()).hexdigest()


def test_a_file_that_could_not_be_written_whole_has_no_end(tmp_path):
    with pytest.raises(OSError, match="full"), BgzfWriter(tmp_path / "packed") as target:
        target.write(b"A" * 100_000)
        raise OSError("the disk is full")

    assert not (tmp_path / "packed").read_bytes().endswith(END)


def test_low_qualities_stay_as_they_are_whatever_the_levels():
    assert static_mapping([10, 20, 30])[:6].tolist() == list(range(6))
    assert set(static_mapping([10, 20, 30])[6:].tolist()) == {6, 10, 20, 30}
    assert static_mapping([]).tolist() == list(range(94))
