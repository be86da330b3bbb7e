"""Write one sample's page of HLA types, for the person who reviews them, and the record of the sample."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from _hla_doubts import in_doubt, loci_in_doubt
from _hla_reviews import APPROVED, EDITED, INVALID, OUTDATED, Review, call_of, judge
from _hla_table import flags_of, read_types
from _log import log_to
from _record import common_record


def judge_all(
    rows: Iterable[Mapping[str, str]], reviews: Iterable[Mapping[str, str]], alleles: Collection[str]
) -> dict[str, Review]:
    by_locus = {review["locus"]: review for review in reviews}
    return {row["locus"]: judge(row, by_locus.get(row["locus"]), alleles) for row in rows}


def record(
    sample: str,
    fished: Mapping[str, Any],
    rows: Sequence[Mapping[str, str]],
    reason: str,
    reviews: Mapping[str, Review],
    benchmarks: list[Path],
) -> dict:
    """Put together the record of a sample, in the form that every analysis has."""
    return {
        **common_record(sample, "homo_sapiens", "hla", reason or None, fished.get("start"), benchmarks),
        "reads": fished.get("reads"),
        "mean_read_length": fished.get("mean_read_length"),
        "hla_reads": fished.get("fished"),
        "release": rows[0]["release"] if rows else None,
        "report": f"hla/{sample}/report.html",
        "types": {row["locus"]: type_record(row, reviews[row["locus"]]) for row in rows},
        "versions": {"fishladder hla": rows[0]["program_version"]} if rows else {},
    }


def type_record(row: Mapping[str, str], review: Review) -> dict:
    """What the pages of a whole run show of a locus."""
    return {
        "alleles": [row["allele1"], row["allele2"]],
        "two_field": [row["two_field1"] or row["allele1"], row["two_field2"] or row["allele2"]],
        "confidence": float(row["confidence"]) if row["confidence"] else None,
        "depth": float(row["depth"]) if row["depth"] else None,
        "flags": flags_of(row),
        "in_doubt": in_doubt(row),
        "review": review._asdict() if review.state else None,
    }


def page(
    sample: str,
    made: Mapping[str, Any],
    rows: Sequence[Mapping[str, str]],
    evidence: Mapping[str, Any],
    reviews: Mapping[str, Review],
) -> str:
    # Imported where it is needed: most of the time of this job.
    from _hla_page import evidence_facts, locus_section, types_table
    from _report_page import render_page

    doubtful = loci_in_doubt(made)
    states = [review.state for review in reviews.values()]
    reviewed, to_renew = (sum(map(states.count, which)) for which in ((APPROVED, EDITED), (OUTDATED, INVALID)))
    return render_page(
        "hla_report.html.jinja",
        sample=sample,
        failed=None if made["success"] else f"{made['failed_step']}: {made['reason']}",
        headline=[
            (str(len(rows)), "loci typed", ""),
            (str(len(doubtful)), "to look at", "warn" if doubtful else "good"),
            (str(reviewed), "approved or edited", ""),
            *([(str(to_renew), "reviews to renew", "warn")] if to_renew else []),
        ],
        types=types_table(rows, reviews),
        sections=[
            locus_section(row, evidence.get("loci", {}).get(row["locus"], {}), reviews[row["locus"]]) for row in rows
        ],
        review_rows="".join("\t".join((sample, row["locus"], call_of(row))) + "\n" for row in rows),
        facts=evidence_facts(made, evidence),
    )


def read_json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def main(
    sample: str,
    fished: Path,
    typing: Path,
    types: Path,
    alleles: Path,
    reviews: list[dict],
    benchmarks: list[Path],
    report: Path,
    output: Path,
) -> None:
    rows, reason = read_types(types)
    known = set(alleles.read_text(encoding="utf-8").split()) if reviews else set()
    judged = judge_all(rows, reviews, known)
    made = record(sample, read_json(fished / "fished.json"), rows, reason, judged, benchmarks)
    report.write_text(page(sample, made, rows, read_json(typing / "evidence.json"), judged), encoding="utf-8")
    output.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    log_to(snakemake.log[0])
    main(
        snakemake.params.sample,
        Path(snakemake.input.fished),
        Path(snakemake.input.typing),
        Path(snakemake.input.types),
        Path(snakemake.input.alleles),
        list(snakemake.params.reviews),
        [Path(path) for path in snakemake.input.benchmarks],
        Path(snakemake.output.report),
        Path(snakemake.output.record),
    )
