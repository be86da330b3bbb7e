"""The covariates of base quality score recalibration: read group, quality, machine cycle and the two bases of context.

They are worked out for many reads at once: a matrix has a row for each read and a column for each base, in the order of
the BAM file. The rules are those of GATK 4.6 (BaseRecalibrator, ApplyBQSR), whose answers tests hold this against.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from _bam_blocks import PAIRED, REVERSE, SECOND, Block, N, unpack_bases, windows

QUALITIES = 94
LOWEST = 6  # lower qualities are neither learned from nor changed
POOR_TAIL = 2  # bases at either end of a read with this quality or less are no context
CONTEXTS = 25  # 5 x the base before + the base, either of which may be N
PER_CYCLE = QUALITIES * CONTEXTS
# The place of a context of a forward read among those of a reverse one, which is read in the BAM file's order.
COMPLEMENT = np.array([3, 2, 1, 0, N])
TURNED = (COMPLEMENT[:, None] * 5 + COMPLEMENT).ravel()


@dataclass(frozen=True)
class Reads:
    """Some reads of a block, all forward or all reverse, all first (or unpaired) or all second of their pair.

    `rows`: their records in the block; `bases` and `qualities`: reads x width, of which `first` to `last` (exclusive)
    of each row count; `keys`: cycle x PER_CYCLE + quality x CONTEXTS + context, for what counts.
    """

    group: int
    second: bool
    reverse: bool
    rows: np.ndarray
    bases: np.ndarray
    qualities: np.ndarray
    first: np.ndarray
    last: np.ndarray

    @property
    def keys(self) -> np.ndarray:
        width = self.bases.shape[1]
        columns = np.arange(width)
        if self.reverse:
            cycles = (self.last * PER_CYCLE)[:, None] - columns * PER_CYCLE
        else:
            cycles = ((1 - self.first) * PER_CYCLE)[:, None] + columns * PER_CYCLE
        return cycles + (self.qualities.astype(np.uint16) * CONTEXTS + self.contexts())

    def contexts(self) -> np.ndarray:
        bases = self.without_poor_tails()
        rows = np.arange(len(bases))
        contexts = bases.copy()
        if self.reverse:
            contexts[:, :-1] += 5 * bases[:, 1:]
            contexts[:, -1] += 5 * N
            edge = self.last - 1
        else:
            contexts[:, 1:] += 5 * bases[:, :-1]
            contexts[:, 0] += 5 * N
            edge = np.minimum(self.first, bases.shape[1] - 1)
        contexts[rows, edge] = 5 * N + bases[rows, edge]
        return contexts

    def without_poor_tails(self) -> np.ndarray:
        rows = np.arange(len(self.bases))
        poor = self.qualities[rows, np.minimum(self.first, self.bases.shape[1] - 1)] <= POOR_TAIL
        poor |= self.qualities[rows, self.last - 1] <= POOR_TAIL
        tailed = np.flatnonzero(poor)
        if not len(tailed):
            return self.bases
        columns = np.arange(self.bases.shape[1])
        good = (self.qualities[tailed] > POOR_TAIL) & (columns >= self.first[tailed, None])
        good &= columns < self.last[tailed, None]
        start = good.argmax(axis=1)[:, None]
        end = (good.shape[1] - good[:, ::-1].argmax(axis=1))[:, None]
        bases = self.bases.copy()
        bases[tailed] = np.where((columns >= start) & (columns < end), bases[tailed], N)
        return bases

    def within(self) -> np.ndarray:
        """Which bases count: a matrix of booleans."""
        columns = np.arange(self.bases.shape[1])
        return (columns >= self.first[:, None]) & (columns < self.last[:, None])


def split_reads(
    block: Block, groups: np.ndarray, rows: np.ndarray, first: np.ndarray, last: np.ndarray
) -> Iterator[Reads]:
    """Split the reads `rows` of a block, of which the bases from `first` to `last` count, by group, mate and strand."""
    flag = block.head["flag"][rows]
    second = (flag & (PAIRED | SECOND)) == PAIRED | SECOND
    reverse = (flag & REVERSE) != 0
    kinds = groups[rows] * 4 + second * 2 + reverse
    width = int(block.head["bases"].max()) + 1 & ~1
    for kind in np.unique(kinds).tolist():
        chosen = np.flatnonzero((kinds == kind) & (last > first))
        if not len(chosen):
            continue
        records = rows[chosen]
        yield Reads(
            group=kind // 4,
            second=bool(kind & 2),
            reverse=bool(kind & 1),
            rows=chosen,
            bases=unpack_bases(windows(block.buffer, block.sequences[records], width // 2)),
            qualities=windows(block.buffer, block.qualities[records], width),
            first=first[chosen],
            last=last[chosen],
        )
