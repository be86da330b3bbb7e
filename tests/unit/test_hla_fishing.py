"""Fishing finds the reads of HLA genes whatever form they come in, and says what is wrong with broken ones."""

import gzip
import json

import numpy as np
import pysam
import pytest
from _hla_index import Index
from _hla_kmers import K, all_kmers, pack_words, reverse_complements
from _hla_reads import read_fished
from _hla_release import CODES
from _hla_scan import KmerTable, kmers_shared
from hla_fish_reads import main as fish
from hla_index_release import REPEAT_K, of_repeats
from hla_index_release import main as index_release
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.toy.make_hla_reads import COMPLEMENT
from tests.toy.make_hla_release import VERSION, make_hla_release

CHROMOSOME_6 = 170_805_979


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    folder = tmp_path_factory.mktemp("imgt")
    alleles = make_hla_release(folder, 1)
    index_release([folder], VERSION, folder / "index.npz", folder / "alleles.txt")
    return folder / "index.npz", alleles


def codes_of(bases: str) -> np.ndarray:
    return CODES[np.frombuffer(bases.encode(), dtype=np.uint8)]


def backwards(bases: str) -> str:
    return COMPLEMENT[np.frombuffer(bases.encode(), dtype=np.uint8)][::-1].tobytes().decode()


