"""From which magnitude on a fault of size (an overflow) shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from lossdoctor.session import Pair

_ROUNDS = 3
_POINTS = 64  # a round narrows the bracket by this factor


def threshold(pair: Pair, fails: Callable[[Sequence[Pair]], Sequence[bool]]) -> float | None:
    """The smallest y_pred (in magnitude, three digits) that still fails, all its elements scaled together.

    Only where one number describes the input: y_true is zero, and y_pred holds a single distinct non-zero value.
    Returns None elsewhere, or where a smaller magnitude does not heal the fault.
    """
    if not isinstance(pair.y_true, np.ndarray) or not isinstance(pair.y_pred, np.ndarray) or np.any(pair.y_true):
        return None
    values = np.unique(pair.y_pred[pair.y_pred != 0])
    if values.size != 1:
        return None
    low, high = 0.0, 1.0
    for _ in range(_ROUNDS):
        scales = np.linspace(low, high, _POINTS + 1)
        bad = np.asarray(fails([Pair(pair.y_true, (pair.y_pred * s).astype(pair.y_pred.dtype)) for s in scales]))
        if bad[0] or not bad[-1] or np.any(np.diff(bad.astype(int)) < 0):
            return None  # not a matter of size
        first = int(np.argmax(bad))
        low, high = float(scales[first - 1]), float(scales[first])
    return float(f"{float(values[0]) * low:.3g}")
