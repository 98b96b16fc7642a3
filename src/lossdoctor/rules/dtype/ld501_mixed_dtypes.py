"""LD501: labels and predictions of different dtypes meet without a cast."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.probes.callings import Callings
from lossdoctor.rules.registry import Rule, Suspicion
from lossdoctor.spec import Contract, Spec

RULE = Rule(code="LD501", name="mixed-dtypes", family="dtype", severity="error")


@RULE.check
def mixed_dtypes(callings: Callings, contract: Contract) -> Iterator[Suspicion]:
    """The raw call fails and the one in which Keras casts y_true works: the cast is the difference."""
    labels, prediction = contract.y_true, contract.y_pred
    if not isinstance(labels, Spec) or not isinstance(prediction, Spec) or labels.dtype == prediction.dtype:
        return
    run, compiled = callings.get("raw", "eager"), callings.get("keras-compile", "eager")
    if run is None or run.raised is None or compiled is None or not compiled.ok:
        return
    yield RULE.at(
        None,
        f"mixes {labels.dtype} y_true with {prediction.dtype} y_pred without a cast: it works in `compile`, which "
        f"casts y_true, and raises {run.raised.type} in a custom training loop",
        calls=run.raised.calls,
        evidence="witnessed",
        symptom="raises",
        pair=callings.pair,
        arguments={"execution": "eager", "calling": "raw"},
        when=("raw",),
    )
