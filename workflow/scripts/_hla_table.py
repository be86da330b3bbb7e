"""types.tsv, the table of one sample's HLA types: one row a locus, or the reason why there are none."""

import csv
from collections.abc import Mapping
from pathlib import Path

NO_RESULT = "# no result: "

COLUMNS = (
    "sample",
    "locus",
    "allele1",
    "allele2",
    "zygosity",
    "confidence",
    "confidence1",
    "confidence2",
    "two_field1",
    "two_field2",
    "g_group1",
    "g_group2",
    "p_group1",
    "p_group2",
    "ambiguity1",
    "ambiguity2",
    "alternatives",
    "ciwd1",
    "ciwd2",
    "partial1",
    "partial2",
    "reads",
    "reads_explained",
    "depth",
    "exon_depth",
    "flags",
    "release",
    "program_version",
)


def write_types(told: dict, path: Path) -> None:
    """Write the table of a sample from its evidence."""
    part = path.with_name(f"{path.name}.part")
    lines = ["\t".join(COLUMNS), *("\t".join(row_of(told, locus, found)) for locus, found in told["loci"].items())]
    part.write_text("\n".join(lines) + "\n")
    part.rename(path)


def row_of(told: dict, locus: str, found: dict) -> list[str]:
    """The cells of a locus."""
    cells = {key: told[key] for key in ("sample", "release", "program_version")} | {"locus": locus} | found
    cells["alternatives"] = "; ".join(
        f"{'+'.join(each['genotype'])}={each['probability']:.3f}" for each in found["alternatives"]
    )
    cells["exon_depth"] = ";".join(
        f"{each['exon']}:{sum(each['depth']) / max(each['length'], 1):.1f}" for each in found["exons"]
    )
    return [as_cell(cells[column]) for column in COLUMNS]


def as_cell(value: object) -> str:
    """One cell as text."""
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, list):
        return ("; " if any(" " in str(part) for part in value) else "/").join(map(str, value))
    return "" if value is None else str(value)


def write_no_types(reason: str, path: Path) -> None:
    """Write why a sample has no types, in the place of its table."""
    path.write_text(f"{NO_RESULT}{reason}\n")


def read_types(path: Path) -> tuple[list[dict[str, str]], str]:
    """Read types.tsv: its rows, or the reason why there are none."""
    with path.open(encoding="utf-8") as rows:
        first = rows.readline()
        if first.startswith(NO_RESULT):
            return [], first.removeprefix(NO_RESULT).strip()
        rows.seek(0)
        return list(csv.DictReader(rows, delimiter="\t")), ""


def flags_of(row: Mapping[str, str]) -> list[str]:
    return [flag.strip() for flag in row["flags"].split(";") if flag.strip()]
