import bz2
import gzip
import json
import random
from pathlib import Path

import pytest
from check_reads import check_sample, main
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.toy.break_reads import break_reads


def fastq(names: list[str], bases: int = 10) -> bytes:
    rng = random.Random(names[0])
    return "".join(f"@{n}\n{''.join(rng.choices('ACGT', k=bases))}\n+\n{'I' * bases}\n" for n in names).encode()


MATES = tuple(fastq([f"r{n}/{mate}" for n in range(500)]) for mate in (1, 2))
ZIPPED = tuple(gzip.compress(mate) for mate in MATES)
WHOLE = {"success": True, "reason": None, "reads": 500, "mean_read_length": 10, "first_read": "r0/1"}


@pytest.fixture
def put(tmp_path):
    """Write a file into the test's folder; return its path."""

    def write(name: str, content: bytes) -> Path:
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    return write


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("truncated", "x_1.fastq.gz ends in the middle of its gzip stream: it was cut; bring the file again"),
        (
            "unequal_mates",
            "x_2.fastq.gz are no mates of each other: Reads are improperly paired. There are more reads in file 1 than "
            "in file 2; bring both files again",
        ),
        (
            "long_quality",
            "x_1.fastq.gz: Error in FASTQ file at line 12: Length of sequence and qualities differ; bring",
        ),
        ("empty", "x_2.fastq.gz hold no reads; leave the lane out or bring the files again"),
        ("cram", "x_1.fastq.gz is a CRAM file, not FASTQ; bring the reads as FASTQ, plain or gzip"),
    ],
)
def test_each_kind_of_broken_pair_is_told_with_file_and_remedy(put, kind, reason):
    fq1, fq2 = (put(f"x_{n}.fastq.gz", content) for n, content in enumerate(break_reads(kind, ZIPPED), start=1))
    verdict = check_sample([(fq1, fq2)])
    assert verdict["success"] is False
    assert reason in verdict["reason"]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("truncated", "x.fastq.gz ends in the middle of its gzip stream"),
        ("long_quality", "Length of sequence and qualities differ"),
        ("empty", "x.fastq.gz holds no reads; leave the lane out"),
        ("cram", "x.fastq.gz is a CRAM file"),
    ],
)
def test_each_kind_of_broken_single_end_is_told_with_file_and_remedy(put, kind, reason):
    (content,) = break_reads(kind, ZIPPED[:1])
    assert reason in check_sample([(put("x.fastq.gz", content), None)])["reason"]


@pytest.mark.parametrize("broken", [1, 2])
@pytest.mark.parametrize("kind", ["truncated", "long_quality", "empty", "cram"])
def test_of_a_pair_the_broken_file_is_named(put, kind, broken):
    contents = list(ZIPPED)
    contents[broken - 1] = break_reads(kind, (ZIPPED[broken - 1],))[0]
    fq1, fq2 = (put(f"x_{n}.fastq.gz", content) for n, content in enumerate(contents, start=1))
    assert f"x_{broken}.fastq.gz" in check_sample([(fq1, fq2)])["reason"].partition(":")[0]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("x.fq", b"", "x.fq holds no reads"),
        ("x.fq.gz", gzip.compress(b""), "x.fq.gz holds no reads"),
        ("x.fq", MATES[0][:-25], "line 1997: Premature end of file"),
        ("x.fq", b">a\nACGT\n", "x.fq: Error in FASTQ file"),
        ("x.fq", b"@a\nAC\nGT\n+\nIIII\n", "expected to start with '+'"),
        ("x.fq", bz2.compress(MATES[0]), "x.fq is a bzip2 file, not FASTQ; bring the reads as FASTQ, plain or gzip"),
        ("x.fq.gz", MATES[0], "x.fq.gz is not gzip, though its name says so; bring the file again or rename it"),
        ("x.fq.gz", gzip.compress(b"BAM\1" + bytes(5000)), "x.fq.gz: Error in FASTQ file"),
        ("x.fq.gz", ZIPPED[0][:200] + bytes([ZIPPED[0][200] ^ 255]) + ZIPPED[0][201:], "x.fq.gz: Error -3"),
        ("x.fq.gz", (ZIPPED[0] * 2)[:-30], "x.fq.gz ends in the middle of its gzip stream"),
        ("x.fq", bytes(range(256)), "Non-ASCII"),
    ],
)
def test_other_files_that_are_no_reads_are_told(put, name, content, reason):
    verdict = check_sample([(put(name, content), None)])
    assert reason in verdict["reason"]
    assert len(verdict["reason"]) < 500


def test_mates_whose_names_are_out_of_step_are_told_by_name(put):
    others = fastq([f"q{n}/2" for n in range(500)])
    reason = check_sample([(put("x_1.fq", MATES[0]), put("x_2.fq", others))])["reason"]
    assert "no mates of each other" in reason and "'r0/1' in file 1 does not match 'q0/2'" in reason


