"""The gradient that training uses against a declared formula of the gradient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from lossdoctor.findings import UsageError
from lossdoctor.formula.compare import doubled_pair
from lossdoctor.formula.expression import Formula
from lossdoctor.formula.meaning import Declared
from lossdoctor.formula.points import points
from lossdoctor.formula.reading import Difference, SlopeCheck
from lossdoctor.formula.relation import relation
from lossdoctor.formula.slope_blame import lacking, slope_repair
from lossdoctor.graph.ir import LossGraph
from lossdoctor.search.shrink import shrink
from lossdoctor.session import Evaluation, Execution, Pair, Session, Settings
from lossdoctor.spec import Contract

# Of an element and of the largest element: a derivative is as precise as the terms that it is made of.
_RELATIVE = 1e-3
_RUN: Execution = "unoptimised"
_BUDGET = 200  # evaluations to find a plain counterexample


def declared_slopes(
    session: Session,
    gradient: Formula,
    contract: Contract,
    graph: LossGraph,
    settings: Settings,
    sizes: Mapping[str, int],
    batches: tuple[int, ...] = (),
    *,
    many: int = 0,
) -> SlopeCheck:
    """Compare the gradient of the summed loss with a formula of it, at ordinary inputs.

    Args:
        gradient: of the shape of y_pred, or broadcast to it.
        sizes, batches: as `formula.compare.compare`.
        many: so many random inputs beside the usual ones.

    Raises:
        UsageError: the formula has not the shape of y_pred.
    """
    chosen = points(contract, Declared(gradient), graph, None, settings, sizes, batches, many=many)
    ordinary = [point for point in chosen if point.realistic]
    results = session.evaluate([point.pair for point in ordinary], _RUN)
    both = [
        found
        for point, result in zip(ordinary, results, strict=True)
        if (found := _difference(gradient, point.pair, result)) is not None
    ]
    differing = [one for one in both if not _same(one)]
    # In float64 too: float32 rounds a saturated sigmoid to 1.
    wide = session.evaluate([doubled_pair(contract, one.pair) for one in differing], _RUN)
    real = [
        one
        for one, result in zip(differing, wide, strict=True)
        if (again := _difference(gradient, one.pair, result)) is None or not _same(again)
    ]
    # One or two may lie at a kink, where the derivative is a matter of convention.
    if len(real) <= max(1, len(both) // 50):
        return SlopeCheck(len(both), 0)

    def differs(pairs: list[Pair]) -> list[bool]:
        return [
            (found := _difference(gradient, pair, result)) is not None and not _same(found, 20.0)
            for pair, result in zip(pairs, session.evaluate(pairs, _RUN), strict=True)
        ]

    small = shrink(real[0].pair, contract, differs, budget=_BUDGET)
    first = _difference(gradient, small, session.evaluate([small], _RUN)[0])
    clause = relation(both[:40], contract, len(both) - len(real), len(both))
    found = SlopeCheck(len(both), len(real), first or real[0], clause)
    repair = slope_repair(graph, gradient, contract, real)
    if repair is None:
        return replace(found, lacks=lacking(gradient, real))
    node = graph[repair.node.id]
    return replace(found, calls=graph.calls(node), written=node.call, change=repair.expected)


def _difference(gradient: Formula, pair: Pair, result: Evaluation) -> Difference | None:
    if result.raised is not None or len(result.gradients) != 1 or not isinstance(pair.y_pred, np.ndarray):
        return None
    used = result.gradients[0]
    expected = Declared(gradient).floats(pair)
    if not np.all(np.isfinite(expected)):
        expected = Declared(gradient).exact(pair)
    try:
        expected = np.broadcast_to(expected, pair.y_pred.shape)
    except ValueError:
        raise UsageError(
            f"Invalid value for `gradient`. Expected a formula of the shape of y_pred, {pair.y_pred.shape}. "
            f"Received: one of the shape {expected.shape}"
        ) from None
    if used is None:
        used = np.zeros(pair.y_pred.shape)
    if not np.all(np.isfinite(expected)) or not np.all(np.isfinite(used)):
        return None
    return Difference(pair, np.asarray(used, np.float64), np.asarray(expected, np.float64))


def _same(one: Difference, times: float = 1.0) -> bool:
    largest = float(np.max(np.abs(one.expected), initial=0.0))
    bound = times * _RELATIVE * (np.abs(one.expected) + 0.01 * largest + 1e-6)
    return bool(np.all(np.abs(one.value - one.expected) <= bound))
