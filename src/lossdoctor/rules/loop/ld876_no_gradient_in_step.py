"""LD876: the loss has no gradient to any variable, and nothing of the step explains it."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.readings.step import StepRun
from lossdoctor.rules.loop.reasons import torn
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD876", name="no-gradient-in-step", family="model", severity="error")


@RULE.check
def no_gradient_in_step(step: StepRun) -> Iterator[Suspicion]:
    for call in step.gradients:
        plain = call.target == "tensor" and call.empty and not torn(call) and not call.tensors and not call.unread
        if plain and not step.left and not call.again:
            yield RULE.at(
                None,
                f"`{call.target_text or 'the loss'}` has no gradient to any of {len(call.sources)} variables: "
                "something between them has none (argmax, round, a comparison, a cast to integers, stop_gradient, a "
                "function of NumPy)",
                calls=call.target_calls or call.calls,
                evidence="witnessed",
                accused=Accused("loss", rank=9),
            )
            return
