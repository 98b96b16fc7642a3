"""LD877: a test step that changes trainable variables."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.readings.step import StepRun
from lossdoctor.rules.loop.reasons import listed
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD877", name="test-step-trains", family="model", severity="error")


@RULE.check
def test_step_trains(step: StepRun) -> Iterator[Suspicion]:
    if step.test and step.changed:
        yield RULE.at(
            None,
            f"`test_step` changes {listed(step.changed)}: the model learns from the validation data",
            calls=step.applies[0].calls if step.applies else step.definition,
            evidence="witnessed",
            accused=Accused("loop", rank=8),
        )
