"""How often calls of a confidence are right, counted in bins, and drawn."""

from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean

EDGES = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0001)
BINS = tuple(pairwise(EDGES))
SIDE, MARGIN = 360, 40


def calibration(calls: Sequence[tuple[float, bool]]) -> list[tuple[int, float, float]]:
    """Calls, mean confidence and share that is right, for each of BINS; a call is its confidence and if it is right."""
    found = []
    for low, high in BINS:
        inside = [(confidence, right) for confidence, right in calls if low <= confidence < high]
        means = (fmean(one[0] for one in inside), fmean(one[1] for one in inside)) if inside else (0.0, 0.0)
        found.append((len(inside), *means))
    return found


def draw_calibration(found: Sequence[tuple[int, float, float]]) -> str:
    """Draw what `calibration` returns as SVG: a circle a bin, on the diagonal where confidence is what it claims."""

    def at(confidence: float, right: float) -> tuple[float, float]:
        return MARGIN + confidence * SIDE, MARGIN + (1 - right) * SIDE

    (left, low), (end, high) = at(0, 0), at(1, 1)
    size = SIDE + 2 * MARGIN
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}" font-family="sans-serif" font-size="11">',
        f'<rect width="{size}" height="{size}" fill="white"/>',
        f'<rect x="{left}" y="{high}" width="{SIDE}" height="{SIDE}" fill="none" stroke="#999"/>',
        f'<path d="M{left} {low}L{end} {high}" stroke="#bbb" stroke-dasharray="4"/>',
    ]
    for count, mean, right in found:
        if count:
            x, y = at(mean, right)
            drawn.append(
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{2 + count**0.4:.1f}" fill="#1f77b4" fill-opacity=".6"/>'
            )
            drawn.append(f'<text x="{x + 8:.1f}" y="{y + 14:.1f}">{count}</text>')
    drawn += [
        f'<text x="{left + SIDE / 2}" y="{size - 8}" text-anchor="middle">mean confidence of the calls of a bin</text>',
        f'<text text-anchor="middle" transform="translate(14 {size / 2})rotate(-90)">share that is right</text>',
        "</svg>\n",
    ]
    return "\n".join(drawn)
