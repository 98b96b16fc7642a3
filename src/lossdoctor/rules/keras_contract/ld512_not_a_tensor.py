"""LD512: the loss returns something that is not one tensor."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.probes.callings import Callings
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD512", name="not-a-tensor", family="keras-contract", severity="error")

_WHAT = {
    "none": "None (is a `return` missing?)",
    "string": "a string",
    "tuple": "a tuple, which Keras stacks and averages into one loss",
    "dict": "a dict",
    "other": "an object that is no tensor",
}


@RULE.check
def not_a_tensor(callings: Callings) -> Iterator[Suspicion]:
    run = callings.get("raw", "eager")
    if run is None or run.returned not in _WHAT:
        return
    yield RULE.at(
        None,
        f"returns {_WHAT[run.returned]}",
        evidence="witnessed",
        symptom="not-a-tensor",
        pair=callings.pair,
    )