@pytest.mark.parametrize(
    ("name", "content", "reads"),
    [
        ("x.fq", MATES[0], 500),
        ("x.fq", MATES[0].replace(b"\n", b"\r\n"), 500),
        ("x.fq", MATES[0].rstrip(b"\n"), 500),
        ("x.fq", ZIPPED[0], 500),
        ("x.fq.gz", ZIPPED[0] + ZIPPED[1], 1000),
        ("x.fq.gz", ZIPPED[0] + bytes(512), 500),
    ],
    ids=["plain", "Windows line ends", "no last line end", "gzip named plain", "two gzip members", "padded gzip"],
)
def test_whole_files_are_counted_however_they_are_written(put, name, content, reads):
    assert check_sample([(put(name, content), None)]) == WHOLE | {"reads": reads}


def test_pairs_and_lanes_are_counted_together(put):
    pair = put("a_1.fq.gz", ZIPPED[0]), put("a_2.fq", MATES[1])
    longer = tuple(put(f"b_{mate}.fq", fastq([f"r/{mate}"] * 250, bases=40)) for mate in (1, 2))
    assert check_sample([pair, longer]) == WHOLE | {"reads": 1500, "mean_read_length": 20}


def test_one_broken_lane_breaks_the_sample(put):
    sound, empty = put("a.fq", MATES[0]), put("b.fq", b"")
    assert "b.fq holds no reads; leave the lane out" in check_sample([(sound, None), (empty, None)])["reason"]


def test_a_file_that_cannot_be_read_fails_the_job_and_not_the_sample(tmp_path):
    with pytest.raises(OSError):
        check_sample([(tmp_path / "absent.fq", None)])


@settings(max_examples=50, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 300), min_size=1, max_size=40),
    zipped=st.booleans(),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_reads_and_bases_are_counted_exactly(tmp_path_factory, lengths, zipped, end):
    text = end.join(part for n, size in enumerate(lengths) for part in (f"@r{n} x", "A" * size, "+", "@" * size)) + end
    path = tmp_path_factory.mktemp("reads") / ("x.fq.gz" if zipped else "x.fq")
    path.write_bytes(gzip.compress(text.encode()) if zipped else text.encode())
    found = check_sample([(path, None)])
    assert (found["reads"], found["mean_read_length"] * len(lengths)) == (len(lengths), pytest.approx(sum(lengths)))


def test_a_sound_sample_leaves_its_numbers(put, tmp_path):
    main([put("x.fq", MATES[0])], [], tmp_path / "out", ["x.fq"])
    left = json.loads((tmp_path / "out/reads.json").read_text())
    assert left.items() >= WHOLE.items()


def test_a_broken_sample_leaves_its_reason(put, tmp_path):
    main([put("x.fq", b"")], [], tmp_path / "out", ["reads/my x.fq"])
    assert (tmp_path / "out/failed.txt").read_text().startswith("check_reads: reads/my x.fq holds no reads; ")
    assert json.loads((tmp_path / "out/reads.json").read_text())["success"] is False


def test_one_file_as_both_mates_fails_its_sample(put):
    first, again = put("x_1.fq", MATES[0]), put("x_2.fq", MATES[0].replace(b"/1\n", b"/2\n"))
    reason = check_sample([(first, again)])["reason"]
    assert reason == f"{again} holds the same reads as {first}; name the file of the mates"


@pytest.mark.parametrize("ends", [("/1", "/2"), (" 1:N:0", " 2:N:0"), ("", "")])
def test_both_mates_in_one_file_fail_their_sample_with_the_remedy(put, ends):
    mixed = put("x.fq", fastq([f"r{number}{end}" for number in range(9) for end in ends]))
    reason = check_sample([(mixed, None)])["reason"]
    assert reason.startswith(
        f"{mixed} holds both mates of each pair, one after the other; split it, as by `seqtk seq -1`"
    )


@pytest.mark.parametrize(
    "names", ["r1 r2", "SRR7.1 SRR7.2 SRR7.3 SRR7.4 SRR7.5", "read read read read", "r/1 s/1 t/1 u/1"]
)
def test_single_reads_with_names_that_look_alike_are_taken(put, names):
    assert check_sample([(put("x.fq", fastq(names.split())), None)])["success"]


@pytest.mark.parametrize("letters", [b"@h", b";BhV"])
def test_qualities_with_64_added_fail_their_sample_with_the_remedy(put, letters):
    old = MATES[0].replace(b"I" * 10, (letters * 10)[:10])
    reason = check_sample([(put("x.fq", old), None)])["reason"]
    assert "x.fq has qualities with 64 added (Illumina 1.3 to 1.7, Solexa)" in reason
    assert "seqtk seq -Q64 -V" in reason


@pytest.mark.parametrize("letters", [b"IIIII", b"FF:#F", b"KKKK,", b"5~~~~"])  # the last of long accurate reads
def test_qualities_with_33_added_are_taken(put, letters):
    assert check_sample([(put("x.fq", MATES[0].replace(b"I" * 10, (letters * 10)[:10])), None)])["success"]


def test_what_follows_a_gzip_stream_is_told(put):
    reason = check_sample([(put("x.fq.gz", ZIPPED[0] + b"hello" * 99), None)])["reason"]
    assert reason.endswith("x.fq.gz: after its gzip stream comes something else; bring the file again")
