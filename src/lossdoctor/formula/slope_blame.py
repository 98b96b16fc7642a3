"""Which term of a loss is at fault where its gradient is not the declared one.

A change of one constant, reduction, branch or term is put into the loss; it is told where central differences of the
changed loss, in float64, are the declared gradient along random directions at several inputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from lossdoctor.domains.terms import terms
from lossdoctor.formula.evaluate import in_floats
from lossdoctor.formula.expression import Expression, Formula
from lossdoctor.formula.meaning import Declared
from lossdoctor.formula.reading import Difference
from lossdoctor.formula.repairs import Changed, Mends, Repair, branches, constants, reductions
from lossdoctor.formula.stabilisers import computed, value_of, widened
from lossdoctor.graph.ir import LossGraph
from lossdoctor.session import Array, Pair
from lossdoctor.spec import Contract

_POINTS = 4
_DIRECTIONS = 3
_STEP = 1e-5
_RELATIVE = 1e-4  # differences at this step leave about 1e-9; a factor of 1.001 is none that anybody means
_FACTORS = ((0.0, "nothing"), (-1.0, "the other sign"), (2.0, "twice as much"), (0.5, "half as much"))


def slope_repair(graph: LossGraph, gradient: Formula, contract: Contract, found: Sequence[Difference]) -> Repair | None:
    """The change that makes the gradient of the loss the declared one; its node is one of `graph`.

    Args:
        found: inputs with the gradient used (`value`) and the declared one.
    """
    wide = widened(graph)
    chosen = found[:_POINTS]
    if not _by_slopes(wide, contract, [(one.pair, one.value) for one in chosen])(lambda pair: {}):
        return None  # the gradient used is none of the value: what is stopped or replaced is to blame
    mends = _by_slopes(wide, contract, [(one.pair, one.expected) for one in chosen])
    return (
        reductions(wide, contract, mends)  # before the numbers: a formula of the gradient has those of a mean in it
        or constants(wide, Declared(gradient).numbers, mends)
        or branches(wide, contract, mends)
        or _addends(wide, contract, mends)
    )


def lacking(gradient: Formula, found: Sequence[Difference]) -> str:
    """The term of the declared gradient without which it is the gradient used; "" where there is none."""
    shown = found[:_POINTS]
    for part, sign in _summands(gradient.root, 1.0):
        formula = Formula(part.text, part, tuple(part.walk()))
        terms_there = [sign * in_floats(formula, one.pair.y_true, one.pair.y_pred) for one in shown]
        if all(_near(one.value, one.expected - term) for one, term in zip(shown, terms_there, strict=True)):
            return part.text
    return ""


def _by_slopes(wide: LossGraph, contract: Contract, wanted: Sequence[tuple[Pair, Array]]) -> Mends:
    """Whether with a change the loss has these gradients, of its sum."""
    rng = np.random.default_rng(0)
    along = [[rng.normal(size=gradient.shape) for _ in range(_DIRECTIONS)] for _, gradient in wanted]

    def mends(changed: Changed) -> bool:
        for (pair, gradient), directions in zip(wanted, along, strict=True):
            for one in directions:
                slope = _difference(wide, contract, pair, one, changed)
                expected = float(np.sum(gradient * one))
                scale = float(np.max(np.abs(gradient), initial=0.0) * np.sqrt(np.sum(one * one)))
                if slope is None or abs(slope - expected) > _RELATIVE * max(scale, 1e-9):
                    return False
        return bool(wanted)

    return mends


def _difference(wide: LossGraph, contract: Contract, pair: Pair, along: Array, changed: Changed) -> float | None:
    ends: list[float] = []
    step = _STEP * max(1.0, float(np.max(np.abs(pair.y_pred), initial=0.0)))
    for way in (-step, step):
        moved = Pair(pair.y_true, np.asarray(pair.y_pred, np.float64) + way * along)
        override = changed(moved)
        value = None if override is None else value_of(wide, contract, moved, override)
        if value is None or not np.all(np.isfinite(value)):
            return None
        ends.append(float(np.sum(value)))
    return (ends[1] - ends[0]) / (2.0 * step)


def _addends(wide: LossGraph, contract: Contract, mends: Mends) -> Repair | None:
    """A term that should not be there, or has another sign or size."""
    found = [term for term in terms(wide) if term.depends]
    if len(found) < 2:
        return None
    for factor, words in _FACTORS:
        for term in found:

            def changed(pair: Pair, place: int = term.node, factor: float = factor) -> dict[int, Array] | None:
                held = computed(wide, contract, pair)[place]
                known = isinstance(held, np.ndarray | np.generic)
                return {place: np.multiply(np.asarray(held, np.float64), factor)} if known else None

            if mends(changed):
                return Repair(wide[term.node], words)
    return None


def _summands(root: Expression, sign: float) -> Iterator[tuple[Expression, float]]:
    """The terms of a sum, with their signs; nothing for what is no sum."""
    if root.op in ("add", "subtract"):
        for arg, own in zip(root.args, (sign, sign if root.op == "add" else -sign), strict=True):
            yield arg, own
            yield from _summands(arg, own)


def _near(value: Array, other: Array) -> bool:
    size = float(np.max(np.abs(value), initial=0.0))
    return bool(np.all(np.abs(value - other) <= 1e-3 * (np.abs(value) + 0.01 * size + 1e-6)))
