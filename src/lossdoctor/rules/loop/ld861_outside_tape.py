"""LD861: what is differentiated was computed outside the tape."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.readings.step import StepRun
from lossdoctor.rules.loop.reasons import torn
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD861", name="outside-tape", family="model", severity="error")


@RULE.check
def outside_tape(step: StepRun) -> Iterator[Suspicion]:
    for call in step.gradients:
        if call.again or not call.empty or not torn(call):
            continue
        yield RULE.at(
            None,
            f"`{call.target_text or 'the loss'}` is computed outside the tape, so every gradient is None: move the "
            "line into the `with` block of the tape",
            calls=call.target_calls or call.calls,
            evidence="witnessed",
            accused=Accused("loop", rank=10),
        )
