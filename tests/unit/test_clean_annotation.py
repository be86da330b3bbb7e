import gzip
import json
import re
import subprocess
from pathlib import Path

import pytest
from _log import InputError
from clean_annotation import BOTH_STRANDS, Report, clean, ids_of, main, read_lengths, survey
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.toy.make_all import Wishes, make_all

DATA = Path(__file__).parents[3] / "shared/data/rna"
REAL = pytest.mark.skipif(not DATA.is_dir(), reason="the real data are not beside the project (../shared/data)")
LENGTHS = {"I": 1000, "II": 500}
SOURCES = {"genome_url": "my.fa.gz", "annotation_url": "my.gtf"}


def row(feature="exon", start=1, end=100, strand="+", contig="I", attributes='gene_id "g"; transcript_id "t";') -> str:
    return f"{contig}\ttest\t{feature}\t{start}\t{end}\t.\t{strand}\t.\t{attributes}\n"


def named(gene: str, transcript: str) -> str:
    return f'gene_id "{gene}"; transcript_id "{transcript}";'


def cleaned(rows: list[str], lengths: dict[str, int] = LENGTHS) -> tuple[list[str], Report]:
    report = Report()
    return list(clean(rows, lengths, survey(rows, lengths), report)), report


def prepare(folder: Path, gtf: Path, genome: Path) -> dict[str, str]:
    """Run RSEM by hand; return the sequences of the transcripts by id. Raises where RSEM stops."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["rsem-prepare-reference", "--gtf", gtf, genome, folder / "reference"]
    subprocess.run(command, check=True, capture_output=True)
    lines = (folder / "reference.transcripts.fa").read_text().split()
    return dict(zip((name[1:] for name in lines[::2]), lines[1::2], strict=True))


def unzip(path: Path, to: Path) -> Path:
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_bytes(gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes())
    return to


def zipped(text: str | bytes, path: Path) -> Path:
    path.write_bytes(gzip.compress(text.encode() if isinstance(text, str) else text))
    return path


def clean_files(genome: Path, gtf: Path, folder: Path) -> dict:
    """Clean as the rule does; return the report."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, path in (("genome", genome), ("gtf", gtf)):
        zipped(unzip(path, folder / f"{name}.txt").read_bytes(), folder / f"{name}.gz")
    main(
        folder / "genome.gz",
        folder / "gtf.gz",
        folder / "clean.gtf.gz",
        folder / "report.json",
        {"organism": "x"},
        SOURCES,
    )
    return json.loads((folder / "report.json").read_text())


def test_rows_without_fault_stay_as_they_are():
    rows = [
        "#!genome-build R64\n",
        row("gene", attributes='gene_id "g";'),
        row("transcript"),
        row(),
        row(start=200, end=300),
    ]
    kept, report = cleaned(rows)
    assert kept == rows
    assert (report.rows_in, report.rows_kept, report.removed, report.repaired) == (4, 4, {}, {})


@pytest.mark.parametrize(
    ("faulty", "reason"),
    [
        (
            row(attributes='gene_id "g"; transcript_id "t"; gene_biotype "transcribed_processed_pseudogene";'),
            "pseudogene",
        ),
        (row(contig="III"), "contig not in genome"),
        (row(end=1001), "ends beyond its contig"),
        (row(start=300, end=299), "start after end"),
        (row(start=0), "start after end"),
        (row(strand="."), "no strand"),
        (row(attributes='transcript_id "t";'), "transcript without a gene"),
        (row(attributes='gene_id ""; transcript_id "t";'), "transcript without a gene"),
        (row(attributes='gene_id "g";'), "exon without a transcript"),
        (row(attributes=named("g", "t 1")), "blank in a transcript id"),
    ],
)
def test_a_row_that_cannot_be_used_is_left_out_and_counted(faulty, reason):
    other = row(attributes=named("h", "u"))
    kept, report = cleaned([faulty, other])
    assert kept == [other]
    assert report.removed == {reason: 1}


