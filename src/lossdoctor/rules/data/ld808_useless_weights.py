"""LD808: sample weights that are all zero, negative or not finite."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lossdoctor.findings import Severity
from lossdoctor.readings.model import Batch
from lossdoctor.rules.data.batches import at, first, many, not_finite, numeric
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD808", name="useless-weights", family="data", severity="error")


@RULE.check
def useless_weights(batch: Batch) -> Iterator[Suspicion]:
    told: set[int] = set()
    for output in batch.outputs:
        weight = numeric(output.weight)
        if weight is None or id(output.weight) in told:
            continue
        told.add(id(output.weight))
        wrong, severity = not_finite(weight), "error"
        if wrong is not None:
            index = first(wrong)
            said = f"`sample_weight` holds {weight[index]:g} at {at(index)} ({many(int(wrong.sum()), 'element')} so)"
        elif not weight.any():
            index, said = (), "`sample_weight` is zero for every sample: nothing of the batch counts"
        elif (weight < 0).any():
            index, severity = first(weight < 0), "warning"
            said = (
                f"`sample_weight` is {weight[index]:g} at {at(index)} ({many(int(np.sum(weight < 0)), 'element')} so): "
                "a negative weight asks for a larger loss"
            )
        else:
            continue
        level: Severity = "warning" if severity == "warning" else "error"
        yield RULE.at(
            None,
            said,
            evidence="witnessed",
            severity=level,
            accused=Accused("data", "sample_weight", index, rank=7),
        )
