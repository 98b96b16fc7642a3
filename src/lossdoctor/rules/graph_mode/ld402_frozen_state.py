"""LD402: Python state that training changes, frozen when the loss is traced."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.readings import Frozen
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD402", name="frozen-state", family="graph-mode", severity="error")


@RULE.check
def frozen_state(frozen: Frozen) -> Iterator[Suspicion]:
    for state in frozen.faults:
        where = f" (changed in line {state.mutated_at.line})" if state.mutated_at else ""
        yield RULE.at(
            None,
            f"`{state.name}` is a Python number{where} and is read once, when `fit` traces the loss; later values "
            "never reach training",
            calls=(state.span,) if state.span else (),
            evidence="witnessed",
            symptom="frozen",
            arguments={"name": state.name, "holder": state.holder, "values": state.values, "in_call": state.in_call},
            when=("graph", "keras-compile"),
        )
