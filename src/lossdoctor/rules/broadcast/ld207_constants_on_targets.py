"""LD207: one constant for each output is broadcast along the axis of the targets: all outputs learn the same."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lossdoctor.domains.dependence import Dependence
from lossdoctor.domains.interpret import Reading
from lossdoctor.graph.ir import Dim, LossGraph, Node
from lossdoctor.ops import TABLE
from lossdoctor.rules.registry import Rule, Suspicion
from lossdoctor.spec import Contract, Spec

RULE = Rule(code="LD207", name="constants-on-targets", family="broadcast", severity="error")

_SORTS = ("sort", "argsort", "top_k")


@RULE.check
def constants_on_targets(graph: LossGraph, contract: Contract, dependence: Reading[Dependence]) -> Iterator[Suspicion]:
    """A vector with a number for each output meets a table of outputs against targets, and the outputs stay alike."""
    if graph.stage != "traced" or not isinstance(contract.y_pred, Spec) or any(graph.where(*_SORTS, role="forward")):
        return
    outputs = contract.y_pred.dims[-1] if contract.y_pred.dims else 1
    if not isinstance(outputs, int) or outputs < 2:
        return
    for node in graph.where(role="forward"):
        row = TABLE.by_name.get(node.op)
        if row is None or row.kind != "elementwise" or len(node.args) != 2:
            continue
        for numbers, table in (node.args, node.args[::-1]):
            if dependence[numbers].on_data or not (dependence[table].y_true and dependence[table].y_pred):
                continue
            shape = graph[table].shape or ()
            if shape.count(outputs) > 1 and _one_each(graph[numbers], outputs):
                yield RULE.at(
                    node,
                    f"`{' '.join(node.call.split())}` puts the {outputs} constants along an axis of "
                    f"({', '.join(map(str, shape))}) that is not the one of the outputs: the loss does not change when "
                    "the outputs of y_pred change places, so that all of them learn the same",
                    evidence="proved",
                    symptom="scores-exchanged",
                )
                return


def _one_each(node: Node, outputs: Dim) -> bool:
    """Whether a tensor is one vector of as many numbers, and they differ."""
    if node.shape is None or [dim for dim in node.shape if dim != 1] != [outputs]:
        return False
    return node.constant is None or len(np.unique(node.constant)) > 1
