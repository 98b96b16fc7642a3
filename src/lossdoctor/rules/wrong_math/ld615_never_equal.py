"""LD615: labels are compared with one of their values after they have been turned into others."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lossdoctor.domains.intervals import Ranges
from lossdoctor.graph.ir import LossGraph
from lossdoctor.rules.registry import Rule, Suspicion
from lossdoctor.rules.straight import line_of_labels
from lossdoctor.spec import Contract, Spec

RULE = Rule(code="LD615", name="never-equal", family="wrong-math", severity="warning")


@RULE.check
def never_equal(graph: LossGraph, ranges: Ranges, contract: Contract) -> Iterator[Suspicion]:
    """A comparison that y_true itself would pass, and what has been made of it never does. A value that y_true does not
    have either (a label to be ignored) is another matter."""
    values = _values(contract)
    if graph.stage != "traced" or values is None:
        return
    for node in graph.where("equal", "not_equal", role="forward"):
        for labels, other in (node.args[:2], node.args[1::-1]):
            number = graph[other].constant
            line = line_of_labels(graph, labels, ranges)
            if number is None or number.size != 1 or line is None or line == (1.0, 0.0):
                continue
            wanted = float(number.reshape(-1)[0])
            become = np.float32(line[0]) * values + np.float32(line[1])
            if wanted in values and not np.isclose(become, wanted, rtol=1e-6, atol=1e-7).any():
                shown = " and ".join(f"{value:.4g}" for value in become[:2]) + (", …" if len(become) > 2 else "")
                yield RULE.at(
                    node,
                    f"`{node.call}` compares with {wanted:g} what y_true has been turned into, which is {shown}: it is "
                    f"{'never' if node.op == 'equal' else 'always'} true, where y_true itself may be {wanted:g}",
                    evidence="proved",
                )
                return


def _values(contract: Contract) -> np.ndarray | None:
    """All values of y_true, where it has a few."""
    labels = contract.y_true
    if not isinstance(labels, Spec):
        return None
    if labels.kind == "label" and labels.classes:
        return np.arange(labels.classes, dtype=np.float32)
    known = {"binary": (0.0, 1.0), "onehot": (0.0, 1.0), "sign": (-1.0, 1.0)}.get(labels.kind)
    return None if known is None else np.asarray(known, np.float32)
