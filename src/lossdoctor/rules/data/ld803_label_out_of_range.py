"""LD803: a label that is no class of the output."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lossdoctor.readings.model import Batch
from lossdoctor.rules.data.batches import at, first, many, outside_labels, starts_at_one, target, too_few_outputs
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD803", name="label-out-of-range", family="data", severity="error")


@RULE.check
def label_out_of_range(batch: Batch) -> Iterator[Suspicion]:
    for output in batch.outputs:
        wrong = outside_labels(output)
        if wrong is None or output.y_true is None or output.classes is None or too_few_outputs(output):
            continue
        index = first(wrong)
        value = float(output.y_true[index])
        expected = f"whole numbers from 0 to {output.classes - 1}, one for each of its {output.classes} outputs"
        hint = "; the labels start at 1: subtract 1" if starts_at_one(output) else ""
        yield RULE.at(
            None,
            f"`{output.label}` holds the label {value:g} at {at(index)} ({many(int(np.sum(wrong)), 'label')} so); "
            f"the loss expects {expected}{hint}",
            evidence="witnessed",
            accused=Accused("data", target(output), index, rank=8),
        )
