"""LD507: numbers of classes are cast to an integer type that is too narrow for them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lossdoctor.graph.ir import LossGraph
from lossdoctor.rules.registry import Rule, Suspicion
from lossdoctor.rules.tracing import input_behind
from lossdoctor.spec import Contract, Spec

RULE = Rule(code="LD507", name="label-overflow", family="dtype", severity="error")


@RULE.check
def label_overflow(graph: LossGraph, contract: Contract) -> Iterator[Suspicion]:
    labels = contract.y_true
    if graph.stage != "traced" or not isinstance(labels, Spec) or labels.kind != "label" or not labels.classes:
        return
    needed = graph.graph.ancestors(graph.value)
    for node in graph.where("astype", role="forward"):
        if node.id not in needed or not node.dtype.startswith(("int", "uint")):
            continue
        limits, last = np.iinfo(node.dtype), labels.classes - 1
        if last <= limits.max or input_behind(graph, node.args[0]) not in graph.y_true:
            continue
        first = limits.max + 1
        becomes = int(np.asarray(first).astype(node.dtype))
        alike = (becomes, first) if becomes >= 0 else (first, min(first + 1, last))
        yield RULE.at(
            node,
            f"`{' '.join(node.call.split())}` casts labels up to {last} to {node.dtype}, which ends at {limits.max}: "
            f"class {first} becomes {becomes}",
            evidence="proved",
            symptom="classes-alike",
            arguments=dict(zip(("first", "second"), alike, strict=True)),
        )
