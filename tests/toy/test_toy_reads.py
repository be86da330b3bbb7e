import csv
import gzip
import random
from collections import Counter
from pathlib import Path

import pytest

from tests.toy.break_reads import BREAKS, break_reads
from tests.toy.make_genomes import reverse_complement
from tests.toy.make_reads import ADAPTERS, FRAGMENT_MEAN, Library, express, make_reads
from tests.toy.make_samples import truth_text
from tests.toy.pack import pack

TRANSCRIPTS = {f"t{n}": "".join(random.Random(n).choices("ACGT", k=300 + 100 * n)) for n in range(8)}
CLEAN = {"errors_a_base": 0.0, "read_through": 0.0}


def read_table(path: Path) -> list[dict[str, str]]:
    with path.open() as rows:
        return list(csv.DictReader(rows, delimiter="\t"))


def read_text(path: Path) -> str:
    content = path.read_bytes()
    return (gzip.decompress(content) if path.suffix == ".gz" else content).decode()


def records(text: str) -> list[tuple[str, str, str]]:
    """Split FASTQ text into (name, bases, qualities)."""
    lines = text.splitlines()
    return list(zip(lines[::4], lines[1::4], lines[3::4], strict=True))


def reads_of(library: Library, fragments: int = 500, seed: int = 1) -> list[tuple[tuple[str, str, str], ...]]:
    rng = random.Random(seed)
    counts = express(TRANSCRIPTS, fragments, rng)
    made = make_reads(TRANSCRIPTS, counts, library, "s", rng)
    return [tuple(records(end)[0] for end in ends) for ends in made]


def origin(name: str) -> str:
    return name.split()[1]


def lies_forward(read: tuple[str, str, str]) -> bool:
    return read[1] in TRANSCRIPTS[origin(read[0])]


def test_the_truth_counts_the_reads_that_are_written(toy):
    rows = read_table(toy / "config/samples.tsv")
    samples = [path.stem for path in (toy / "truth").glob("*.tsv")]
    assert len(samples) == 7
    for sample in samples:
        for column in ("fq1", "fq2"):
            files = [toy / row[column] for row in rows if row["sample"] == sample and row[column]]
            written = Counter(origin(name) for path in files for name, _, _ in records(read_text(path)))
            truth = {row["transcript"]: int(row["fragments"]) for row in read_table(toy / f"truth/{sample}.tsv")}
            assert sum(truth.values()) == 400
            assert not files or written == Counter(truth)


def test_the_truth_has_every_transcript_with_its_gene_and_zeros():
    assert truth_text({"t1": 3, "t2": 0}, {"t1": "g", "t2": "g"}).splitlines() == [
        "transcript\tgene\tfragments",
        "t1\tg\t3",
        "t2\tg\t0",
    ]


def test_the_samples_are_of_all_kinds(toy):
    kinds = set()
    for row in read_table(toy / "config/samples.tsv"):
        if row["sample"] != "bacterium_broken":
            bases = {len(bases) for _, bases, _ in records(read_text(toy / row["fq1"]))}
            assert len(bases) == 1
            kinds.add((row["fq1"].endswith(".gz"), bool(row["fq2"]), row["lane"], *bases))
    zipped, paired, lanes, lengths = map(set, zip(*kinds, strict=True))
    assert (zipped, paired, lanes, lengths) == ({True, False}, {True, False}, {"1", "2"}, {50, 100})


def test_lanes_share_the_fragments_and_no_name_is_there_twice(toy):
    lanes = [records(read_text(toy / f"reads/fungus_paired_L00{lane}_R1.fastq.gz")) for lane in (1, 2)]
    names = [name for lane in lanes for name, _, _ in lane]
    assert [len(lane) for lane in lanes] == [200, 200]
    assert len(set(names)) == len(names)


def test_mates_have_the_same_names_in_the_same_order(toy):
    first, second = (records(read_text(toy / f"reads/bacterium_short_L001_R{mate}.fastq")) for mate in (1, 2))
    assert [name for name, _, _ in first] == [name for name, _, _ in second]


@pytest.mark.parametrize(("strand", "expected"), [("forward", 500), ("reverse", 0)])
@pytest.mark.parametrize("paired", [False, True])
def test_a_stranded_library_lies_one_way(strand, expected, paired):
    reads = reads_of(Library(100, paired, strand, **CLEAN))
    assert sum(lies_forward(ends[0]) for ends in reads) == expected
    if paired:
        assert sum(lies_forward(ends[1]) for ends in reads) == 500 - expected


