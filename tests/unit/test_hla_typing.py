"""Samples of known types are typed right, and where their reads cannot tell, that is said."""

import csv
import json

import numpy as np
import pytest
from _hla_calls import HOMOZYGOUS_DEPTH, TELLING_EXONS
from _hla_index import TYPED
from _hla_loci import nothing, settle_optional
from _hla_release import two_fields
from hla_fish_reads import main as fish
from hla_index_release import main as index_release
from hla_type_sample import main as type_hla

from tests.toy.make_hla_reads import Sequencing, Template, write_pairs
from tests.toy.make_hla_release import DECOYS, VERSION, make_hla_release
from tests.unit.hla_calls import SETTINGS

GENOTYPE = {
    "A": ("A*01:01:01:01", "A*03:02"),
    "B": ("B*02:01:01:01", "B*04:03"),
    "C": ("C*02:02", "C*02:02"),
    "DRB1": ("DRB1*01:01:01:01", "DRB1*03:02"),
    "DRB3": ("DRB3*01:02",),
    "DQA1": ("DQA1*02:01:02", "DQA1*05:02"),
    "DQB1": ("DQB1*01:02", "DQB1*03:02"),
    "DPA1": ("DPA1*05:02", "DPA1*05:02"),
    "DPB1": ("DPB1*01:01:01:01", "DPB1*03:02"),
}


class Laboratory:
    """A made-up release, its index, and samples made from it."""

    def __init__(self, folder):
        self.folder = folder
        self.alleles = {one.name: one for its in make_hla_release(folder, 1).values() for one in its}
        self.index = folder / "index.npz"
        index_release([folder], VERSION, self.index, folder / "alleles.txt")

    def templates(self, genotype, depth: float) -> list[Template]:
        """What a person's reads come from; the genes that are not typed are there as well."""
        others = [one for one in self.alleles.values() if one.locus in DECOYS and one.name.endswith(":01:01:01")]
        chosen = [self.alleles[name] for pair in genotype.values() for name in pair]
        return [Template(one.name, one.bases(), depth / 2) for one in (*chosen, *others)]

    def reads(self, name: str, templates: list[Template], length: int = 100, seed: int = 3):
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        files = folder / "1.fastq.gz", folder / "2.fastq.gz"
        write_pairs(templates, Sequencing(length, max(320.0, length), 40.0), name, seed, *files)
        return files

    def type(self, name: str, fq1: list, fq2: list, **settings) -> tuple[dict[str, dict], dict]:
        """Rows of the table by locus, and the evidence; both empty where the sample failed."""
        folder = self.folder / name
        fish(fq1, fq2, None, None, self.index, folder / "fished")
        common = self.folder / "common.csv"
        type_hla(
            name, folder / "fished", self.index, common, SETTINGS | settings, folder / "typing", folder / "types.tsv"
        )
        if (folder / "typing/failed.txt").exists():
            return {}, {}
        with (folder / "types.tsv").open() as table:
            rows = {row["locus"]: row for row in csv.DictReader(table, delimiter="\t")}
        return rows, json.loads((folder / "typing/evidence.json").read_text())


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory):
    return Laboratory(tmp_path_factory.mktemp("hla"))


@pytest.fixture(scope="module")
def person(laboratory):
    first, second = laboratory.reads("person", laboratory.templates(GENOTYPE, 40))
    return laboratory.type("person", [first], [second])


def types(row: dict) -> list[str]:
    return sorted(two_fields(row[key]) for key in ("allele1", "allele2") if "*" in row[key])


def true_types(locus: str, genotype=GENOTYPE) -> list[str]:
    return sorted(two_fields(name) for name in genotype[locus])


