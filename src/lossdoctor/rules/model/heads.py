"""What the last layer of a model can give, against what its target and its loss are."""

from __future__ import annotations

import math

import numpy as np

from lossdoctor.readings.model import Array, Batch, Output, TermRun

# Lowest and highest value of an activation.
REACH: dict[str, tuple[float, float]] = {
    "sigmoid": (0.0, 1.0),
    "hard_sigmoid": (0.0, 1.0),
    "softmax": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "softsign": (-1.0, 1.0),
    "relu": (0.0, math.inf),
    "softplus": (0.0, math.inf),
    "exponential": (0.0, math.inf),
}
GIVE = ("softmax", "sigmoid", "hard_sigmoid")  # activations that give probabilities
_SLACK = 1e-3  # of the width; label smoothing and rounding stay inside
_MANY = 0.3  # share of samples with two classes or more that makes a task one of several labels
_SIGNED = 0.05  # share of negative targets


def numbers_of(output: Output) -> Array | None:
    """The finite targets as float64, flat; None without any."""
    if output.y_true is None or output.y_true.dtype == object:
        return None
    numbers = np.asarray(output.y_true, np.float64).ravel()
    numbers = numbers[np.isfinite(numbers)]
    return numbers if numbers.size else None


def out_of_reach(numbers: Array, low: float, high: float) -> Array:
    """Where targets lie outside, rounding aside."""
    return np.isfinite(numbers) & ((numbers < low - _SLACK) | (numbers > high + _SLACK))


def multi_label(output: Output) -> bool:
    """Whether the target marks two classes or more in many samples."""
    if output.y_true is None or output.y_true.dtype == object or output.y_true.ndim < 2 or output.y_true.shape[-1] < 2:
        return False
    numbers = np.asarray(output.y_true, np.float64)
    whole = bool(np.isin(numbers[np.isfinite(numbers)], (0.0, 1.0)).all())
    return whole and float((numbers.sum(axis=-1) >= 2).mean()) >= _MANY


def signed_regression(output: Output) -> bool:
    """Whether the targets are real numbers of both signs, which an activation with a lower end cannot follow: then
    the last layer is the odd one, not the data."""
    numbers = numbers_of(output)
    if numbers is None or output.loss is None or output.loss.targets not in ("same", ""):
        return False
    fractional = not bool((numbers == np.rint(numbers)).all())
    return fractional and float((numbers < 0).mean()) >= _SIGNED and float(np.abs(numbers).max()) < 100.0


def probabilities(predictions: Array) -> bool:
    """Whether predictions lie in [0, 1]."""
    finite = predictions[np.isfinite(predictions)]
    return finite.size > 0 and bool((finite >= -1e-6).all() and (finite <= 1 + 1e-6).all())


def scores_given(batch: Batch, output: Output, term: TermRun) -> bool:
    """Whether a loss of the user's fails because it is given scores in the place of probabilities: for a sample whose
    predictions leave [0, 1], under a target of classes, and not once they are put through a sigmoid."""
    if output.loss is None or output.y_pred is None or output.activation in GIVE or not term.squashed:
        return False
    beyond = (output.y_pred[batch.rows.index(row)] for row in term.bad_rows)
    return _of_classes(output) and any(not probabilities(one) for one in beyond)


def _of_classes(output: Output) -> bool:
    """Whether the target is made of 0s and 1s, or of labels: whole numbers of two kinds or more that are no counts."""
    numbers = numbers_of(output)
    if numbers is None or not bool((numbers == np.rint(numbers)).all()) or np.unique(numbers).size < 2:
        return False
    assert output.y_true is not None
    assert output.y_pred is not None
    counts = output.y_true[0].size == output.y_pred[0].size
    return not counts or set(np.unique(numbers)) == {0.0, 1.0}


def row_sums(predictions: Array) -> Array:
    """The sums over the last axis."""
    return np.asarray(predictions, np.float64).sum(axis=-1)
