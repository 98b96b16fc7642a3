"""Three inputs of plain numbers, at which one can check value and gradient of a loss by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from lossdoctor.engine.measure import Measure
from lossdoctor.findings import UsageError
from lossdoctor.formula.evaluate import derivatives, exactly
from lossdoctor.formula.expression import Formula
from lossdoctor.session import Array, Pair
from lossdoctor.spec import BATCH, Spec, numpy_dtype, shape_of
from lossdoctor.symbols.reading import Example

_FEWEST = 2  # entries along an axis whose size is free
_LARGEST = 256  # entries of y_pred beyond which nobody checks by hand
_STEP = 1e-5  # central differences: their error is 1e-10 f''' / 6

# Patterns of one row, repeated as far as it goes; one for each of the three inputs.
_TRUE = {
    "real": ((1.0, 0.0), (0.0, 2.0), (1.0, -1.0)),
    "logit": ((1.0, 0.0), (0.0, 2.0), (1.0, -1.0)),
    "positive": ((1.0, 2.0), (2.0, 1.0), (1.0, 1.0)),
    "unit": ((1.0, 0.0), (0.5, 0.25), (0.0, 1.0)),
    "binary": ((1.0, 0.0), (0.0, 0.0), (1.0, 1.0)),
    "sign": ((1.0, -1.0), (-1.0, -1.0), (1.0, 1.0)),
}
_PRED = {
    "real": ((0.5, 0.0), (2.0, 0.0), (-1.0, 2.0)),
    "logit": ((0.0, 0.0), (2.0, -1.0), (-2.0, 1.0)),
    "positive": ((1.0, 1.0), (2.0, 0.5), (3.0, 1.0)),
    "unit": ((0.5, 0.5), (0.25, 0.75), (0.75, 0.5)),
    "binary": ((1.0, 0.0), (0.0, 1.0), (1.0, 1.0)),
    "sign": ((1.0, -1.0), (-1.0, 1.0), (1.0, 1.0)),
}


def examples(measure: Measure, formula: Formula | None) -> tuple[Example, ...]:
    """Value, gradient and expected derivative at three inputs.

    Args:
        formula: gives the expected derivative; without one, central differences of the code in float64 do.
    """
    true, pred = measure.contract.y_true, measure.contract.y_pred
    assert isinstance(true, Spec)
    assert isinstance(pred, Spec)
    sizes = dict.fromkeys(measure.sizes, _FEWEST)
    small = replace(measure, sizes=sizes)
    made = _pairs(small, true, pred)
    try:
        found = measure.session.evaluate(made, "eager")
    except UsageError:
        return ()
    if any(one.raised is not None for one in found) and sizes != measure.sizes:
        made = _pairs(measure, true, pred)
        found = measure.session.evaluate(made, "eager")
    result: list[Example] = []
    for pair, one in zip(made, found, strict=True):
        if one.value is None or np.size(pair.y_pred) > _LARGEST:
            continue
        gradient = one.gradients[0] if len(one.gradients) == 1 else None
        value, slopes, source = _expected(measure, formula, pair)
        result.append(Example(pair.y_true, pair.y_pred, np.asarray(one.value), gradient, value, slopes, source))
    return tuple(result)


def _pairs(measure: Measure, true: Spec, pred: Spec) -> list[Pair]:
    sizes = {**measure.sizes, BATCH: measure.one}
    shapes = shape_of(true, sizes), shape_of(pred, sizes)
    return [Pair(_made(true, shapes[0], turn, False), _made(pred, shapes[1], turn, True)) for turn in range(3)]


def _made(spec: Spec, shape: tuple[int, ...], turn: int, predicted: bool) -> Array:
    dtype = numpy_dtype(spec.dtype)
    count = int(np.prod(shape))
    if spec.kind == "label":
        return ((np.arange(count) + turn) % (spec.classes or 1)).reshape(shape).astype(dtype)
    if spec.kind in ("onehot", "probability"):
        classes = shape[-1]
        rows = np.zeros((max(count // classes, 1), classes))
        if spec.kind == "onehot" or not predicted:
            rows[np.arange(len(rows)), (np.arange(len(rows)) + turn) % classes] = 1.0
        else:
            # The same for all, then half for one class.
            rows[:] = 1.0 / classes if turn == 0 else 0.5 / max(classes - 1, 1)
            if turn:
                rows[:, (turn - 1) % classes] = 0.5
        return rows.reshape(shape).astype(dtype)
    patterns = (_PRED if predicted else _TRUE)[spec.kind]
    return np.resize(np.asarray(patterns[turn]), count).reshape(shape).astype(dtype)


def _expected(
    measure: Measure, formula: Formula | None, pair: Pair
) -> tuple[Array | None, Array | None, Literal["formula", "differences", ""]]:
    shape = np.shape(pair.y_pred)
    size = int(np.prod(shape))
    axes = np.eye(size).reshape(size, *shape)
    base = np.asarray(pair.y_pred, np.float64)
    if formula is not None:
        try:
            _, slopes = derivatives(formula, pair.y_true, base, axes)
            return exactly(formula, pair.y_true, base), slopes.reshape(size, -1).sum(axis=1).reshape(shape), "formula"
        except UsageError:
            pass
    moved = [Pair(pair.y_true, base + way * _STEP * axis) for axis in axes for way in (1.0, -1.0)]
    ends = measure.evaluate(moved)
    if any(end.value is None or end.value.dtype != np.float64 for end in ends):
        return None, None, ""
    totals = np.array([float(np.sum(end.value)) for end in ends if end.value is not None])
    return None, ((totals[::2] - totals[1::2]) / (2 * _STEP)).reshape(shape), "differences"
