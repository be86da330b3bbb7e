"""The tables of the report, from the records of samples, annotations and indices."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

from _advice import advise
from _failed_jobs import FailedJob
from _report_page import Cell, Column, Table
from _report_status import status_cell
from _report_values import DASH, Record, amount, megabytes, numbers, of, plain, span, tally


def failed_sample_table(samples: Sequence[Record], logs: Mapping[str, str]) -> Table:
    """Return the failed samples with the reason and what to do."""
    return Table(
        "failed",
        "Failed samples",
        "Why each sample failed, and what to do about it. The other samples are not affected.",
        (Column("Sample"), Column("Organism"), Column("Failed step"), Column("Reason"), Column("What to do")),
        [
            [
                Cell(plain(name := of("sample", sample))),
                Cell(plain(of("organism", sample)), kind="text"),
                Cell(plain(of("failed_step", sample)), href=logs.get(str(name), ""), hint="the log of this step"),
                Cell(plain(of("reason", sample)), kind="text"),
                Cell(advise(plain(of("reason", sample)), plain(of("organism", sample))), kind="text"),
            ]
            for sample in samples
        ],
    )


def failed_job_table(jobs: Iterable[FailedJob], links: Mapping[FailedJob, str]) -> Table:
    """Return the jobs that failed for good; `links` has the logs that are there."""
    return Table(
        "jobs",
        "Failed jobs",
        "Jobs that failed for good. What depends on them is not done; everything else is not affected.",
        (Column("Step"), Column("Of"), Column("Last words of its log"), Column("What to do")),
        [
            [
                Cell(job.rule, href=links.get(job, ""), hint="the log of this job" if job in links else ""),
                Cell(job.subject or DASH, hint=job.wildcards),
                Cell(job.reason, kind="text"),
                Cell(advise(job.reason), kind="text"),
            ]
            for job in jobs
        ],
    )


def sample_table(samples: Sequence[Record]) -> Table:
    return Table(
        "samples",
        "Samples",
        "Failed samples first, then those to look at: check library where the reads disagree with the claim. UTC.",
        (
            Column("Sample"),
            Column("Status"),
            Column("Organism"),
            Column("Reads", number=True),
            Column("Mean length", number=True),
            Column("Index k", number=True),
            Column("Mapped %", number=True),
            Column("Library type"),
            Column("Seconds", number=True),
            Column("Memory MB", number=True),
            Column("Started – ended"),
        ),
        [
            [
                Cell(plain(of("sample", sample))),
                status_cell(sample),
                Cell(plain(of("organism", sample)), kind="text"),
                Cell(amount(of("reads", sample))),
                Cell(amount(of("mean_read_length", sample), 1)),
                Cell(amount(of("k", sample)), hint=str(of("index", sample) or "")),
                Cell(amount(of("mapping_rate", sample), 2)),
                library_cell(of("library_type", sample)),
                Cell(amount(of("seconds", sample), 0)),
                Cell(amount(of("peak_memory_mb", sample), 0)),
                Cell(span(of("start", sample), of("end", sample)), kind="text"),
            ]
            for sample in samples
        ],
    )


def alignment_table(samples: Sequence[Record]) -> Table:
    return Table(
        "alignments",
        "Alignments",
        "Failed samples first. Quality is held against the limits of the configuration; point at it for the reason.",
        (
            Column("Sample"),
            Column("Status"),
            Column("Quality"),
            Column("Organism"),
            Column("Lanes", number=True),
            Column("Reads", number=True),
            Column("Mapped %", number=True),
            Column("Duplicates %", number=True),
            Column("Mismatches %", number=True),
            Column("Insert size", number=True),
            Column("Mean depth", number=True),
            Column("Recalibrated"),
            Column("Seconds", number=True),
            Column("Memory MB", number=True),
        ),
        [
            [
                Cell(plain(of("sample", sample))),
                status_cell(sample),
                quality_cell(sample),
                Cell(plain(of("organism", sample)), kind="text"),
                Cell(amount(of("lanes", sample))),
                Cell(amount(of("reads", sample))),
                Cell(amount(of("mapped_percent", sample), 2)),
                Cell(amount(of("duplicate_percent", sample), 2)),
                Cell(amount(of("mismatch_percent", sample), 2)),
                Cell(amount(of("median_insert_size", sample))),
                Cell(amount(of("mean_depth", sample), 1)),
                Cell(plain(of("recalibrated", sample))),
                Cell(amount(of("seconds", sample), 0)),
                Cell(amount(of("peak_memory_mb", sample), 0)),
            ]
            for sample in samples
        ],
    )


def quality_cell(sample: Record) -> Cell:
    found = of("quality", sample)
    kind = {"pass": "good", "warn": "warn", "fail": "bad"}.get(str(found), "")
    return Cell(plain(found), kind=kind, hint="; ".join(of("quality_reasons", sample) or ()))


def library_cell(library: Any) -> Cell:
    claimed, found = of("claimed", library), of("found", library)
    if of("agrees", library) is False:
        return Cell(f"{plain(claimed)} claimed, {plain(found)} found", kind="warn")
    return Cell(plain(found or claimed))


def organism_table(annotations: Sequence[Record], samples: Sequence[Record]) -> Table:
    of_organism: dict[str, list[Record]] = defaultdict(list)
    for sample in samples:
        of_organism[str(of("organism", sample))].append(sample)
    return Table(
        "organisms",
        "Organisms",
        "What the genomes' annotations hold, and the rows of them that were left out, by reason.",
        (
            Column("Organism"),
            Column("Assembly"),
            Column("Release", number=True),
            Column("GTF rows", number=True),
            Column("Kept", number=True),
            Column("Removed, by reason"),
            Column("Repaired, by reason"),
            Column("Transcripts", number=True),
            Column("Genes", number=True),
            Column("Samples", number=True),
            Column("Median mapped %", number=True),
        ),
        [
            [
                Cell(plain(name := of("organism", report))),
                Cell(plain(of("assembly", report))),
                Cell(plain(of("release", report))),
                Cell(amount(of("rows_in", report))),
                Cell(amount(of("rows_kept", report))),
                Cell(tally(of("removed", report)), kind="text"),
                Cell(tally(of("repaired", report)), kind="text"),
                Cell(amount(of("transcripts", report))),
                Cell(amount(of("genes", report))),
                Cell(amount(len(of_organism[str(name)]))),
                Cell(amount(median(rates), 2) if (rates := numbers("mapping_rate", of_organism[str(name)])) else DASH),
            ]
            for report in sorted(annotations, key=lambda report: str(of("organism", report)))
        ],
    )


def index_table(indices: Sequence[Record]) -> Table:
    return Table(
        "indices",
        "Indices",
        "The Salmon indices of this run.",
        (
            Column("Organism"),
            Column("Assembly"),
            Column("Release", number=True),
            Column("k", number=True),
            Column("Salmon"),
            Column("Decoys"),
            Column("Transcripts in", number=True),
            Column("Transcripts out", number=True),
            Column("Size MB", number=True),
            Column("SHA-256"),
        ),
        [
            [
                Cell(plain(of("organism", index))),
                Cell(plain(of("assembly", index))),
                Cell(plain(of("release", index))),
                Cell(amount(of("k", index))),
                Cell(plain(of("salmon", index))),
                Cell(plain(of("decoys", index))),
                Cell(amount(of("transcripts_in", index))),
                Cell(amount(of("transcripts_out", index))),
                Cell(megabytes(of("size", index))),
                Cell(str(of("sha256", index) or DASH)[:12], hint=str(of("sha256", index) or "")),
            ]
            for index in sorted(
                indices, key=lambda index: (str(of("organism", index)), str(of("assembly", index)), str(of("k", index)))
            )
        ],
    )
