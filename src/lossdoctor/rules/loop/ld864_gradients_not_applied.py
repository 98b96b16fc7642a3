"""LD864: gradients that are computed and change nothing."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.readings.step import StepRun
from lossdoctor.rules.loop.reasons import listed
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD864", name="gradients-not-applied", family="model", severity="error")


@RULE.check
def gradients_not_applied(step: StepRun) -> Iterator[Suspicion]:
    if step.raised is not None or step.test or not step.gradients:
        return
    zero = next((call for call in step.applies if call.rate == 0.0), None)
    if zero is not None and not step.changed:
        yield RULE.at(
            None,
            f"{zero.optimizer} applies the gradients at the learning rate 0: nothing changes",
            calls=zero.calls,
            evidence="witnessed",
            accused=Accused("optimisation", rank=12),
        )
    elif step.not_applied:
        call = next(call for call in step.gradients if set(call.sources) & set(step.not_applied))
        yield RULE.at(
            None,
            f"the gradient of {listed(step.not_applied)} is computed and never applied: no optimizer gets it and the "
            "step does not change it",
            calls=call.calls,
            evidence="witnessed",
            accused=Accused("loop", rank=12),
        )
