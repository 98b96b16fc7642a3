"""LD874: the loss or a gradient of the step is not finite."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite

from lossdoctor.readings.step import StepRun
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD874", name="step-not-finite", family="model", severity="error")


@RULE.check
def step_not_finite(step: StepRun) -> Iterator[Suspicion]:
    wrong = [call for call in step.gradients if call.nonfinite or (call.value is not None and not isfinite(call.value))]
    if not wrong:
        return
    if step.nonfinite_argument:
        yield RULE.at(
            None,
            f"`{step.nonfinite_argument}` holds what is not finite, at {list(step.nonfinite_batch)}: so are the loss "
            "and the gradients",
            calls=step.definition,
            evidence="witnessed",
            accused=Accused("data", "", step.nonfinite_batch, rank=4),
        )
        return
    call = wrong[0]
    calls = step.nonfinite or call.target_calls or call.calls
    function = calls[-1].function if calls else ""
    inside = function.rpartition(".")[2] in ("call", "build", "__call__") or not step.nonfinite
    yield RULE.at(
        None,
        f"`{' '.join(calls[-1].text.split())[:60]}` is the first to give NaN or infinity on this batch"
        if step.nonfinite
        else f"the loss is {call.value}, and no line of yours is the first to give it",
        calls=calls,
        evidence="witnessed",
        accused=Accused("model" if inside else "loss", "", (), rank=7),
    )
