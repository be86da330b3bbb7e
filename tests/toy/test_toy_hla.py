"""The made-up HLA release and its samples are what they claim to be, for a reader that knows only the files."""

import csv
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from bench.draw_calibration import BINS, calibration, draw_calibration
from bench.read_hla_release import parse_alignment, read_genes
from tests.toy.make_hla_reads import COMPLEMENT, Sequencing, Template, make_pairs, write_pairs
from tests.toy.make_hla_release import make_hla_release
from tests.toy.plan_hla import CODONS, LOCI, plan_alleles

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def release(tmp_path_factory) -> tuple[Path, dict]:
    folder = tmp_path_factory.mktemp("imgt")
    return folder, make_hla_release(folder, 1)


def test_the_alignments_give_back_each_allele_as_it_was_planned(release):
    folder, alleles = release
    genes = {gene.name: gene for its in read_genes(folder).values() for gene in its}
    whole = [one for its in alleles.values() for one in its if one.genomic]
    assert len(whole) > 200
    for one in whole:
        gene = genes[one.name]
        assert gene.bases == one.bases()
        assert [gene.bases[start:end] for start, end in gene.exons] == [
            one.exon(number).replace(".", "") for number in one.known
        ]


def test_of_an_allele_that_is_known_in_part_the_alignment_has_that_part_only(release):
    folder, alleles = release
    told = parse_alignment((folder / "alignments/A_nuc.txt").read_text())
    (partial,) = [one for one in alleles["A"] if one.name == "A*01:04"]
    parts = told.parts(told.names.index("A*01:04"))
    assert [number for number, part in enumerate(parts, start=1) if "*" not in part] == list(partial.known) == [2, 3]
    assert "A*01:04" not in parse_alignment((folder / "alignments/A_gen.txt").read_text()).names


def test_expressed_alleles_have_an_open_frame_and_proteins_differ_by_name(release):
    _, alleles = release
    proteins = defaultdict(set)
    for locus in LOCI:
        for one in alleles[locus.name]:
            coding = "".join(one.exon(number) for number in range(1, len(locus.exons) + 1)).replace(".", "")
            protein = "".join(CODONS[coding[place : place + 3]] for place in range(0, len(coding) - 2, 3))
            if one.name.endswith("N"):
                assert len(coding) % 3
            else:
                assert protein.index("*") == len(protein) - 1, one.name
                proteins[":".join(one.name.split(":")[:2])].add(protein)
    assert all(len(found) == 1 for found in proteins.values())
    assert len({min(found) for found in proteins.values()}) == len(proteins)


def test_groups_hold_the_alleles_that_are_alike_in_the_groove(release):
    folder, alleles = release
    by_name = {one.name: one for its in alleles.values() for one in its}
    groove = {locus.name: locus.groove for locus in LOCI}
    rows = [row.split(";") for row in (folder / "wmda/hla_nom_g.txt").read_text().splitlines() if row[0] != "#"]
    seen = set()
    for locus, members, group in rows:
        names = [f"{locus}{member}" for member in members.split("/")]
        bases = {tuple(by_name[name].exon(number) for number in groove[locus[:-1]]) for name in names}
        assert len(bases) == 1 and bases.isdisjoint(seen)
        assert group.endswith("G") == (len(names) > 1)
        seen |= bases
    assert "A*;01:01:01:01/01:01:01:02/01:05;01:01:01G" in (folder / "wmda/hla_nom_g.txt").read_text()


def test_the_same_seed_makes_the_same_release_and_another_one_another(tmp_path, release):
    folder, _ = release
    make_hla_release(tmp_path, 1)
    files = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 30
    assert all((folder / file).read_bytes() == (tmp_path / file).read_bytes() for file in files)
    assert plan_alleles(2)["A"][0].bases() != plan_alleles(1)["A"][0].bases()


