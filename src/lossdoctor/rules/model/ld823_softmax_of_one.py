"""LD823: a softmax over one unit is always 1."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.readings.model import Batch
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD823", name="softmax-of-one", family="model", severity="error")


@RULE.check
def softmax_of_one(batch: Batch) -> Iterator[Suspicion]:
    for output in batch.outputs:
        if output.activation == "softmax" and output.y_pred is not None and output.y_pred.shape[-1] == 1:
            yield RULE.at(
                None,
                f"{output.prediction} is a softmax over one unit, which is 1 whatever the weights are: no gradient; "
                "use a sigmoid, or one unit for each class",
                evidence="witnessed",
                accused=Accused("model", f"layer:{output.layer}", (), rank=10),
            )
