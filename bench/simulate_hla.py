"""Simulate samples of known HLA types from a release: simulate_hla.py RELEASE COMMON OUT [--samples 100] [--seed 1].

COMMON is a table in the form of CIWD 3.0. Writes {sample}_1.fastq.gz, {sample}_2.fastq.gz and truth.tsv. Genotypes are
drawn from the common alleles, a protein the more often the more variants the release knows of it; in a fifth of the
samples one allele is outside of them. DRB3, 4 and 5 come along with DRB1 as on real haplotypes.
"""

import argparse
import csv
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from read_hla_release import Gene, read_genes

from tests.toy.make_hla_reads import Sequencing, Template, write_pairs

CLASS_I, CLASS_II = ("A", "B", "C"), ("DRB1", "DQA1", "DQB1", "DPA1", "DPB1")
TYPED = {*CLASS_I, *CLASS_II, "DRB3", "DRB4", "DRB5"}
# https://hla.alleles.org/nomenclature: the second DRB gene of the haplotypes of each family of DRB1
SECOND_DRB = {
    **dict.fromkeys(("03", "11", "12", "13", "14"), "DRB3"),
    **dict.fromkeys(("04", "07", "09"), "DRB4"),
    **dict.fromkeys(("15", "16"), "DRB5"),
}
HOMOZYGOUS, OUTSIDE = 0.15, 0.2  # share of the loci; share of the samples
UNRELATED = Path(__file__).resolve().parents[2] / "shared" / "data" / "dna" / "chr20_1mb_1000g"
REACH = 200  # bases: exons that are nearer are captured together
COLUMNS = ("sample", "kind", "length", "depth", "locus", "allele1", "allele2", "outside")


@dataclass(frozen=True, slots=True)
class Person:
    """A genotype, two alleles a locus (one or none of DRB3, 4 and 5), and how it is sequenced."""

    name: str
    genotype: dict[str, tuple[Gene, ...]]
    others: tuple[Gene, ...]
    outside: str
    exome: bool
    sequencing: Sequencing
    depth: float


def two_fields(name: str) -> str:
    return ":".join(name.split(":")[:2]).rstrip("NLSQCA")


def common_names(path: Path) -> set[str]:
    """The two-field names that the list calls common."""
    with path.open() as rows:
        return {row["ALLELE"] for row in csv.DictReader(rows) if row["TOTAL"] == "C" and row["ALLELE"].count(":") == 1}


class Pool:
    """The alleles of one locus that can be drawn."""

    def __init__(self, genes: Sequence[Gene], common: set[str]) -> None:
        expressed = [gene for gene in genes if not gene.name[-1].isalpha()]
        variants = Counter(two_fields(gene.name) for gene in expressed)
        listed = {name for name in variants if name in common} or set(variants)
        self.usual = [gene for gene in expressed if two_fields(gene.name) in listed]
        self.unusual = [gene for gene in expressed if two_fields(gene.name) not in listed]

    def draw(self, rng: np.random.Generator, count: int) -> tuple[Gene, ...]:
        """Draw alleles; each gene counts alike, so a protein counts by its variants."""
        return tuple(self.usual[place] for place in rng.integers(len(self.usual), size=count))