def test_all_loci_of_a_genome_are_typed_right_with_confidence(person):
    rows, evidence = person
    assert list(rows) == list(TYPED)
    assert {locus: types(rows[locus]) for locus in GENOTYPE} == {locus: true_types(locus) for locus in GENOTYPE}
    assert min(float(rows[locus]["confidence"]) for locus in GENOTYPE) > 0.8
    assert (evidence["solver"]["status"], evidence["solver"]["gap"]) == ("optimal", 0)
    chosen = evidence["solver"]["solutions"][0]["genotypes"]
    assert {two_fields(name) for name in chosen["A"]} == {"A*01:01", "A*03:02"}


def test_homozygous_one_copy_and_absent_are_told_apart(person):
    rows, _ = person
    assert (rows["C"]["zygosity"], rows["DPA1"]["zygosity"]) == ("homozygous", "homozygous")
    assert (rows["DRB3"]["zygosity"], rows["DRB3"]["allele2"]) == ("one copy", "absent")
    assert (rows["DRB4"]["zygosity"], rows["DRB4"]["allele1"]) == ("absent", "absent")


@pytest.mark.parametrize(
    ("drb1", "zygosity", "depth", "called", "confidence", "agree"),
    [
        (("DRB1*03:01", "DRB1*04:01"), "homozygous", 5.0, "one copy", 0.9, True),
        (("DRB1*03:01", ""), "homozygous", 5.0, "homozygous", 0.99, True),  # too few reads to tell copies by depth
        (("DRB1*03:01", "DRB1*04:01"), "heterozygous", 9.0, "heterozygous", 0.5, False),
        (("DRB1*03:01", "DRB1*04:01"), "homozygous", 0.1, "no call", 0.0, False),
        (("DRB1*03:01", ""), "homozygous", 0.1, "no call", 0.0, True),  # too few reads to say that it is not there
        (("DRB1*01:01", "DRB1*04:01"), "homozygous", 0.1, "absent", 0.9, True),
        (("DRB1*03:01", "DRB1*04:01"), "homozygous", 0.8, "one copy", 0.9, True),  # thin, but where it is expected
        (("DRB1*01:01", "DRB1*04:01"), "homozygous", 8.0, "homozygous", 0.5, False),
        (("DRB1*01:01", "DRB1*04:01"), "not resolved", 5.0, "not resolved", 0.5, False),
    ],
)
def test_copies_of_drb3_are_held_against_the_haplotypes_of_drb1(drb1, zygosity, depth, called, confidence, agree):
    told = {locus: nothing() for locus in ("DRB1", "DRB3")}
    told["DRB1"] |= {"two_field1": drb1[0], "two_field2": drb1[1], "depth": 9.0, "confidence": 0.9}
    told["DRB3"] |= {"zygosity": zygosity, "depth": depth, "exons": [{}], "confidence": 0.99, "confidence1": 0.99}
    told["DRB3"] |= {"allele1": "DRB3*01:01", "flags": []}
    settle_optional(told)
    assert (told["DRB3"]["zygosity"], told["DRB3"]["confidence"]) == (called, confidence)
    assert ("haplotypes of DRB1" in "".join(told["DRB3"]["flags"])) == (not agree)
    if called in ("absent", "one copy"):
        assert min(told["DRB3"]["confidence1"], told["DRB3"]["confidence2"]) == confidence


def test_a_gene_that_nothing_was_read_near_is_not_called_absent(laboratory):
    class_one = {locus: GENOTYPE[locus] for locus in ("A", "B", "C")}
    first, second = laboratory.reads("class_one", laboratory.templates(class_one, 40))
    rows, _ = laboratory.type("class_one", [first], [second])
    assert {locus: types(rows[locus]) for locus in class_one} == {locus: true_types(locus) for locus in class_one}
    for locus in ("DRB3", "DRB4", "DRB5", "DQA1"):
        row = rows[locus]
        assert (row["zygosity"], row["allele1"], row["allele2"], row["confidence"]) == ("no call", "", "", "0.000")
        assert row["flags"]
    drb3, _ = laboratory.type("drb3", [first], [second], loci=["A", "DRB3"])  # nor where DRB1 is not typed
    assert (drb3["DRB3"]["zygosity"], drb3["DRB3"]["allele1"]) == ("no call", "")


