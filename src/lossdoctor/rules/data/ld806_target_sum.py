"""LD806: one-hot or probability targets whose classes do not sum to 1."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lossdoctor.readings.model import Batch, Output
from lossdoctor.rules.data.batches import at, first, many, numeric, one_hot_given, target
from lossdoctor.rules.model.heads import multi_label
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD806", name="target-sum", family="data", severity="error")
_NEAR = 1e-3


@RULE.check
def target_sum(batch: Batch) -> Iterator[Suspicion]:
    for output in batch.outputs:
        numbers = numeric(output.y_true)
        if numbers is None or not _distribution(output) or multi_label(output):
            continue
        sums = numbers.sum(axis=-1)
        wrong = np.isfinite(sums) & (np.abs(sums - 1.0) > _NEAR)
        if not wrong.any():
            continue
        index = first(wrong)
        yield RULE.at(
            None,
            f"`{output.label}` sums to {sums[index]:g} over the classes at {at(index)} "
            f"({many(int(wrong.sum()), 'row')} so); a cross-entropy over classes needs rows that sum to 1",
            evidence="witnessed",
            accused=Accused("data", target(output), index, rank=12),
        )


def _distribution(output: Output) -> bool:
    """Whether the target is a distribution over classes: by the loss, or by a softmax with 0s and 1s."""
    if output.loss is None or not one_hot_given(output):
        return False
    if output.loss.stock:
        return output.loss.targets == "onehot" and output.loss.name not in ("categorical_hinge", "CategoricalHinge")
    numbers = numeric(output.y_true)
    return output.activation == "softmax" and numbers is not None and bool(np.isin(numbers, (0.0, 1.0)).all())
