"""Double precision beside its float32 twin: does computing in float64 change anything?"""

from __future__ import annotations

import numpy as np

from lossdoctor.engine.witnesses import Witnesses
from lossdoctor.graph.ir import LossGraph, Node
from lossdoctor.ops.arrays import Array
from lossdoctor.readings import NeedlessDouble
from lossdoctor.search.leaves import pair_specs
from lossdoctor.session import Evaluation, Session, Traced
from lossdoctor.spec import Contract

_INPUTS = 32  # of the search, evenly taken: corners as well as ordinary draws
_LEAST = 8  # finite ones, below which nothing is said
_SAME = 1e-3  # relative to the largest entry: three digits, which training does not notice


def needless_double(
    session: Session, contract: Contract, traced: Traced, witnesses: Witnesses
) -> NeedlessDouble | None:
    """Whether float32 would do wherever the search looked; None where it would not, or nothing is cast to float64.

    Raises:
        SessionError: the worker died.
    """
    graph = traced.traced
    cast = None if graph is None else first_cast(graph)
    if graph is None or cast is None or any(spec.dtype == "float64" for spec in pair_specs(contract)):
        return None
    results = witnesses.results.get("traced", [])
    known = list(zip(witnesses.pairs, results, strict=False))
    known = known[:: max(1, len(known) // _INPUTS)]
    twins: list[Evaluation] = session.probe("half", contract, pairs=[pair for pair, _ in known], dtypes=("float64",))
    if not all(_alike(result, twin) for (_, result), twin in zip(known, twins, strict=True)):
        return None
    finite = sum(result.value is not None and result.finite_value for _, result in known)
    return NeedlessDouble(finite, graph.calls(cast)) if finite >= _LEAST else None


def first_cast(graph: LossGraph) -> Node | None:
    """The first cast of a float of the loss to float64."""
    for node in graph.where("astype", role="forward"):
        source = graph[node.args[0]]
        if node.dtype == "float64" and source.dtype in ("float32", "float16", "bfloat16") and node.calls:
            return node
    return None


def _alike(result: Evaluation, twin: Evaluation) -> bool:
    if (result.raised is None) != (twin.raised is None):
        return False
    if result.value is None or twin.value is None:
        return result.value is None and twin.value is None
    pairs = [(result.value, twin.value), *zip(result.gradients, twin.gradients, strict=True)]
    return all(_close(one, other) for one, other in pairs)


def _close(one: Array | None, other: Array | None) -> bool:
    if one is None or other is None:
        return one is None and other is None
    if one.shape != other.shape:
        return False
    wide, single = one.astype(np.float64), other.astype(np.float64)
    if not np.array_equal(np.isfinite(wide), np.isfinite(single)):
        return False
    size = float(np.abs(wide[np.isfinite(wide)]).max(initial=0.0))
    return np.allclose(wide, single, rtol=_SAME, atol=_SAME * size, equal_nan=True)
