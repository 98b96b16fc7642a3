"""More synthetic tasks with a known answer: those that specs alone do not settle, and harder data for the same ones.

Each says for which specs it is, what conventions there are (which of two columns is the time, whether boxes have
corners or sizes), and how data are drawn under one of them. Which convention a loss has is told by its value at the
known answer, and by what it has to see and not to see. Only NumPy is used here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Literal

import numpy as np

from lossdoctor.experiments.tasks import CERTAIN, COUNT, FEATURES, Alike, Float, Task, head_of
from lossdoctor.probes.draws import sizes
from lossdoctor.spec import BATCH, Contract, Spec, numpy_dtype, shape_of

_NOISE = 0.5  # of targets that are drawn around the answer, whose own spread is about 1
_SHARE = 0.1  # of the samples: outliers
_RARE = 0.06  # of the labels, where one of the two is rare
_CENSORED = 0.3
_MANY = 240  # samples, where single ones say little
_SIDE = 6  # of the smallest map on which a shape can be told
_REAL = ("real", "logit")
# "before" and "instead" come into question without being asked for: before the task of the specs, or where that has an
# answer which the loss does not agree with.
Place = Literal["before", "instead", "asked"]


@dataclass(frozen=True, slots=True)
class Draw:
    """What data are made from: the specs, sizes for their dimensions, and a hidden function of the inputs."""

    true: Spec
    pred: Spec
    rng: np.random.Generator
    true_shape: tuple[int, ...]
    shape: tuple[int, ...]
    inputs: Float

    @property
    def count(self) -> int:
        return self.shape[0]

    def hidden(self, *shape: int) -> Float:
        """A linear function of the inputs with numbers of size about 1."""
        teacher = self.rng.standard_normal((FEATURES, int(np.prod(shape)))) / np.sqrt(FEATURES)
        return (self.inputs @ teacher).reshape(self.count, *shape)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One of the tasks; `conventions` are tried in their order."""

    name: str
    title: str
    place: Place
    fits: Callable[[Spec, Spec], bool]
    make: Callable[[Draw, str], Task]
    conventions: tuple[str, ...] = ("",)
    samples: int = COUNT


def scenarios(contract: Contract, place: Place | None = None) -> tuple[Scenario, ...]:
    """The tasks that fit a contract, beside the one that its specs state."""
    true, pred = contract.y_true, contract.y_pred
    if not isinstance(true, Spec) or not isinstance(pred, Spec):
        return ()
    if not true.dims or not pred.dims or true.dims[0] != BATCH or pred.dims[0] != BATCH:
        return ()
    return tuple(one for one in SCENARIOS if (place in (None, one.place)) and one.fits(true, pred))


def drawn(contract: Contract, scenario: Scenario, convention: str, seed: int) -> Task:
    """The task of a scenario under one of its conventions; the same for the same seed."""
    rng = np.random.default_rng(seed)
    true, pred = contract.y_true, contract.y_pred
    assert isinstance(true, Spec)
    assert isinstance(pred, Spec)
    known = sizes(contract, scenario.samples, 4)
    inputs = rng.standard_normal((scenario.samples, FEATURES))
    draw = Draw(true, pred, rng, shape_of(true, known), shape_of(pred, known), inputs)
    return replace(scenario.make(draw, convention), convention=convention)


