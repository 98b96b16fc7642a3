"""LD863: trainable variables that the loss depends on and the gradients leave out."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.readings.step import StepRun
from lossdoctor.rules.loop.reasons import listed
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD863", name="left-out-variable", family="model", severity="warning")


@RULE.check
def left_out_variable(step: StepRun) -> Iterator[Suspicion]:
    if not step.left_out or not step.applies:
        return
    names = list(step.left_out)
    call = step.gradients[0]
    yield RULE.at(
        None,
        f"{listed(names)} {'is' if len(names) == 1 else 'are'} trainable, the loss depends on "
        f"{'it' if len(names) == 1 else 'them'}, and no gradient is asked for: "
        f"{'it stays as it is' if len(names) == 1 else 'they stay as they are'}; use all trainable variables, or set "
        "`trainable = False`",
        calls=call.calls,
        evidence="witnessed",
        accused=Accused("loop", rank=20),
    )
