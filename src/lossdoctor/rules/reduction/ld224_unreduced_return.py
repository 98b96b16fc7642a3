"""LD224: the loss returns one value an output instead of one a sample."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lossdoctor.graph.ir import LossGraph
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD224", name="unreduced-return", family="reduction", severity="warning")


@RULE.check
def unreduced_return(graph: LossGraph) -> Iterator[Suspicion]:
    if graph.stage != "traced" or len(graph.y_pred) != 1:
        return
    node, prediction = graph[graph.value], graph[graph.y_pred[0]]
    shape = node.shape
    if shape is None or shape != prediction.shape or len(shape) < 2 or shape[-1] == 1 or shape[0] != "B":
        return
    if any(isinstance(dim, str) and re.search(r"\bB\b", dim) for dim in shape[1:]):
        return  # y_pred is a table of pairs, and none of its axes more the samples' than the other
    text = ", ".join(str(dim) for dim in shape)
    yield RULE.at(
        node,
        f"returns ({text}), one value an output: no axis of y_pred is reduced, and a sample_weight of shape (B,) "
        "fails or, where the sizes happen to agree, weights outputs instead of samples",
        evidence="proved",
        symptom="weight-ignored",
        arguments={"batch": 4},
        replay="welcome",
        when=("keras-compile", "keras-loss"),
    )
