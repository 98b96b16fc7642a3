"""Whether two runs of a loss may differ although both are right: by rounding, or by a sign that nothing fixes.

A loss that cancels large numbers, or compares two that are nearly equal, gives another value for inputs that differ by
one unit in the last place. Kernels that sum in another order then give another value too, and neither is the fault of
an execution.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lossdoctor.graph.ir import LossGraph
from lossdoctor.search.leaves import make_pair, pair_arrays, pair_specs
from lossdoctor.session import Array, Execution, Pair, Session, SessionError
from lossdoctor.spec import Contract, discrete_values

_NUDGED = 10  # two numbers of equal size cancel as before in every second of these
# Of the difference: a loss that moves by as much when its inputs move by one ulp says nothing about the executions.
_SHARE = 0.1
# Vectors of these are determined up to a sign (or a rotation), which each kernel chooses for itself.
_UP_TO_A_SIGN = frozenset({"Svd", "linalg.svd", "Eig", "Qr", "linalg.qr"})


def arbitrary_signs(graph: LossGraph) -> bool:
    """Whether the loss computes singular or eigenvectors."""
    return any(
        node.op in _UP_TO_A_SIGN or (node.op == "linalg.eigh" and node.attrs.get("compute_v", True))
        for node in graph.nodes
    )


def unsettled(
    session: Session, contract: Contract, pair: Pair, executions: Sequence[Execution], difference: float
) -> bool:
    """Whether one ulp in the inputs moves the loss, in one and the same execution, about as far as `difference`.

    Raises:
        SessionError: the worker died.
    """
    pairs = [pair, *_nudged(contract, pair)]
    for execution in executions:
        try:
            results = session.evaluate(pairs, execution)
        except SessionError as problem:
            if problem.died is not None:
                raise
            continue
        values = [None if one.value is None else one.value.astype(np.float64) for one in results]
        here = values[0]
        if here is None:
            continue
        for value in values[1:]:
            if value is None or value.shape != here.shape:
                continue
            moved = np.abs(value - here)
            if not np.isfinite(moved).all() or moved.max(initial=0.0) >= _SHARE * difference:
                return True
    return False


def _nudged(contract: Contract, pair: Pair) -> list[Pair]:
    """The input with every continuous number one ulp up, one down, and in random directions."""
    rng = np.random.default_rng(0)
    found: list[Pair] = []
    for number in range(_NUDGED):
        parts: list[Array] = []
        for spec, array in zip(pair_specs(contract), pair_arrays(contract, pair), strict=True):
            if array.dtype.kind != "f" or discrete_values(spec) is not None:
                parts.append(array)
                continue
            signs = rng.choice([-1.0, 1.0], array.shape) if number > 1 else np.full(array.shape, 1.0 - 2 * number)
            moved = np.nextafter(array, (np.inf * signs).astype(array.dtype))
            parts.append(np.where(array == 0, array, moved))  # the ulp of zero is a denormal
        found.append(make_pair(contract, parts))
    return found
