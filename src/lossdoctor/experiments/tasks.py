"""Small synthetic tasks with a known answer, one for each natural contract of a loss.

The targets are functions of the inputs without noise, so that the best prediction is the target itself, whatever the
loss: its mean, median, quantile and mode are the same. Only NumPy is used here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from lossdoctor.probes.draws import sizes
from lossdoctor.search.leaves import arrays
from lossdoctor.spec import BATCH, Contract, Spec, leaves, numpy_dtype, sample, shape_of

Array = NDArray[np.generic]
Float = NDArray[np.float64]
Head = Literal["linear", "sigmoid", "softmax", "softplus"]
FEATURES = 6
COUNT = 96  # samples
Tensors = list[Any]
CERTAIN = 6.0  # a logit that is as good as sure
_LARGE = 4096  # numbers of a prediction from which fewer samples do


class Network(Protocol):
    """A model without weights of its own.

    `fresh` draws the arrays that are trained, and makes those that are only kept, such as moving means; `predict` gives
    the parts of y_pred and what is kept from then on.
    """

    def fresh(self, rng: np.random.Generator) -> tuple[list[Any], list[Any]]: ...

    def predict(
        self, weights: Tensors, kept: Tensors, inputs: Tensors, *, training: bool
    ) -> tuple[Tensors, Tensors]: ...


@dataclass(frozen=True)
class Alike:
    """Two inputs of a loss that have the same value if the task is what it is meant for (or differ, if not `same`)."""

    truth: Array
    prediction: Float
    other_truth: Array
    other_prediction: Float
    same: bool = True


@dataclass(frozen=True)
class Task:
    """Inputs, targets, and what a perfect model predicts.

    Attributes:
        name: "regression", "binary", "classes", … ; "free" where no answer is known.
        inputs: of the model; (N, FEATURES) of ours.
        truths: y_true, an array for each of its parts.
        heads: how each part of y_pred comes out of a linear layer, with its shape without the batch.
        answer: (N, …), the best prediction; None for "free".
        standard: the standard loss of the task.
        wrong: predictions that are clearly worse, by name.
        network: the model to be trained; a small one of ours otherwise.
        measure: the error of a prediction, given the answer; what the name says otherwise.
        alike: what tells a loss that is meant for the task from others.
        convention: which of several ways of stating the answer it is.
    """

    name: str
    inputs: tuple[Array, ...]
    truths: tuple[Array, ...]
    heads: tuple[tuple[Head, tuple[int, ...]], ...]
    answer: Float | None
    standard: str
    wrong: dict[str, Float]
    labels: Array | None = None
    network: Network | None = None
    measure: Callable[[Float, Float], float] | None = None
    alike: tuple[Alike, ...] = ()
    convention: str = ""

    @property
    def count(self) -> int:
        """Samples."""
        return len(self.inputs[0])


def task_of(contract: Contract, seed: int, scale: float = 1.0) -> Task:
    """The task of a contract.

    Args:
        seed: of inputs and teacher.
        scale: of the targets, for regression.
    """
    rng = np.random.default_rng(seed)
    true, pred = contract.y_true, contract.y_pred
    count = COUNT
    if isinstance(pred, Spec):
        size = int(np.prod(shape_of(pred, sizes(contract, 1, 4))))
        count = COUNT if size < _LARGE else 24
    known = sizes(contract, count, 4)
    if not isinstance(true, Spec) or not isinstance(pred, Spec) or not _supervised(true, pred):
        return _free(contract, rng, count)
    inputs = rng.standard_normal((count, FEATURES))
    shape = shape_of(pred, known)
    teacher = rng.standard_normal((FEATURES, int(np.prod(shape[1:])))) / np.sqrt(FEATURES)
    hidden = (inputs @ teacher).reshape(shape)
    made = _targets(true, pred, hidden, scale)
    if made is None:
        if true.kind == "label" and pred.kind == "real" and len(shape) == 2:
            return _embedding(true, rng, shape)
        return _free(contract, rng, count)
    name, truth, answer, standard = made
    truth = truth.reshape(shape_of(true, known)).astype(numpy_dtype(true.dtype))
    wrong = _worse(name, pred, answer)
    return Task(name, (inputs,), (truth,), ((head_of(pred), shape[1:]),), answer, standard, wrong)


def task_of_data(contract: Contract, inputs: tuple[Array, ...], truths: tuple[Array, ...], network: Network) -> Task:
    """The task that data of the user's state: their targets are the answer, where the specs say how one predicts it."""
    true, pred = contract.y_true, contract.y_pred
    free = Task("free", inputs, truths, (), None, "none", {}, None, network)
    if not isinstance(true, Spec) or not isinstance(pred, Spec) or not _supervised(true, pred):
        return free
    count = len(truths[0])
    shape = shape_of(pred, {**sizes(contract, count, 4), BATCH: count})
    hidden = _hidden(true, truths[0].astype(float))
    made = None if hidden is None else _targets(true, pred, _expanded(true, hidden, shape), 1.0)
    if made is None:
        return free
    name, _, answer, standard = made
    return Task(
        name, inputs, truths, ((head_of(pred), shape[1:]),), answer, standard, _worse(name, pred, answer), None, network
    )


