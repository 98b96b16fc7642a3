"""LD825: more classes in y than the last layer has outputs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lossdoctor.readings.model import Batch
from lossdoctor.rules.data.batches import numeric, too_few_outputs
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD825", name="too-few-outputs", family="model", severity="error")


@RULE.check
def few_outputs(batch: Batch) -> Iterator[Suspicion]:
    for output in batch.outputs:
        numbers = numeric(output.y_true)
        if numbers is None or output.classes is None or not too_few_outputs(output):
            continue
        row = int(np.argwhere(numbers >= output.classes)[0][0])
        yield RULE.at(
            None,
            f"`{output.label}` has the classes 0 to {int(np.nanmax(numbers))}, and the last layer {output.classes} "
            f"outputs: give it {int(np.nanmax(numbers)) + 1}",
            evidence="witnessed",
            accused=Accused("model", f"layer:{output.layer}", (row,), rank=8),
        )
