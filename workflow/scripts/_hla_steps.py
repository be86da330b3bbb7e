"""What a read shows along an alignment with insertions or deletions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from _hla_release import GAP

if TYPE_CHECKING:
    from _hla_map import Panel

GAP_QUALITY = 35


def follow(
    steps: list, place: int, read: int, codes: np.ndarray, quality: np.ndarray, panel: Panel, contig: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Columns, bases and qualities of a read from its base `read` on, which lies on the contig's base `place`.

    Gaps count in exons only, where they are told from repeats.
    """
    here, gene = panel.place(contig), panel.genes[contig]
    columns, blocks, target = panel.columns[here], panel.blocks[here], panel.codes[here]
    exon = panel.exons[gene]
    parts: list[tuple] = [gaps(columns[:0])]
    lacking = 0  # inserted bases that belong into a gap of the contig farther on
    for length, kind in steps:
        if kind in (0, 7, 8):
            inner = columns[place : place + length]
            jumps = np.flatnonzero((np.diff(inner) > 1) & (np.diff(blocks[place : place + length]) == 0))
            done = 0
            for jump in jumps:
                room = np.arange(inner[jump] + 1, inner[jump + 1])
                if lacking and len(room) == lacking:
                    upto = jump + 1
                    parts.append(seen(inner[done:upto], codes, quality, read + done - lacking))
                    parts.append(seen(room, codes, quality, read + upto - lacking))
                    done, lacking = upto, 0
                elif exon[blocks[place + jump]]:
                    parts.append(gaps(room))
            parts.append(seen(inner[done:], codes, quality, read + done))
            place, read = place + length, read + length
        elif kind == 2:
            if exon[blocks[place]]:
                parts.append(gaps(known_gap(columns, place, length, target, panel.known_gaps[gene])))
            place += length
        elif kind == 1:
            room = np.arange(columns[place - 1] + 1, columns[place]) if 0 < place < len(columns) else columns[:0]
            if len(room) == length:
                parts.append(seen(room, codes, quality, read))
            else:
                lacking = length
            read += length
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))


def seen(columns: np.ndarray, codes: np.ndarray, quality: np.ndarray, read: int) -> tuple:
    """What a read shows in some columns, from its base `read` on."""
    return columns, codes[read : read + len(columns)], quality[read : read + len(columns)]


def known_gap(columns: np.ndarray, place: int, length: int, target: np.ndarray, known: set[tuple]) -> np.ndarray:
    """The columns of a deletion, moved along a repeat to where an allele of the release has such a gap."""
    for shift in range(0, min(length * 4 + 12, len(target) - place - length)):
        own = columns[place + shift : place + shift + length]
        if (int(own[0]), int(own[-1]) + 1) in known:
            return own
        if target[place + shift] != target[place + shift + length]:
            break
    return columns[place : place + length]


def gaps(columns: np.ndarray) -> tuple:
    """What a read shows in columns that it lacks."""
    return columns, np.full(len(columns), GAP, np.uint8), np.full(len(columns), GAP_QUALITY, np.uint8)
