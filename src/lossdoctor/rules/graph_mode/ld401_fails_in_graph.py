"""LD401: the loss runs eagerly, and fails when `fit` traces it."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.graph.ir import LossGraph, Node
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


@RULE.check
def unknown_rank(callings: Callings, graph: LossGraph) -> Iterator[Suspicion]:
    """Keras reduces the loss by its static rank, which is lost where an axis of unknown size is squeezed away, and
    after a call of Python without `set_shape`."""
    outcomes = [callings.get("raw", "graph"), callings.get("keras-compile", "eager")]
    traced = callings.get("keras-compile", "graph")
    if graph.stage != "traced" or any(each is None or not each.ok for each in outcomes):
        return
    if traced is None or traced.raised is None or "unknown rank" not in traced.raised.message:
        return
    node = next((node for node in graph.where(role="forward") if _loses_rank(graph, node)), None)
    if node is not None:
        yield RULE.at(
            node,
            f"`{' '.join(node.call.split())}` has no static rank where the batch size is unknown, as in `fit` with a "
            f"partial last batch: Keras then raises {traced.raised.type} ({traced.raised.message})",
            evidence="witnessed",
            symptom="raises",
            pair=callings.pair,
            arguments={"execution": "graph", "calling": "keras-compile"},
            when=("graph", "keras-compile"),
            # Squeezing the batch away is wrong eagerly too, in a batch of one.
            family="shape" if node.op == "squeeze" else None,
        )


def _loses_rank(graph: LossGraph, node: Node) -> bool:
    if node.op == "squeeze":
        return node.attrs.get("axis") in (None, ()) and "B" in (graph[node.args[0]].shape or ())
    return node.op in ("py_function", "numpy_function")