def test_a_row_tells_release_groups_commonness_depth_and_what_is_not_known_of_an_allele(person):
    rows, _ = person
    row = rows["B"]
    assert (row["release"], row["sample"]) == (VERSION, "person")
    place = 1 if row["allele1"].startswith("B*02:01") else 2
    assert row[f"g_group{place}"].endswith("G")
    assert row[f"ciwd{place}"] == "C"
    assert row[f"partial{place}"] == ""
    assert 25 < float(row["depth"]) < 55
    depths = dict(part.split(":") for part in row["exon_depth"].split(";"))
    assert list(depths) == [str(number) for number in range(1, 9)]
    assert all(15 < float(depth) < 60 for depth in list(depths.values())[:5])
    assert int(row["reads_explained"]) > 0.9 * int(row["reads"])


def test_reads_of_other_genes_do_not_speak_for_typed_ones(person):
    _, evidence = person
    assert sum(evidence["reads"]["other_genes"].values()) > 100
    assert not any(found["third"] for found in evidence["loci"].values())


def test_an_allele_that_is_known_in_part_is_found_and_marked(laboratory):
    genotype = GENOTYPE | {"A": ("A*01:04", "A*03:02")}
    first, second = laboratory.reads("partial", laboratory.templates(genotype, 40))
    rows, _ = laboratory.type("partial", [first], [second])
    assert types(rows["A"]) == ["A*01:04", "A*03:02"]
    place = 1 if rows["A"]["allele1"].startswith("A*01:04") else 2
    assert set(rows["A"][f"partial{place}"].split(",")) >= {"1", "4"}


def test_alleles_that_no_read_tells_apart_come_as_a_set(person, laboratory):
    rows, _ = laboratory.type(
        "short", *[[path] for path in laboratory.reads("short", laboratory.templates(GENOTYPE, 40), 36)]
    )
    for found in (person[0], rows):
        row = found["A"]
        assert types(row) == true_types("A")
        for place in (1, 2):
            assert row[f"allele{place}"].split(":")[0] in row[f"ambiguity{place}"]
    assert len(rows["A"]["ambiguity1"]) >= len(person[0]["A"]["ambiguity1"])


@pytest.mark.parametrize("seed", [4, 5])
def test_a_second_allele_of_which_few_reads_came_is_not_ruled_out(laboratory, seed):
    genotype = GENOTYPE | {"C": ("C*02:02", "C*04:02"), "DPA1": ("DPA1*05:02", "DPA1*02:02")}
    second = {pair[-1] for pair in genotype.values()}
    thin = [
        Template(one.name, one.bases, 0.25 if one.name in second else 3.0) for one in laboratory.templates(genotype, 1)
    ]
    name = f"thin{seed}"
    rows, _ = laboratory.type(name, *[[path] for path in laboratory.reads(name, thin, seed=seed)])
    rows = {locus: rows[locus] for locus in genotype if locus != "DRB3"}
    assert not [locus for locus, row in rows.items() if row["zygosity"] == "homozygous"]
    assert sum(row["zygosity"] in ("not resolved", "no call") for row in rows.values()) >= 3
    assert all("low coverage" in row["flags"] for row in rows.values())
    sure = {locus: types(row) for locus, row in rows.items() if float(row["confidence"]) >= 0.95}
    assert all(found == true_types(locus, genotype) for locus, found in sure.items())


