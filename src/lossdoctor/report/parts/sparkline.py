"""A curve on one line of text."""

from __future__ import annotations

import math
from collections.abc import Sequence

BLOCKS = "▁▂▃▄▅▆▇█"
PLAIN = "_.-=+*#@"  # for streams that carry ASCII only
BROKEN = "×", "x"


def sparkline(values: Sequence[float], width: int, *, plain: bool = False) -> str:
    """`width` characters whose heights are those of the values; a cross where they are not finite.

    The lowest finite value has the lowest block, the highest the highest one; a constant is drawn low.
    """
    blocks, broken = (PLAIN, BROKEN[1]) if plain else (BLOCKS, BROKEN[0])
    finite = [value for value in values if math.isfinite(value)]
    if not finite or width < 1:
        return broken * max(width, 0)
    low, high = min(finite), max(finite)
    span = high - low
    cells: list[str] = []
    for cell in range(width):
        first = cell * len(values) // width
        last = max((cell + 1) * len(values) // width, first + 1)
        part = [float(value) for value in values[first:last]]
        sound = [value for value in part if math.isfinite(value)]
        if len(sound) < len(part):
            cells.append(broken)
            continue
        middle = sum(sound) / len(sound)
        share = (middle - low) / span if span > 0 else 0.0
        cells.append(blocks[min(int(share * len(blocks)), len(blocks) - 1)])
    return "".join(cells)