@pytest.mark.parametrize(
    "faulty", [row(end=1001), row(start=9, end=8), row(strand="."), row(attributes='transcript_id "t";')]
)
def test_a_transcript_that_would_lose_an_exon_goes_whole(faulty):
    kept, report = cleaned([row("transcript"), row(), row("CDS"), faulty, row(start=200, end=300)])
    assert kept == []
    assert report.removed["transcript with an unusable exon"] == 4


def test_of_an_id_in_two_genes_the_first_stays():
    """RSEM would make two transcripts of one name, or one of both genes, as they come to lie when it sorts."""
    first, second = row(), row(start=500, end=600, attributes=named("h", "t"))
    kept, report = cleaned([first, second])
    assert kept == [first]
    assert report.removed == {"transcript id used twice": 1}


def test_of_an_id_on_two_contigs_the_one_that_the_genome_has_stays():
    on_patch, on_second, on_first = row(contig="patch"), row(contig="II"), row()
    kept, report = cleaned([on_patch, on_first, on_second])
    assert kept == [on_first]
    assert report.removed == {"contig not in genome": 1, "transcript id used twice": 1}


def test_of_an_id_twice_in_one_gene_the_first_transcript_row_says_which_exons_belong_together():
    """RSEM would take the exons of both for one transcript."""
    first = [row("transcript", 1, 300), row("exon", 1, 100), row("exon", 200, 300)]
    second = [row("transcript", 500, 800), row("exon", 500, 600), row("exon", 700, 800)]
    kept, report = cleaned(first + second)
    assert kept == first
    assert report.removed == {"transcript id used twice": 3}


def test_of_an_id_twice_in_one_gene_none_stays_where_the_two_overlap():
    first = [row("transcript", 100, 1000), row("exon", 100, 200), row("exon", 900, 1000)]
    second = [row("transcript", 400, 500), row("exon", 400, 500)]
    kept, report = cleaned([*first, *second, row(attributes=named("h", "u"))])
    assert kept == [row(attributes=named("h", "u"))]
    assert report.removed == {"transcript id used twice": 5}


def test_a_transcript_whose_rows_are_there_twice_stays():
    rows = [row("transcript", 1, 300), row("exon", 1, 100), row("exon", 200, 300)]
    assert cleaned(rows * 2)[0] == rows * 2


def test_a_transcript_of_which_one_exon_says_pseudogene_goes_whole():
    kept, report = cleaned([row(), row(start=200, end=300, attributes=named("g", "t") + ' tag "pseudogene";')])
    assert kept == []
    assert report.removed == {"pseudogene": 1, "transcript with an unusable exon": 1}


def test_exons_outside_the_only_transcript_row_stay_as_rsem_does_not_read_that_row():
    rows = [row("transcript", 1, 100), row("exon", 1, 150)]
    assert cleaned(rows)[0] == rows


def test_a_transcript_on_both_strands_goes_whole():
    """As mod(mdg4) of the fly, at which RSEM stops; half of it would be another transcript."""
    kept, report = cleaned([row(), row(start=300, end=400, strand="-"), row(start=500, end=600)])
    assert kept == []
    assert report.removed == {BOTH_STRANDS: 3}


def test_a_repeated_exon_stays_and_makes_no_difference_to_rsem(tmp_path):
    rows = [row(start=11, end=100), row(start=11, end=100), row(start=51, end=120), row(start=201, end=300)]
    kept, _ = cleaned(rows)
    assert kept == rows
    genome = tmp_path / "genome.fa"
    bases = "ACGGT" * 200
    genome.write_text(f">I\n{bases}\n")
    (tmp_path / "rows.gtf").write_text("".join(kept))
    assert prepare(tmp_path, tmp_path / "rows.gtf", genome) == {"t": bases[10:120] + bases[200:300]}


