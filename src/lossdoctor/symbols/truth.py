"""Choices that the values of y_true decide: a branch that no valid label takes is no part of the formula."""

from __future__ import annotations

import numpy as np

from lossdoctor.formula.evaluate import in_floats
from lossdoctor.formula.expression import Expression, Formula
from lossdoctor.symbols.algebra import Algebra
from lossdoctor.symbols.lower import Outside, lower

_FOLDS = frozenset({"sum", "mean", "max", "min", "logsumexp", "softmax", "log_softmax", "one_hot", "call", "index"})


def decided(
    algebra: Algebra, condition: Expression, yes: Expression, no: Expression, values: tuple[float, ...] | None
) -> Expression | None:
    """The branch that is always taken, if the condition asks for all labels and `values` are those that occur.

    Where all labels satisfy the condition and both branches agree at each such label, it does not matter either.
    """
    if values is None or condition.op != "all" or algebra.shapes[condition]:
        return None
    asked = condition.args[0]
    if not _of_labels(asked):
        return None
    try:
        held = [bool(_at(algebra, asked, value)) for value in values]
        if all(held):
            return yes
        if not any(held):
            return no
        if not (_of_labels(yes) and _of_labels(no)):
            return None
        agree = all(
            _at(algebra, yes, value) == _at(algebra, no, value)
            for value, true in zip(values, held, strict=True)
            if true
        )
    except Outside:
        return None
    return no if agree else None


def _of_labels(x: Expression) -> bool:
    """Elementwise in y_true alone."""
    return all(part.op not in _FOLDS and part.role != "y_pred" for part in x.walk_once())


def _at(algebra: Algebra, x: Expression, value: float) -> float:
    root = lower(algebra, x)
    formula = Formula("", root, tuple(root.walk()))
    return float(in_floats(formula, np.asarray(value), np.asarray(0.0)))
