"""LD414: TensorFlow code is run through Python in every step."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.domains.dependence import Dependence
from lossdoctor.domains.interpret import Reading
from lossdoctor.graph.ir import LossGraph
from lossdoctor.rules.efficiency.counted import counted
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD414", name="python-function", family="efficiency", severity="warning")


@RULE.check
def python_function(graph: LossGraph, dependence: Reading[Dependence]) -> Iterator[Suspicion]:
    """Where it cuts the gradient, LD101 speaks; here it only costs."""
    if graph.stage != "traced" or not any(gradient is not None for gradient in graph.gradients):
        return
    for node in graph.where("py_function", role="forward"):
        if dependence[node].on_data:
            yield RULE.at(
                node,
                f"`{node.call}` leaves the graph in every step: Python's lock holds the device up, and "
                "jit_compile=True, TPUs and saved graphs fail",
                evidence="proved",
                **counted(graph, "py_function"),
                when=("graph", "xla"),
            )
