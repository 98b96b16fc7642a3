"""LD871: a loss is called with the prediction as its target."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.readings.step import StepRun
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD871", name="arguments-exchanged", family="model", severity="error")


@RULE.check
def arguments_exchanged(step: StepRun) -> Iterator[Suspicion]:
    for call in step.swapped:
        yield RULE.at(
            None,
            f"`{call.name}` is given the prediction as y_true and the target as y_pred: exchange the two",
            calls=call.calls,
            evidence="witnessed",
            accused=Accused("loop", rank=14),
        )
