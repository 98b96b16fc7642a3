"""LD867: the path from the variables to the loss leaves TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.readings.step import StepRun
from lossdoctor.rules.loop.reasons import torn
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD867", name="leaves-tensorflow", family="model", severity="error")


@RULE.check
def leaves_tensorflow(step: StepRun) -> Iterator[Suspicion]:
    for call in step.gradients:
        lost = call.target in ("tensor", "array") and call.empty and not torn(call) and not call.unread
        if lost and step.left and not call.tensors:
            what, calls = step.left[0]
            yield RULE.at(
                None,
                f"{what} turns a tensor of the model into plain numbers, and with it every gradient into None: stay in "
                "TensorFlow between the tape's start and the loss",
                calls=calls,
                evidence="witnessed",
                accused=Accused("loop", rank=8),
            )
            return
