"""The alignments of a release are read as they are written, what is broken is refused, and gaps in it are filled."""

import string
import zipfile

import numpy as np
import pytest
from _hla_gene import fill_gene, merge_gene
from _hla_index import Index
from _hla_release import Alignment, read_alignments, read_groups, read_release
from _log import InputError
from hla_index_release import main as index_release
from hla_index_release import representatives
from hypothesis import given
from hypothesis import strategies as st

from tests.toy.make_hla_release import VERSION, make_hla_release

HEADER = f"# file: A_nuc.txt\n# version: IPD-IMGT/HLA {VERSION}\n\n cDNA              1\n                   |\n"
LETTERS = "*ACGT."


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    folder = tmp_path_factory.mktemp("imgt")
    return folder, make_hla_release(folder, 1)


@pytest.fixture(scope="module")
def index(release, tmp_path_factory):
    folder = tmp_path_factory.mktemp("index")
    index_release([release[0]], VERSION, folder / "index.npz", folder / "alleles.txt")
    return Index(folder / "index.npz"), (folder / "alleles.txt").read_text().split()


@st.composite
def alignments(draw: st.DrawFn) -> tuple[str, list[str], list[int]]:
    """The text of an alignment in blocks of lines, its rows, and where its exons end."""
    widths = draw(st.lists(st.integers(1, 9), min_size=1, max_size=4))
    width = sum(widths)
    count = draw(st.integers(1, 5))
    first = draw(st.text("ACGT.", min_size=width, max_size=width))
    others = draw(st.lists(st.text(LETTERS, min_size=width, max_size=width), min_size=count - 1, max_size=count - 1))
    rows = [first, *others]
    ends = np.cumsum(widths).tolist()
    shown = []
    for row in rows:
        hidden = [
            "-" if row is not first and own == base and own in "ACGT" else own
            for own, base in zip(row, first, strict=True)
        ]
        for end in reversed(ends[:-1]):
            hidden.insert(end, "|")
        shown.append("".join(hidden))
    step = draw(st.integers(1, width + len(ends)))
    lines = [
        f" A*01:{number:02d}           " + " ".join(row[start : start + step]) + " \n"
        for start in range(0, len(shown[0]), step)
        for number, row in enumerate(shown, start=1)
    ]
    return HEADER + "".join(lines), rows, ends


@given(alignments())
def test_an_alignment_is_read_as_it_was_written(written):
    text, rows, ends = written
    name, found = read_alignments(text, "A_nuc.txt")
    assert name == VERSION
    assert found["A"].ends == ends
    assert ["".join(LETTERS[code] for code in row) for row in found["A"].rows] == rows


@given(st.text(string.printable, max_size=300))
def test_any_other_text_is_refused_with_the_file_and_what_to_do(text):
    with pytest.raises(InputError, match=r"A_nuc\.txt.*bring the"):
        read_alignments(text, "A_nuc.txt")


def test_a_release_gives_back_each_allele_as_it_was_planned(release, index):
    for locus, alleles in release[1].items():
        gene = index[0].gene(locus)
        rows = gene.rows(np.arange(len(gene.names)))
        for allele in alleles:
            row = rows[gene.names.index(allele.name)]
            for number in allele.known:
                codes = row[gene.exon_of == number]
                assert "".join(LETTERS[code] for code in codes if code != 5) == allele.exon(number).replace(".", "")


def test_what_is_unknown_is_filled_from_the_nearest_relative_and_marked(release, index):
    gene = index[0].gene("A")
    partial = gene.names.index("A*01:04")
    (planned,) = [one for one in release[1]["A"] if one.name == "A*01:04"]
    filled = np.flatnonzero(gene.filled[partial][gene.kinds == 1]) + 1
    assert set(filled) == set(range(1, gene.kinds.sum() + 1)) - set(planned.known)
    relatives = [number for number, name in enumerate(gene.names) if name.startswith("A*01:01")]
    rows = gene.rows(np.array([partial, *relatives]))
    columns = np.isin(gene.exon_of, filled)
    assert (rows[0] > 0).all()
    assert (rows[1:, columns] == rows[0, columns]).all(axis=1).any()


def test_the_nearest_relative_is_the_one_with_the_fewest_differences_and_then_the_nearest_name():
    codes = {letter: number for number, letter in enumerate(LETTERS)}
    rows = ["ACGTACGT", "ACGAACGA", "ACGAACGC", "ACGA****"]
    coding = Alignment(
        ["A*01:01", "A*02:02", "A*03:01", "A*03:02"],
        np.array([[codes[c] for c in row] for row in rows], np.uint8),
        [4, 8],
    )
    gene = merge_gene("A", coding, None)
    fill_gene(gene)
    assert "".join(LETTERS[code] for code in gene.rows[3]) == "ACGAACGC"
    assert gene.filled.tolist() == [[False, False]] * 3 + [[False, True]]


