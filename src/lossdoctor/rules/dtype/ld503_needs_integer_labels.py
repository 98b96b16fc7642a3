"""LD503: the loss needs integer labels, and Keras hands it floats."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.probes.callings import Callings
from lossdoctor.rules.exceptions import family_of
from lossdoctor.rules.registry import Rule, Suspicion
from lossdoctor.spec import Contract, Spec

RULE = Rule(code="LD503", name="needs-integer-labels", family="dtype", severity="error")


@RULE.check
def needs_integer_labels(callings: Callings, contract: Contract) -> Iterator[Suspicion]:
    """The raw call works and the one in which Keras casts y_true to floats raises: the reverse of LD501."""
    labels, prediction = contract.y_true, contract.y_pred
    if not isinstance(labels, Spec) or not isinstance(prediction, Spec) or labels.dtype == prediction.dtype:
        return
    run, compiled = callings.get("raw", "eager"), callings.get("keras-compile", "eager")
    if run is None or not run.ok or compiled is None or compiled.raised is None:
        return
    if family_of(compiled.raised) != "dtype":
        return
    yield RULE.at(
        None,
        f"needs {labels.dtype} y_true, and `compile` casts it to {prediction.dtype} first: it works in a custom loop "
        f"and raises {compiled.raised.type} in `fit`",
        calls=compiled.raised.calls,
        evidence="witnessed",
        symptom="raises",
        pair=callings.pair,
        arguments={"execution": "eager", "calling": "keras-compile"},
        when=("keras-compile",),
    )
