"""Count the bases of an aligned sample and their mismatches, by what tells how far their qualities are off.

    count_covariates.py --bam FILE --reference FASTA --known VCF --table REPORT [--use-original-qualities]

Does what GATK's BaseRecalibrator does, and gives the same report.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
from _bam_blocks import (
    Block,
    N,
    read_ahead,
    read_blocks,
    read_groups_of,
    read_header,
    restore_original_qualities,
)
from _bgzf import open_bgzf
from _covariates import LOWEST, QUALITIES, Reads, split_reads
from _known_sites import KNOWN, Reference, read_sites
from _mismatches import align_reads, choose_reads, match_indels, match_plain, take
from _recalibration_report import write_gatk_report
from _recalibration_table import Counts


def count_file(stream: BinaryIO, reference: Reference, original: bool) -> dict[str, Counts]:
    """The counts of each read group of a BAM file sorted by coordinate, by platform unit (or ID); of the original
    qualities (OQ) where a read has these and they are wanted."""
    header = read_header(stream)
    units = header.platform_units
    counts = {unit: Counts() for unit in units.values()}
    by_group = [counts[unit] for unit in units.values()]
    places = {name: place for place, name in enumerate(units)}
    contigs = list(header.contigs)
    for block in read_ahead(read_blocks(stream)):
        groups = read_groups_of(block, places)
        chosen = choose_reads(block, groups)  # a read without qualities is left out even where it has original ones
        if original:
            restore_original_qualities(block)
        for reads, codes in matched(block, groups, chosen, contigs, reference):
            count_reads(reads, codes, by_group[reads.group])
    return counts


def matched(
    block: Block, groups: np.ndarray, chosen: np.ndarray, contigs: list[str], reference: Reference
) -> Iterator[tuple[Reads, np.ndarray]]:
    """Yield the chosen reads and the codes of the reference under them, both of one shape."""
    if not len(chosen):
        return
    aligned = align_reads(block, chosen)
    on_contig = block.head["contig"][aligned.rows]
    for place in np.unique(on_contig).tolist():
        contig = reference.contig(contigs[place])
        for indels in (False, True):
            part = take(aligned, np.flatnonzero((on_contig == place) & (aligned.has_indel == indels)))
            for reads in split_reads(block, groups, part.rows, part.first, part.last):
                those = take(part, reads.rows)
                if indels:
                    codes = match_indels(those, contig, reads.reverse, reads.bases)
                else:
                    codes = match_plain(those, contig, reads.reverse, reads.bases.shape[1])
                yield replace(reads, first=those.first, last=those.last), codes


def count_reads(reads: Reads, codes: np.ndarray, counts: Counts) -> None:
    use = reads.within()
    use &= (reads.qualities >= LOWEST) & (reads.qualities < QUALITIES) & (reads.bases < N) & (codes < KNOWN)
    keys = (reads.keys * use).ravel()
    width = reads.bases.shape[1]
    counts.add_bases(keys, width, reads.second, reads.reverse)
    wrong = keys[np.flatnonzero((reads.bases != codes) & use)]
    counts.add_mismatches(wrong, width, reads.second, reads.reverse)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--bam", "--reference", "--known", "--table"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--use-original-qualities", action="store_true")
    arguments = parser.parse_args()
    reference = Reference(arguments.reference, read_sites(arguments.known))
    with open_bgzf(arguments.bam) as stream:
        counts = count_file(stream, reference, arguments.use_original_qualities)
    write_gatk_report(arguments.table, counts)


if __name__ == "__main__":
    main()