def draw_person(
    number: int, pools: Mapping[str, Pool], others: Mapping[str, Sequence[Gene]], rng: np.random.Generator
) -> Person:
    genotype: dict[str, tuple[Gene, ...]] = {}
    for locus in (*CLASS_I, *CLASS_II):
        drawn = pools[locus].draw(rng, 2)
        genotype[locus] = (drawn[0], drawn[0]) if rng.random() < HOMOZYGOUS else drawn
    outside = ""
    if number % round(1 / OUTSIDE) == 0:
        locus = str(rng.choice([locus for locus in genotype if pools[locus].unusual]))
        rare = pools[locus].unusual[rng.integers(len(pools[locus].unusual))]
        genotype[locus], outside = (rare, genotype[locus][1]), rare.name
    for drb1 in genotype["DRB1"]:
        second = SECOND_DRB.get(drb1.name.split("*")[1].split(":")[0])
        if second in pools:
            genotype[second] = (*genotype.get(second, ()), *pools[second].draw(rng, 1))
    alike = tuple(genes[place] for genes in others.values() for place in rng.integers(len(genes), size=2))
    length, exome = (100, 150)[number % 2], number // 2 % 2 == 1
    sequencing = Sequencing(length, 220.0 if exome else 380.0, 40.0 if exome else 60.0)
    return Person(f"s{number:03d}", genotype, alike, outside, exome, sequencing, (15.0, 30.0, 60.0)[number // 4 % 3])


def draw_people(genes: Mapping[str, Sequence[Gene]], common: set[str], count: int, seed: int) -> Iterator[Person]:
    """Draw genotypes; the first ones are the same however many are drawn."""
    pools = {locus: Pool(its, common) for locus, its in genes.items() if locus in TYPED}
    others = {locus: its for locus, its in genes.items() if locus not in TYPED}
    for number in range(count):
        yield draw_person(number, pools, others, np.random.default_rng([seed, number]))


def templates_of(person: Person, unrelated: str) -> list[Template]:
    """What a person's reads come from; copies of a gene share the depth, which in an exome differs along the gene."""
    rng = np.random.default_rng([len(person.name), *person.name.encode()])
    found = []
    for gene in (*(one for pair in person.genotype.values() for one in pair), *person.others):
        if person.exome:
            captured = capture(gene)
            depths = person.depth / 2 * rng.lognormal(0, 0.25, len(captured))
            found += [Template(gene.name, gene.bases, *one) for one in zip(depths, captured, strict=True)]
        else:
            found.append(Template(gene.name, gene.bases, person.depth / 2))
    return [*found, Template("unrelated", unrelated, person.depth / 40)]


def capture(gene: Gene) -> list[tuple[tuple[int, int], ...]]:
    """The exons of a gene, those together that fragments of one would reach."""
    groups: list[list[tuple[int, int]]] = []
    for start, end in gene.exons or ((0, len(gene.bases)),):
        if end > start and groups and start - groups[-1][-1][1] < REACH:
            groups[-1].append((start, end))
        elif end > start:
            groups.append([(start, end)])
    return [tuple(group) for group in groups]


def unrelated_bases(seed: int) -> str:
    """A stretch of a genome without HLA genes, with its repeats; bases of chance where there is none."""
    for path in sorted(UNRELATED.glob("*.fa")):
        return "".join(line.strip() for line in path.open() if not line.startswith(">")).upper().replace("N", "A")
    return "".join(np.random.default_rng(seed).choice(list("ACGT"), 1_000_000))


def simulate(person: Person, unrelated: str, seed: int, folder: Path) -> tuple[Path, Path]:
    """Write a person's reads; return the two files."""
    files = folder / f"{person.name}_1.fastq.gz", folder / f"{person.name}_2.fastq.gz"
    write_pairs(templates_of(person, unrelated), person.sequencing, person.name, seed, *files)
    return files


def truth_rows(person: Person) -> Iterator[list[str]]:
    """The true alleles, a row a locus; an allele of DRB3, 4 or 5 that is not there is `absent`."""
    for locus in (*CLASS_I, "DRB1", "DRB3", "DRB4", "DRB5", *CLASS_II[1:]):
        names = [gene.name for gene in person.genotype.get(locus, ())]
        kind, length, depth = "exome" if person.exome else "genome", person.sequencing.length, person.depth
        yield [person.name, kind, str(length), f"{depth:g}", locus, *(names + ["absent"] * 2)[:2], person.outside]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("release", type=Path)
    parser.add_argument("common", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    unrelated = unrelated_bases(arguments.seed)
    rows = [list(COLUMNS)]
    genes = read_genes(arguments.release)
    for person in draw_people(genes, common_names(arguments.common), arguments.samples, arguments.seed):
        simulate(person, unrelated, arguments.seed, arguments.out)
        rows += truth_rows(person)
    (arguments.out / "truth.tsv").write_text("".join("\t".join(row) + "\n" for row in rows))


if __name__ == "__main__":
    main()