def test_homozygous_is_not_claimed_where_an_exon_is_too_thin_to_show_a_second_allele(laboratory):
    genotype = {locus: (pair[0], pair[0]) for locus, pair in GENOTYPE.items()}
    rows, evidence = laboratory.type(
        "thin", *[[path] for path in laboratory.reads("thin", laboratory.templates(genotype, 7))]
    )
    thin, deep = set(), set()
    for locus in genotype:
        exons = [each for each in evidence["loci"][locus]["exons"] if each["exon"] in TELLING_EXONS.get(locus, (2,))]
        least = min(sum(each["depth"]) / each["length"] for each in exons)
        (thin if least < HOMOZYGOUS_DEPTH else deep).add(locus)
    assert len(thin) > 2
    assert {rows[locus]["zygosity"] for locus in thin} <= {"not resolved", "no call"}
    assert max(float(rows[locus]["confidence"]) for locus in thin) < 0.95
    assert [locus for locus in deep if rows[locus]["zygosity"] == "homozygous"]


def test_reads_of_a_gene_that_the_release_lacks_make_no_sure_call_of_few_reads(laboratory):
    allele = laboratory.alleles["DQA1*04:02"]
    rng = np.random.default_rng(1)
    # Exons that differ in a base of fifty stand among introns of another gene.
    parts = [
        "".join(rng.choice(list("ACGT"), len(part)))
        if place % 2 == 0
        else "".join("ACGT"["TGCA".find(base)] if number % 50 == 25 else base for number, base in enumerate(part))
        for place, part in enumerate(part.replace(".", "") for part in allele.parts)
    ]
    genotype = {locus: pair for locus, pair in GENOTYPE.items() if locus != "DQA1"} | {"DQA1": ("DQA1*02:01:02",) * 2}
    thin = [*laboratory.templates(genotype, 2), Template("relative", "".join(parts), 3)]
    first, second = laboratory.reads("relative", thin)
    rows, _ = laboratory.type("relative", [first], [second])
    assert "DQA1*04:02" not in types(rows["DQA1"]) or float(rows["DQA1"]["confidence"]) < 0.75


def test_a_position_that_no_allele_has_is_flagged(laboratory):
    changed = laboratory.templates(GENOTYPE, 40)
    allele = laboratory.alleles["A*03:02"]
    start = len("".join(allele.parts[:3]).replace(".", ""))
    place = start + 100
    old = changed[1].bases[place]
    new = {"A": "C", "C": "A", "G": "T", "T": "G"}[old]
    bases = changed[1].bases[:place] + new + changed[1].bases[place + 1 :]
    changed[1] = Template(changed[1].name, bases, changed[1].depth)
    first, second = laboratory.reads("novel", changed)
    rows, evidence = laboratory.type("novel", [first], [second])
    assert types(rows["A"]) == true_types("A")
    misfit = evidence["loci"]["A"]["misfits"]
    assert [(each["exon"], each["position"], each["base"]) for each in misfit] == [(2, 101, new)]
    assert "does not fit: exon 2 position 101" in rows["A"]["flags"]


@pytest.mark.parametrize("locus", ["A", "DRB1"])
def test_an_exon_that_one_allele_has_no_reads_of_is_flagged_for_it_alone(laboratory, locus):
    templates = laboratory.templates(GENOTYPE, 60)
    lost = GENOTYPE[locus][0]
    allele = laboratory.alleles[lost]
    place = next(number for number, each in enumerate(templates) if each.name == lost)
    start = len("".join(allele.parts[:3]).replace(".", ""))
    gap = (start - 150, start + len(allele.exon(2).replace(".", "")) + 150)
    whole = templates[place]
    ends = ((0, max(gap[0], 0)), (min(gap[1], len(whole.bases)), len(whole.bases)))
    templates[place : place + 1] = [
        Template(f"{lost} {number}", whole.bases[slice(*part)], 30, flanked=False) for number, part in enumerate(ends)
    ]
    first, second = laboratory.reads(f"lost_{locus}", templates)
    rows, _ = laboratory.type(f"lost_{locus}", [first], [second])
    assert "dropout: exon 2 of" in rows[locus]["flags"]
    assert not [other for other, row in rows.items() if other != locus and "dropout" in row["flags"]]


