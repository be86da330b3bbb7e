"""What the rules of alignment ask of a read's name, a header, a table of Picard's."""

import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "workflow/scripts"


def bash(commands: str, folder: Path) -> subprocess.CompletedProcess:
    script = f"source '{SCRIPTS}/sample_step.sh'; source '{SCRIPTS}/align_step.sh'\n{commands}"
    return subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("read", "unit"),
    [
        ("ST-E00142:847:H22KTCCX2:4:1101:23764:1239 1:N:0:NCGCTCGA", "H22KTCCX2.4"),
        ("HWI-EAS264:7:100:10001:2120#0/1", "HWI-EAS264.7"),
        ("C09DFACXX111207:1:1101:3476:162242/1", "C09DFACXX111207.1"),
        ("54|SIM:1:FCX1:2:1201:14937:25488", "FCX1.2"),
        ("A00001:1:HXXX:3:1101:1:1:ACGT 1:N:0:1", "HXXX.3"),
        ("SRR1234567.1 1 length=100", "s.1"),
        ("", "s.1"),
    ],
)
def test_the_platform_unit_is_flow_cell_and_lane_where_the_name_tells_them(tmp_path, read, unit):
    assert bash(f"platform_unit '{read}' s.1", tmp_path).stdout == f"{unit}\n"


@pytest.mark.parametrize(
    ("read", "patterned"),
    [
        ("ST-E00142:847:H22KTCCX2:4:1101:23764:1239", True),  # HiSeq X
        ("E00142:847:H22KTCCX2:4:1101:23764:1239", True),
        ("K00142:8:HBBXX:4:1101:2:1", True),  # HiSeq 4000
        ("A00123:8:HDSXX:4:1101:2:1", True),  # NovaSeq
        ("VH00123:8:AAAM5:1:1101:2:1", True),  # NextSeq 2000
        ("M01234:8:000000000-A:1:1101:2:1", False),  # MiSeq
        ("NB501234:8:HBGXX:1:1101:2:1", False),  # NextSeq 500
        ("D00123:8:CADXX:1:1101:2:1", False),  # HiSeq 2500
        ("HWI-EAS264:7:100:10001:2120#0/1", False),  # Genome Analyzer
        ("SRR123.1", False),
    ],
)
def test_patterned_flow_cells_are_known_by_their_instruments(tmp_path, read, patterned):
    assert (bash(f"patterned '{read}'", tmp_path).returncode == 0) == patterned
    assert bash(f"optical_distance '{read}'", tmp_path).stdout == ("2500\n" if patterned else "100\n")


FAI = "chr1\t1000\t6\t60\t61\nchr2\t500\t6\t60\t61\n"


@pytest.mark.parametrize(
    ("contigs", "problem"),
    [
        ("chr1:1000 chr2:500", ""),
        ("1:1000 2:500", "has the contig 1, which the organism lacks"),
        ("chr1:1001 chr2:500", "has 1001 bases of chr1, the organism 1000"),
        ("chr2:500 chr1:1000", "has chr2 where the organism has chr1: the order is another"),
        ("chr1:1000", "lacks the contig chr2"),
        ("", "names no contigs"),
    ],
)
def test_contigs_of_given_alignments_must_be_the_genome_s(tmp_path, contigs, problem):
    (tmp_path / "fai").write_text(FAI)
    rows = "".join("@SQ\tSN:{}\tLN:{}\tM5:x\n".format(*one.split(":")) for one in contigs.split())
    (tmp_path / "header").write_text("@HD\tVN:1.6\n" + rows)
    said = bash("contig_problem header fai a.bam", tmp_path)
    assert said.returncode == 0
    remedy = "; it was aligned to another reference: name that as the organism, or give the reads\n"
    assert said.stdout == (f"a.bam {problem}{remedy}" if problem else "")


@pytest.mark.parametrize(
    ("groups", "problem"),
    [
        ("@RG\tID:1\tSM:s\n@RG\tID:2\tLB:x y\tPU:F.1\tSM:s\n@RG\tID:a b\tPU:F.2\tSM:s\n", ""),
        (
            "@RG\tID:1\tSM:s\n@RG\tID:2\tSM:t\n",
            "is of the sample t (read group 2, SM), not of s; correct the sample in the table, or SM: samtools",
        ),
        ("@RG\tID:1\tLB:x\n", "does not say whose the read group 1 is (SM); correct the sample in the table, or"),
        ("@CO\tSM:s\n", "has no read groups; add one: samtools addreplacerg -r ID:1 -r SM:s -r LB:1 -o NEW FILE"),
        ("@RG\tID:1\tSM:s\tPU:FC 1\n", "has the platform unit 'FC 1' (read group 1, PU), and tables of qualities take"),
        ("@RG\tID:1\tSM:s\tPU:\n", "has the platform unit '' (read group 1, PU), and"),
        ("@RG\tID:a b\tSM:s\n", "has the platform unit 'a b' (read group a b, PU), and"),
    ],
)
def test_read_groups_of_given_alignments_must_be_of_the_sample_and_fit_into_a_table(tmp_path, groups, problem):
    (tmp_path / "header").write_text(groups)
    said = bash("read_group_problem header s a.bam", tmp_path).stdout
    assert said.startswith(f"a.bam {problem}" if problem else "")
    assert bool(said) == bool(problem)


@pytest.mark.parametrize(
    ("log", "ends_the_sample"),
    [
        ("[E::bgzf_read_block] Failed to read BGZF block data at offset 9; EOF marker is absent", True),
        ("[E::cram_decode_slice] MD5 checksum reference mismatch: does not match", True),
        ("samtools sort: truncated file. Aborting", True),
        ("samtools sort: No space left on device", False),
        ("Killed", False),
    ],
)
def test_only_what_samtools_says_of_the_file_itself_ends_the_sample(tmp_path, log, ends_the_sample):
    (tmp_path / "log").write_text(log)
    said = bash("(exit 7) || alignment_failed $? take log a.bam out", tmp_path)
    assert (said.returncode, (tmp_path / "out/failed.txt").exists()) == ((0, True) if ends_the_sample else (7, False))


def test_a_column_of_picard_s_table_is_summed(tmp_path):
    table = "## htsjdk\n# MarkDuplicates\n\n## METRICS CLASS\tx\nLIBRARY\tA\tB\nl 1\t3\t4\nl2\t5\t\n\n"
    (tmp_path / "m").write_text(f"{table}## HISTOGRAM\nbin\tA\n1\t9\n")
    assert bash("picard_sum A m; picard_sum B m; picard_sum C m", tmp_path).stdout == "8\n4\n0\n"
