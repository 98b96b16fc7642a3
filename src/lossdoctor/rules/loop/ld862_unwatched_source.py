"""LD862: the gradient is asked for what the step never reads, or the tape never watches."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.readings.step import StepRun
from lossdoctor.rules.loop.reasons import listed
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD862", name="unwatched-source", family="model", severity="error")


@RULE.check
def unwatched_source(step: StepRun) -> Iterator[Suspicion]:
    for call in step.gradients:
        if call.again or call.target != "tensor" or not call.none_whole:
            continue
        if call.tensors:
            yield RULE.at(
                None,
                f"the gradient to {listed(call.tensors)} is None: a tape watches trainable variables only; call "
                "`tape.watch(…)` on it before it is used",
                calls=call.calls,
                evidence="witnessed",
                accused=Accused("loop", rank=11),
            )
        elif call.unread and set(call.unread) >= set(call.none_whole) and call.empty:
            yield RULE.at(
                None,
                f"the step never reads {listed(call.unread)}, to which it asks the gradient: the prediction comes from "
                "another model, or from one that is built anew",
                calls=call.calls,
                evidence="witnessed",
                accused=Accused("loop", rank=11),
            )
