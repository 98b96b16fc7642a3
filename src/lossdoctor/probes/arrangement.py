"""Predictions without a target of their own: triples whose parts have names, embeddings of samples with labels, and
two views of each sample.

What belongs together should lie together. The same vectors, once arranged like that and once the other way round,
tell a loss that pulls from one that pushes, whether it measures distances or similarities.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lossdoctor.probes.calls import Caller, Subject
from lossdoctor.probes.draws import draw
from lossdoctor.session import Array, Pair
from lossdoctor.source.names import is_pairing_name
from lossdoctor.source.triples import Triple, triple_of
from lossdoctor.spec import Contract, Spec, numpy_dtype, shape_of
from lossdoctor.subject.inference import loss_function
from lossdoctor.subject.locate import source_of

_NEAR = 0.1  # how far what belongs together lies apart, as a share of the way to something else
_CONTINUOUS = ("real", "positive", "unit", "probability", "logit")


@dataclass(frozen=True, slots=True)
class Arranged:
    """`pairs(rng)` gives one input as it should be, and the same vectors the other way round.

    `scattered(rng)`, where it is there, gives vectors that all lie apart instead: what is pushed then does not make up
    for what is not pulled.
    """

    what: str
    pairs: Callable[[np.random.Generator], tuple[Pair, Array]]
    scattered: Callable[[np.random.Generator], tuple[Pair, Array]] | None = None


def arranged(subject: Subject, call: Caller, rng: np.random.Generator) -> Arranged | None:
    """What can be arranged of the predictions of a loss; None where nothing says what belongs together."""
    contract = call.contract
    true, pred = contract.y_true, contract.y_pred
    if not isinstance(true, Spec) or not isinstance(pred, Spec) or pred.kind not in _CONTINUOUS:
        return None
    triple = _named(subject)
    if triple is not None:
        return _triples(triple, contract, pred, call)
    if not is_pairing_name(subject.loaded.name):
        return None
    return _labelled(call, true, pred, rng) or _views(call, contract, pred, rng)


def _named(subject: Subject) -> Triple | None:
    module = source_of(subject.loaded.path) if subject.loaded.path else None
    function = loss_function(module, subject.loaded.name, subject.loaded.line) if module is not None else None
    return None if function is None else triple_of(function)


def _triples(triple: Triple, contract: Contract, pred: Spec, call: Caller) -> Arranged | None:
    shape = shape_of(pred, call.sizes)
    if not -len(shape) <= triple.axis < len(shape) or triple.axis % len(shape) == 0:
        return None
    size = shape[triple.axis]
    if size != 3 if triple.gone else size % 3:
        return None

    def made(rng: np.random.Generator) -> tuple[Pair, Array]:
        anchor, _, negative = np.split(draw(pred, rng, call.sizes), 3, axis=triple.axis)
        parts = {"anchor": anchor, "positive": anchor + _NEAR * (negative - anchor), "negative": negative}
        turned = {**parts, "positive": parts["negative"], "negative": parts["positive"]}
        right, wrong = (
            np.concatenate([one[role] for role in triple.order], axis=triple.axis).astype(numpy_dtype(pred.dtype))
            for one in (parts, turned)
        )
        return Pair(draw(contract.y_true, rng, call.sizes), wrong), right

    return Arranged("the positive", made)


def _labelled(call: Caller, true: Spec, pred: Spec, rng: np.random.Generator) -> Arranged | None:
    """Embeddings of a loss to which only matters which labels are the same."""
    shape, labels = shape_of(pred, call.sizes), shape_of(true, call.sizes)
    if len(shape) != 2 or shape[1] < 2 or labels not in ((shape[0],), (shape[0], 1)) or shape[0] < 4:
        return None
    if true.kind not in ("label", "binary"):
        return None
    classes = 2 if true.kind == "binary" else true.classes or 0
    ids = np.resize(np.repeat(np.arange(classes), 2), shape[0])
    y_true = ids.reshape(labels).astype(numpy_dtype(true.dtype))
    renamed = ((ids + 1) % classes).reshape(labels).astype(y_true.dtype)
    drawn = draw(pred, rng, call.sizes)
    values = [call.mean(Pair(one, drawn)) for one in (y_true, renamed)]
    if classes < 2 or not np.isclose(values[0], values[1], rtol=1e-4, atol=1e-6):
        return None

    def made(rng: np.random.Generator) -> tuple[Pair, Array]:
        centres = draw(pred, rng, call.sizes)[: min(classes, shape[0])]
        right = centres[ids] + _NEAR * (draw(pred, rng, call.sizes) - centres[ids])
        wrong = np.roll(right, 1, axis=0)  # neighbours of one label fall apart, and meet another
        return Pair(y_true, wrong.astype(numpy_dtype(pred.dtype))), right.astype(numpy_dtype(pred.dtype))

    def scattered(rng: np.random.Generator) -> tuple[Pair, Array]:
        return Pair(y_true, draw(pred, rng, call.sizes)), made(rng)[1]

    return Arranged("what has the same label", made, scattered)


def _views(call: Caller, contract: Contract, pred: Spec, rng: np.random.Generator) -> Arranged | None:
    """Two views of each sample, for a loss that does not look at y_true."""
    shape = shape_of(pred, call.sizes)
    if len(shape) != 3 or shape[1] != 2 or shape[2] < 2 or shape[0] < 4:
        return None
    drawn = draw(pred, rng, call.sizes)
    values = {call.mean(Pair(draw(contract.y_true, rng, call.sizes), drawn)) for _ in range(3)}
    if len(values) != 1 or not np.isfinite(values.pop()):
        return None

    def made(rng: np.random.Generator) -> tuple[Pair, Array]:
        first = draw(pred, rng, call.sizes)[:, 0]
        second = first + _NEAR * (draw(pred, rng, call.sizes)[:, 1] - first)
        right, wrong = (
            np.stack([first, one], axis=1).astype(numpy_dtype(pred.dtype))
            for one in (second, np.roll(second, 1, axis=0))
        )
        return Pair(draw(contract.y_true, rng, call.sizes), wrong), right

    return Arranged("the second view of a sample", made)