def test_a_third_allele_is_flagged_and_not_forced_into_two(laboratory):
    mixed = [*laboratory.templates(GENOTYPE, 40), *laboratory.templates({"A": ("A*05:02",)}, 16)]
    first, second = laboratory.reads("mixed", mixed)
    rows, _ = laboratory.type("mixed", [first], [second])
    assert types(rows["A"]) == true_types("A")
    assert "third allele: A*05:02" in rows["A"]["flags"]
    assert "third allele" not in rows["B"]["flags"]


def test_single_ends_and_mates_out_of_step_are_typed(laboratory):
    first, second = laboratory.reads("single", laboratory.templates(GENOTYPE, 40))
    rows, evidence = laboratory.type("single", [first, second], [])
    assert {locus: types(rows[locus]) for locus in GENOTYPE} == {locus: true_types(locus) for locus in GENOTYPE}
    assert not evidence["reads"]["paired"]


def test_reads_that_run_on_into_adapters_do_not_make_a_heterozygote_homozygous(laboratory):
    exons = [
        Template(f"{name} {number}", laboratory.alleles[name].exon(number).replace(".", ""), 30)
        for name in (each for pair in GENOTYPE.values() for each in pair)
        for number in (2, 3)
    ]
    first, second = laboratory.reads("adapters", exons, 150)
    rows, _ = laboratory.type("adapters", [first], [second])
    assert {locus: types(rows[locus]) for locus in GENOTYPE} == {locus: true_types(locus) for locus in GENOTYPE}


def test_very_deep_reads_are_sampled_and_that_is_said(laboratory):
    first, second = laboratory.reads("deep", laboratory.templates({"A": GENOTYPE["A"]}, 600))
    rows, evidence = laboratory.type("deep", [first], [second], max_reads=4000)
    assert types(rows["A"]) == true_types("A")
    assert evidence["reads"]["used_share"] < 0.9
    assert "down-sampled" in rows["A"]["flags"]


def test_types_do_not_depend_on_the_order_of_reads(laboratory, person):
    folder = laboratory.folder / "person"
    turned = laboratory.folder / "turned"
    turned.mkdir()
    for name in ("1.fastq.gz", "2.fastq.gz"):
        (turned / name).symlink_to(folder / name)
    rows, _ = laboratory.type("turned", [turned / "2.fastq.gz"], [turned / "1.fastq.gz"])
    assert {locus: types(row) for locus, row in rows.items()} == {locus: types(row) for locus, row in person[0].items()}


@pytest.mark.parametrize(
    ("length", "reason"), [(100, "no reads of HLA genes, or not of a human"), (25, "too short to type")]
)
def test_reads_without_hla_genes_fail_their_sample_with_the_reason(laboratory, length, reason):
    bases = "".join(np.random.default_rng(1).choice(list("ACGT"), 20_000))
    name = f"other{length}"
    first, second = laboratory.reads(name, [Template("other", bases, 5)], length)
    assert laboratory.type(name, [first], [second]) == ({}, {})
    told = (laboratory.folder / name / "typing/failed.txt").read_text()
    assert told.startswith("type_hla: ")
    assert reason in told
    assert (laboratory.folder / name / "types.tsv").read_text() == f"# no result: {told}"


def test_a_failure_of_an_earlier_step_is_passed_on(laboratory):
    folder = laboratory.folder / "failed"
    (folder / "fished").mkdir(parents=True)
    (folder / "fished/failed.txt").write_text("fish_hla_reads: r.fastq holds no reads\n")
    type_hla("s", folder / "fished", laboratory.index, None, {}, folder / "typing", folder / "types.tsv")
    assert (folder / "typing/failed.txt").read_text() == "fish_hla_reads: r.fastq holds no reads\n"
    assert (folder / "types.tsv").read_text() == "# no result: fish_hla_reads: r.fastq holds no reads\n"
