"""LD875: the step cannot be run on this batch."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.readings.step import StepRun
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD875", name="step-raises", family="model", severity="error")


@RULE.check
def step_raises(step: StepRun) -> Iterator[Suspicion]:
    if step.raised is None or any(call.empty or call.again or call.target != "tensor" for call in step.gradients):
        return
    yield RULE.at(
        None,
        f"the step raises {step.raised.type}: {step.raised.message[:200]}",
        calls=step.raised.calls or step.definition,
        evidence="witnessed",
        accused=Accused("loop", rank=30),
    )
