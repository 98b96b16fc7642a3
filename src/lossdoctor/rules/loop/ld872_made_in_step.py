"""LD872: variables that every step makes anew."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.readings.step import StepRun
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD872", name="made-in-step", family="model", severity="error")


@RULE.check
def made_in_step(step: StepRun) -> Iterator[Suspicion]:
    if not step.created:
        return
    name, calls = step.created[0]
    yield RULE.at(
        None,
        f"every step makes new variables (`{name}` and {len(step.created) - 1} more): what was learned or accumulated "
        "is lost; make models, layers and optimizers once, outside the step",
        calls=calls,
        evidence="witnessed",
        accused=Accused("loop", rank=13),
    )
