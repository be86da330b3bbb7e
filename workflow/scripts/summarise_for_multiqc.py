"""Write our own sections of the MultiQC report: rows that annotations lost, HLA types, and the state of the samples.

Custom content of MultiQC: https://docs.seqera.io/multiqc/custom_content
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from _hla_doubts import loci_in_doubt
from _log import log_to

# MultiQC draws a longer table as a plot without text (max_table_rows); report/index.html has all samples.
MOST_ROWS = 500
SAMPLE_COLUMNS = ("Sample", "Status", "Organism", "Library type", "Failed step", "Reason")


def annotation_section(reports: Iterable[Mapping[str, Any]]) -> str:
    """Return a bar an organism, of the GTF rows removed by reason."""
    removed = {report.get("organism") or "unknown": report.get("removed") or {} for report in reports}
    reasons = sorted({reason for counts in removed.values() for reason in counts})
    header = {
        "id": "fishladder_annotation",
        "section_name": "Annotation rows left out",
        "description": "GTF rows that no transcriptome can be built from, by reason.",
        "plot_type": "bargraph",
        "pconfig": {"id": "fishladder_annotation_plot", "title": "fishladder: GTF rows left out", "ylab": "Rows"},
    }
    rows = [[organism, *(counts.get(reason, 0) for reason in reasons)] for organism, counts in sorted(removed.items())]
    # MultiQC fails where it finds nothing at all: where no row was removed, this is said.
    return section(header, ["Organism", *(reasons or ["none"])], rows if reasons else [[*row, 0] for row in rows])


def sample_section(records: Iterable[Mapping[str, Any]]) -> str:
    """Return a table of the samples, failed ones first with the reason."""
    header = {
        "id": "fishladder_samples",
        "section_name": "Samples",
        "description": f"Failed samples first; at most {MOST_ROWS}. All of them are in index.html.",
        "plot_type": "table",
        "pconfig": {"id": "fishladder_samples_table", "title": "fishladder: samples", "sort_rows": False},
        "headers": {column: {"bgcols": {"failed": "#f8d7da"}} for column in SAMPLE_COLUMNS[1:]},
    }
    ordered = sorted(records, key=lambda record: (bool(record.get("success")), str(record.get("sample"))))
    rows = [
        [
            record.get("sample") or "unknown",
            "passed" if record.get("success") else "failed",
            record.get("organism") or "",
            (record.get("library_type") or {}).get("found") or "",
            record.get("failed_step") or "",
            record.get("reason") or "",
        ]
        for record in ordered[:MOST_ROWS]
    ]
    return section(header, SAMPLE_COLUMNS, rows)


def hla_section(records: Iterable[Mapping[str, Any]]) -> str:
    """Return a table of HLA types, a sample a row; those to look at first."""
    typed = [record for record in records if record.get("analysis") == "hla" and record.get("success")]
    loci = list(dict.fromkeys(locus for record in typed for locus in record["types"]))
    header = {
        "id": "fishladder_hla",
        "section_name": "HLA types",
        "description": f"Samples with loci to look at first; at most {MOST_ROWS}. All of them are in hla/types.tsv.",
        "plot_type": "table",
        "pconfig": {"id": "fishladder_hla_table", "title": "fishladder: HLA types", "sort_rows": False},
    }
    ordered = sorted(typed, key=lambda record: (-len(loci_in_doubt(record)), record["sample"]))
    rows = [
        [
            record["sample"],
            ", ".join(loci_in_doubt(record)) or "none",
            min((one["confidence"] for one in record["types"].values() if one["confidence"] is not None), default=""),
            *(" ".join(record["types"].get(locus, {}).get("two_field", [])) for locus in loci),
        ]
        for record in ordered[:MOST_ROWS]
    ]
    return section(header, ["Sample", "To look at", "Lowest confidence", *loci], rows)


def section(header: Mapping[str, Any], columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Write a section; without rows the file is empty, and MultiQC passes it over.

    MultiQC reads the header as YAML, of which JSON is a part, and puts the cells into its page as they are.
    """
    if not rows:
        return ""
    lines = [f"# {key}: {json.dumps(value)}" for key, value in header.items()]
    lines += ["\t".join(map(plain, row)) for row in (columns, *rows)]
    return "\n".join(lines) + "\n"


def plain(value: Any) -> str:
    """Write a cell: no tabs or line ends, no markup, no number sign that would start a comment."""
    return escape(" ".join(str(value).split())).replace("#", "&num;")


def read_all(paths: Iterable[str]) -> list[dict[str, Any]]:
    return [json.loads(Path(path).read_text(encoding="utf-8")) for path in paths]


def main(records: Iterable[str], annotation_reports: Iterable[str], samples: Path, annotation: Path, hla: Path) -> None:
    read = read_all(records)
    samples.write_text(sample_section(read), encoding="utf-8")
    hla.write_text(hla_section(read), encoding="utf-8")
    annotation.write_text(annotation_section(read_all(annotation_reports)), encoding="utf-8")


if __name__ == "__main__":
    log_to(snakemake.log[0])
    main(
        snakemake.input.records,
        snakemake.input.annotations,
        Path(snakemake.output.samples),
        Path(snakemake.output.annotations),
        Path(snakemake.output.hla),
    )