def test_reads_cover_their_template_as_deep_as_wished_with_as_many_errors_as_wished():
    rng = np.random.default_rng(1)
    bases = "".join(rng.choice(list("ACGT"), 20_000))
    sequencing = Sequencing(100, 300.0, 30.0, errors=0.01)
    first, qualities, second, _, _ = make_pairs([Template("x", bases, 30.0)], sequencing, rng)
    assert 2 * first.size / len(bases) == pytest.approx(30, rel=0.1)
    ends = {bases[place : place + 20]: place for place in range(len(bases) - 19)}
    wrong = checked = poor = 0
    for read, quality in zip([*first, *COMPLEMENT[second[:, ::-1]]], [*qualities, *qualities], strict=True):
        place = ends.get(read[:20].tobytes().decode())
        if place is not None and place + 100 <= len(bases):
            differ = read != np.frombuffer(bases[place : place + 100].encode(), dtype=np.uint8)
            wrong, checked = wrong + int(differ[20:].sum()), checked + 80
            poor += int((quality[20:] == ord("+")).sum())
    assert checked > 50_000
    assert wrong / checked == pytest.approx(0.01, rel=0.25)
    assert poor / checked == pytest.approx(0.04, rel=0.35)


def test_captured_stretches_are_as_deep_as_wished_and_others_hardly_read(tmp_path):
    templates = [Template("x", "A" * 3000 + "C" * 300 + "A" * 3000, 200.0, ((3000, 3300),), flanked=False)]
    sequencing = Sequencing(100, 200.0, 20.0, errors=0.0)
    pairs = make_pairs(templates, sequencing, np.random.default_rng(1))
    letters = np.concatenate([pairs[0], pairs[2]])
    inside = np.isin(letters, [ord("C"), ord("G")])  # of either strand
    assert inside.sum() / 300 == pytest.approx(200, rel=0.1)
    assert inside.any(axis=1).mean() > 0.75
    counts = [write_pairs(templates, sequencing, "s", 1, tmp_path / f"{n}_1", tmp_path / f"{n}_2") for n in "ab"]
    assert counts[0] == counts[1] and (tmp_path / "a_1").read_bytes() == (tmp_path / "b_1").read_bytes()


def test_simulated_people_are_as_wished(release, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "bench")
    from simulate_hla import SECOND_DRB, common_names, draw_people, two_fields

    folder, _ = release
    people = list(draw_people(read_genes(folder), common_names(folder / "common.csv"), 100, 1))
    with (folder / "common.csv").open() as rows:
        common = {row["ALLELE"] for row in csv.DictReader(rows)}
    assert sum(bool(person.outside) for person in people) == 20
    seconds = ("DRB3", "DRB4", "DRB5")
    loci = [pair for person in people for locus, pair in person.genotype.items() if locus not in seconds]
    assert 0.1 < np.mean([pair[0] is pair[1] for pair in loci]) < 0.3
    for person in people:
        rare = {gene.name for pair in person.genotype.values() for gene in pair if two_fields(gene.name) not in common}
        assert rare == ({person.outside} if person.outside else set())
        families = [gene.name.split("*")[1][:2] for gene in person.genotype["DRB1"]]
        wanted = [SECOND_DRB[family] for family in families if family in SECOND_DRB]
        assert sorted(wanted) == sorted(gene.locus for name in seconds for gene in person.genotype.get(name, ()))
        assert {gene.locus for gene in person.others} >= {"H", "J", "DRB6", "DPA2"}


def test_calibration_counts_calls_by_their_confidence_and_is_drawn():
    calls = [(0.97, True)] * 19 + [(0.97, False)] + [(1.0, True)] * 5 + [(0.4, False)]
    found = calibration(calls)
    assert len(found) == len(BINS) and sum(count for count, _, _ in found) == len(calls)
    (of_97,) = [one for (low, high), one in zip(BINS, found, strict=True) if low <= 0.97 < high]
    assert of_97 == (20, pytest.approx(0.97), 0.95)
    assert draw_calibration(found).count("<circle") == 3