def gene_reads(alleles: dict, length: int, count: int = 40) -> list[str]:
    """Reads around an exon that tells types, of both strands."""
    allele = alleles["A"][0]
    before = "".join(allele.parts[:3]).replace(".", "")
    bases = allele.bases()
    starts = np.linspace(len(before) - length // 2, len(before) + len(allele.exon(2)) - length // 2, count).astype(int)
    found = [bases[start : start + length] for start in starts]
    return [read if number % 2 else backwards(read) for number, read in enumerate(found)]


def other_reads(length: int, count: int = 200) -> list[str]:
    return ["".join(row) for row in np.random.default_rng(5).choice(list("ACGT"), (count, length))]


def fastq(reads: list[str], suffix: str = "", first: int = 0, end: str = "\n") -> str:
    records = [f"@r{first + n}{suffix}{end}{read}{end}+{end}{'I' * len(read)}" for n, read in enumerate(reads)]
    return end.join(records) + end


def fished(folder) -> dict[str, str]:
    lines = gzip.decompress((folder / "reads.fastq.gz").read_bytes()).decode().split("\n")
    return dict(zip((line[1:] for line in lines[0:-1:4]), lines[1:-1:4], strict=True))


@given(bases=st.text("ACGT", min_size=K, max_size=60))
def test_kmers_of_a_sequence_and_of_its_other_strand_are_the_same_from_both_sides(bases):
    forward, backward = all_kmers(codes_of(bases)), all_kmers(codes_of(backwards(bases)))
    assert (reverse_complements(forward)[::-1] == backward).all()


@given(bases=st.text("ACGT", min_size=K, max_size=K))
def test_eight_letters_at_a_time_make_the_same_kmer_as_one_by_one(bases):
    words = np.frombuffer(bases.encode(), dtype="<u8")
    packed = sum(int(part) << 16 * place for place, part in enumerate(pack_words(words)))
    assert packed == int(all_kmers(codes_of(bases))[0])


@pytest.mark.parametrize("length", [36, 75, 150, 251])
def test_reads_of_a_gene_are_found_and_others_are_not(release, tmp_path, length):
    genes, others = gene_reads(release[1], length), other_reads(length)
    (tmp_path / "reads.fastq").write_text(fastq(genes + others))
    fish([tmp_path / "reads.fastq"], [], None, None, release[0], tmp_path / "fished")
    assert fished(tmp_path / "fished") == {f"r{number}/1/0": read for number, read in enumerate(genes)}
    told = json.loads((tmp_path / "fished/fished.json").read_text())
    assert (told["reads"], told["fished"], told["paired"], told["mean_read_length"]) == (240, 40, False, length)


@settings(max_examples=20, deadline=None)
@given(size=st.integers(900, 9000), end=st.sampled_from(["\n", "\r\n"]), packed=st.booleans())
def test_it_makes_no_difference_where_blocks_end_and_how_lines_do(release, tmp_path_factory, size, end, packed):
    genes = gene_reads(release[1], 100)
    folder = tmp_path_factory.mktemp("blocks")
    text = fastq(genes + other_reads(100, 30), end=end).encode()
    path = folder / "reads.fastq.gz"
    path.write_bytes(gzip.compress(text) if packed else text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("_hla_scan.BLOCK", size)
        fish([path], [], None, None, release[0], folder / "fished")
    assert sorted(fished(folder / "fished").values()) == sorted(genes)


def test_a_read_that_shares_one_kmer_is_fished_with_its_mate_only(release, tmp_path):
    gene, other = gene_reads(release[1], 100, 2)[0], other_reads(100)[0]
    # The first and the last of the k-mers that are looked up: the last alone lies in the gene.
    edge = other[: 100 - K] + gene[:K]
    (tmp_path / "1.fq").write_text(fastq([edge, edge]))
    (tmp_path / "2.fq").write_text(fastq([other, gene]))
    fish([tmp_path / "1.fq"], [tmp_path / "2.fq"], None, None, release[0], tmp_path / "fished")
    assert fished(tmp_path / "fished") == {"r1/1/1": edge, "r1/1/2": gene}
    assert json.loads((tmp_path / "fished/fished.json").read_text())["fished"] == 2
    assert [path.name for path in sorted((tmp_path / "fished").iterdir())] == ["fished.json", "reads.fastq.gz"]


def test_kmers_of_simple_repeats_and_of_what_genes_of_other_families_share_are_told(release):
    shared = other_reads(60, 1)[0]
    repeats = np.unique(all_kmers(codes_of(shared), REPEAT_K))
    inside, beside = shared[10 : 10 + K], other_reads(200, 1)[0][-K:]
    texts = [inside, beside, "AC" * (K // 2), "T" * K, ("AAAGG" * K)[:K], "ACGT" * 5 + "TTAC"]
    kmers = np.array([all_kmers(codes_of(text))[0] for text in texts])
    assert of_repeats(kmers, repeats).tolist() == [True, False, True, True, True, True]


def test_mates_are_told_by_name_also_where_the_files_are_out_of_step(release, tmp_path):
    genes = gene_reads(release[1], 100)
    (tmp_path / "1.fastq").write_text(fastq(genes[:20], "/1 comment"))
    (tmp_path / "2.fastq").write_text(fastq(other_reads(100, 3), "/2", 100) + fastq(genes[20:], "/2", 5))
    fish([tmp_path / "1.fastq"], [tmp_path / "2.fastq"], None, None, release[0], tmp_path / "fished")
    assert set(fished(tmp_path / "fished")) == {f"r{n}/1/1" for n in range(20)} | {f"r{n}/1/2" for n in range(5, 25)}


@pytest.mark.parametrize("mark", "/._")
def test_mates_are_told_by_the_ends_of_their_names_that_tools_write(release, tmp_path, mark):
    genes = gene_reads(release[1], 100, 20)
    for mate, reads in ((1, genes[:10]), (2, genes[10:])):
        (tmp_path / f"{mate}.fq").write_text(fastq(reads, f"{mark}{mate}"))
    fish([tmp_path / "1.fq"], [tmp_path / "2.fq"], None, None, release[0], tmp_path / "fished")
    assert set(fished(tmp_path / "fished")) == {f"r{n}/1/{mate}" for n in range(10) for mate in (1, 2)}


def test_a_number_at_the_end_of_a_read_s_name_is_no_mate(release, tmp_path):
    genes = gene_reads(release[1], 100, 20)
    for mate, reads in ((1, genes[:10]), (2, genes[10:])):
        records = [f"@run.{number}\n{read}\n+\n{'I' * 100}\n" for number, read in enumerate(reads, start=1)]
        (tmp_path / f"{mate}.fq").write_text("".join(records))
    fish([tmp_path / "1.fq"], [tmp_path / "2.fq"], None, None, release[0], tmp_path / "fished")
    assert set(fished(tmp_path / "fished")) == {f"run.{n}/1/{mate}" for n in range(1, 11) for mate in (1, 2)}


@pytest.mark.parametrize("beside", [24, 101, 250])
def test_what_a_read_shares_does_not_depend_on_the_reads_beside_it(release, beside):
    table = KmerTable(Index(release[0]).array("kmers"))
    read = gene_reads(release[1], 100, 1)[0]
    for place in (20, 40, 60):
        read = read[:place] + ("A" if read[place] != "A" else "C") + read[place + 1 :]
    both = read + other_reads(beside, 1)[0]
    block = np.frombuffer((both + " " * 8).encode(), dtype=np.uint8)
    alone = kmers_shared(block, np.array([0]), np.array([100]), table)
    assert kmers_shared(block, np.array([0, 100]), np.array([100, beside]), table)[0] == alone[0] >= 1


def test_lanes_that_name_their_reads_alike_have_reads_of_their_own(release, tmp_path):
    genes = gene_reads(release[1], 100)
    files = [tmp_path / f"{lane}_{mate}.fastq" for mate in (1, 2) for lane in (1, 2)]
    for number, path in enumerate(files):
        path.write_text(fastq(genes[10 * number : 10 * number + 10], f"/{path.stem[-1]}", 1))
    fish(files[:2], files[2:], None, None, release[0], tmp_path / "fished")
    reads = read_fished(tmp_path / "fished/reads.fastq.gz", 1)
    assert [reads.sequence(number).decode() for number in range(len(reads))] == genes
    lanes_and_mates = reads.fragment.reshape(2, 2, 10)  # the first mates of both lanes, then the second
    assert (lanes_and_mates[0] == lanes_and_mates[1]).all()
    assert len(set(reads.fragment.tolist())) == 20


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (fastq(["ACGT" * 30]) + "@r2\nACGT", "it ends in the middle of a read, after line 4"),
        ("ACGT\nACGT\nACGT\nACGT\n", "line 1 begins no read of FASTQ"),
        (fastq(["ACGT" * 30]) + "@r2\nACGT\n-\nIIII\n", "line 5 begins no read of FASTQ"),
        ("", "holds no reads"),
    ],
)
def test_broken_reads_fail_their_sample_with_file_and_place(release, tmp_path, text, reason):
    (tmp_path / "reads.fastq").write_text(text)
    fish([tmp_path / "reads.fastq"], [], None, None, release[0], tmp_path / "fished")
    told = (tmp_path / "fished/failed.txt").read_text()
    assert told.startswith(f"fish_hla_reads: {tmp_path}/reads.fastq")
    assert reason in told
    assert not (tmp_path / "fished/reads.fastq.gz").exists()


def test_a_gzip_file_that_was_cut_fails_its_sample(release, tmp_path):
    (tmp_path / "reads.fastq.gz").write_bytes(gzip.compress(fastq(other_reads(100)).encode())[:-200])
    fish([tmp_path / "reads.fastq.gz"], [], None, None, release[0], tmp_path / "fished")
    assert "bring the file again" in (tmp_path / "fished/failed.txt").read_text()


def write_bam(path, genes: list[str], chromosome: str, length: int = CHROMOSOME_6):
    """Reads of a gene on chromosome 6, on an alternate contig and not mapped at all, among others elsewhere."""
    contigs = [
        ("chr1" if chromosome.startswith("chr") else "1", 248_956_422),
        (chromosome, length),
        ("chr6_GL000250v2_alt", 4_000_000),
    ]
    header = pysam.AlignmentHeader.from_dict(
        {"HD": {"VN": "1.6", "SO": "coordinate"}, "SQ": [{"SN": name, "LN": size} for name, size in contigs]}
    )
    places = [(0, 1000), (1, 29_942_000), (2, 1_000_000), (-1, -1)]
    with pysam.AlignmentFile(str(path), "wb", header=header) as file:
        for contig, place in places:
            chosen = genes[0::3] if contig == 1 else genes[1::3] if contig == 2 else genes[2::3] if contig == -1 else []
            for number, read in enumerate([*chosen, *other_reads(len(genes[0]), 5)]):
                record = pysam.AlignedSegment(header)
                record.query_name = f"c{contig}r{number}"
                record.flag = 4 if contig < 0 else 16 if number % 2 else 0
                record.reference_id, record.reference_start = contig, place + number if contig >= 0 else -1
                record.query_sequence = read
                record.query_qualities = pysam.qualitystring_to_array("I" * len(read))
                if contig >= 0:
                    record.cigarstring = f"{len(read)}M"
                file.write(record)
    pysam.index(str(path))


def write_unaligned(path, groups: dict[str, list[str]], sample: str) -> None:
    """Reads of read groups of one sample, not aligned, named 0, 1, 2 ... in each of them."""
    header = {"HD": {"VN": "1.6"}, "RG": [{"ID": group, "SM": sample} for group in groups]}
    with pysam.AlignmentFile(str(path), "wb", header=header) as file:
        for group, reads in groups.items():
            for number, read in enumerate(reads):
                record = pysam.AlignedSegment(file.header)
                record.query_name, record.flag, record.query_sequence = str(number), 4, read
                record.query_qualities = pysam.qualitystring_to_array("I" * len(read))
                record.set_tag("RG", group)
                file.write(record)


def test_reads_of_two_read_groups_stay_apart_though_their_names_are_the_same_in_a_file_without_contigs(
    release, tmp_path
):
    genes = gene_reads(release[1], 100, 60)
    write_unaligned(tmp_path / "s.bam", {"a b": genes[0::2], "c": genes[1::2]}, "s")
    fish([], [], tmp_path / "s.bam", None, release[0], tmp_path / "fished", None, "s")
    assert sorted(fished(tmp_path / "fished").values()) == sorted(genes)


def test_a_cram_is_read_by_the_genome_it_was_written_with_and_without_that_fails_its_sample_with_the_remedy(
    release, tmp_path, monkeypatch
):
    genes = gene_reads(release[1], 100, 60)
    genome, moved = tmp_path / "genome.fa", tmp_path / "moved.fa"
    genome.write_text(">chr6\n" + "".join(genes) + "\n")
    header = pysam.AlignmentHeader.from_dict({"SQ": [{"SN": "chr6", "LN": 100 * len(genes)}]})
    with pysam.AlignmentFile(str(tmp_path / "s.cram"), "wc", header=header, reference_filename=str(genome)) as file:
        for number, read in enumerate(genes):
            record = pysam.AlignedSegment(header)
            record.query_name, record.flag, record.query_sequence = str(number), 0, read
            record.reference_id, record.reference_start, record.cigarstring = 0, 100 * number, "100M"
            record.query_qualities = pysam.qualitystring_to_array("I" * 100)
            file.write(record)
    genome.rename(moved)
    monkeypatch.setenv("REF_PATH", str(tmp_path / "none"))  # where htslib would look else
    fish([], [], tmp_path / "s.cram", moved, release[0], tmp_path / "fished")
    assert sorted(fished(tmp_path / "fished").values()) == sorted(genes)
    fish([], [], tmp_path / "s.cram", None, release[0], tmp_path / "no_genome")
    assert "a CRAM needs its genome: set hla: reference" in (tmp_path / "no_genome/failed.txt").read_text()


@pytest.mark.parametrize("content", ["", fastq(["ACGT" * 25])])
def test_a_file_that_is_no_bam_fails_its_sample(release, tmp_path, content):
    (tmp_path / "s.bam").write_text(content)
    fish([], [], tmp_path / "s.bam", None, release[0], tmp_path / "fished", ["in/s.bam"])
    assert (tmp_path / "fished/failed.txt").read_text().startswith("fish_hla_reads: in/s.bam is no BAM or CRAM")


def test_files_of_which_no_read_is_the_mate_of_another_fail_their_sample(release, tmp_path):
    genes = gene_reads(release[1], 100, 60)
    (tmp_path / "1.fq").write_text(fastq(genes))
    (tmp_path / "2.fq").write_text(fastq(genes, first=1000))
    fish([tmp_path / "1.fq"], [tmp_path / "2.fq"], None, None, release[0], tmp_path / "fished", ["a_1.fq", "b_2.fq"])
    why = (tmp_path / "fished/failed.txt").read_text()
    assert why.startswith("fish_hla_reads: no read of b_2.fq has the name of one of a_1.fq, so they are no mates")
    assert [path.name for path in (tmp_path / "fished").iterdir()] == ["failed.txt"]


def test_a_bam_of_another_sample_fails_this_one(release, tmp_path):
    write_unaligned(tmp_path / "s.bam", {"a": gene_reads(release[1], 100, 60)}, "other")
    fish([], [], tmp_path / "s.bam", None, release[0], tmp_path / "fished", ["in/s.bam"], "mine")
    why = (tmp_path / "fished/failed.txt").read_text()
    assert why.startswith(
        "fish_hla_reads: in/s.bam is of the sample other (read group a, SM), not of mine; correct the"
    )
    assert not (tmp_path / "fished/reads.fastq.gz").exists()


@pytest.mark.parametrize("chromosome", ["chr6", "6", "NC_000006.12"])
def test_of_a_bam_the_region_alternate_contigs_and_unmapped_reads_are_fished(release, tmp_path, chromosome):
    genes = gene_reads(release[1], 100, 60)
    write_bam(tmp_path / "s.bam", genes, chromosome)
    fish([], [], tmp_path / "s.bam", None, release[0], tmp_path / "fished")
    both = {min(read, backwards(read)) for read in genes}
    assert {min(read, backwards(read)) for read in fished(tmp_path / "fished").values()} == both
    told = json.loads((tmp_path / "fished/fished.json").read_text())
    assert told["source"] == "bam"
    assert told["reads"] == 60 + 15  # those of chromosome 1 were not looked at
    assert told["notes"] == [f"chromosome 6 is {chromosome} (GRCh38), beside it 1 alternate contigs"]


def test_of_a_bam_without_an_index_or_of_an_unknown_genome_all_reads_are_looked_at(release, tmp_path):
    genes = gene_reads(release[1], 100, 60)
    write_bam(tmp_path / "s.bam", genes, "chr6")
    (tmp_path / "s.bam.bai").unlink()
    fish([], [], tmp_path / "s.bam", None, release[0], tmp_path / "no_index")
    write_bam(tmp_path / "other.bam", genes, "chr6", 1_000_000_00)
    fish([], [], tmp_path / "other.bam", None, release[0], tmp_path / "other")
    for folder, why in (("no_index", "no index"), ("other", "no contig has the length of a human chromosome 6")):
        told = json.loads((tmp_path / folder / "fished.json").read_text())
        assert (told["reads"], told["fished"]) == (80, 60)
        assert why in told["notes"][0]


def test_of_a_bam_reads_marked_as_duplicates_or_as_failing_checks_are_left_out_and_counted(release, tmp_path):
    genes = gene_reads(release[1], 100, 60)
    write_bam(tmp_path / "s.bam", genes, "chr6")
    plain = pysam.AlignmentFile(str(tmp_path / "s.bam"))
    with plain, pysam.AlignmentFile(str(tmp_path / "marked.bam"), "wb", template=plain) as file:
        for record in plain.fetch(until_eof=True):
            file.write(record)
            for name, flag in (("copy", 0x400), ("copy", 0x400), ("bad", 0x200), ("bad_copy", 0x600)):
                marked = pysam.AlignedSegment.fromstring(record.to_string(), plain.header)
                marked.query_name, marked.flag = f"{record.query_name}{name}", record.flag | flag
                file.write(marked)
    pysam.index(str(tmp_path / "marked.bam"))
    fish([], [], tmp_path / "s.bam", None, release[0], tmp_path / "plain")
    fish([], [], tmp_path / "marked.bam", None, release[0], tmp_path / "marked")
    assert fished(tmp_path / "marked") == fished(tmp_path / "plain")
    told, without = (json.loads((tmp_path / name / "fished.json").read_text()) for name in ("marked", "plain"))
    left_out = [
        "225 reads marked as duplicates were left out",
        "75 reads marked as failing quality checks were left out",
    ]
    assert told["notes"] == [*without["notes"], *left_out]
    assert (told["reads"], told["fished"]) == (75, 60) == (without["reads"], without["fished"])


def test_a_bam_of_which_no_read_passed_quality_checks_fails_its_sample_and_says_why(release, tmp_path):
    write_bam(tmp_path / "s.bam", gene_reads(release[1], 100, 60), "chr6")
    plain = pysam.AlignmentFile(str(tmp_path / "s.bam"))
    with plain, pysam.AlignmentFile(str(tmp_path / "bad.bam"), "wb", template=plain) as file:
        for record in plain.fetch(until_eof=True):
            record.flag |= 0x200
            file.write(record)
    fish([], [], tmp_path / "bad.bam", None, release[0], tmp_path / "fished")
    told = (tmp_path / "fished/failed.txt").read_text()
    assert "holds no reads to look at (" in told
    assert "80 reads marked as failing quality checks were left out" in told


def test_a_bam_that_was_cut_fails_its_sample(release, tmp_path):
    write_bam(tmp_path / "s.bam", gene_reads(release[1], 100, 60), "chr6")
    (tmp_path / "s.bam").write_bytes((tmp_path / "s.bam").read_bytes()[:700])
    fish([], [], tmp_path / "s.bam", None, release[0], tmp_path / "fished")
    assert (tmp_path / "fished/failed.txt").read_text().startswith(f"fish_hla_reads: {tmp_path}/s.bam")


def test_an_index_of_another_program_is_refused(tmp_path):
    (tmp_path / "index.npz").write_text("nothing")
    with pytest.raises(ValueError, match=r"no index of HLA alleles that can be read.*remove it"):
        Index(tmp_path / "index.npz")
