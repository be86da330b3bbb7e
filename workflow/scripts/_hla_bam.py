"""Fish HLA reads out of a BAM or CRAM: the region of the genes, alternate contigs, and reads that were not mapped."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pysam
from _hla_scan import KmerTable, kmers_shared

# Chromosome 6 by its length in GRCh37, GRCh38 and T2T-CHM13; the genes lie within this region in all of them.
CHROMOSOME_LENGTHS = {171_115_067: "GRCh37", 170_805_979: "GRCh38", 172_126_628: "T2T-CHM13"}
REGION = (28_000_000, 34_000_000)
SPARE = b"        "  # k-mers are looked up by words of 8 bytes, the last of which reach over the end
COMPLEMENT = bytes.maketrans(b"ACGTN", b"TGCAN")
BATCH = 20_000


class NoReads(ValueError):
    """The reads of a sample cannot be typed; the message says why, and what to do."""


def reads_of_bam(
    path: Path, sample: str | None, reference: Path | None, table: KmerTable, notes: list[str]
) -> Iterator[tuple[int, int, list[bytes], bool]]:
    """Of each batch of reads: how many, their bases, the records that were fished, and whether they are pairs.

    Reads that are marked as duplicates or as failing quality checks are no evidence of their own: `notes` counts them.
    Raises NoReads where a read group is of another sample.
    """
    with open_alignments(path, reference) as file:
        groups = file.header.to_dict().get("RG", [])
        for group in groups:
            if sample and group.get("SM", sample) != sample:
                raise NoReads(
                    f"{path} is of the sample {group['SM']} (read group {group['ID']}, SM), not of {sample}; correct "
                    "the sample in the table, or the file: samtools reheader"
                )
        lanes = {group["ID"]: number for number, group in enumerate(groups, start=1)}
        batch: list[pysam.AlignedSegment] = []
        left_out: Counter[str] = Counter()
        for read in wanted_reads(file, notes):
            if read.is_secondary or read.is_supplementary or not read.query_sequence:
                continue
            if read.is_duplicate or read.is_qcfail:
                left_out["duplicates" if read.is_duplicate else "failing quality checks"] += 1
                continue
            batch.append(read)
            if len(batch) == BATCH:
                yield fish_batch(batch, lanes, table)
                batch = []
        yield fish_batch(batch, lanes, table)
    notes += [f"{count:,} reads marked as {what} were left out" for what, count in sorted(left_out.items())]


def open_alignments(path: Path, reference: Path | None) -> pysam.AlignmentFile:
    """Open a BAM or CRAM; raise NoReads for another file."""
    try:
        # What was not aligned yet names no contigs.
        file = pysam.AlignmentFile(str(path), reference_filename=str(reference) if reference else None, check_sq=False)
    except ValueError as error:
        raise NoReads(f"{path} is no BAM or CRAM ({error}); bring the file again") from error
    if not (file.is_bam or file.is_cram or file.is_sam):  # FASTQ is opened as well
        raise NoReads(f"{path} is no BAM or CRAM; bring the file again, or name reads in fq1")
    return file


def wanted_reads(file: pysam.AlignmentFile, notes: list[str]) -> Iterator[pysam.AlignedSegment]:
    """The reads to look at: all, where the file has no index or its chromosomes are not known."""
    chromosome = find_chromosome(file)
    if not file.has_index() or chromosome is None:
        why = "the file has no index" if chromosome else "no contig has the length of a human chromosome 6"
        notes.append(f"all reads were looked at: {why}")
        yield from file.fetch(until_eof=True)
        return
    others = [name for name in file.references if is_alternate(name)]
    notes.append(
        f"chromosome 6 is {chromosome} ({CHROMOSOME_LENGTHS[file.get_reference_length(chromosome)]}), beside it "
        f"{len(others)} alternate contigs"
    )
    yield from file.fetch(chromosome, *REGION)
    for name in others:
        yield from file.fetch(name)
    # Mates of mapped reads that were not mapped stand beside them; pairs of which neither was stand at the end.
    yield from file.fetch("*")


def find_chromosome(file: pysam.AlignmentFile) -> str | None:
    """The contig that is chromosome 6, whatever it is called."""
    for name, length in zip(file.references, file.lengths, strict=True):
        if length in CHROMOSOME_LENGTHS:
            return name
    return None


def is_alternate(name: str) -> bool:
    """Whether a contig may hold HLA genes beside chromosome 6: alternate haplotypes, and alleles as contigs."""
    lower = name.lower()
    alternate = lower.endswith(("_alt", "_fix")) or "_hap" in lower or "_random" in lower or lower.startswith("chrun")
    return (
        "hla" in lower
        or (alternate and ("6_" in lower or "un" in lower))
        or lower.startswith(("gl000", "ki27", "nt_113891", "nt_1672"))
    )


def fish_batch(
    batch: list[pysam.AlignedSegment], lanes: dict[str, int], table: KmerTable
) -> tuple[int, int, list[bytes], bool]:
    """Count, bases and fished records of some reads, as the sequencer gave them, and whether they are pairs.

    Records are named NAME/LANE/MATE, as those out of FASTQ; `lanes` numbers the read groups.
    """
    sequences = [read.query_sequence.encode() for read in batch]
    lengths = np.array([len(sequence) for sequence in sequences], dtype=np.int64)
    starts = np.cumsum(lengths) - lengths
    block = np.frombuffer(b"".join(sequences) + SPARE, dtype=np.uint8)
    records = []
    for number in np.flatnonzero(kmers_shared(block, starts, lengths, table)) if batch else ():
        read, bases = batch[number], sequences[number]
        qualities = read.query_qualities
        quality = bytes(value + 33 for value in qualities) if qualities is not None else b"I" * len(bases)
        if read.is_reverse:
            bases, quality = bases.translate(COMPLEMENT)[::-1], quality[::-1]
        mate = (1 if read.is_read1 else 2) if read.is_paired else 0
        lane = lanes.get(read.get_tag("RG"), 0) if read.has_tag("RG") else 0
        records.append(b"@%b/%d/%d\n%b\n+\n%b\n" % (read.query_name.encode(), lane, mate, bases, quality))
    return len(batch), int(lengths.sum()), records, any(read.is_paired for read in batch[:1])
