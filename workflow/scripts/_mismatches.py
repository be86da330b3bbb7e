"""Where the bases of aligned reads differ from the reference, outside of known sites: what recalibration learns."""

from dataclasses import dataclass

import numpy as np
from _bam_blocks import (
    DUPLICATE,
    FAILED,
    MATE_REVERSE,
    MATE_UNMAPPED,
    NO_QUALITIES,
    PAIRED,
    REVERSE,
    SECONDARY,
    UNMAPPED,
    Block,
    windows,
)
from _known_sites import EDGE, KNOWN, Contig

MATCH, INSERTION, DELETION, SKIP, SOFT_CLIP = 0, 1, 2, 3, 4
NOTHING = 6  # an operation that uses up no base
USES_READ = np.array([1, 1, 0, 0, 1, 0, 0, 1, 1] + [0] * 7)
USES_REFERENCE = np.array([1, 0, 1, 1, 0, 0, 0, 1, 1] + [0] * 7)
NO_MAPPING_QUALITY = 255


@dataclass(frozen=True)
class Aligned:
    """Reads of a block that recalibration learns from. An array each, a value a read; places count from 0.

    `operations`, `lengths`: the CIGAR, reads x operations; `start`, `end`: the first and last base of the contig;
    `first`, `last`: which bases of the read are aligned (last exclusive); `boundary`: the first base of the contig that
    is not the fragment's but the adapter's, -1 where there is none within the alignment.
    """

    rows: np.ndarray
    operations: np.ndarray
    lengths: np.ndarray
    start: np.ndarray
    end: np.ndarray
    first: np.ndarray
    last: np.ndarray
    boundary: np.ndarray

    @property
    def has_indel(self) -> np.ndarray:
        return ((self.operations == INSERTION) | (self.operations == DELETION)).any(axis=1)


def choose_reads(block: Block, groups: np.ndarray) -> np.ndarray:
    """The records that are aligned well, once, and no duplicates, as far as the fixed fields tell."""
    head = block.head
    chosen = (head["mapping_quality"] != 0) & (head["mapping_quality"] != NO_MAPPING_QUALITY)
    chosen &= (head["flag"] & (UNMAPPED | SECONDARY | FAILED | DUPLICATE)) == 0
    chosen &= (head["contig"] >= 0) & (head["bases"] > 0) & (head["operations"] > 0) & (groups >= 0)
    chosen[chosen] = block.buffer[block.qualities[chosen]] != NO_QUALITIES
    return np.flatnonzero(chosen)


def align_reads(block: Block, rows: np.ndarray) -> Aligned:
    head = block.head[rows]
    count = head["operations"].astype(np.int64)
    cigar = windows(block.buffer, block.cigars[rows], 4 * int(count.max())).view("<u4")
    live = np.arange(cigar.shape[1]) < count[:, None]
    operations = np.where(live, cigar & 15, NOTHING).astype(np.int64)
    lengths = np.where(live, cigar >> 4, 0).astype(np.int64)
    clipped = np.where(operations == SOFT_CLIP, lengths, 0)
    before = np.logical_and.accumulate(
        (USES_READ + USES_REFERENCE)[operations] * (operations != SOFT_CLIP) == 0, axis=1
    )
    bases, start = head["bases"].astype(np.int64), head["place"].astype(np.int64)
    end = start + (lengths * USES_REFERENCE[operations]).sum(axis=1) - 1
    whole = (lengths * USES_READ[operations]).sum(axis=1) == bases
    whole &= ~(operations == SKIP).any(axis=1)
    aligned = Aligned(
        rows,
        operations,
        lengths,
        start,
        end,
        (clipped * before).sum(axis=1),
        bases - (clipped * ~before).sum(axis=1),
        adapter_boundary(head, start, end),
    )
    return take(aligned, np.flatnonzero(whole))


