"""What the page of one sample's HLA types shows: tables, facts, and a picture of the coverage of each locus."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from _hla_doubts import CONFIDENT, in_doubt
from _hla_reviews import APPROVED, EDITED, INVALID, OUTDATED, Review, call_of
from _hla_table import flags_of
from _report_page import Cell, Column, Table
from _report_values import DASH
from markupsafe import Markup, escape

DOUBTFUL = 0.5  # a confidence below this is marked as bad
NAMES_SHOWN = 12  # of a long list of alleles; the table has all of them
WIDTH, HEIGHT, GAP, MARGIN = 1000, 150, 10, 46  # of a picture, in its own units
POINTS = 120  # of an exon in a picture
KINDS = {APPROVED: "good", EDITED: "good", OUTDATED: "bad", INVALID: "bad"}


def types_table(rows: Sequence[Mapping[str, str]], reviews: Mapping[str, Review]) -> Table:
    labels = ("Locus", "Allele 1", "Allele 2", "Confidence", "Zygosity", "Depth", "Fit %", "Flags", "Review", "Reads")
    numbers = {"Confidence", "Depth", "Fit %", "Reads"}
    columns = [Column(label, label in numbers) for label in (*labels, "Common", "G groups", "P groups")]
    return Table(
        "types",
        "Types",
        "Confidence: how likely both alleles are right at two fields. Fit: reads of the locus that the call explains. "
        "Common: what the list of common alleles says of each.",
        tuple(columns),
        [type_cells(row, reviews[row["locus"]]) for row in rows],
    )


def type_cells(row: Mapping[str, str], review: Review) -> list[Cell]:
    flags = flags_of(row)
    return [
        Cell(row["locus"], kind="warn" if in_doubt(row) else ""),
        Cell(row["allele1"] or DASH),
        Cell(row["allele2"] or DASH),
        confidence_cell(row["confidence"]),
        Cell(row["zygosity"]),
        Cell(f"{float(row['depth']):.1f}" if row["depth"] else DASH),
        Cell(percent(row["reads_explained"], row["reads"])),
        Cell("; ".join(flags) or "none", kind="text"),
        review_cell(review),
        Cell(row["reads"] or DASH),
        Cell(pair(row["ciwd1"], row["ciwd2"])),
        Cell(pair(row["g_group1"], row["g_group2"])),
        Cell(pair(row["p_group1"], row["p_group2"])),
    ]


def pair(first: str, second: str) -> str:
    return ", ".join(word or DASH for word in (first, second)) if first or second else DASH


def percent(part: str, whole: str) -> str:
    return f"{100 * float(part) / float(whole):.1f}" if part and whole and float(whole) else DASH


def confidence_cell(value: str) -> Cell:
    if not value:
        return Cell(DASH)
    sure = float(value)
    return Cell(f"{sure:.3f}", kind="good" if sure >= CONFIDENT else "warn" if sure >= DOUBTFUL else "bad")


def review_cell(review: Review) -> Cell:
    if not review.state:
        return Cell("open")
    shown = f"{review.state}: {review.allele1}, {review.allele2}" if review.state == EDITED else review.state
    said = "; ".join(word for word in (review.reviewer, review.note) if word)
    return Cell(shown, kind=KINDS.get(review.state, "warn"), hint=said)


def locus_section(row: Mapping[str, str], found: Mapping[str, Any], review: Review) -> dict[str, Any]:
    """Everything about one locus: facts as pairs, what does not fit, and the coverage as a table and a picture."""
    exons = found.get("exons") or []
    return {
        "locus": row["locus"],
        "call": call_of(row).replace("+", ", "),
        "open": in_doubt(row),
        "facts": locus_facts(row, review),
        "misfits": misfit_table(row["locus"], found.get("misfits") or []),
        "coverage": coverage_table(row, exons),
        "picture": picture(row, exons, found.get("misfits") or []),
    }


def locus_facts(row: Mapping[str, str], review: Review) -> list[tuple[str, str]]:
    """What a reviewer asks of a locus, as term and answer; what has no answer is left out."""
    facts = [
        ("Flags", "; ".join(flags_of(row))),
        (f"Also {row['allele1']}", names(row["ambiguity1"])),
        (f"Also {row['allele2']}", names(row["ambiguity2"]) if row["allele2"] != row["allele1"] else ""),
        ("Next best", row["alternatives"]),
        ("Confidence of each", pair(row["confidence1"], row["confidence2"]) if row["confidence1"] else ""),
        (
            "Exons not in the release",
            pair(row["partial1"], row["partial2"]) if row["partial1"] or row["partial2"] else "",
        ),
        ("Review", "; ".join(filter(None, (review_cell(review).text, review.reviewer, review.note)))),
    ]
    return [(term, fact) for term, fact in facts if fact]


def names(listed: str) -> str:
    """Shorten a long list of alleles, and say how many they are."""
    every = [name for name in listed.split("/") if name]
    more = f" and {len(every) - NAMES_SHOWN} more" if len(every) > NAMES_SHOWN else ""
    return ", ".join(every[:NAMES_SHOWN]) + more


def misfit_table(locus: str, misfits: Sequence[Mapping[str, Any]]) -> Table:
    return Table(
        f"{locus}-misfits",
        "Positions that do not fit",
        "Where reads show a base that neither allele of the call has. Positions count from 1 in the exon.",
        (
            Column("Exon", True),
            Column("Position", True),
            Column("Base"),
            Column("Reads with it", True),
            Column("Depth", True),
        ),
        [[Cell(str(one.get(key, DASH))) for key in ("exon", "position", "base", "reads", "depth")] for one in misfits],
    )


def coverage_table(row: Mapping[str, str], exons: Sequence[Mapping[str, Any]]) -> Table:
    """Mean and lowest depth, allele by exon."""
    lines = [("all reads", [exon["depth"] for exon in exons])]
    lines += [
        (row[f"allele{number + 1}"] or DASH, [exon["alleles"][number] for exon in exons])
        for number in alleles_shown(row, exons)
    ]
    return Table(
        f"{row['locus']}-coverage",
        "Coverage",
        "Mean depth, and in brackets the lowest, of each exon; of an allele the reads that fit it.",
        (Column("Allele"), *(Column(f"Exon {exon['exon']}", True) for exon in exons)),
        [[Cell(name), *(depth_cell(depths) for depths in of_exons)] for name, of_exons in lines] if exons else [],
    )


def alleles_shown(row: Mapping[str, str], exons: Sequence[Mapping[str, Any]]) -> list[int]:
    """Which of the two alleles have depths of their own: one where both are the same, none without a call."""
    most = min((len(exon["alleles"]) for exon in exons), default=0)
    distinct = 1 if row["allele1"] == row["allele2"] else 2
    return [number for number in range(min(most, distinct)) if "*" in row[f"allele{number + 1}"]]


def depth_cell(depths: Sequence[float]) -> Cell:
    if not depths:
        return Cell(DASH)
    lowest = min(depths)
    return Cell(f"{fmean(depths):.1f} ({lowest:g})", kind="" if lowest else "warn")


def picture(row: Mapping[str, str], exons: Sequence[Mapping[str, Any]], misfits: Sequence[Mapping[str, Any]]) -> Markup:
    """Draw the depth along the exons as SVG: the first allele upwards, the second downwards, all reads behind them."""
    if not exons:
        return Markup("")
    bases = sum(len(exon["depth"]) for exon in exons)
    top = max(max(exon["depth"], default=0) for exon in exons) or 1
    scale = (WIDTH - 2 * MARGIN - GAP * (len(exons) - 1)) / max(bases, 1)
    shown = alleles_shown(row, exons)
    middle, drawn, left = HEIGHT / 2, [], float(MARGIN)
    for exon in exons:
        width = len(exon["depth"]) * scale
        drawn.append(f'<rect class="exon" x="{left:.1f}" y="12" width="{width:.1f}" height="{HEIGHT - 24}"/>')
        for way in (-1, 1):
            drawn.append(area("all", exon["depth"], left, width, middle, way * (HEIGHT / 2 - 14) / top))
        for number in shown:
            way = 1 if number else -1
            drawn.append(
                area(f"allele{number + 1}", exon["alleles"][number], left, width, middle, way * (HEIGHT / 2 - 14) / top)
            )
        marks = [one["position"] for one in misfits if one["exon"] == exon["exon"]]
        for place in (left + (position - 0.5) * scale for position in marks):
            drawn.append(f'<path class="misfit" d="M{place:.1f} 12l-4 -8h8z"/>')
        drawn.append(f'<text x="{left + width / 2:.1f}" y="{HEIGHT - 1}">{escape(exon["exon"])}</text>')
        left += width + GAP
    axis = "".join(
        f'<text class="axis" x="{MARGIN - 6}" y="{height:g}">{depth:g}</text>'
        for depth, height in ((top, 20), (0, middle + 4), (top, HEIGHT - 12))
    )
    names = " and ".join(row[f"allele{number + 1}"] for number in shown) or "no allele"
    title = f"<title>Depth of {escape(row['locus'])} along its exons: {escape(names)}</title>"
    return Markup(f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{title}{"".join(drawn)}{axis}</svg>')


def area(kind: str, depths: Sequence[float], left: float, width: float, middle: float, scale: float) -> str:
    """A filled outline of depths, each point the lowest of a few bases, so that no hole is drawn over."""
    if not depths:
        return ""
    step = max(1, -(-len(depths) // POINTS))
    lowest = [min(depths[start : start + step]) for start in range(0, len(depths), step)]
    each = width / len(lowest)
    outline = "".join(
        f"L{left + place * each:.1f} {middle + depth * scale:.1f}h{each:.1f}" for place, depth in enumerate(lowest)
    )
    return f'<path class="{kind}" d="M{left:.1f} {middle:g}{outline}V{middle:g}z"/>'


def evidence_facts(made: Mapping[str, Any], evidence: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Say what the types rest on: reads, release, solver, program."""
    reads, solver = evidence.get("reads") or {}, evidence.get("solver") or {}
    others = reads.get("other_genes") or {}
    facts = [
        ("IPD-IMGT/HLA release", made["release"]),
        ("Program", "; ".join(f"{name} {version}" for name, version in made["versions"].items())),
        ("Reads seen", number(made["reads"])),
        ("Reads that may be of HLA genes", number(made["hla_reads"])),
        ("Reads of the typed loci", number(reads.get("typed_loci"))),
        ("Mean read length", number(made["mean_read_length"])),
        ("Pairs", "" if reads.get("paired") is None else "yes" if reads["paired"] else "no, single ends"),
        ("Reads of other HLA genes", ", ".join(f"{gene} {count:,}" for gene, count in others.items())),
        ("Thinned out to", f"{reads['used_share']:.1%}" if reads.get("used_share") else ""),
        ("Notes", "; ".join(reads.get("notes") or [])),
        ("Solver", solver_words(solver)),
        ("Settings", ", ".join(f"{key} {as_typed(value)}" for key, value in (evidence.get("settings") or {}).items())),
        ("Seconds", number(made["seconds"])),
        ("Peak memory, MB", number(made["peak_memory_mb"])),
    ]
    return [(term, str(fact)) for term, fact in facts if fact not in ("", None)]


def as_typed(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def number(value: Any) -> str:
    if not isinstance(value, int | float):
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def solver_words(solver: Mapping[str, Any]) -> str:
    if not solver:
        return ""
    proved = "the optimum is proved" if solver.get("status") == "optimal" else f"gap to the optimum {solver.get('gap')}"
    return f"{solver.get('name')}: {proved}; {solver.get('seconds')} s"
