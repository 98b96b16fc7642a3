"""The natural slices through a loss: lines in the space of predictions that a person would draw."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from lossdoctor.engine.measure import Measure
from lossdoctor.session import Array, Pair
from lossdoctor.spec import Spec, numpy_dtype
from lossdoctor.symbols.reading import Curve, Surface

POINTS = 201
_SPAN = 5.0  # of errors, unless a smaller magnitude was asked for: beyond, usual losses only go on as they are
_LOGITS = 20.0
_LABELS = 3  # slices for as many labels
_SHARES = 81  # of a contour plot


@dataclass(frozen=True)
class Slice:
    """`at` makes the prediction for a coordinate, of the shape of `along`, which is its derivative."""

    title: str
    label: str
    x: Array
    y_true: Array  # of the smallest batch
    at: Callable[[float], Array]
    along: Array  # of the shape of y_pred

    def points(self, dtype: Any) -> list[Pair]:
        """The inputs along it, in order."""
        return [Pair(self.y_true, self.at(float(v)).astype(dtype)) for v in self.x]


def curves(measure: Measure, names: tuple[str, str]) -> tuple[Curve, ...]:
    """Value and slope along each natural slice; () where the specs suggest none."""
    return tuple(measured(measure, one) for one in slices(measure, names))


def slices(measure: Measure, names: tuple[str, str]) -> Iterator[Slice]:
    """The natural slices; none where the specs suggest none."""
    true, pred = measure.contract.y_true, measure.contract.y_pred
    if not isinstance(true, Spec) or not isinstance(pred, Spec):
        return
    true_shape, pred_shape = measure.shapes(measure.one)
    if pred.kind in ("binary", "onehot", "sign", "label"):
        return
    classes = pred_shape[-1] if pred_shape else 0
    per_class = classes >= 2 and (
        (true.kind == "label" and true.classes == classes and pred_shape[:-1] == true_shape)
        or (true.kind in ("onehot", "probability") and true_shape == pred_shape)
    )
    if per_class:
        yield from _of_classes(measure, true, pred, names)
        return
    if true.kind == "label" or not (true_shape == pred_shape or len(true_shape) == len(pred_shape)):
        return
    x, label = _line(pred, measure.contract.magnitude, names)
    ones = np.ones(pred_shape)
    values = {
        "binary": (0.0, 1.0),
        "sign": (-1.0, 1.0),
        "unit": (0.0, 0.5, 1.0),
        "positive": (1.0,),
        "onehot": (0.0, 1.0),
    }.get(true.kind, (0.0,))
    for value in values:
        if pred.kind == "real" and true.kind == "real":
            label = f"error {names[1]} − {names[0]}"
        y_true = np.full(true_shape, value).astype(numpy_dtype(true.dtype))
        yield Slice(f"{names[0]} = {value:g}", label, x, y_true, lambda v: v * ones, ones)


def _line(pred: Spec, magnitude: float, names: tuple[str, str]) -> tuple[Array, str]:
    span = min(_SPAN, magnitude)
    if pred.kind in ("unit", "probability"):
        return np.linspace(0.0, 1.0, POINTS), names[1]
    if pred.kind == "logit":
        return np.linspace(-min(_LOGITS, magnitude), min(_LOGITS, magnitude), POINTS), f"logit {names[1]}"
    if pred.kind == "positive":
        return np.linspace(span / (POINTS - 1), span, POINTS - 1), names[1]
    return np.linspace(-span, span, POINTS), names[1]


def _of_classes(measure: Measure, true: Spec, pred: Spec, names: tuple[str, str]) -> Iterator[Slice]:
    """The share or score of class 0, when it is the true one and when another is."""
    true_shape, pred_shape = measure.shapes(measure.one)
    classes = pred_shape[-1]
    x, _ = _line(pred, measure.contract.magnitude, names)
    first = np.zeros(pred_shape)
    first[..., 0] = 1.0
    rest = (1.0 - first) / (classes - 1)
    shares = pred.kind in ("probability", "unit")
    label = f"{'probability' if shares else 'score'} of class 0 in {names[1]}"
    for wanted in (0, 1):
        if true.kind == "label":
            y_true = np.full(true_shape, wanted).astype(numpy_dtype(true.dtype))
        else:
            y_true = np.zeros(true_shape, numpy_dtype(true.dtype))
            y_true[..., wanted] = 1
        along = first - rest if shares else first

        def at(v: float) -> Array:
            return v * first + (1.0 - v) * rest if shares else v * first

        yield Slice(f"true class {wanted}", label, x, y_true, at, along)


def measured(measure: Measure, one: Slice) -> Curve:
    """Value and slope of the loss along a slice."""
    pred = measure.contract.y_pred
    assert isinstance(pred, Spec)
    points = one.points(numpy_dtype(pred.dtype))
    value, gradient = measure.along(points)
    with np.errstate(all="ignore"):
        slope = (gradient * one.along).reshape(len(points), -1).sum(axis=1)
    broken = ~(np.isfinite(value) & np.isfinite(slope))
    dead = np.zeros(len(points), bool)
    if not broken.all():
        sound = value[~broken]
        # A gradient whose entries cancel along the slice is not dead.
        still = np.all(gradient.reshape(len(points), -1) == 0, axis=1)
        dead = still & ~broken & (value > sound.min() + 1e-6 * max(np.ptp(sound), 1e-30))
    return Curve(one.title, one.label, one.x, value, slope, _runs(one.x, dead, 2), _runs(one.x, broken, 1))


def _runs(x: Array, chosen: Array, least: int) -> tuple[tuple[float, float], ...]:
    """The stretches of x, of at least so many points, where something holds."""
    found: list[tuple[float, float]] = []
    start: int | None = None
    for place, holds in enumerate([*chosen.tolist(), False]):
        if holds and start is None:
            start = place
        elif not holds and start is not None:
            if place - start >= least:
                found.append((float(x[start]), float(x[place - 1])))
            start = None
    return tuple(found)


def surface(measure: Measure, found: tuple[Curve, ...], names: tuple[str, str]) -> Surface | None:
    """For probabilities of two classes: the expected loss over the true and the predicted probability."""
    true, pred = measure.contract.y_true, measure.contract.y_pred
    if not isinstance(true, Spec) or not isinstance(pred, Spec) or len(found) < 2:
        return None
    pair = two_labels(true, pred, found)
    if pair is None or pred.kind not in ("unit", "probability"):
        return None
    if pred.kind == "probability" and measure.shapes(1)[1][-1] != 2:
        return None
    low, high = pair
    shares = np.linspace(0.0, 1.0, _SHARES)
    with np.errstate(all="ignore"):
        value = shares[:, None] * high.value + (1.0 - shares[:, None]) * low.value
    which = "class 0" if true.kind != "binary" else f"{names[0]} = 1"
    return Surface("expected loss", (low.label, f"true probability of {which}"), low.x, shares, value)


def two_labels(true: Spec, pred: Spec, found: tuple[Curve, ...]) -> tuple[Curve, Curve] | None:
    """The curves where the coordinate should be low, and where it should be high, of a loss of labels."""
    if true.kind == "binary" and pred.kind in ("unit", "logit") and len(found) == 2:
        return found[0], found[1]
    if true.kind in ("onehot", "label", "probability") and pred.kind in ("probability", "logit") and len(found) == 2:
        return found[1], found[0]
    return None
