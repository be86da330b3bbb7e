from pathlib import Path

import pytest
import yaml
from _genomes import Genomes
from _samples import read_samples
from _tables import Row

SCHEMA = yaml.safe_load((Path(__file__).parents[2] / "workflow" / "schemas" / "samples.schema.yaml").read_text())
COLUMNS = "sample\tlane\torganism\tfq1\tfq2\tlibrary_type\tread_length\tanalyses"
GENOMES = Genomes(
    {"homo_sapiens": Row(), "homo_sapiens_t2t": Row(), "My_yeast": Row()},
    {
        "homo_sapiens": {"homo_sapiens"},
        "human": {"homo_sapiens", "homo_sapiens_t2t"},
        "my_yeast": {"My_yeast"},
        "fly": set(),
    },
)


def read(folder, *rows, columns=COLUMNS, genomes=GENOMES, **options):
    path = folder / "samples.tsv"
    padded = [row + "\t" * (columns.count("\t") - row.count("\t")) for row in rows]
    path.write_text("\n".join([columns, *padded]) + "\n")
    samples, problems = read_samples(path, SCHEMA, genomes, **options)
    return samples, [problem.removeprefix(f"{folder}/") for problem in problems]


def test_gathers_lanes_into_samples_in_the_order_of_the_table(tmp_path):
    samples, problems = read(
        tmp_path,
        "a\t1\tHomo sapiens\t./my reads//a 1.fq\ta2.fq\tISR\t100",
        "b\t1\tmy yeast\ts3://bucket//b.fq",
        "a\t2\thomo_sapiens\tA1.fq\tA2.fq\tISR\t100",
    )
    assert problems == []
    a, b = samples["a"], samples["b"]
    assert (a.name, a.organism, a.analyses) == ("a", "homo_sapiens", {"quant"})
    assert (a.fq1, a.fq2, a.read_length) == (("my reads/a 1.fq", "A1.fq"), ("a2.fq", "A2.fq"), 100)
    assert (b.organism, b.fq1, b.fq2) == ("My_yeast", ("s3://bucket//b.fq",), ())
    assert (b.read_length, b.library_type) == (None, "A")


def test_hla_alone_needs_neither_an_organism_nor_reads_beside_a_bam(tmp_path):
    columns = "sample\tanalyses\torganism\tbam\tfq1"
    rows = ("a\thla\t\t./a.bam", "b\thla\tHomo sapiens\t\tb.fq", "c\tquant,hla\thomo_sapiens\t\tc.fq")
    samples, problems = read(tmp_path, *rows, columns=columns)
    assert problems == []
    assert [(one.organism, one.bam, one.fq1) for one in samples.values()] == [
        ("homo_sapiens", "a.bam", ()),
        ("homo_sapiens", "", ("b.fq",)),
        ("homo_sapiens", "", ("c.fq",)),
    ]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("a\tquant,hla\t\t\ta.fq", "organism: the cell is empty; fill it in"),
        ("a\tquant,hla\thomo_sapiens\ta.bam", "bam: quant needs reads; name them in fq1, or leave quant out of"),
        ("a\thla", "fq1: sample a has no reads here; name a FASTQ file, or aligned reads in column bam"),
        ("a\thla\tmouse\ta.bam", "organism: HLA types are of humans, not of 'mouse'; write homo_sapiens, or take hla"),
        ("a\tquant,hla\tmouse\t\ta.fq", "organism: HLA types are of humans, not of 'mouse'; write homo_sapiens, or"),
        ("a\thla\t\t\ta.BAM", "fq1: a.BAM is no FASTQ by its name; name a BAM or CRAM file in column bam"),
        ("a\thla\t\t~/a.bam", "bam: '~/a.bam' is not allowed; aligned reads in place of fq1"),
    ],
)
def test_tells_what_hla_needs(tmp_path, row, expected):
    genomes = Genomes({"mouse": Row(taxon_id="10090"), "homo_sapiens": Row(taxon_id="9606")})
    samples, (problem,) = read(tmp_path, row, columns="sample\tanalyses\torganism\tbam\tfq1", genomes=genomes)
    assert samples == {}
    assert problem.startswith(f"samples.tsv, row 2, column {expected}")


