"""LD822: a loss from logits is given probabilities."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.readings.model import Batch
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD822", name="logits-expected", family="model", severity="error")


@RULE.check
def logits_expected(batch: Batch) -> Iterator[Suspicion]:
    for output in batch.outputs:
        if output.loss is None or output.loss.wants != "logit" or output.activation not in ("softmax", "sigmoid"):
            continue
        own = "sigmoid" if output.loss.targets == "binary" else "softmax"
        least = "a perfect prediction still costs" if own == "softmax" else "a target of 0 costs at least log 2 = 0.69"
        yield RULE.at(
            None,
            f"{output.loss.name}(from_logits=True) applies the {own} itself, and the last layer has a "
            f"{output.activation}: it is applied twice, and {least}; drop one of the two",
            evidence="witnessed",
            accused=Accused("model", f"layer:{output.layer}", (), rank=11),
        )
