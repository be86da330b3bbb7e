"""Make samples of known HLA types from a made-up release, beside it, with the rows and the settings that type them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.toy.make_hla_reads import Sequencing, Template, write_pairs
from tests.toy.make_hla_release import DECOYS, VERSION, make_hla_release
from tests.toy.plan_hla import Allele

FOLDER = "imgt"
RELEASE = ("Alignments_Rel_010.zip", "wmda/hla_nom_g.txt", "wmda/hla_nom_p.txt")
DEPTH = 40.0


@dataclass(frozen=True, slots=True)
class HlaSample:
    """A sample to be made: two alleles a locus, by the fields after the star.

    Of DRB3, 4 and 5 each copy of DRB1 brings what it has on real haplotypes.
    """

    name: str
    genotype: Mapping[str, tuple[str, ...]]
    lanes: int = 1


SAMPLES = (
    HlaSample(
        "hla_mixed",
        {
            **dict.fromkeys(("A", "B", "DRB1", "DQA1", "DPB1"), ("01:01:01:01", "03:02")),
            **dict.fromkeys(("C", "DQB1"), ("02:02", "04:03")),
            "DPA1": ("05:02", "05:02"),
            "DRB3": ("02:02",),
        },
    ),
    HlaSample(
        "hla_alike",
        {
            **dict.fromkeys(("A", "B", "DRB1"), ("04:02", "04:02")),
            **dict.fromkeys(("C", "DQA1", "DQB1", "DPA1", "DPB1"), ("02:01:02", "05:02")),
            "DRB4": ("02:02", "02:02"),
        },
        lanes=2,
    ),
)


def hla_settings(release: str = FOLDER) -> dict:
    """The section `hla` of a configuration; `release` is the folder of the release, as that is to say it."""
    files = [f"{release}/{name}" for name in RELEASE]
    return {"hla": {"release": files, "version": VERSION, "common": f"{release}/common.csv"}}


def make_hla_samples(out: Path, count: int, seed: int, reads_as: str) -> None:
    """Make the first `count` samples in out/reads, the release in out/imgt, truth/hla.tsv; add rows to the table."""
    alleles = make_hla_release(out / FOLDER, seed)
    rows, truth = [], ["sample\tlocus\tallele1\tallele2\n"]
    for sample in SAMPLES[:count]:
        chosen = {
            locus: [find(alleles[locus], f"{locus}*{fields}") for fields in pair]
            for locus, pair in sample.genotype.items()
        }
        truth += [f"{sample.name}\t{locus}\t{names(pair)}\n" for locus, pair in chosen.items()]
        templates = [Template(one.name, one.bases(), DEPTH / 2) for pair in chosen.values() for one in pair]
        templates += [Template(its[0].name, its[0].bases(), DEPTH) for locus, its in alleles.items() if locus in DECOYS]
        for lane in range(1, sample.lanes + 1):
            files = [f"{sample.name}_L{lane:03d}_R{mate}.fastq.gz" for mate in (1, 2)]
            shared = [Template(one.name, one.bases, one.depth / sample.lanes) for one in templates]
            write_pairs(shared, Sequencing(), f"{sample.name}.{lane}", seed, *(out / "reads" / name for name in files))
            rows.append("\t".join([sample.name, str(lane), "hla", "", *(f"{reads_as}/{name}" for name in files)]))
    (out / "truth" / "hla.tsv").write_text("".join(truth))
    table = out / "config" / "samples.tsv"
    more_columns = table.read_text().splitlines()[0].count("\t") - rows[0].count("\t")
    table.write_text(table.read_text() + "".join(row + "\t" * more_columns + "\n" for row in rows))


def find(alleles: Sequence[Allele], name: str) -> Allele:
    return next(one for one in alleles if one.name == name)


def names(pair: Sequence[Allele]) -> str:
    return "\t".join([*(one.name for one in pair), "absent"][:2])
