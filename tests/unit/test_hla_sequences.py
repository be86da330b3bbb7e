"""A release that comes as hla.dat or as FASTA is brought into the same columns as its alignments."""

import numpy as np
import pytest
from _hla_pairwise import align_part
from _hla_release import Alignment, read_release
from _hla_sequences import lay, read_unaligned
from _log import InputError
from hypothesis import given
from hypothesis import strategies as st

from tests.toy.make_hla_release import VERSION, make_hla_release


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    folder = tmp_path_factory.mktemp("imgt")
    return folder, make_hla_release(folder, 1)


def dat_entry(allele) -> str:
    """An allele in the form of hla.dat: https://github.com/ANHIG/IMGTHLA, Manual.md."""
    features, bases = [], ""
    for number, part in enumerate(allele.parts):
        kind = "exon" if number % 2 else "intron"
        known = (number + 1) // 2 in allele.known if number % 2 else allele.genomic
        piece = part.replace(".", "")
        if not known or not piece:
            continue
        span = f"{len(bases) + 1}..{len(bases) + len(piece)}"
        bases += piece
        if number in (0, len(allele.parts) - 1):
            features.append(f"FT   UTR             {span}")
        else:
            features += [f"FT   {kind:<16}{span}", f'FT                   /number="{(number + 1) // 2}"']
    lines = [bases[start : start + 60].lower() for start in range(0, len(bases), 60)]
    return (
        f"ID   HLA00001; SV 1; standard; DNA; HUM; {len(bases)} BP.\nDE   HLA-{allele.name}, Human MHC sequence\n"
        f"CC   IPD-IMGT/HLA Release Version {VERSION}\n"
        + "\n".join(features)
        + f"\nSQ   Sequence {len(bases)} BP;\n"
        + "".join(f"     {line}     {60}\n" for line in lines)
        + "//\n"
    )


def parts(alignment: Alignment, name: str) -> list[str]:
    row = alignment.names.index(name)
    blocks = [alignment.block(number)[row] for number in range(len(alignment.ends))]
    return ["".join("?ACGT-"[code] for code in block if code not in (0, 5)) for block in blocks]


def test_hla_dat_gives_every_part_of_every_allele_as_the_alignments_do(release, tmp_path):
    (tmp_path / "hla.dat").write_text("".join(dat_entry(one) for its in release[1].values() for one in its))
    told, true = read_unaligned([tmp_path / "hla.dat"], VERSION), read_release([release[0]])
    assert told.name == VERSION
    for kind in ("coding", "genes"):
        for gene, alignment in getattr(true, kind).items():
            found = getattr(told, kind)[gene]
            assert set(found.names) == set(alignment.names)
            for name in alignment.names:
                assert parts(found, name) == parts(alignment, name), name


@pytest.mark.parametrize("gene", ["A", "DQA1", "DPB1"])
def test_fasta_gives_the_exons_that_the_alignments_have(release, gene):
    folder = release[0]
    told = read_unaligned([folder / "hla_nuc.fasta", folder / "hla_gen.fasta"], VERSION)
    true = read_release([folder])
    assert set(told.genes[gene].names) == set(true.genes[gene].names)
    for name in true.coding[gene].names:
        assert parts(told.coding[gene], name) == parts(true.coding[gene], name), name


def test_what_is_none_of_these_files_is_left_to_the_alignments(release):
    assert read_unaligned([release[0] / "Alignments_Rel_010.zip"], VERSION) is None


def test_a_cut_hla_dat_and_a_fasta_of_something_else_are_refused(release, tmp_path):
    allele = release[1]["A"][0]
    entry = dat_entry(allele)
    (tmp_path / "hla.dat").write_text(entry + entry[: len(entry) // 2])
    with pytest.raises(InputError, match=r"hla\.dat: .*the file was cut|hla\.dat: entry 2 lacks"):
        read_unaligned([tmp_path / "hla.dat"], VERSION)
    (tmp_path / "hla_nuc.fasta").write_text(">chr1\nACGT\n")
    with pytest.raises(InputError, match="the record 'chr1' is no allele of HLA"):
        read_unaligned([tmp_path / "hla_nuc.fasta"], VERSION)


@st.composite
def relatives(draw: st.DrawFn) -> tuple[str, str]:
    """A sequence, and one with a few bases changed, lost and gained in it."""
    base = draw(st.text("ACGT", min_size=60, max_size=150))
    other = list(base)
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(20, len(base) - 20))
        other[place] = draw(st.sampled_from(["", "A", "C", "ACGTTA", other[place]]))
    return base, "".join(other)


@given(relatives())
def test_aligned_sequences_lose_and_gain_no_base(pair):
    base, other = pair
    rows, columns = align_part({"base": base, "other": other}, "base")
    assert "".join("?ACGT-"[code] for code in rows[0][columns]) == base
    assert "".join("?ACGT-"[code] for code in rows[1] if code not in (0, 5)) == other


def test_a_sequence_that_is_a_part_of_another_is_unknown_around_it():
    rng = np.random.default_rng(1)
    base = "".join(rng.choice(list("ACGT"), 400))
    rows, _ = align_part({"whole": base, "part": base[100:250]}, "whole")
    assert (rows[1] == 0).tolist() == [not 100 <= place < 250 for place in range(400)]


def test_exons_are_found_in_a_gene_by_its_coding_sequence():
    exons, introns = ["ATGGCCGTCATGGCGAGG", "CTCCCACTCCATGAGGTAT", "TGTGA"], ["GTGAGT" + "C" * 80 + "AG"] * 2
    gene = "TTTT" + exons[0] + introns[0] + exons[1] + introns[1] + exons[2] + "CCCC"
    found = lay(gene, "".join(exons))
    assert [found[part] for part in (1, 3, 5)] == exons
    assert [found[part] for part in (2, 4)] == introns
    assert lay(gene, "A" * 50) == {}
