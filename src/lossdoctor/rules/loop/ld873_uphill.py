"""LD873: the step goes up the loss."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.readings.step import StepRun
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD873", name="uphill", family="model", severity="error")


@RULE.check
def uphill(step: StepRun) -> Iterator[Suspicion]:
    for call in step.gradients:
        if call.uphill > _ALONG:
            yield RULE.at(
                None,
                f"the step moves the variables along the gradient of `{call.target_text or 'the loss'}` (cosine "
                f"{call.uphill:.2f}), so the loss grows: subtract the gradient, or turn the sign of the loss",
                calls=step.applies[0].calls if step.applies else call.calls,
                evidence="witnessed",
                accused=Accused("loop", rank=15),
            )
            return


# Weight decay, and the momentum of earlier steps, stay far below against a fresh gradient.
_ALONG = 0.2
