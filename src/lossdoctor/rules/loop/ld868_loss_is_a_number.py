"""LD868: what is differentiated is no tensor."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.readings.step import StepRun
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD868", name="loss-is-a-number", family="model", severity="error")


@RULE.check
def loss_is_a_number(step: StepRun) -> Iterator[Suspicion]:
    for call in step.gradients:
        if call.target in ("number", "none", "array"):
            kind = {"number": "a Python number", "none": "None", "array": "a NumPy array"}[call.target]
            yield RULE.at(
                None,
                f"`{call.target_text or 'the loss'}` is {kind} and no tensor: it has no gradient; differentiate the "
                "tensor, and convert it for printing only",
                calls=call.target_calls or call.calls,
                evidence="witnessed",
                accused=Accused("loop", rank=6),
            )
            return
