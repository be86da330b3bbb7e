"""Correct the qualities of a sample's reads by a recalibration table.

    apply_recalibration.py --bam FILE --table REPORT [--static 10 20 30] --output FILE --md5 FILE

Does what GATK's ApplyBQSR does, and gives the same qualities.
"""

import argparse
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
from _bam_blocks import (
    NO_QUALITIES,
    Block,
    read_ahead,
    read_blocks,
    read_groups_of,
    read_header,
    restore_original_qualities,
)
from _bgzf import BgzfWriter, open_bgzf
from _covariates import Reads, split_reads
from _recalibration_report import read_gatk_report
from _recalibration_table import Recalibration, static_mapping


class Corrector:
    """Corrects the qualities of records in place. A read group that the table lacks keeps its qualities."""

    def __init__(self, units: dict[str, str], table: Path, static: list[int]) -> None:
        found = read_gatk_report(table)
        names = [name for name, unit in units.items() if unit in found]
        self.places = {name: place for place, name in enumerate(names)}
        self.of_group = [Recalibration(*found[units[name]]) for name in names]
        self.mapping = static_mapping(static)
        self.lookup = cache(self.make_lookup)

    def make_lookup(self, group: int, cycles: int, second: bool, reverse: bool) -> np.ndarray:
        return self.of_group[group].lookup(cycles, second, reverse, self.mapping)

    def correct(self, block: Block) -> None:
        groups = read_groups_of(block, self.places)
        restore_original_qualities(block)
        bases = block.head["bases"].astype(np.int64)
        rows = np.flatnonzero((groups >= 0) & (bases > 0))
        rows = rows[block.buffer[block.qualities[rows]] != NO_QUALITIES]
        for reads in split_reads(block, groups, rows, np.zeros(len(rows), np.int64), bases[rows]):
            self.correct_reads(block, block.qualities[rows[reads.rows]], reads)

    def correct_reads(self, block: Block, starts: np.ndarray, reads: Reads) -> None:
        width = reads.bases.shape[1]
        corrected = self.lookup(reads.group, width, reads.second, reads.reverse).take(reads.keys, mode="clip")
        whole = reads.last == width
        target = np.lib.stride_tricks.sliding_window_view(block.buffer, width, writeable=True)
        target[starts[whole]] = corrected[whole]
        shorter = ~whole
        within = reads.within()[shorter]
        places = starts[shorter, None] + np.arange(width)
        block.buffer[places[within]] = corrected[shorter][within]


def correct_file(bam: Path, table: Path, static: list[int], output: Path) -> str:
    """Returns the MD5 of the file that it writes."""
    with open_bgzf(bam) as source, BgzfWriter(output) as target:
        header = read_header(source)
        corrector = Corrector(header.platform_units, table, static)
        # Without folders, which say nothing elsewhere.
        words = ["apply_recalibration.py", "--table", table.name, *(["--static", *map(str, static)] if static else [])]
        with ThreadPoolExecutor(1) as writer:
            written = writer.submit(target.write, header.with_program("apply_recalibration", " ".join(words)))
            for block in read_ahead(read_blocks(source)):
                corrector.correct(block)
                written.result()
                written = writer.submit(target.write, block.buffer[: block.size].data)
            written.result()
    return target.checksum


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--bam", "--table", "--output", "--md5"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--static", type=int, nargs="*", default=[])
    arguments = parser.parse_args()
    checksum = correct_file(arguments.bam, arguments.table, arguments.static, arguments.output)
    arguments.md5.write_text(f"{checksum}\n")


if __name__ == "__main__":
    main()
