"""What every float node of a loss holds at one input, forward and gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from lossdoctor.graph.frontend_tf import Live, Staged
from lossdoctor.graph.ir import Stage
from lossdoctor.graph.run_tf import Executable, array
from lossdoctor.session import NodeStats, Observed, Pair


def observe(live: Live, pair: Pair, stage: Stage) -> Observed:
    """Run the graph of a stage operation by operation, without further optimisation, and look at each node.

    `agrees` is False where this gives another value or gradient than the normal run: for "traced", the same graph
    run for nothing else; for "optimised", what `tf.function` gives.

    Raises whatever TensorFlow raises at this input, and ValueError if the stage does not exist.
    """
    staged = live.staged if stage == "traced" else live.staged_optimised
    if staged is None:
        raise ValueError("the graph optimiser gave no graph for this loss")
    tensors = {
        node: tensor
        for node, tensor in staged.tensors.items()
        if tensor.dtype.is_floating and staged.loss[node].op != "variable"
    }
    feeds = live.feeds(pair)
    outputs = live.outputs(staged)
    fetched = Executable(staged.graph, [*outputs, *tensors.values()], effects=False)(feeds, optimised=False)
    plain = live.function(feeds, optimised=stage == "optimised")
    agrees = all(_equal(array(a), array(b)) for a, b in zip(fetched[: len(outputs)], plain, strict=True))
    values = fetched[len(outputs) :]
    return Observed(stage, {node: stats(array(v)) for node, v in zip(tensors, values, strict=True)}, agrees)


def values(live: Live, staged: Staged, pair: Pair, nodes: list[int]) -> list[np.ndarray[Any, Any]]:
    """The arrays that these nodes hold at one input, without further optimisation.

    Raises KeyError for a node without a tensor of its own (of an inlined function, or a tuple).
    """
    executable = Executable(staged.graph, [staged.tensors[node] for node in nodes], effects=False)
    return [array(tensor) for tensor in executable(live.feeds(pair), optimised=False)]


def stats(value: np.ndarray[Any, Any]) -> NodeStats:
    """Counts of NaN and infinities, and the range of the finite elements."""
    finite = np.isfinite(value)
    bad = np.argwhere(~finite)
    rest = value[finite]
    return NodeStats(
        nan=int(np.isnan(value).sum()),
        inf=int(np.isinf(value).sum()),
        size=int(value.size),
        low=float(rest.min()) if rest.size else float("nan"),
        high=float(rest.max()) if rest.size else float("nan"),
        first_bad=tuple(int(i) for i in bad[0]) if len(bad) else None,
    )


def _equal(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> bool:
    """Same finite pattern, and equal up to the reordering of sums."""
    if a.shape != b.shape or not np.array_equal(np.isnan(a), np.isnan(b)):
        return False
    if not np.array_equal(np.isposinf(a), np.isposinf(b)) or not np.array_equal(np.isneginf(a), np.isneginf(b)):
        return False
    if a.dtype.kind != "f":
        return bool(np.array_equal(a, b))
    finite = np.isfinite(a)
    epsilon = float(np.finfo(a.dtype).eps)
    scale = float(np.max(np.abs(a[finite]), initial=0.0))
    return bool(np.allclose(a[finite], b[finite], rtol=64 * epsilon, atol=64 * epsilon * scale))
