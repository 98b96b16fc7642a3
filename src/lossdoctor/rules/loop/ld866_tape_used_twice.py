"""LD866: a tape that is not persistent is asked for gradients twice."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.readings.step import StepRun
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD866", name="tape-used-twice", family="model", severity="error")


@RULE.check
def tape_used_twice(step: StepRun) -> Iterator[Suspicion]:
    for call in step.gradients:
        if call.again:
            yield RULE.at(
                None,
                "a tape gives gradients once and is then released: ask for all of them in one call, use a tape for "
                "each, or `tf.GradientTape(persistent=True)`",
                calls=call.calls,
                evidence="witnessed",
                accused=Accused("loop", rank=5),
            )