def test_hla_reads_one_aligned_file_of_a_sample(tmp_path):
    rows = ("a\t1\thla\tx.bam", "a\t2\thla\ty.bam", "b\t1\talign\tu.bam", "b\t2\talign\tv.bam")
    genomes = Genomes(complete=False)
    _, problems = read(
        tmp_path, *(f"{row}\thuman" for row in rows), columns="sample\tlane\tanalyses\tbam\torganism", genomes=genomes
    )
    assert problems == [
        "samples.tsv, row 3, column bam: hla reads one file, and row 2 names one; join them by `samtools merge`"
    ]


def test_one_bam_is_of_one_sample(tmp_path):
    _, (problem,) = read(tmp_path, "a\thla\tx.bam", "b\thla\t./x.bam", columns="sample\tanalyses\tbam")
    assert problem == "samples.tsv, row 3, column bam: ./x.bam is in row 2 already; name each file once"


def test_a_table_without_samples_is_fine(tmp_path):
    assert read(tmp_path) == ({}, [])


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("a b\t1\tfly\ta.fq", "sample: 'a b' is not allowed; the sample's name"),
        ("a/b\t1\tfly\ta.fq", "sample: 'a/b' is not allowed; the sample's name"),
        (".a\t1\tfly\ta.fq", "sample: '.a' is not allowed; the sample's name"),
        (f"{'a' * 101}\t1\tfly\ta.fq", f"sample: '{'a' * 101}' is not allowed; the sample's name"),
        ("\t1\tfly\ta.fq", "sample: the cell is empty; fill it in"),
        ("a\tL 1\tfly\ta.fq", "lane: 'L 1' is not allowed; the lane's name"),
        ("a\t1\t\ta.fq", "organism: the cell is empty; fill it in"),
        ("a\t1\tfl%y\ta.fq", "organism: 'fl%y' is not allowed; an organism of the lock"),
        ("a\t1\tfly\ta{b}.fq", "fq1: 'a{b}.fq' is not allowed; reads: path or URL (s3://"),
        ("a\t1\tfly\ta.fq\tC:\\b.fq", "fq2: 'C:\\\\b.fq' is not allowed; mates of fq1"),
        ("a\t1\tfly\t~/a.fq", "fq1: '~/a.fq' is not allowed; reads: path or URL (s3://"),
        ("a\t1\tfly\tdrs://x/a.fq", "fq1: 'drs://x/a.fq' is not allowed; reads: path or URL (s3://"),
        ("a\t1\tfly\t-a.fq", "fq1: '-a.fq' is not allowed; reads: path or URL (s3://"),
        ("a\t1\tfly\ta.fq\t\tisr", "library_type: 'isr' is not allowed; did you mean ISR"),
        ("a\t1\tfly\ta.fq\t\t\t75.5", "read_length: '75.5' is not allowed; mean read length in bases, a whole number"),
        ("a\t1\tfly\ta.fq\t\t\t\tquant,hla2", "analyses: 'quant,hla2' is not allowed; what is wanted of the sample"),
        ("a\t1\tfly", "fq1: sample a has no reads here; name a FASTQ file"),
        ("a\t1\tfly\t\tb.fq", "fq1: sample a has no reads here; move fq2 to fq1"),
        ("a\t1\tfly\ta.fq\t./a.fq", "fq2: ./a.fq is fq1 as well; name the file of the mates"),
        ("a\t1\tfly\ta.fq\t\tISR", "fq2: the mate is missing, as ISR is of pairs; name it, or write U, SF, SR or A"),
        ("a\t1\tfly\ta.fq\tb.fq\tSR", "library_type: SR is of single ends, but fq2 is given; write the type of pairs"),
        (
            "a\t1\tHomo sapien\ta.fq",
            "organism: the table of organisms has no 'Homo sapien'; did you mean homo_sapiens",
        ),
        ("a\t1\thuman\ta.fq", "organism: 'human' may be homo_sapiens or homo_sapiens_t2t; write the one that is meant"),
    ],
)
def test_says_what_is_wrong_with_a_row_and_what_to_do(tmp_path, row, expected):
    samples, (problem,) = read(tmp_path, row)
    assert samples == {}
    assert problem.startswith(f"samples.tsv, row 2, column {expected}")


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("a\t1\tfly\ta.fq", "a\t1\tfly\tb.fq", "lane: sample a has a lane '1' in row 2 already; give each of its rows"),
        ("a\t\tfly\ta.fq", "a\t\tfly\tb.fq", "lane: sample a has a lane '1' in row 2 already; give each of its rows"),
        ("a\t1\tfly\ta.fq", "b\t1\tfly\t./a.fq", "fq1: ./a.fq is in row 2 already; name each file once"),
        ("a\t1\tfly\ta.fq\tA.fq", "b\t1\tfly\tb.fq\ta.fq", "fq2: a.fq is in row 2 already; name each file once"),
        (
            "a\t1\tfly\ta.fq\tA.fq",
            "a\t2\tfly\tb.fq",
            "fq2: the mate is missing here, unlike in row 2 of the same sample",
        ),
        (
            "a\t1\tfly\ta.fq",
            "a\t2\tfly\tb.fq\tB.fq",
            "fq2: the mate is given here, unlike in row 2 of the same sample a",
        ),
        (
            "a\t1\tfly\ta.fq",
            "a\t2\tHomo sapiens\tb.fq",
            "organism: 'Homo sapiens' here, but 'fly' in row 2 of the same",
        ),
        (
            "a\t1\tfly\ta.fq",
            "a\t2\tfly\tb.fq\t\tU",
            "library_type: 'U' here, but 'A' in row 2 of the same sample a; make",
        ),
        (
            "a\t1\tfly\ta.fq",
            "a\t2\tfly\tb.fq\t\t\t9",
            "read_length: '9' here, but nothing in row 2 of the same sample a;",
        ),
        ("a\t1\tfly\ta.fq", "A\t1\tfly\tb.fq", "sample: A differs from a in row 2 only by case, and some file systems"),
    ],
)
def test_says_which_rows_do_not_go_together(tmp_path, first, second, expected):
    _, (problem,) = read(tmp_path, first, second)
    assert problem.startswith(f"samples.tsv, row 3, column {expected}")


