"""LD401: the loss runs eagerly, and fails when `fit` traces it."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.probes.callings import Callings
from lossdoctor.readings import EagerRun
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD401", name="fails-in-graph", family="graph-mode", severity="error")


@RULE.check
def fails_in_graph(callings: Callings, eager: EagerRun) -> Iterator[Suspicion]:
    run, traced = callings.get("raw", "eager"), callings.get("raw", "graph")
    if run is None or traced is None or not run.ok or traced.raised is None:
        return
    if all(gradient is None for gradient in eager.evaluation.gradients):
        return  # LD103: eager is not right either
    loop = callings.get("raw", "autograph")
    contrast = " (a plain tf.function converts it, `fit` does not)" if loop is not None and loop.ok else ""
    raised = traced.raised
    where = f"`{' '.join(raised.calls[-1].text.split())}`" if raised.calls else "the loss"
    yield RULE.at(
        None,
        f"{where} works eagerly and raises {raised.type} in graph mode, where `fit` runs it{contrast}",
        calls=raised.calls,
        evidence="witnessed",
        symptom="raises",
        pair=callings.pair,
        arguments={"execution": "graph", "calling": "raw"},
        when=("graph", "keras-compile"),
    )
