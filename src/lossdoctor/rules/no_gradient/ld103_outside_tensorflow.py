"""LD103: the loss leaves TensorFlow (NumPy, `.numpy()`), works eagerly, and has no gradient."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.probes.callings import Callings
from lossdoctor.readings import EagerRun
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD103", name="outside-tensorflow", family="no-gradient", severity="error")


@RULE.check
def outside_tensorflow(callings: Callings, eager: EagerRun) -> Iterator[Suspicion]:
    """Only for a loss that cannot be traced: else the graph says where the gradient ends (LD101)."""
    traced = callings.get("raw", "graph")
    result = eager.evaluation
    if traced is None or traced.raised is None or result.raised is not None:
        return
    if result.value is not None and all(gradient is None for gradient in result.gradients):
        calls = traced.raised.calls
        where = f"`{' '.join(calls[-1].text.split())}`" if calls else "the loss"
        yield RULE.at(
            None,
            f"{where} takes the prediction out of TensorFlow: the loss runs eagerly, but its gradient is None",
            calls=calls,
            evidence="witnessed",
            symptom="no-gradient",
            pair=eager.pair,
        )