def test_one_mistake_is_one_message_and_all_come_in_the_order_of_the_rows(tmp_path):
    _, problems = read(tmp_path, "a\t1\tfly\ta.fq", "a\t2\tfly\ta.fq\t\tisr", '"b\t1\tfly', "a\t2\tbee\tc.fq")
    assert [problem[13:].split(":")[0] for problem in problems] == [
        "row 3, column library_type",
        "row 3, column fq1",
        "row 4",
        "row 5, column organism",
        "row 5, column lane",
    ]


def test_says_nothing_of_an_organism_while_the_lock_is_not_whole(tmp_path):
    assert read(tmp_path, "a\t1\tbee\ta.fq", genomes=Genomes(complete=False))[1] == []


def test_looks_for_local_files_only(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("my reads").mkdir()
    Path("my reads/a 1.fq").touch()
    rows = ["a\t1\tfly\tmy reads/a 1.fq", "b\t1\tfly\ts3://bucket/b.fq", "c\t1\tfly\tmy reads\tc.fq"]
    _, problems = read(tmp_path, *rows, look_for_files=True)
    assert problems == [
        "samples.tsv, row 4, column fq1: my reads is a directory; name a file in it",
        f"samples.tsv, row 4, column fq2: there is no file c.fq below {tmp_path}; correct the path",
    ]


def test_a_file_under_another_path_is_the_same_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a_1.fq", "a_2.fq"):
        (tmp_path / name).touch()
    (tmp_path / "link.fq").symlink_to("a_1.fq")
    rows = [
        "a\t1\thomo_sapiens\ta_1.fq\tlink.fq",
        f"b\t1\thomo_sapiens\t{tmp_path}/a_1.fq\ta_2.fq",
        "c\t1\thomo_sapiens\tgone.fq\tother.fq",
    ]
    assert read(tmp_path, *rows)[1] == [
        "samples.tsv, row 2, column fq2: link.fq is fq1 as well; name the file of the mates",
        f"samples.tsv, row 3, column fq1: {tmp_path}/a_1.fq is in row 2 already; name each file once",
    ]


def test_mates_in_rows_of_their_own_are_told_by_their_names(tmp_path):
    rows = [f"a\t{number}\thomo_sapiens\tx_{mate}_001.fq.gz" for number, mate in enumerate(("R1", "R2"))]
    others = ["b\t1\thomo_sapiens\tliver_1.fq", "b\t2\thomo_sapiens\tliver_2.fq", "c\t1\thomo_sapiens\ty.R1.fq"]
    assert read(tmp_path, *rows, *others)[1] == [
        "samples.tsv, row 3, column fq1: x_R2_001.fq.gz and x_R1_001.fq.gz in row 2 are mates by their names; name "
        "them in one row, as fq1 and fq2, or rename them if they are single ends"
    ]


def test_reads_ten_thousand_samples(tmp_path):
    rows = [f"s{number}\t1\thomo_sapiens\ts{number}_1.fq.gz\ts{number}_2.fq.gz" for number in range(10_000)]
    samples, problems = read(tmp_path, *rows)
    assert (len(samples), problems) == (10_000, [])


OF_LANES = "sample\tlane\tanalyses\torganism\tfq1\tfq2\tbam\tlibrary\tplatform\tplatform_unit\tcenter"


def test_a_lane_keeps_what_its_read_group_says_and_a_row_of_alignments_takes_the_place_of_reads(tmp_path):
    samples, problems = read(
        tmp_path,
        "a\tL1\talign\tfly\ta.fq\tb.fq\t\tlib1\tDNBSEQ\tFC.1\tThe centre",
        "a\tL2\talign\tfly\tc.fq\td.fq",
        "b\tx\talign\tfly\t\t\t./b.cram",
        columns=OF_LANES,
    )
    assert problems == []
    first, second = samples["a"].lanes
    told = (first.name, first.library, first.platform, first.platform_unit, first.center)
    assert told == ("L1", "lib1", "DNBSEQ", "FC.1", "The centre")
    assert (second.fq1, second.fq2, second.library) == ("c.fq", "d.fq", "")
    assert samples["b"].lane("x").bam == "b.cram"
    assert (samples["b"].fq1, samples["b"].fq2) == ((), ())


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("a\t1\talign\tfly", "fq1: sample a has no reads here; name a FASTQ file, or aligned reads in column bam"),
        ("a\t1\talign\tfly\ta.fq\t\ta.bam", "bam: reads are given as well; name the reads or the alignments, not both"),
        (
            "a\t1\tquant,align\tfly\t\t\ta.bam",
            "bam: quant needs reads; name them in fq1, or leave quant out of analyses",
        ),
        ("a\t1\talign\tfly\t\t\ta.bam\tlib", "library: the read groups of a.bam say it; leave the cell empty"),
        ("a\t1\talign\tfly\ta.fq\t\t\tl b", "library: 'l b' is not allowed; the library that the lane was made of"),
        ("a\t1\talign\tfly\ta.fq\t\t\t\tillumina", "platform: 'illumina' is not allowed; did you mean ILLUMINA"),
        ("a\t1\talign\tfly\ta.fq\t\t\t\t\t\tc\\n", "center: 'c\\\\n' is not allowed; the sequencing centre"),
        ("a\t1\tquant\tbare\ta.fq", "organism: 'bare' has no annotation, and quant needs one; name it in the table"),
    ],
)
def test_says_what_is_wrong_with_a_row_of_dna(tmp_path, row, expected):
    genomes = Genomes({**GENOMES.locked, "bare": Row(annotation_url="")}, GENOMES.names)
    samples, (problem,) = read(tmp_path, row, columns=OF_LANES, genomes=genomes)
    assert samples == {}
    assert problem.startswith(f"samples.tsv, row 2, column {expected}")


def test_one_platform_unit_is_not_of_two_libraries_of_a_sample(tmp_path):
    rows = [f"a\t{n}\talign\tfly\t{n}.fq\t\t\t{library}\t\tFC.1" for n, library in enumerate(("x", "x", "y"), 1)]
    _, (problem,) = read(tmp_path, *rows, columns=OF_LANES)
    assert problem.startswith("samples.tsv, row 4, column platform_unit: FC.1 is in row 2 of the same sample already")
    assert "library 'x' where it is 'y' here" in problem