def _hidden(true: Spec, truth: Float) -> Float | None:
    """Numbers of which `_targets` makes this truth."""
    with np.errstate(all="ignore"):
        found = {
            "sign": lambda: truth,
            "binary": lambda: truth - 0.5,
            "onehot": lambda: truth,
            "label": lambda: truth,
            "probability": lambda: np.log(np.maximum(truth, 1e-9)) / 2,
            "unit": lambda: np.log(np.clip(truth, 1e-9, 1 - 1e-9) / (1 - np.clip(truth, 1e-9, 1 - 1e-9))) / 2,
            "positive": lambda: np.log(np.maximum(truth, 1e-9)) / 0.7,
            "real": lambda: truth,
        }.get(true.kind)
        return None if found is None else found()


def _expanded(true: Spec, hidden: Float, shape: tuple[int, ...]) -> Float:
    """In the shape of the prediction, labels as rows."""
    if true.kind == "label":
        return np.eye(shape[-1])[hidden.astype(int).reshape(shape[:-1])]
    return hidden.reshape(shape)


def _worse(name: str, pred: Spec, answer: Float) -> dict[str, Float]:
    """Predictions that are clearly worse than the answer, by name."""
    wrong = {
        "the answers of other samples": np.roll(answer, 1 + len(answer) // 3, axis=0),
        "the opposite": _opposite(pred, answer),
        "the mean answer for every sample": np.broadcast_to(answer.mean(axis=0, keepdims=True), answer.shape),
    }
    if name == "regression":
        wrong |= {"twice the answer": 2 * answer, "half the answer": 0.5 * answer}
    return wrong


def _supervised(true: Spec, pred: Spec) -> bool:
    if true.kind == "label":
        return pred.dims[:1] == true.dims[:1] and len(pred.dims) in (len(true.dims), len(true.dims) + 1)
    return [dim for dim in true.dims if dim != 1] == [dim for dim in pred.dims if dim != 1]


def head_of(spec: Spec) -> Head:
    """How a prediction of this kind comes out of a linear layer."""
    heads: dict[str, Head] = {"unit": "sigmoid", "binary": "sigmoid", "probability": "softmax", "positive": "softplus"}
    return "sigmoid" if spec.kind == "onehot" else heads.get(spec.kind, "linear")


def _targets(true: Spec, pred: Spec, hidden: Float, scale: float) -> tuple[str, Float, Float, str] | None:
    """Name, y_true, best prediction and standard loss; None where it is not known."""
    sure = CERTAIN if pred.kind == "logit" else 1.0
    if true.kind in ("onehot", "label") and pred.kind in ("logit", "probability", "unit") and hidden.shape[-1] > 1:
        onehot = np.eye(hidden.shape[-1])[hidden.argmax(axis=-1)]
        answer = sure * (2 * onehot - 1) if pred.kind == "logit" else 0.997 * onehot + 0.003 / hidden.shape[-1]
        if true.kind == "label":
            classes = true.classes or 0
            if classes != hidden.shape[-1]:
                return None
            return "classes", hidden.argmax(axis=-1).astype(float), answer, f"sparse_{_crossentropy(pred)}"
        return "classes", onehot, answer, _crossentropy(pred)
    if true.kind == "sign":
        signs = np.where(hidden > 0, 1.0, -1.0)
        return "margin", signs, 3.0 * signs if pred.kind != "unit" else (signs + 1) / 2, "hinge"
    if true.kind in ("binary", "onehot"):
        binary = (hidden > 0).astype(float)
        if pred.kind == "logit":
            return "binary", binary, sure * (2 * binary - 1), "bce_logits"
        if pred.kind in ("unit", "binary"):
            return "binary", binary, np.clip(binary, 1e-3, 1 - 1e-3), "bce"
        if pred.kind == "real":
            return "binary-real", binary, binary, "mse"
        return None
    if true.kind == "probability" or pred.kind == "probability":
        shares = np.exp(2 * hidden) / np.exp(2 * hidden).sum(axis=-1, keepdims=True)
        if true.kind != "probability" or pred.kind not in ("probability", "logit"):
            return None
        return "shares", shares, shares if pred.kind == "probability" else 2 * hidden, _crossentropy(pred)
    if true.kind == "unit":
        unit = 1 / (1 + np.exp(-2 * hidden))
        answer = 2 * hidden if pred.kind == "logit" else unit
        return (
            "regression" if pred.kind != "logit" else "scores",
            unit,
            answer,
            "bce_logits" if pred.kind == "logit" else "mse",
        )
    if true.kind == "positive" or pred.kind == "positive":
        positive = scale * np.exp(0.7 * hidden)
        return "regression", positive, positive, "mse"
    if true.kind in ("real", "logit") and pred.kind in ("real", "logit"):
        return "regression", scale * hidden, scale * hidden, "mse"
    return None


def _crossentropy(pred: Spec) -> str:
    return "ce_logits" if pred.kind == "logit" else "ce"


def _opposite(pred: Spec, answer: Float) -> Float:
    if pred.kind in ("unit", "binary"):
        return 1 - answer
    if pred.kind == "probability":
        turned = (1 - answer) + 1e-3
        return turned / turned.sum(axis=-1, keepdims=True)
    if pred.kind == "positive":
        return answer.max() + answer.min() - answer
    return -answer


def _embedding(true: Spec, rng: np.random.Generator, shape: tuple[int, ...]) -> Task:
    """Clusters: samples of one class have to come near each other."""
    classes = min(true.classes or 4, 4)
    labels = np.arange(shape[0]) % classes
    rng.shuffle(labels)
    centres = 1.5 * rng.standard_normal((classes, FEATURES))
    inputs = centres[labels] + 0.7 * rng.standard_normal((shape[0], FEATURES))
    truth = labels.reshape((shape[0],) + (1,) * (len(true.dims) - 1)).astype(numpy_dtype(true.dtype))
    return Task("embedding", (inputs,), (truth,), (("linear", shape[1:]),), None, "none", {}, labels)


def _free(contract: Contract, rng: np.random.Generator, count: int) -> Task:
    """No answer is known: only whether the loss can be lowered."""
    known = sizes(contract, count, 4)
    truth = sample(contract.y_true, rng, known, style="realistic")
    heads: tuple[tuple[Head, tuple[int, ...]], ...] = tuple(
        (head_of(spec), shape_of(spec, known)[1:]) for _, spec in leaves(contract.y_pred)
    )
    inputs = rng.standard_normal((count, FEATURES))
    return Task("free", (inputs,), tuple(arrays(contract.y_true, truth)), heads, None, "none", {})


# ---- how far a prediction is from the answer, whatever the loss says


def error_of(
    task: Task, prediction: Float, rows: slice | NDArray[np.int64] = slice(None), *, loose: bool = False
) -> float:
    """The error of a prediction by the measure of the task: 0 for the answer, about 1 (or chance) for a guess.

    Args:
        loose: up to scale and offset, for a loss that does not see these.
    """
    if not np.all(np.isfinite(prediction)):
        return float("inf")
    if task.name == "embedding":
        assert task.labels is not None
        return _scatter(prediction, task.labels[rows])
    if task.answer is None:
        return float("nan")
    answer = task.answer[rows]
    if task.measure is not None:
        return 1.0 - abs(_correlation(prediction, answer)) if loose else task.measure(prediction, answer)
    measures: dict[str, Callable[[Float, Float], float]] = {
        "binary": lambda p, a: float(np.mean((p > _middle(task)) != (a > _middle(task)))),
        "binary-real": lambda p, a: float(np.mean((p > 0.5) != (a > 0.5))),
        "margin": lambda p, a: float(np.mean((p > _middle(task)) != (a > _middle(task)))),
        "classes": lambda p, a: float(np.mean(p.argmax(axis=-1) != a.argmax(axis=-1))),
    }
    if task.name in measures:
        return measures[task.name](prediction, answer)
    if loose:
        return float(1 - abs(_correlation(prediction, answer)))
    spread = float(np.sqrt(np.mean((answer - answer.mean(axis=0, keepdims=True)) ** 2))) or 1.0
    return float(np.sqrt(np.mean((prediction - answer) ** 2)) / spread)


def _middle(task: Task) -> float:
    return 0.5 if task.heads[0][0] == "sigmoid" else 0.0


def _correlation(one: Float, other: Float) -> float:
    one, other = one - one.mean(), other - other.mean()
    size = float(np.sqrt(np.sum(one**2) * np.sum(other**2)))
    return float(np.sum(one * other) / size) if size > 0 else 0.0


def _scatter(points: Float, labels: Array) -> float:
    """Share of the samples that are nearer to the centre of another class."""
    found = np.unique(labels)
    centres = np.stack([points[labels == label].mean(axis=0) for label in found])
    distance = np.linalg.norm(points[:, None] - centres[None], axis=-1)
    return float(np.mean(found[distance.argmin(axis=1)] != labels))
