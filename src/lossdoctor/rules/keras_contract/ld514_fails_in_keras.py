"""LD514: the loss works by itself, and fails as Keras calls it."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.probes.callings import Callings
from lossdoctor.rules.exceptions import family_of
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD514", name="fails-in-keras", family="keras-contract", severity="error")


@RULE.check
def fails_in_keras(callings: Callings) -> Iterator[Suspicion]:
    """Eagerly, where only what Keras does around the call can be the reason (a cast of y_true is LD503)."""
    run = callings.get("raw", "eager")
    if run is None or not run.ok or run.returned not in ("tensor", "number"):
        return
    raised = [
        outcome.raised
        for calling in ("keras-compile", "keras-loss")
        if (outcome := callings.get(calling, "eager")) is not None and outcome.raised is not None
    ]
    if len(raised) < 2 or family_of(raised[0]) != "crash":
        return
    yield RULE.at(
        None,
        f"works when it is called by itself, and raises {raised[0].type} as Keras calls it: {raised[0].message}",
        calls=raised[0].calls,
        evidence="witnessed",
        symptom="raises",
        pair=callings.pair,
        arguments={"execution": "eager", "calling": "keras-compile"},
        when=("keras-compile", "keras-loss"),
    )
