"""LD807: targets on another scale than the last activation can give or the loss expects."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lossdoctor.readings.model import Batch, Output
from lossdoctor.rules.data.batches import at, first, many, numeric, target
from lossdoctor.rules.model.heads import REACH, out_of_reach, signed_regression
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD807", name="target-out-of-reach", family="data", severity="error")


@RULE.check
def target_out_of_reach(batch: Batch) -> Iterator[Suspicion]:
    for output in batch.outputs:
        expected = _expected(output)
        numbers = numeric(output.y_true)
        if expected is None or numbers is None:
            continue
        low, high, why = expected
        wrong = out_of_reach(numbers, low, high)
        if not wrong.any():
            continue
        index = first(wrong)
        yield RULE.at(
            None,
            f"`{output.label}` is {numbers[index]:g} at {at(index)} ({many(int(np.sum(wrong)), 'element')} so), and "
            f"{why}: no weights can reach it",
            evidence="witnessed",
            accused=Accused("data", target(output), index, rank=14),
        )


def _expected(output: Output) -> tuple[float, float, str] | None:
    """Lowest and highest target that makes sense, and why; None where there is no limit."""
    loss, true, predicted = output.loss, output.y_true, output.y_pred
    if (
        loss is None
        or true is None
        or predicted is None
        or true.size * predicted.shape[0] != predicted.size * len(true)
    ):
        return None
    if loss.targets == "label":
        return None
    if loss.stock and loss.targets in ("binary", "onehot"):
        return 0.0, 1.0, f"{loss.name} expects targets in [0, 1]"
    if output.activation in REACH and not signed_regression(output):
        low, high = REACH[output.activation]
        shown = f"[{low:g}, {high:g}]" if np.isfinite(high) else f"at least {low:g}"
        return low, high, f"the {output.activation} of the last layer gives {shown}"
    return None