def take(aligned: Aligned, chosen: np.ndarray) -> Aligned:
    return Aligned(**{name: values[chosen] for name, values in vars(aligned).items()})


def adapter_boundary(head: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Where mates that overlap tell that the fragment ends within the read; -1 elsewhere."""
    flag, template, mate = head["flag"], head["template"].astype(np.int64), head["mate_place"].astype(np.int64)
    reverse = (flag & REVERSE) != 0
    known = (template != 0) & ((flag & PAIRED) != 0) & ((flag & MATE_UNMAPPED) == 0)
    known &= reverse != ((flag & MATE_REVERSE) != 0)
    known &= np.where(reverse, end > mate, start <= mate + template)
    boundary = np.where(reverse, mate - 1, start + np.abs(template))
    return np.where(known & (boundary >= start) & (boundary <= end), boundary, -1)


def match_plain(aligned: Aligned, contig: Contig, reverse: bool, width: int) -> np.ndarray:
    """The reference's codes under reads without indels, reads x width; cuts `first` or `last` at the adapter."""
    diagonal = aligned.start - aligned.first
    cut, at = aligned.boundary >= 0, aligned.boundary - diagonal
    if reverse:
        np.maximum(aligned.first, at + 1, out=aligned.first, where=cut)
    else:
        np.minimum(aligned.last, at, out=aligned.last, where=cut)
    return windows(contig.codes, diagonal + EDGE, width)


def match_indels(aligned: Aligned, contig: Contig, reverse: bool, bases: np.ndarray) -> np.ndarray:
    """The same for reads with indels. An inserted base counts as a match, and as known where a site spans its place;
    the bases beside a deletion are known where a site begins or ends in it."""
    columns = np.arange(bases.shape[1])
    places = (aligned.start - aligned.first)[:, None] + columns
    inserted = np.zeros(bases.shape, bool)
    deletions = []
    at = np.zeros(len(places), np.int64)
    for operation, length in zip(aligned.operations.T, aligned.lengths.T, strict=True):
        rows = np.flatnonzero(operation == INSERTION)
        before = at[rows, None]
        inserted[rows] |= (columns >= before) & (columns < before + length[rows, None])
        places[rows] -= np.clip(columns - before + 1, 0, length[rows, None])
        rows = np.flatnonzero(operation == DELETION)
        deletions.append((rows, at[rows], places[rows, np.minimum(at[rows], len(columns) - 1)], length[rows]))
        places[rows] += (columns >= at[rows, None]) * length[rows, None]
        at += length * USES_READ[operation]
    cut_adapters(aligned, places, inserted, reverse)
    codes = contig.codes[places + EDGE]
    codes[inserted] = bases[inserted] | (contig.sites.across(places[inserted]) * np.uint8(KNOWN))
    for rows, column, start, length in deletions:
        within = (column > aligned.first[rows]) & (column < aligned.last[rows])
        begins = within & contig.sites.begin_in(start, start + length - 1)
        codes[rows[begins], column[begins] - 1] |= KNOWN
        ends = within & contig.sites.end_in(start, start + length - 1)
        codes[rows[ends], column[ends]] |= KNOWN
    return codes


def cut_adapters(aligned: Aligned, places: np.ndarray, inserted: np.ndarray, reverse: bool) -> None:
    """Let a read begin behind the last base up to the boundary, or end before the first one from there on."""
    rows = np.flatnonzero(aligned.boundary >= 0)
    columns = np.arange(places.shape[1])
    on_contig = ~inserted[rows] & (columns >= aligned.first[rows, None]) & (columns < aligned.last[rows, None])
    boundary = aligned.boundary[rows, None]
    if reverse:
        adapter = on_contig & (places[rows] <= boundary)
        aligned.first[rows] = places.shape[1] - adapter[:, ::-1].argmax(axis=1)
    else:
        adapter = on_contig & (places[rows] >= boundary)
        aligned.last[rows] = adapter.argmax(axis=1)