def test_an_intron_that_stays_in_the_rna_of_a_null_allele_is_no_exon_of_it():
    def rows(*texts):
        return np.array([["*ACGT.".index(letter) for letter in text] for text in texts], dtype=np.uint8)

    names = ["B*15:01:01:01", "B*15:01:01:02N", "B*15:07", "B*15:08"]
    coding = Alignment(names, rows("AC....GT.A", "ACGTAGGT.A", "AG....GT.A", "**....GTTA"), [6, 10])
    genes = Alignment(names[:3], rows("CACGTAGGT.AG", "CACGT.GGT.AG", "CAGGTAGGT.AG"), [1, 3, 7, 11, 12])
    gene = merge_gene("B", coding, genes)
    assert gene.ends.tolist() == [1, 3, 7, 11, 12]
    assert (gene.rows[:3] == rows("CACGTAGGT.AG", "CACGT.GGT.AG", "CAGGTAGGT.AG")).all()
    assert (gene.rows[3] == rows("*******GTTA*")).all()


def test_a_gene_stands_in_the_panel_with_an_allele_near_to_each_of_its_alleles():
    rows = np.ones((4, 196), np.uint8)
    rows[1, :1], rows[2, 50:55], rows[3, 50:54] = 2, 3, 3
    gene = merge_gene("U", Alignment([f"U*01:0{number}" for number in range(1, 5)], rows, [100, 196]), None)
    assert representatives(gene, 0.03, 4) == [0]
    assert representatives(gene, 0.01, 4) == [0, 2]
    assert representatives(gene, 0, 4) == [0, 2, 1, 3]
    assert representatives(gene, 0, 3) == [0, 2, 1]


def test_the_index_lists_alleles_and_groups(release, index):
    planned = {one.name for alleles in release[1].values() for one in alleles}
    assert set(index[1]) == planned
    assert index[0].release == VERSION
    assert index[0].groups("G") == read_groups(release[0] / "wmda/hla_nom_g.txt")


def test_a_corrupt_release_is_refused_with_the_file_and_the_remedy(release, tmp_path):
    text = (release[0] / "alignments/A_nuc.txt").read_text()
    lines = text.splitlines()
    last = max(number for number, line in enumerate(lines) if line.startswith(" A*01:02 "))
    cut = "\n".join([*lines[:last], *lines[last + 1 :]])
    with pytest.raises(InputError, match=r"A_nuc.txt: A\*01:02 has \d+ columns"):
        read_alignments(cut, "A_nuc.txt")
    with pytest.raises(InputError, match="letters that are no bases"):
        read_alignments(text.replace("--- ---", "--! ---", 1), "A_nuc.txt")
    broken = tmp_path / "Alignments_Rel_010.zip"
    broken.write_bytes((release[0] / "Alignments_Rel_010.zip").read_bytes()[:2000])
    with pytest.raises(InputError, match=r"Alignments_Rel_010\.zip cannot be read"):
        read_release([broken])
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("readme.txt", "nothing")
    with pytest.raises(InputError, match="no alignments of an IMGT/HLA release"):
        read_release([tmp_path / "other.zip"])
    folder = tmp_path / "alignments"
    folder.mkdir()
    (folder / "A_nuc.txt").write_text(text)
    (folder / "B_nuc.txt").write_text(
        (release[0] / "alignments/B_nuc.txt").read_text().replace(f"HLA {VERSION}", "HLA 3.1.0")
    )
    with pytest.raises(InputError, match="mixes the releases"):
        read_release([folder])


def test_a_release_of_another_name_than_the_configuration_says_is_refused(release, tmp_path):
    with pytest.raises(InputError, match=f"holds release {VERSION}, hla: version says 3.33.0"):
        index_release([release[0]], "3.33.0", tmp_path / "index.npz", tmp_path / "alleles.txt")
    assert not (tmp_path / "index.npz").exists()


def test_a_row_of_groups_that_is_none_is_named(tmp_path):
    (tmp_path / "hla_nom_g.txt").write_text("# version\nA*;01:01:01:01/01:01:01:02;01:01:01G\nA*;01:02;\nnonsense\n")
    with pytest.raises(InputError, match=r"hla_nom_g\.txt, row 4: not a row of groups"):
        read_groups(tmp_path / "hla_nom_g.txt")