def _task(name: str, draw: Draw, truth: Float, answer: Float, standard: str, measure: Callable[[Float, Float], float],
          wrong: dict[str, Float] | None = None, *, inputs: Float | None = None, alike: tuple[Alike, ...] = (),
          ) -> Task:  # fmt: skip
    others: dict[str, Float] = {
        "the answers of other samples": np.roll(answer, 1 + len(answer) // 3, axis=0),
        "the mean answer for every sample": np.broadcast_to(answer.mean(axis=0, keepdims=True), answer.shape),
    }
    truth = truth.reshape(draw.true_shape)
    if draw.true.dtype.startswith(("int", "uint")):
        truth = np.rint(truth)
    return Task(
        name,
        (draw.inputs if inputs is None else inputs,),
        (truth.astype(numpy_dtype(draw.true.dtype)),),
        ((head_of(draw.pred), draw.shape[1:]),),
        answer.reshape(draw.shape),
        standard,
        {key: value.reshape(draw.shape) for key, value in {**others, **(wrong or {})}.items()},
        measure=measure,
        alike=alike,
    )


def spread_error(prediction: Float, answer: Float) -> float:
    """Root mean square error, in spreads of the answer."""
    spread = float(np.sqrt(np.mean((answer - answer.mean(axis=0, keepdims=True)) ** 2))) or 1.0
    return float(np.sqrt(np.mean((prediction - answer) ** 2)) / spread)


def _alike(true: Spec, pred: Spec) -> bool:
    return [dim for dim in true.dims if dim != 1] == [dim for dim in pred.dims if dim != 1]


# ---- regression


def _noisy(true: Spec, pred: Spec) -> bool:
    return _alike(true, pred) and true.kind in _REAL and pred.kind in _REAL


def _outliers(draw: Draw, convention: str) -> Task:
    answer = draw.hidden(*draw.shape[1:])
    far = draw.rng.random(answer.shape) < _SHARE
    truth = answer + np.where(far, 8.0 * np.where(draw.rng.random(answer.shape) < 0.8, 1.0, -1.0), 0.0)
    return _task("outliers", draw, truth, answer, "mae", spread_error, {"the opposite": -answer})


def _uneven(draw: Draw, convention: str) -> Task:
    answer = draw.hidden(*draw.shape[1:])
    scatter = np.exp(0.7 * draw.hidden(*draw.shape[1:])) * _NOISE / 2
    truth = answer + scatter * draw.rng.standard_normal(answer.shape)
    return _task("heteroscedastic", draw, truth, answer, "mse", spread_error, {"the opposite": -answer})


# ---- several numbers for each target


def _several(true: Spec, pred: Spec) -> bool:
    flat = true.dims if true.dims[-1:] != (1,) else true.dims[:-1]
    last = pred.dims[-1] if pred.dims else 1
    return (
        true.kind == "real"
        and pred.kind in _REAL
        and pred.dims[:-1] == flat
        and isinstance(last, int)
        and 2 <= last <= 15
        and len(pred.dims) > 1
    )


def levels(count: int) -> Float:
    """The quantiles that so many predictions are taken for."""
    return np.linspace(0.1, 0.9, count)


def _quantiles(draw: Draw, convention: str) -> Task:
    middle = draw.hidden(*draw.shape[1:-1])
    truth = middle + _NOISE * draw.rng.standard_normal(middle.shape)
    offsets = _NOISE * np.array([NormalDist().inv_cdf(level) for level in levels(draw.shape[-1])])
    answer = middle[..., None] + (offsets[::-1] if convention == "falling" else offsets)

    def measure(prediction: Float, wanted: Float) -> float:
        """Up to a constant for each quantile, since nobody says which quantiles are meant."""
        gap = np.median(prediction - wanted, axis=tuple(range(prediction.ndim - 1)), keepdims=True)
        return spread_error(prediction - gap, wanted)

    wrong = {"the opposite": -answer, "the quantiles in the opposite order": answer[..., ::-1]}
    return _task("quantiles", draw, truth, answer, f"pinball {convention}", measure, {**wrong, **_moved(answer)})


def _moved(answer: Float) -> dict[str, Float]:
    """The answer with single columns moved up and down, each of which is worse if every column has a meaning."""
    found: dict[str, Float] = {}
    for column in range(answer.shape[-1]):
        for step in (2.0, -2.0):
            moved = answer.copy()
            moved[..., column] += step
            found[f"column {column} moved by {step:g}"] = moved
    return found


def _gaussian_fits(true: Spec, pred: Spec) -> bool:
    return _several(true, pred) and pred.dims[-1] == 2


_SCALES: dict[str, Callable[[Float], Float]] = {"log variance": lambda s: 2 * np.log(s), "log deviation": np.log}


def _gaussian(draw: Draw, convention: str) -> Task:
    scale, first = convention.rsplit(", ", 1)
    middle, size = draw.hidden(*draw.shape[1:-1]), np.exp(0.7 * draw.hidden(*draw.shape[1:-1])) * _NOISE
    truth = middle + size * draw.rng.standard_normal(middle.shape)
    parts = [middle, _SCALES[scale](size)]
    place = 0 if first == "mean first" else 1
    answer = np.stack(parts if place == 0 else parts[::-1], axis=-1)
    turned = np.stack([-p if k == place else p for k, p in enumerate(np.moveaxis(answer, -1, 0))], axis=-1)
    flat = np.stack([p if k == place else -p for k, p in enumerate(np.moveaxis(answer, -1, 0))], axis=-1)

    def measure(prediction: Float, wanted: Float) -> float:
        return spread_error(prediction[..., place], wanted[..., place])

    return _task("gaussian", draw, truth, answer, f"gaussian {convention}", measure,
                 {"the opposite means": turned, "the opposite scales": flat, **_moved(answer)})  # fmt: skip


# ---- counts


def _counts_fit(true: Spec, pred: Spec) -> bool:
    return _alike(true, pred) and true.kind == "positive" and pred.kind == "positive"


def _log_counts_fit(true: Spec, pred: Spec) -> bool:
    return _alike(true, pred) and true.kind == "positive" and pred.kind in _REAL


def _counts(draw: Draw, convention: str) -> Task:
    rate = 3.0 * np.exp(0.7 * draw.hidden(*draw.shape[1:]))
    truth = draw.rng.poisson(rate).astype(float)
    if convention == "log":
        answer = np.log(rate)
        return _task("counts", draw, truth, answer, "poisson_log", spread_error, {"the opposite": -answer})
    return _task("counts", draw, truth, rate, "poisson", spread_error, {"twice the answer": 2 * rate,
                                                                        "half the answer": 0.5 * rate})  # fmt: skip


# ---- labels


def _rare_fits(true: Spec, pred: Spec) -> bool:
    one = all(dim == 1 for dim in (*true.dims[1:], *pred.dims[1:]))
    return _alike(true, pred) and one and true.kind == "binary" and pred.kind in ("logit", "unit")


def _rare(draw: Draw, convention: str) -> Task:
    way = draw.rng.standard_normal(FEATURES)
    way /= np.linalg.norm(way)
    hidden = draw.inputs @ way
    labels = (hidden > np.quantile(hidden, 1 - _RARE)).astype(float)
    inputs = draw.inputs + (labels - 0.5)[:, None] * way  # apart, so that few samples show the border
    labels = labels.reshape(draw.shape)
    logit = draw.pred.kind == "logit"
    answer = CERTAIN * (2 * labels - 1) if logit else np.clip(labels, 1e-3, 1 - 1e-3)
    middle = 0.0 if logit else 0.5

    def measure(prediction: Float, wanted: Float) -> float:
        """One minus the mean of the accuracies on both kinds of samples."""
        found, real = prediction > middle, wanted > middle
        parts = [np.mean(found[real == kind] == kind) for kind in (False, True) if np.any(real == kind)]
        return 1.0 - float(np.mean(parts))

    wrong = {"the opposite": -answer if logit else 1 - answer}
    return _task("imbalanced", draw, labels, answer, "bce_logits" if logit else "bce", measure, wrong,
                 inputs=inputs)  # fmt: skip


def _ordinal_fits(true: Spec, pred: Spec) -> bool:
    classes = true.classes or 0
    flat = true.dims if true.dims[-1:] != (1,) else true.dims[:-1]
    return (
        true.kind == "label"
        and classes > 2
        and pred.dims == (*flat, classes - 1)
        and pred.kind in (*_REAL, "unit")
    )  # fmt: skip


def _ordinal(draw: Draw, convention: str) -> Task:
    hidden = draw.hidden(*draw.shape[1:-1])
    steps = draw.shape[-1]
    labels = np.searchsorted(np.quantile(hidden, np.arange(1, steps + 1) / (steps + 1)), hidden).astype(float)
    above = (labels[..., None] > np.arange(steps)).astype(float)
    if convention == "at most":
        above = 1 - above
    unit = draw.pred.kind == "unit"
    answer = np.clip(above, 1e-3, 1 - 1e-3) if unit else CERTAIN * (2 * above - 1)
    middle = 0.5 if unit else 0.0

    def measure(prediction: Float, wanted: Float) -> float:
        """Steps between the predicted and the true rank, in steps that guessing is off on average."""
        ranks = [np.sum(part > middle, axis=-1) for part in (prediction, wanted)]
        guess = float(np.mean(np.abs(ranks[1] - np.median(ranks[1])))) or 1.0
        return float(np.mean(np.abs(ranks[0] - ranks[1]))) / guess

    standard = f"ordinal {convention}{' unit' if unit else ''}"
    opposite = 1 - answer if unit else -answer
    columns = np.arange(steps)
    turned = {f"threshold {k} turned": np.where(columns == k, opposite, answer) for k in range(steps)}
    return _task("ordinal", draw, labels, answer, standard, measure, {"the opposite": opposite, **turned})


def _padded_fits(true: Spec, pred: Spec) -> bool:
    classes = true.classes or 0
    return (
        true.kind == "label"
        and len(true.dims) == 2
        and true.dims[1] != 1
        and classes > 2
        and pred.dims == (*true.dims, classes)
        and pred.kind in ("logit", "probability")
    )


def _padded(draw: Draw, convention: str) -> Task:
    """Sequences of different lengths, filled up with label 0, at which nothing is asked of the prediction."""
    classes, length = draw.shape[-1], draw.shape[1]
    hidden = draw.hidden(*draw.shape[1:])
    labels = 1 + hidden[..., 1:].argmax(axis=-1)
    ends = draw.rng.integers(max(length // 2, 1), length + 1, draw.count)
    real = np.arange(length)[None] < ends[:, None]
    labels = np.where(real, labels, 0)
    onehot = np.eye(classes)[labels]
    logit = draw.pred.kind == "logit"
    answer = CERTAIN * (2 * onehot - 1) if logit else 0.997 * onehot + 0.003 / classes
    other = np.roll(answer, 1, axis=-1)

    def measure(prediction: Float, wanted: Float) -> float:
        kinds = wanted.argmax(axis=-1)
        return float(np.mean(prediction.argmax(axis=-1)[kinds > 0] != kinds[kinds > 0]))

    truth = labels.astype(numpy_dtype(draw.true.dtype))
    elsewhere = np.where(real[..., None], answer, other)
    return _task("padded", draw, labels.astype(float), answer, "padded_logits" if logit else "padded", measure,
                 {"the next class": other}, alike=(Alike(truth, answer, truth, elsewhere),))  # fmt: skip


# ---- maps and boxes


def _shapes_fit(true: Spec, pred: Spec) -> bool:
    sides = true.dims[1:3]
    return (
        _alike(true, pred)
        and true.kind == "binary"
        and pred.kind in ("logit", "unit")
        and len(pred.dims) == 4
        and pred.dims[-1] == 1
        and all(isinstance(side, int) and side >= _SIDE for side in sides)
    )


def _shapes(draw: Draw, convention: str) -> Task:
    """Discs and rectangles in noisy images."""
    rows, columns = draw.shape[1:3]
    y, x = np.mgrid[:rows, :columns]
    masks: list[Float] = []
    for _ in range(draw.count):
        top, left = draw.rng.uniform(1, rows - 2), draw.rng.uniform(1, columns - 2)
        height, width = draw.rng.uniform(1.5, rows / 2.5), draw.rng.uniform(1.5, columns / 2.5)
        if draw.rng.random() < 0.5:
            masks.append(((y - top) / height) ** 2 + ((x - left) / width) ** 2 <= 1)
        else:
            masks.append((np.abs(y - top) <= height / 1.3) & (np.abs(x - left) <= width / 1.3))
    mask = np.stack(masks).astype(float)[..., None]
    image = mask + _NOISE * draw.rng.standard_normal(mask.shape)
    logit = draw.pred.kind == "logit"
    answer = CERTAIN * (2 * mask - 1) if logit else np.clip(mask, 1e-3, 1 - 1e-3)
    middle = 0.0 if logit else 0.5

    def measure(prediction: Float, wanted: Float) -> float:
        """One minus Dice's coefficient, over all pixels."""
        found, real = prediction > middle, wanted > middle
        return 1.0 - 2.0 * float(np.sum(found & real)) / max(float(np.sum(found) + np.sum(real)), 1.0)

    wrong = {"the opposite": -answer if logit else 1 - answer}
    return _task("shapes", draw, mask, answer, "bce_logits" if logit else "bce", measure, wrong, inputs=image)


def _boxes_fit(true: Spec, pred: Spec) -> bool:
    return true.dims == pred.dims and true.dims[-1] == 4 and len(true.dims) > 1 and true.kind == pred.kind and (
        true.kind in ("real", "unit", "positive")
    )  # fmt: skip


def _corners(boxes: Float, convention: str) -> Float:
    if convention == "corners":
        return boxes
    half = boxes[..., 2:] / 2
    return np.concatenate([boxes[..., :2] - half, boxes[..., :2] + half], axis=-1)


def overlap(one: Float, other: Float) -> Float:
    """Intersection over union of boxes with corners (x1, y1, x2, y2)."""
    low, high = np.maximum(one[..., :2], other[..., :2]), np.minimum(one[..., 2:], other[..., 2:])
    both = np.prod(np.maximum(high - low, 0.0), axis=-1)
    areas = [np.prod(np.maximum(part[..., 2:] - part[..., :2], 0.0), axis=-1) for part in (one, other)]
    return both / np.maximum(areas[0] + areas[1] - both, 1e-9)


def _boxes(draw: Draw, convention: str) -> Task:
    hidden = draw.hidden(*draw.shape[1:])
    middle = 0.35 + 0.3 / (1 + np.exp(-2 * hidden[..., :2]))
    size = 0.15 + 0.45 / (1 + np.exp(-2 * hidden[..., 2:]))
    answer = np.concatenate([middle, size], axis=-1)
    if convention == "corners":
        answer = _corners(answer, "centres")
    step = np.array([0.2, 0.0, 0.2, 0.0] if convention == "corners" else [0.2, 0.0, 0.0, 0.0])
    moved = answer + step

    def measure(prediction: Float, wanted: Float) -> float:
        return 1.0 - float(np.mean(overlap(_corners(prediction, convention), _corners(wanted, convention))))

    # Both boxes moved together overlap as before; with the four numbers in another order they are other boxes.
    turned = [part[..., [1, 2, 3, 0]] for part in (answer, moved)]
    alike = (
        Alike(answer, moved, answer - 0.5 * step, moved - 0.5 * step),
        Alike(answer, moved, *turned, same=False),
    )
    return _task("boxes", draw, answer, answer, "mse", measure, {"boxes that are moved": moved}, alike=alike)


# ---- survival


def _survival_fits(true: Spec, pred: Spec) -> bool:
    flat = pred.dims if pred.dims[-1:] != (1,) else pred.dims[:-1]
    return true.dims == (*flat, 2) and len(flat) == 1 and true.kind in ("real", "positive") and pred.kind in _REAL


def _survival(draw: Draw, convention: str) -> Task:
    """Times until an event, some of which are only known to be longer."""
    order, meaning = convention.split(", ")
    risk = 1.5 * draw.hidden()
    times = np.exp(-risk + 0.3 * np.log(-np.log(draw.rng.uniform(0.01, 0.99, draw.count))))
    seen = draw.rng.random(draw.count) >= _CENSORED
    times = np.where(seen, times, times * draw.rng.uniform(0.2, 1.0, draw.count))
    pair = [times, seen.astype(float)]
    truth = np.stack(pair if order == "time first" else pair[::-1], axis=-1)
    answer = risk if meaning == "risk" else -risk

    def measure(prediction: Float, wanted: Float) -> float:
        """One minus the correlation of ranks: the unit of a risk is free."""
        if np.ptp(prediction) == 0:
            return 1.0
        one, other = (np.argsort(np.argsort(part.reshape(-1))).astype(float) for part in (prediction, wanted))
        return 1.0 - float(np.corrcoef(one, other)[0, 1])

    return _task("survival", draw, truth, answer, f"cox {convention}", measure, {"the opposite": -answer})


def _combined(*parts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{one}, {other}" for one in parts[0] for other in parts[1])


SCENARIOS: tuple[Scenario, ...] = (
    Scenario("padded", "sequences filled up with label 0", "before", _padded_fits, _padded),
    Scenario("gaussian", "means with their scatter", "instead", _gaussian_fits, _gaussian,
            _combined(("log variance", "log deviation"), ("mean first", "mean last"))),
    Scenario("quantiles", "quantiles of noisy targets", "instead", _several, _quantiles, ("rising", "falling")),
    Scenario("ordinal", "ranks, by their thresholds", "instead", _ordinal_fits, _ordinal, ("above", "at most")),
    Scenario("survival", "times until an event, some censored", "instead", _survival_fits, _survival,
            _combined(("time first", "event first"), ("risk", "time"))),
    Scenario("boxes", "boxes", "before", _boxes_fit, _boxes, ("corners", "centres")),
    Scenario("counts", "counts around a rate, from its logarithm", "instead", _log_counts_fit, _counts, ("log",)),
    Scenario("counts", "counts around a rate", "asked", _counts_fit, _counts),
    Scenario("outliers", "regression with outliers", "asked", _noisy, _outliers),
    Scenario("heteroscedastic", "regression with noise that depends on x", "asked", _noisy, _uneven, ("",), _MANY),
    Scenario("imbalanced", "labels of which few are 1", "asked", _rare_fits, _rare, ("",), _MANY),
    Scenario("shapes", "shapes in noisy images", "asked", _shapes_fit, _shapes),
)  # fmt: skip
NAMES = tuple(dict.fromkeys(one.name for one in SCENARIOS))


TITLES = {one.name: one.title for one in SCENARIOS}