@pytest.mark.parametrize(
    ("attributes", "mended", "what"),
    [
        ('gene_id "g"; note "a;b"; transcript_id "t";', 'gene_id "g"; note "a,b"; transcript_id "t";', "semicolon"),
        (
            'note "x; gene_id y"; gene_id "g"; transcript_id "t";',
            'note "x, gene_id y"; gene_id "g"; transcript_id "t";',
            "semi",
        ),
        ("gene_id g; transcript_id t;", named("g", "t"), "form"),
        ("gene_id g ; transcript_id t", named("g", "t"), "form"),
        (
            'gene_id 852; transcript_id "t"; exon_number 1;',
            'gene_id "852"; transcript_id "t"; exon_number "1";',
            "form",
        ),
        ('gene_id "g"; transcript_id "t"', named("g", "t"), "form"),
        ('gene_id "g"; transcript_id "t"; partial;', 'gene_id "g"; transcript_id "t"; partial "";', "form"),
        ('gene_id "g"; transcript_id "t"; gene_id "h";', named("g", "t"), "form"),
    ],
)
def test_attributes_that_rsem_cannot_read_are_mended_and_counted(attributes, mended, what):
    kept, report = cleaned([row(attributes=attributes)])
    assert kept == [row(attributes=mended)]
    ((reason, count),) = report.repaired.items()
    assert what in reason and count == 1


@pytest.mark.parametrize(
    "attributes",
    [
        ' gene_id "g"; transcript_id "t";',
        'gene_id "g"; transcript_id "t"; exon_number 1;',
        'gene_id "g";transcript_id "t";',
        'gene_id  "g"; transcript_id "t"; ',
        'transcript_id "t"; gene_id "g"; db_xref "A:1"; db_xref "B:2";',
        'gene_id "g|1.2:x"; transcript_id "NM_1.2|b(c)"; gene_name "";',
    ],
)
def test_attributes_that_rsem_can_read_are_left_alone(attributes):
    kept, report = cleaned([row(attributes=attributes)])
    assert kept == [row(attributes=attributes)]
    assert report.repaired == {}


def test_empty_lines_go_and_comments_stay():
    kept, report = cleaned(["#!build\n", "\n", row(), "# a comment\n", "  \n"])
    assert kept == ["#!build\n", row(), "# a comment\n"]
    assert report.rows_in == 1


@pytest.mark.parametrize("bad", ["I\ttest\texon\t1\t9\n", row(start="one"), "x" * 200 + "\n"])
def test_a_row_that_is_no_gtf_is_named_by_its_number(bad):
    with pytest.raises(ValueError, match="row 3 is no GTF: nine columns"):
        survey(["# comment\n", row(), bad], LENGTHS)


@pytest.mark.parametrize("text", ["ACGT\n>I\n", ">\nACGT\n"])
def test_a_genome_that_is_no_fasta_is_said_so(text):
    with pytest.raises(ValueError, match="the genome is no FASTA"):
        read_lengths(text.splitlines(keepends=True))


def test_a_contig_without_bases_is_named():
    with pytest.raises(ValueError, match="of the contigs empty it has names only, no bases; take them out"):
        read_lengths([">I\n", "ACGT\n", ">empty\n"])


@pytest.mark.parametrize("letter", "1-* .")
def test_what_is_no_base_is_told_with_its_row(letter):
    with pytest.raises(InputError, match=rf"^row 3 has '{re.escape(letter)}', which is no base; bring the file again"):
        read_lengths([">I\n", "ACGT\n", f"AC{letter}GT\n"])


@pytest.mark.parametrize(("beyond", "fails"), [(20, False), (30, True)])
def test_a_genome_that_ends_before_its_annotation_does_is_refused_but_for_a_few_rows(tmp_path, beyond, fails):
    sound = [row(attributes=named(f"g{n}", f"t{n}")) for n in range(500)]
    rows = sound + [row(end=1001, attributes=named(f"b{n}", f"u{n}")) for n in range(beyond)]
    genome = zipped(f">I\n{'ACGT' * 250}\n", tmp_path / "genome.fa.gz")
    gtf = zipped("".join(rows), tmp_path / "own.gtf.gz")
    if not fails:
        assert clean_files(genome, gtf, tmp_path / "out")["transcripts"] == 500
        return
    with pytest.raises(
        InputError, match=r"my\.gtf: 30 of its 530 rows end beyond their contigs: the genome my\.fa\.gz was cut"
    ):
        clean_files(genome, gtf, tmp_path / "out")


