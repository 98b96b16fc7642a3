"""What indices, slices and splits say of the size of an axis."""

from __future__ import annotations

import ast

from lossdoctor.source.calls import argument
from lossdoctor.source.module import SourceModule

# Columns of each part that a call takes an argument apart into (0: the axis is gone).
PIECE = {"split": 2, "unstack": 0}


def width(part: ast.expr, module: SourceModule) -> int | None:
    """How many columns a slice with literal ends takes; 0 for an index."""
    if not isinstance(part, ast.Slice):
        return 0 if isinstance(module.literal(part), int) else None
    start = module.literal(part.lower) if part.lower is not None else 0
    stop = module.literal(part.upper) if part.upper is not None else None
    if isinstance(start, int) and isinstance(stop, int) and 0 <= start < stop and part.step is None:
        return stop - start
    return None


def least_size(part: ast.expr, module: SourceModule) -> int | None:
    """The size that an axis needs for an index or slice; None for the whole axis."""
    if isinstance(part, ast.Slice):
        ends = [module.literal(end) for end in (part.lower, part.upper) if end is not None]
        numbers = [end for end in ends if isinstance(end, int)]
        if not ends:
            return None
        start = module.literal(part.lower) if part.lower is not None else 0
        least = max((number if number >= 0 else -number for number in numbers), default=1)
        if len(numbers) == 2 and numbers[0] >= 0 > numbers[1]:  # 1:-4 leaves out at both ends
            return numbers[0] - numbers[1] + 1
        return least + 1 if part.upper is None and isinstance(start, int) and start > 0 else max(least, 1)
    literal = module.literal(part)
    if isinstance(literal, int):
        return literal + 1 if literal >= 0 else -literal
    return 1


def pieces(node: ast.Call, name: str, module: SourceModule) -> int | None:
    """Into how many equal parts `split` or `unstack` takes the last axis, where that is literal."""
    given = argument(node, "num_or_size_splits" if name == "split" else "num", 1)
    axis = module.literal(argument(node, "axis", 2) or ast.Constant(0))
    literal = module.literal(given) if given is not None else None
    return literal if isinstance(literal, int) and axis in (-1, 1) else None
