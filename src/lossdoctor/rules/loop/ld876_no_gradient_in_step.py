"""LD876: the loss has no gradient to variables that the step reads, and nothing of the step explains it."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.readings.step import GradientCall, StepRun
from lossdoctor.rules.loop.reasons import listed, torn
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
                + _reason(call),
                calls=call.torn_calls or call.target_calls or call.calls,
                evidence="witnessed",
                accused=Accused("loss", rank=9),
            )
            return


@RULE.check
def part_without_gradient(step: StepRun) -> Iterator[Suspicion]:
    reached = {
        name for call in step.gradients for name in call.sources if call.target == "tensor" and name not in call.none
    }
    for call in step.gradients:
        if call.target != "tensor" or call.empty or torn(call) or call.tensors or call.again:
            continue
        without = [name for name in call.none_whole if name not in call.unread and name not in reached]
        if without and not step.left:
            why = _reason(call) if call.torn_what else "what they compute has no part in it"
            yield RULE.at(
                None,
                f"`{call.target_text or 'the loss'}` has no gradient to {listed(without)}, which the step reads and "
                f"asks it for: {why}",
                calls=call.torn_calls or call.target_calls or call.calls,
                evidence="witnessed",
                severity="warning",
                accused=Accused("loss", rank=12),
            )
            return


def _reason(call: GradientCall) -> str:
    if call.torn_what and call.torn_calls:
        return f"it ends at `{' '.join(call.torn_calls[-1].text.split())[:60]}`, as {call.torn_what} has none"
    return (
        "something between them has none (argmax, round, a comparison, a cast to integers, stop_gradient, a function "
        "of NumPy)"
    )
