"""Which branches of a formula the inputs took."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lossdoctor.formula.evaluate import parts_in_floats
from lossdoctor.formula.expression import Expression, Formula
from lossdoctor.formula.points import margins_of
from lossdoctor.formula.reading import Branch
from lossdoctor.session import Pair


def visited(formula: Formula, pairs: Sequence[Pair]) -> tuple[Branch, ...]:
    """Each place where a condition, clip, maximum or abs changes its branch, and the sides that inputs took."""
    margins: dict[str, tuple[Expression, Expression | None]] = {}
    texts: dict[str, str] = {}
    for part in formula.parts:
        for left, right in margins_of(part):
            key = f"{left.text} | {right.text if right else 0}"
            margins.setdefault(key, (left, right))
            texts.setdefault(key, part.text)
    below = dict.fromkeys(margins, False)
    above = dict.fromkeys(margins, False)
    for pair in pairs:
        open_ones = [key for key in margins if not (below[key] and above[key])]
        if not open_ones:
            break
        values = parts_in_floats(formula, pair.y_true, pair.y_pred)
        for key in open_ones:
            left, right = margins[key]
            first = values.get(left)
            second = np.zeros(()) if right is None else values.get(right)
            if first is None or second is None:
                continue
            gap = np.asarray(first, np.float64) - np.asarray(second, np.float64)
            below[key] = below[key] or bool(np.any(gap < 0))
            above[key] = above[key] or bool(np.any(gap > 0))
    return tuple(Branch(texts[key], below[key], above[key]) for key in margins)
