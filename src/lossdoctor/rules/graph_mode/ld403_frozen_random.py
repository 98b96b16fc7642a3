"""LD403: random numbers, or the next item of an iterator, that are drawn once for the whole training."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.graph.dims import of_batch
from lossdoctor.graph.ir import LossGraph
from lossdoctor.readings import Frozen
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD403", name="frozen-random", family="graph-mode", severity="error")


@RULE.check
def frozen_random(frozen: Frozen) -> Iterator[Suspicion]:
    draw = frozen.draw
    if draw is None or draw.span is None:
        return  # without a call in the source, the cause is not shown
    call = f"`{' '.join(draw.span.text.split())}`"
    yield RULE.at(
        None,
        f"{call} is drawn once, when `fit` traces the loss, and stays the same for the whole training",
        calls=(draw.span,),
        evidence="witnessed",
        symptom="frozen",
        arguments={"holder": "draw"},
        when=("graph", "keras-compile"),
    )


@RULE.check
def fixed_seed(graph: LossGraph) -> Iterator[Suspicion]:
    """Numbers for each sample whose seed is a constant of the graph; what has no axis of the batch may be meant."""
    if graph.stage != "traced":
        return
    before = graph.graph.ancestors(graph.value)
    for node in graph.where(role="forward"):
        if (
            node.id not in before
            or not node.op.startswith("stateless_random")
            or not any(map(of_batch, node.shape or ()))
        ):
            continue
        if all(graph[arg].op == "constant" for arg in node.args):
            yield RULE.at(
                node,
                f"`{' '.join(node.call.split())}` has a fixed seed, so that every step gets the same numbers: the "
                "noise is a constant, one for each place in the batch; a `keras.random.SeedGenerator` gives new ones",
                evidence="proved",
                when=("eager", "graph"),
                severity="warning",
            )
            return