def test_an_unstranded_library_lies_either_way():
    assert 200 < sum(lies_forward(ends[0]) for ends in reads_of(Library(100, **CLEAN))) < 300


def test_an_unknown_strand_is_refused():
    with pytest.raises(ValueError, match="strand 'up' is unknown; choose one of unstranded, forward, reverse"):
        Library(strand="up")


@pytest.mark.parametrize(
    ("paired", "strand", "letters"),
    [(True, "reverse", "ISR"), (True, "unstranded", "IU"), (False, "forward", "SF"), (False, "unstranded", "U")],
)
def test_a_library_knows_salmons_letters(paired, strand, letters):
    assert Library(100, paired, strand).library_type == letters


def test_mates_are_the_two_ends_of_fragments_of_about_200_bases():
    lengths = []
    for first, second in reads_of(Library(50, True, "forward", **CLEAN)):
        transcript = TRANSCRIPTS[origin(first[0])]
        lengths.append(transcript.index(reverse_complement(second[1])) + 50 - transcript.index(first[1]))
    mean = sum(lengths) / len(lengths)
    deviation = (sum((length - mean) ** 2 for length in lengths) / len(lengths)) ** 0.5
    assert abs(mean - FRAGMENT_MEAN) < 5
    assert 25 < deviation < 35


def test_some_reads_run_into_the_adapter():
    reads = reads_of(Library(100, True, "forward", read_through=0.1))
    for mate, adapter in enumerate(ADAPTERS):
        assert 25 < sum(adapter[:5] in ends[mate][1][55:] and not lies_forward(ends[mate]) for ends in reads) < 80
        assert all(len(bases) == len(qualities) == 100 for _, bases, qualities in (ends[mate] for ends in reads))
    assert not any(ADAPTERS[0][:12] in ends[0][1] for ends in reads_of(Library(100, **CLEAN)))


def test_errors_are_about_as_many_as_asked_for_and_of_low_quality():
    library = Library(100, strand="forward", errors_a_base=0.003, read_through=0)
    wrong = [read for (read,) in reads_of(library, 2_000) if not lies_forward(read)]
    assert 480 < len(wrong) < 720
    assert all("+" in qualities for _, _, qualities in wrong)


def test_expression_shares_out_all_fragments_unevenly():
    counts = express(TRANSCRIPTS, 1_000, random.Random(1))
    assert list(counts) == list(TRANSCRIPTS)
    assert sum(counts.values()) == 1_000
    assert max(counts.values()) > 3 * min(counts.values())


PAIR = tuple(pack("".join(f"@r{n}\nACGT\n+\nIIII\n" for n in range(500)).encode()) for _ in range(2))


def test_a_truncated_file_ends_within_its_gzip_stream():
    cut, whole = break_reads("truncated", PAIR)
    assert whole == PAIR[1]
    with pytest.raises(EOFError):
        gzip.decompress(cut)


def test_unequal_mates_are_whole_files_of_different_numbers_of_reads():
    first, second = (gzip.decompress(content).count(b"\n") // 4 for content in break_reads("unequal_mates", PAIR))
    assert (first, second) == (500, 497)


def test_unequal_mates_need_two_files():
    with pytest.raises(ValueError, match="unequal_mates is for a pair"):
        break_reads("unequal_mates", PAIR[:1])


def test_a_long_quality_is_longer_than_its_read_and_the_only_one():
    text = gzip.decompress(break_reads("long_quality", PAIR)[0]).decode()
    assert [name for name, bases, qualities in records(text) if len(bases) != len(qualities)] == ["@r2"]


def test_an_empty_file_has_no_bytes():
    assert break_reads("empty", PAIR) == (b"", b"")


def test_a_disguised_cram_begins_as_one_does():
    assert all(content.startswith(b"CRAM\x03\x00") and len(content) > 100 for content in break_reads("cram", PAIR))


@pytest.mark.parametrize("kind", BREAKS)
def test_breaking_is_the_same_each_time_and_never_leaves_both_files_as_they_were(kind):
    assert break_reads(kind, PAIR) == break_reads(kind, PAIR) != PAIR
