"""LD865: gradients applied to other variables than they belong to."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.readings.step import StepRun
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD865", name="misplaced-gradients", family="model", severity="error")


@RULE.check
def misplaced_gradients(step: StepRun) -> Iterator[Suspicion]:
    for call in step.applies:
        if call.misplaced:
            variable, owner = call.misplaced[0]
            yield RULE.at(
                None,
                f"`{variable}` is given the gradient of `{owner}` ({len(call.misplaced)} so): gradients and variables "
                "are paired in another order than they were asked for",
                calls=call.calls,
                evidence="witnessed",
                accused=Accused("loop", rank=9),
            )
