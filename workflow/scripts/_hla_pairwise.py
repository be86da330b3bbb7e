"""Sequences that are much alike, brought into the columns of one of them."""

from collections import Counter
from collections.abc import Mapping

import mappy
import numpy as np
from _hla_release import CODES, GAP, UNKNOWN

SEED = 16  # bases
ALIKE = 0.95  # of the bases that two sequences share without a gap, to be laid over each other as they are
DENSE = 2000  # bases up to which every alignment of two sequences is looked at
MATCH, MISMATCH, LACK = 2, -3, 5


def align_part(sequences: Mapping[str, str], reference: str) -> tuple[np.ndarray, np.ndarray]:
    """Align all sequences to one of them.

    Returns codes (sequences by columns; unknown where a sequence has not begun, or is over) and the column of each base
    of the reference. Bases that others have between two of its bases get columns of their own.
    """
    base = codes_of(sequences[reference])
    found = {bases: align_pair(base, codes_of(bases)) for bases in set(sequences.values())}
    room = np.zeros(len(base) + 1, dtype=int)
    for _, inserted in found.values():
        for place, bases in inserted.items():
            room[place] = max(room[place], len(bases))
    columns = np.arange(len(base)) + np.cumsum(room)[:-1]
    rows = np.zeros((len(sequences), len(base) + room.sum()), dtype=np.uint8)
    for row, bases in zip(rows, sequences.values(), strict=True):
        own, inserted = found[bases]
        row[columns] = own
        known = np.flatnonzero(own != UNKNOWN)
        if len(known):
            within = row[columns[known[0]] : columns[known[-1]] + 1]
            within[within == UNKNOWN] = GAP
            row[columns[known]] = own[known]
        for place, extra in inserted.items():
            end = columns[place] if place < len(base) else len(row)
            row[end - room[place] : end - room[place] + len(extra)] = extra
    return rows, columns


def codes_of(bases: str) -> np.ndarray:
    return CODES[np.frombuffer(bases.encode(), dtype=np.uint8)]


def align_pair(base: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """What a sequence has at each base of another, and, by the base they stand before, the bases it has more."""
    own = np.zeros(len(base), dtype=np.uint8)
    offset = find_offset(base, other)
    if offset is not None:
        own[offset : offset + len(other)] = other
        return own, {}
    if max(len(base), len(other)) <= DENSE:
        return align_dense(base, other)
    return align_sparse(base, other)


def find_offset(base: np.ndarray, other: np.ndarray) -> int | None:
    """Where a sequence lies on another without gaps, where it does."""
    if len(base) == len(other) and (base == other).mean() >= ALIKE:
        return 0
    text, seeds = base.tobytes(), Counter()
    for start in range(0, max(len(other) - SEED, 0) + 1, SEED):
        place = text.find(other[start : start + SEED].tobytes())
        if place >= 0:
            seeds[place - start] += 1
    for offset, _ in seeds.most_common(1):
        if 0 <= offset <= len(base) - len(other) and (base[offset : offset + len(other)] == other).mean() >= ALIKE:
            return offset
    return None


def align_dense(base: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """Needleman and Wunsch's alignment; what the other has not at the ends of the base costs nothing."""
    steps = np.arange(len(base) + 1) * LACK
    scores = np.zeros((len(other) + 1, len(base) + 1), dtype=np.int32)
    for row in range(1, len(other) + 1):
        before = scores[row - 1]
        here = before - LACK
        pairs = before[:-1] + np.where(base == other[row - 1], MATCH, MISMATCH)
        np.maximum(here[1:], pairs, out=here[1:])
        scores[row] = np.maximum.accumulate(here + steps) - steps
    own, inserted = np.zeros(len(base), dtype=np.uint8), {}
    row, column = len(other), int(scores[-1].argmax())
    while row and column:
        pair = MATCH if base[column - 1] == other[row - 1] else MISMATCH
        if scores[row, column] == scores[row - 1, column - 1] + pair:
            row, column = row - 1, column - 1
            own[column] = other[row]
        elif scores[row, column] == scores[row, column - 1] - LACK:
            column -= 1
            own[column] = GAP
        else:
            row -= 1
            inserted[column] = np.concatenate([other[row : row + 1], inserted.get(column, other[:0])])
    return own, inserted


def align_sparse(base: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """minimap2's alignment of long sequences; what it leaves out at the ends stays unknown."""
    letters = np.frombuffer(b"NACGT", dtype=np.uint8)
    aligner = mappy.Aligner(seq=letters[base].tobytes().decode(), preset="asm10")
    own, inserted = np.zeros(len(base), dtype=np.uint8), {}
    hit = next((hit for hit in aligner.map(letters[other].tobytes().decode()) if hit.strand > 0), None)
    if hit is None:
        return own, inserted
    place, read = hit.r_st, hit.q_st
    for length, kind in hit.cigar:
        if kind == 2:
            own[place : place + length] = GAP
            place += length
        elif kind == 1:
            inserted[place] = other[read : read + length]
            read += length
        else:
            own[place : place + length] = other[read : read + length]
            place, read = place + length, read + length
    return own, inserted
