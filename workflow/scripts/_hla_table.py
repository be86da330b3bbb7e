"""types.tsv: one row a locus."""

from pathlib import Path

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
