"""The worker's side of `isolate` for symptoms whose place the parent knows: lost precision, another value than meant.

Exact arithmetic, or the comparison with a reference, has named the operation. What is left to find is the term, the
smallest input, and the smallest part of the graph that shows it alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lossdoctor.domains.exact_double import widened_loss
from lossdoctor.domains.exact_error import deviation
from lossdoctor.domains.machine import machine
from lossdoctor.experiments.isolation import Search
from lossdoctor.experiments.measure import Meter
from lossdoctor.experiments.reading import Culprit
from lossdoctor.experiments.scripts import WRONG, differing_script, inexact_script, run_here
from lossdoctor.experiments.terms import terms_of
from lossdoctor.graph.frontend_tf import Live
from lossdoctor.ops.arrays import is_array
from lossdoctor.search.leaves import pair_arrays
from lossdoctor.search.shrink import shrink
from lossdoctor.session import Array, Pair, SessionError
from lossdoctor.spec import Contract

_BUDGET = 240  # inputs that shrinking tries
_KEPT = 0.3  # of the absolute error, so that the smaller input still matters
_SHOWN = 0.1  # of a difference, from which the script says that it stands


def probe(
    subject: Any,
    contract: Contract,
    *,
    live: Live | None,
    place: int | None,
    pair: Pair,
    gradient: int | None = None,
    expected: Array | None = None,
) -> Culprit:
    """Find the term that the place belongs to, and reduce it.

    Args:
        place: the guilty node; None for the value itself.
        gradient: of which part of y_pred the gradient is inexact; None for the value.
        expected: what the loss should be at `pair`; None where its precision is in question.

    Raises:
        SessionError: the loss was not traced.
    """
    if live is None:
        raise SessionError("the loss could not be traced")
    found, way = terms_of(live, subject.loaded.name)
    search = Search(live, contract, Meter(live, found, way), found, pair, 0)
    guilty = search.live.traced.value if place is None else place
    number = _term(search, guilty)
    if expected is not None:
        return _differing(search, number, guilty, pair, expected)
    return _inexact(search, number, guilty, pair, gradient)


def _term(search: Search, place: int) -> int:
    """The term that a node belongs to, or the one that it lets through."""
    within = [k for k, part in enumerate(search.parts) if place in search.graph.ancestors(part.node)]
    above = search.graph.ancestors(place)
    over = [k for k, part in enumerate(search.parts) if part.node in above]
    return (within or (over if len(over) == 1 else []) or [0])[0]


def _whole(search: Search, place: int) -> bool:
    """Whether a node is where several terms have come together."""
    above = search.graph.ancestors(place)
    return sum(part.node in above for part in search.parts) > 1


def _numbers(search: Search, number: int, place: int) -> tuple[int, ...]:
    return tuple(range(len(search.parts))) if _whole(search, place) else (number,)


# ---- lost precision


def _inexact(search: Search, number: int, place: int, pair: Pair, gradient: int | None) -> Culprit:
    small = shrink(pair, search.contract, _still(search, pair, gradient), _BUDGET)
    numbers = _numbers(search, number, place)
    top = search.live.traced.value if len(numbers) > 1 else search.parts[number].node
    for given in (small, pair):
        for root in search.upwards(place, top):
            tensor = search.live.staged.tensors.get(root)
            if tensor is None or not tensor.dtype.is_floating:
                continue
            script = inexact_script(search.live, tensor, given, gradient=gradient is not None)
            if run_here(script) == 1:
                return search.told("precision-loss", numbers, place, root, given, script)
    return search.told("precision-loss", numbers, place, top, small, "")


def _still(search: Search, pair: Pair, gradient: int | None) -> Any:
    """Whether inputs still have an error of about the size of the first."""
    graph = search.live.traced
    wide = widened_loss(graph)
    place = graph.value if gradient is None else graph.gradients[gradient]
    assert place is not None
    output = "value" if gradient is None else "gradient"

    def error(one: Pair) -> tuple[float, float]:
        arrays = dict(zip((*graph.y_true, *graph.y_pred), pair_arrays(search.contract, one), strict=True))
        single = machine(graph, arrays)[place]
        double = machine(wide, {node: _wide(array) for node, array in arrays.items()})[place]
        if not (is_array(single) and is_array(double)) or not (np.isfinite(single) & np.isfinite(double)).all():
            return 0.0, 0.0
        return deviation(np.asarray(single, np.float64), double, output)

    least = _KEPT * error(pair)[1]

    def still(pairs: list[Pair]) -> list[bool]:
        found = [error(one) for one in pairs]
        return [relative >= WRONG and absolute >= least > 0 for relative, absolute in found]

    return still


def _wide(array: Array) -> Array:
    return array.astype(np.float64) if array.dtype == np.float32 else array


# ---- another value than meant


def _differing(search: Search, number: int, place: int, pair: Pair, expected: Array) -> Culprit:
    """The term alone, against what the others leave for it."""
    numbers = _numbers(search, number, place)
    parts = [np.asarray(value, np.float64) for value in search.meter.contributed(pair)]
    own = sum(parts[k] for k in numbers)
    rest = [_mean(part, expected.ndim) for k, part in enumerate(parts) if k not in numbers]
    wanted = expected - sum(rest) if rest else expected
    gap = float(np.max(np.abs(_mean(np.asarray(own), expected.ndim) - wanted), initial=0.0))
    tensor = search.live.staged.value if len(numbers) > 1 else search.meter.contributions[number]
    root = search.live.traced.value if len(numbers) > 1 else search.parts[number].node
    script = differing_script(search.live, tensor, pair, np.asarray(wanted), _SHOWN * gap) if gap > 0 else ""
    return search.told("differs", numbers, place, root, pair, script)


def _mean(value: Array, rank: int) -> Array:
    return value.mean(axis=tuple(range(rank, value.ndim))) if value.ndim > rank else value
