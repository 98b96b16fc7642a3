"""Which prediction states a given y_true, and which ones clearly do not.

Known for pairs of kinds with one meaning only. Others (distances, rates, embeddings, parameters of
distributions) have no claim: the best prediction is then the author's to define.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lossdoctor.probes.draws import Sizes
from lossdoctor.session import Array
from lossdoctor.spec import Contract, Kind, Spec, numpy_dtype, shape_of

# Predicted logits of a certain model: sigmoid(8) = 0.99966, and losses are still smooth there in float32.
CERTAIN = 8.0
# Kinds whose y_true is its own best prediction.
SAME: frozenset[tuple[Kind, Kind]] = frozenset(
    {
        ("real", "real"),
        ("positive", "positive"),
        ("unit", "unit"),
        ("probability", "probability"),
        ("binary", "unit"),
        ("onehot", "probability"),
        ("onehot", "unit"),
        ("binary", "binary"),
    }
)


@dataclass(frozen=True, slots=True)
class Meaning:
    """Targets of a y_true, as functions; several where conventions differ (margins of 1 or more)."""

    targets: tuple[Callable[[Array], Array], ...]
    opposite: Callable[[Array], Array]  # of a target
    constants: tuple[Callable[[tuple[int, ...]], Array], ...]
    # Of targets that say the same with less and less certainty: their scores, as shares of the first one's.
    scales: tuple[float, ...] = ()

    def scale(self, index: int) -> float:
        return self.scales[index] if self.scales else 1.0

    def alone(self, index: int) -> Meaning:
        """That target only, with constants as certain as it: what is too certain costs more, right or wrong."""
        scale = self.scale(index)
        constants = self.constants if scale == 1.0 else tuple(_scaled(one, scale) for one in self.constants)
        return Meaning((self.targets[index],), self.opposite, constants)


def meaning(contract: Contract, sizes: Sizes) -> Meaning | str:
    """What the kinds of a contract mean, or why that is unknown."""
    true, pred = contract.y_true, contract.y_pred
    if not isinstance(true, Spec) or not isinstance(pred, Spec):
        return "y_true or y_pred is a structure"
    kinds = (true.kind, pred.kind)
    true_shape, pred_shape = shape_of(true, sizes), shape_of(pred, sizes)
    if true.kind == "label" and pred.kind in ("probability", "logit"):
        classes = true.classes or 0
        if classes < 2 or pred_shape[-1:] != (classes,) or pred_shape[:-1] not in (true_shape, true_shape[:-1]):
            return f"y_pred has no axis of {classes} classes beside the axes of y_true"

        def expand(labels: Array) -> Array:
            return np.eye(classes)[labels.astype(int).reshape(pred_shape[:-1])]

        return _classes(pred.kind, classes, expand)
    # A lone trailing axis of one: the same entries, as `fit` squeezes them; a batch of one is called below.
    if true_shape != pred_shape and not _same_entries(true, pred):
        return f"y_true has shape {true.dims} and y_pred {pred.dims}"
    if pred.kind == "probability" and pred_shape[-1:] == (1,):
        return "a probability over one class is always 1"

    def reshape(values: Array) -> Array:
        return values.astype(float).reshape(pred_shape)

    if true.kind == "onehot" and pred.kind in ("probability", "logit") and pred_shape[-1] > 1:
        return _classes(pred.kind, pred_shape[-1], reshape)
    if kinds in SAME:
        return _same(pred.kind, reshape)
    if kinds == ("binary", "logit"):
        return _margins(lambda t: 2.0 * reshape(t) - 1.0, (CERTAIN, 3.0, 1.0))
    if kinds in (("sign", "real"), ("sign", "logit")):
        return _margins(reshape, (1.0, 3.0))
    if kinds == ("unit", "logit"):
        return Meaning((lambda t: _logit(reshape(t)),), lambda p: -p, (_filled(0.0), _filled(4.0), _filled(-4.0)))
    if kinds == ("probability", "logit"):
        return Meaning(
            (lambda t: np.log(np.maximum(reshape(t), 1e-4)),),
            lambda p: -p,
            (_filled(0.0), _one_class(pred_shape[-1], CERTAIN)),
        )
    return f"no best prediction is known for y_true {true.kind} and y_pred {pred.kind}"


def gains(contract: Contract, sizes: Sizes) -> Meaning | None:
    """The best decisions, where y_true is what is earned by them: take what is positive, or what is largest. None
    where y_pred is no share or probability of each."""
    true, pred = contract.y_true, contract.y_pred
    if not isinstance(true, Spec) or not isinstance(pred, Spec) or true.kind != "real":
        return None
    shape = shape_of(pred, sizes)
    if shape_of(true, sizes) != shape:
        return None
    if pred.kind in ("unit", "binary"):
        return Meaning((lambda t: (t > 0).astype(float),), lambda p: 1.0 - p, (_filled(0.5),))
    if pred.kind == "probability" and shape[-1] > 1:

        def largest(t: Array) -> Array:
            return (t == t.max(axis=-1, keepdims=True)).astype(float)

        return Meaning((largest,), lambda p: np.roll(p, 1, axis=-1), (_uniform,))
    return None


def needs_batch_of_one(contract: Contract) -> bool:
    """(B,) against (B,1) broadcasts to (B,B) in a raw call; with one sample it cannot."""
    true, pred = contract.y_true, contract.y_pred
    return isinstance(true, Spec) and isinstance(pred, Spec) and true.dims != pred.dims and _same_entries(true, pred)


def _same_entries(true: Spec, pred: Spec) -> bool:
    return pred.dims in (true.dims, (*true.dims, 1)) or true.dims == (*pred.dims, 1)


def _same(kind: Kind, reshape: Callable[[Array], Array]) -> Meaning:
    if kind in ("unit", "binary"):
        return Meaning((reshape,), lambda p: 1.0 - p, (_filled(0.0), _filled(0.5), _filled(1.0)))
    if kind == "probability":
        return Meaning((reshape,), _reversed_probability, (_uniform,))
    if kind == "positive":
        # The geometric opposite of a value of order one, and constants on both sides of it.
        return Meaning((reshape,), lambda p: 1.0 / np.maximum(p, 1e-2), (_filled(0.01), _filled(1.0), _filled(20.0)))
    return Meaning((reshape,), lambda p: -p, (_filled(0.0), _filled(5.0), _filled(-5.0)))


def _classes(kind: Kind, classes: int, onehot: Callable[[Array], Array]) -> Meaning:
    if kind == "logit":

        def certain(labels: Array) -> Array:
            return CERTAIN * (2.0 * onehot(labels) - 1.0)

        return Meaning(
            # Certain, and as far as label smoothing and confidence penalties want it.
            (certain, lambda t: 0.375 * certain(t), lambda t: 0.125 * certain(t)),
            lambda p: np.roll(p, 1, axis=-1),
            (_filled(0.0), _one_class(classes, CERTAIN)),
            (1.0, 0.375, 0.125),
        )

    def softened(labels: Array) -> Array:
        return 0.95 * onehot(labels) + 0.05 / classes

    return Meaning((onehot, softened), lambda p: np.roll(p, 1, axis=-1), (_uniform,))


def _margins(sign: Callable[[Array], Array], strengths: tuple[float, ...]) -> Meaning:
    def of(strength: float) -> Callable[[Array], Array]:
        return lambda t: strength * sign(t)

    return Meaning(
        tuple(of(strength) for strength in strengths),
        lambda p: -p,
        (_filled(0.0), _filled(strengths[0]), _filled(-strengths[0])),
        tuple(strength / strengths[0] for strength in strengths),
    )


def _scaled(constant: Callable[[tuple[int, ...]], Array], scale: float) -> Callable[[tuple[int, ...]], Array]:
    return lambda shape: scale * constant(shape)


def _filled(value: float) -> Callable[[tuple[int, ...]], Array]:
    return lambda shape: np.full(shape, value)


def _uniform(shape: tuple[int, ...]) -> Array:
    return np.full(shape, 1.0 / shape[-1])


def _one_class(classes: int, strength: float) -> Callable[[tuple[int, ...]], Array]:
    return lambda shape: np.broadcast_to(strength * (2.0 * np.eye(classes)[0] - 1.0), shape)


def _reversed_probability(p: Array) -> Array:
    """The most probable class becomes the least probable one."""
    order = np.argsort(p, axis=-1)
    result = np.empty_like(p)
    np.put_along_axis(result, order, np.sort(p, axis=-1)[..., ::-1], axis=-1)
    return result


def _logit(p: Array) -> Array:
    p = np.clip(p, 1e-3, 1.0 - 1e-3)
    return np.log(p / (1.0 - p))


def as_prediction(values: Array, spec: Spec) -> Array:
    return np.ascontiguousarray(values).astype(numpy_dtype(spec.dtype))
