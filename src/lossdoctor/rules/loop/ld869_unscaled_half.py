"""LD869: training in float16 without a loss scale, or with one that the step forgets."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.readings.step import StepRun
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD869", name="unscaled-half", family="model", severity="warning")


@RULE.check
def unscaled_half(step: StepRun) -> Iterator[Suspicion]:
    if not step.unscaled or step.raised is not None:
        return
    if step.unscaled == "not-scaled":
        call = step.gradients[0]
        said = (
            "the optimizer divides the gradients by its loss scale, and the loss was never multiplied by it: pass "
            "`optimizer.scale_loss(loss)` to the tape"
        )
        calls = call.target_calls or call.calls
    else:
        said = (
            "layers compute in float16, and nothing scales the loss: small gradients underflow to 0; wrap the "
            "optimizer in `keras.optimizers.LossScaleOptimizer` and differentiate `optimizer.scale_loss(loss)`"
        )
        calls = step.unscaled_calls
    yield RULE.at(None, said, calls=calls, evidence="witnessed", accused=Accused("loop", rank=21))