def test_windows_line_ends_make_no_difference(tmp_path):
    genome = zipped(f">I the first\r\n{'ACGT' * 15}\r\n{'ACGT' * 15}\r\n", tmp_path / "genome.gz")
    rows = [row(), row("CDS"), row(start=110, end=120), row(start=110, end=121, attributes=named("h", "u"))]
    gtf = zipped("".join(rows).replace("\n", "\r\n"), tmp_path / "rows.gtf.gz")
    main(genome, gtf, tmp_path / "clean.gz", tmp_path / "report.json", {}, SOURCES)
    assert gzip.decompress((tmp_path / "clean.gz").read_bytes()).decode() == "".join(rows[:3])


def test_the_cleaned_file_depends_on_its_content_alone(tmp_path, monkeypatch):
    genome, gtf = zipped(">I\n" + "A" * 200 + "\n", tmp_path / "genome.gz"), zipped(row(), tmp_path / "rows.gtf.gz")
    for number in (1, 2):
        monkeypatch.setattr("time.time", lambda number=number: 1e9 * number)
        (tmp_path / str(number)).mkdir()
        main(genome, gtf, tmp_path / str(number) / "clean.gtf.gz", tmp_path / "report.json", {}, SOURCES)
    assert (tmp_path / "1/clean.gtf.gz").read_bytes() == (tmp_path / "2/clean.gtf.gz").read_bytes()


# --- properties


@st.composite
def gtf_rows(draw) -> list[str]:
    """A few transcripts of few names, on few contigs, so that everything that can collide does."""
    rows = []
    for _ in range(draw(st.integers(1, 12))):
        start = draw(st.integers(1, 480))
        gene, transcript = draw(st.sampled_from("gh")), draw(st.sampled_from("tuvw"))
        attributes = draw(
            st.sampled_from(
                ['gene_id "{}"; transcript_id "{}";'] * 6
                + [
                    "gene_id {}; transcript_id {}",
                    'gene_id "{}"; note "a;b"; transcript_id "{}";',
                    'gene_id "{}"; transcript_id "{}"; gene_biotype "pseudogene";',
                    'note "{}"; transcript_id "{}";',
                    'gene_id "{}"; note "{}";',
                ]
            )
        )
        rows.append(
            row(
                draw(st.sampled_from(["exon"] * 5 + ["transcript", "gene", "CDS"])),
                start,
                start + draw(st.sampled_from([0, 5, 20, -1, 600])),
                draw(st.sampled_from("+++++-.")),
                draw(st.sampled_from(["I", "I", "I", "II", "III"])),
                attributes.format(gene, transcript),
            )
        )
    return [*rows, "\n", "# comment\n"]


def exons(rows: list[str]) -> list[tuple]:
    """Transcript, gene, contig, strand, start, end of the exon rows, as written."""
    found = []
    for one in rows:
        columns = one.rstrip("\n").split("\t")
        if len(columns) == 9 and columns[2] == "exon":
            gene, transcript = ids_of(columns[8])
            found.append((transcript, gene, columns[0], columns[6], int(columns[3]), int(columns[4])))
    return found


@settings(max_examples=300, deadline=None)
@given(gtf_rows())
def test_what_is_kept_is_a_subset_that_cleaning_again_leaves_alone(rows):
    kept, report = cleaned(rows)
    places = ["\t".join(one.split("\t")[:8]) for one in rows]
    assert all("\t".join(one.split("\t")[:8]) in places for one in kept)
    assert report.rows_in == report.rows_kept + sum(report.removed.values()) == len(rows) - 2
    again, second = cleaned(kept)
    assert again == kept
    assert not second.removed and not second.repaired


