"""The typing's default settings, and rows of types.tsv and their evidence as it writes them, for tests."""

import json
from pathlib import Path

import yaml
from _configuration import settle
from _hla_table import COLUMNS

SCHEMA = Path(__file__).parents[2] / "workflow/schemas/config.schema.yaml"
SETTINGS = settle({}, yaml.safe_load(SCHEMA.read_text()))["hla"] | {"program_version": "test"}


def call(locus: str, allele1: str, allele2: str, **cells: str) -> dict[str, str]:
    """A row of a sample that is well covered and sure; `cells` say what is otherwise."""
    row = dict.fromkeys(COLUMNS, "") | {
        "sample": "s1",
        "locus": locus,
        "allele1": allele1,
        "allele2": allele2,
        "zygosity": "homozygous" if allele1 == allele2 else "heterozygous",
        "confidence": "0.999",
        "two_field1": ":".join(allele1.split(":")[:2]),
        "two_field2": ":".join(allele2.split(":")[:2]),
        "reads": "400",
        "reads_explained": "396",
        "depth": "31.2",
        "release": "0.1.0",
        "program_version": "0.1.0",
    }
    assert cells.keys() <= row.keys()
    return row | cells


CALLS = [
    call("A", "A*01:01:01", "A*02:01", ambiguity1="A*01:01:01:01/A*01:01:01:02", ciwd1="C", ciwd2="C"),
    call(
        "B",
        "B*15:01:01",
        "B*58:01",
        confidence="0.730",
        alternatives="B*15:01+B*58:02=0.270",
        flags="does not fit: exon 3 position 112 T 9/20; down-sampled",
        partial2="1,4",
    ),
    call("DRB3", "absent", "absent", zygosity="absent", reads="0", reads_explained="0", depth=""),
    call("DRB1", "DRB1*03:01", "not resolved", zygosity="not resolved", confidence="0.6", flags="low coverage"),
]


def evidence(calls: list[dict[str, str]]) -> dict:
    """Evidence with two exons a locus; the second allele has no reads over a part of exon 3."""

    def exon(number: int, bases: int) -> dict:
        depth = [20 + (place * 7 + number) % 13 for place in range(bases)]
        hole = range(100, 140) if number == 3 else range(0)
        second = [0 if place in hole else value - 11 for place, value in enumerate(depth)]
        return {
            "exon": number,
            "start": 0,
            "length": bases,
            "depth": depth,
            "alleles": [[v - 9 for v in depth], second],
        }

    misfits = [{"exon": 3, "position": 112, "base": "T", "reads": 9, "depth": 20}]
    return {
        "sample": "s1",
        "reads": {
            "seen": 20_000,
            "typed_loci": 1800,
            "other_genes": {"H": 120},
            "paired": True,
            "used_share": 0.5,
        },
        "solver": {"name": "cbc", "status": "optimal", "gap": 0.0, "seconds": 0.03},
        "settings": {"max_reads": 1000},
        "loci": {
            row["locus"]: {"exons": [exon(2, 270), exon(3, 276)], "misfits": misfits if row["locus"] == "B" else []}
            for row in calls
            if row["zygosity"] != "absent"
        },
    }


def write_sample(folder: Path, calls: list[dict[str, str]] | None = None, failure: str = "") -> Path:
    """Lay out what fishing and typing leave of a sample; with `failure` (step: reason), that it failed."""
    calls = CALLS if calls is None else calls
    fished, typing = folder / "fished", folder / "typing"
    for directory in (fished, typing):
        directory.mkdir(parents=True)
    benchmark = folder / "type_hla" / "s1.tsv"
    benchmark.parent.mkdir()
    benchmark.write_text("s\tmax_rss\n2.5\t180.0\n")
    if failure:
        (typing / "failed.txt").write_text(f"{failure}\n")
        (folder / "types.tsv").write_text(f"# no result: {failure}\n")
        return folder
    told = {"start": "2026-03-01T10:00:00+00:00", "reads": 20_000, "fished": 2400, "mean_read_length": 100.0}
    (fished / "fished.json").write_text(json.dumps(told))
    (typing / "evidence.json").write_text(json.dumps(evidence(calls)))
    lines = ["\t".join(COLUMNS), *("\t".join(row[column] for column in COLUMNS) for row in calls)]
    (folder / "types.tsv").write_text("\n".join(lines) + "\n")
    return folder
