"""Is the loss the same for every prediction, although the prediction goes into it?

A softmax over one class, a vector of one number that is normalised, a mean along an axis of length one: what the
prediction says cancels. No prediction is better than another then, so that a dead gradient is no question of a region.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lossdoctor.graph.frontend_tf import Live
from lossdoctor.graph.ir import Node
from lossdoctor.probes import targets
from lossdoctor.probes.dead_region import Target
from lossdoctor.probes.dead_runs import ROUNDING, Runs
from lossdoctor.probes.draws import draw
from lossdoctor.probes.observe import values
from lossdoctor.search.evaluate import leaves, rebuilt
from lossdoctor.session import Array, Pair, Value
from lossdoctor.spec import BATCH, Contract, Kind, Spec

FAR = 100.0  # times the usual size: beyond a margin or a threshold that ordinary predictions do not reach


def constant(runs: Runs, contract: Contract, pairs: Sequence[Pair], stated: Sequence[Target]) -> bool:
    """Whether the loss at these pairs is the same at any other prediction.

    Args:
        pairs: with y_true of more than one kind (a mask may exclude some).
    """
    return all(_same(runs, pair, other) for pair in pairs for other in others(runs, contract, pair, stated))


def lost(live: Live, pair: Pair, other: Value) -> Node | None:
    """The first forward node that is the same for two predictions although what goes into it differs."""
    staged = live.staged
    graph = staged.loss
    known = [node.id for node in graph.where(role="forward") if node.id in staged.tensors]
    here = dict(zip(known, values(live, staged, pair, known), strict=True))
    there = dict(zip(known, values(live, staged, Pair(pair.y_true, other), known), strict=True))

    def differs(node: int) -> bool:
        if node not in known:  # the results of an operation that gives several
            return any(map(differs, graph[node].args))
        return not _equal(here[node], there[node])

    for node in graph.where(role="forward"):
        if node.id in known and node.calls and any(map(differs, node.args)) and not differs(node.id):
            return node
    return None


def others(runs: Runs, contract: Contract, pair: Pair, stated: Sequence[Target]) -> list[Value]:
    """Ordinary and extreme predictions of the batch size of a pair."""
    specs: list[Spec] = leaves(contract.y_pred)
    sizes = {**runs.call.sizes, BATCH: len(leaves(pair.y_true)[0])}
    found: list[Value] = [draw(contract.y_pred, np.random.default_rng(seed), sizes) for seed in (1, 2)]
    for change in range(2):
        parts = [_extreme(part, spec, change) for part, spec in zip(leaves(found[0]), specs, strict=True)]
        found.append(rebuilt(found[0], parts))
    if stated:
        found += [targets.as_prediction(target(pair.y_true), specs[0]) for target in stated]
    return found


def _extreme(part: Array, spec: Spec, change: int) -> Array:
    """The far end of what a kind allows: two of them."""
    kind: Kind = spec.kind
    if part.dtype.kind != "f":
        return part
    if kind in ("unit", "binary"):
        changed = np.round(part) if change else 1.0 - part
    elif kind in ("probability", "onehot"):
        changed = np.roll(part, 1, axis=-1) if change else (part == part.max(axis=-1, keepdims=True)).astype(float)
    else:
        changed = part * FAR if change or kind == "positive" else -part
    return np.asarray(changed, dtype=part.dtype)


def _same(runs: Runs, pair: Pair, other: Value) -> bool:
    return _equal(runs.value(pair), runs.value(Pair(pair.y_true, other)))


def _equal(one: Array, two: Array) -> bool:
    return one.shape == two.shape and np.allclose(one, two, rtol=ROUNDING, atol=0.0)