@settings(max_examples=300, deadline=None)
@given(gtf_rows())
def test_every_kept_transcript_lies_in_one_gene_within_one_contig_on_one_strand(rows):
    kept, report = cleaned(rows)
    place = {}
    for transcript, gene, contig, strand, start, end in exons(kept):
        assert None not in (transcript, gene)
        assert 1 <= start <= end <= LENGTHS[contig]
        assert place.setdefault(transcript, (gene, contig, strand)) == (gene, contig, strand)
    assert report.transcripts == set(place)


@settings(max_examples=25, deadline=None)
@given(gtf_rows())
def test_rsem_builds_exactly_the_kept_transcripts_of_any_gtf(tmp_path_factory, rows):
    kept, report = cleaned(rows)
    if not report.transcripts:
        return
    folder = tmp_path_factory.mktemp("rsem")
    (folder / "genome.fa").write_text("".join(f">{name}\n{'A' * size}\n" for name, size in LENGTHS.items()))
    (folder / "rows.gtf").write_text("".join(kept))
    assert set(prepare(folder, folder / "rows.gtf", folder / "genome.fa")) == report.transcripts


# --- truth from outside


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy")
    make_all(folder, Wishes(genome_size=30_000, fungus_size=80_000, samples=0), "reads")
    return folder


def test_the_toy_annotations_are_cleaned_as_was_planted(toy, tmp_path):
    for truth_file in sorted((toy / "truth").glob("*.json")):
        truth = json.loads(truth_file.read_text())
        (gtf,) = (toy / "ensembl").rglob(
            f"{truth['organism'].capitalize()}.{truth['assembly']}.{truth['release']}.gtf.gz"
        )
        folder = next(part for part in gtf.parents if part.name == "gtf").parent
        genome = next(folder.rglob(f"fasta/**/{truth['organism'].capitalize()}.{truth['assembly']}.dna.toplevel.fa.gz"))
        report = clean_files(genome, gtf, tmp_path / truth_file.stem)
        assert (report["rows_in"], report["rows_kept"]) == (truth["rows_in"], truth["rows_kept"])
        assert report["removed"] == {reason: one["rows"] for reason, one in truth["removed"].items()}
        assert report["repaired"] == truth["repaired"]
        assert report["transcripts"] == len(truth["transcripts"])
        assert report["genes"] == len({one["gene"] for one in truth["transcripts"]})


@REAL
@pytest.mark.parametrize(
    ("genome", "gtf", "transcripts", "removed"),
    [
        ("yeast_r64/*.fa.gz", "yeast_r64/*.gtf.gz", 7024, {"pseudogene": 36}),
        ("yeast_chrI/genome.fa.gz", "yeast_chrI/genes.gtf.gz", 122, {"contig not in genome": 1, "pseudogene": 4}),
        ("lcdb_dm6/dm6.small.fa.gz", "lcdb_dm6/dm6.small.gtf", None, {}),
        ("ggal/*.fa", "ggal/*.bed.gff", None, {}),
    ],
)
def test_rsem_builds_the_same_from_the_cleaned_real_annotation_as_from_the_original(
    tmp_path, genome, gtf, transcripts, removed
):
    (genome,), (gtf,) = DATA.glob(genome), DATA.glob(gtf)
    report = clean_files(genome, gtf, tmp_path)
    unzip(tmp_path / "clean.gtf.gz", tmp_path / "clean.gtf")
    original = [one for one in (tmp_path / "gtf.txt").read_text().splitlines(keepends=True) if "pseudogene" not in one]
    (tmp_path / "original.gtf").write_text("".join(original))
    ours = prepare(tmp_path / "ours", tmp_path / "clean.gtf", tmp_path / "genome.txt")
    assert ours == prepare(tmp_path / "theirs", tmp_path / "original.gtf", tmp_path / "genome.txt")
    assert report["removed"] == removed
    assert report["transcripts"] == len(ours) == (transcripts or len(ours))
