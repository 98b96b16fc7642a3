"""What holds of a loss everywhere: proved from its graph where intervals can tell, else measured at drawn inputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from lossdoctor.domains.intervals import Ranges
from lossdoctor.engine.measure import Measure
from lossdoctor.engine.slices import two_labels
from lossdoctor.graph.ir import LossGraph
from lossdoctor.probes.targets import meaning
from lossdoctor.session import Array, Pair
from lossdoctor.spec import BATCH, Spec
from lossdoctor.symbols.reading import Curve, Property

_DRAWS = 400
_ROUNDING = 1e-6  # relative; losses that do not take float64 round at 1e-7
_REALS = ("real", "logit", "positive")
_GROWTH = 1.05  # of the largest gradient over two decades, above which it is not called bounded


def properties(
    measure: Measure, graph: LossGraph, ranges: Ranges | None, found: tuple[Curve, ...], seed: int
) -> tuple[Property, ...]:
    """All that can be said; a property that makes no sense for the specs is left out."""
    true, pred = measure.contract.y_true, measure.contract.y_pred
    if not isinstance(true, Spec) or not isinstance(pred, Spec):
        return ()
    rng = np.random.default_rng(seed)
    pairs = measure.draw(rng, _DRAWS)
    values, _ = measure.values(pairs)
    known = np.isfinite(values)
    result = [_per_sample(measure)]
    if known.sum() >= 8:
        result.append(_sign(values[known], graph, ranges))
        steps: tuple[Callable[[], Property | None], ...] = (
            lambda: _at_target(measure, pairs),
            lambda: _convex(measure, pairs, rng),
            lambda: _bounded(measure, rng),
            lambda: _symmetric(measure, true, pred, pairs, values),
            lambda: _proper(true, pred, found, int(np.prod(measure.shapes(1)[0]))),
        )
        result += [made for made in (step() for step in steps) if made is not None]
    return tuple(result)


def _per_sample(measure: Measure) -> Property:
    known = measure.batches
    if known is None or known.relation in ("unknown",):
        return Property("per-sample", None, "could not be told", "")
    if known.relation == "per-sample":
        return Property("per-sample", True, "each sample has its own loss, whatever else is in the batch", "measured")
    words = {
        "mean": "one number: the mean over the samples of the batch",
        "sum": "one number: the sum over the samples of the batch",
    }
    return Property(
        "per-sample", False, words.get(known.relation, "samples of a batch change each other's loss"), "measured"
    )


def _sign(values: Array, graph: LossGraph, ranges: Ranges | None) -> Property:
    low = ranges[graph.value].low if ranges is not None else -np.inf
    if low >= 0.0:
        return Property("non-negative", True, "never below 0 on the whole domain", "proved")
    least = float(values.min())
    if least >= -_ROUNDING * float(np.abs(values).max()):
        return Property("non-negative", True, f"lowest value {least:.3g} at {len(values)} inputs", "measured")
    return Property("non-negative", False, f"{least:.3g} at one of {len(values)} inputs", "measured")


def _at_target(measure: Measure, pairs: list[Pair]) -> Property | None:
    sizes = {**measure.sizes, BATCH: np.shape(pairs[0].y_pred)[0]}
    meant = meaning(measure.contract, sizes)
    if isinstance(meant, str):
        return None
    at = [Pair(pair.y_true, meant.targets[0](np.asarray(pair.y_true, np.float64))) for pair in pairs]
    shaped = [Pair(a.y_true, np.asarray(a.y_pred).astype(b.y_pred.dtype)) for a, b in zip(at, pairs, strict=True)]
    values, _ = measure.values(shaped)
    values = values[np.isfinite(values)]
    if not len(values):
        return Property("zero at the target", False, "the loss is not finite there", "measured")
    largest = float(np.abs(values).max())
    saturated = isinstance(measure.contract.y_pred, Spec) and measure.contract.y_pred.kind == "logit"
    limit = 1e-2 if saturated else 1e-5
    if largest <= limit:
        return Property("zero at the target", True, f"at most {largest:.2g} there, at {len(values)} inputs", "measured")
    low, high = float(values.min()), float(values.max())
    span = f"{low:.3g}" if np.isclose(low, high) else f"{low:.3g} to {high:.3g}"
    return Property("zero at the target", False, f"the loss is {span} there", "measured")


def _convex(measure: Measure, pairs: list[Pair], rng: np.random.Generator) -> Property | None:
    """The midpoint test: f((a + b)/2) ≤ (f(a) + f(b))/2."""
    pred = measure.contract.y_pred
    assert isinstance(pred, Spec)
    if pred.kind in ("binary", "onehot", "label", "sign"):
        return None
    stretched = 4.0 if pred.kind in ("real", "logit") else 1.0
    others = measure.draw(rng, _DRAWS)
    first = [Pair(a.y_true, a.y_pred * stretched) for a in pairs]
    second = [Pair(a.y_true, b.y_pred * stretched) for a, b in zip(pairs, others, strict=True)]
    middle = [
        Pair(a.y_true, ((np.asarray(a.y_pred, np.float64) + b.y_pred) / 2).astype(a.y_pred.dtype))
        for a, b in zip(first, second, strict=True)
    ]
    left, right, between = (measure.values(one)[0] for one in (first, second, middle))
    chord = (left + right) / 2
    known = np.isfinite(chord) & np.isfinite(between)
    if known.sum() < 8:
        return None
    above = between[known] - chord[known] > _ROUNDING * (1e-3 + np.abs(left[known]) + np.abs(right[known]))
    name = "convex in y_pred"
    if not above.any():
        return Property(name, True, f"no midpoint above its chord, in {known.sum()} trials", "measured")
    return Property(name, False, f"{above.sum()} of {known.sum()} midpoints lie above their chord", "measured")


def _bounded(measure: Measure, rng: np.random.Generator) -> Property | None:
    """The largest gradient of one sample, as predictions grow or come near the ends."""
    pred = measure.contract.y_pred
    assert isinstance(pred, Spec)
    if pred.kind in ("binary", "onehot", "label", "sign"):
        return None
    top = int(np.log10(max(measure.contract.magnitude, 10.0)))
    levels = [10.0**k for k in range(top + 1)] if pred.kind in _REALS else [10.0**-k for k in range(1, 7)]
    largest: list[float] = []
    for level in levels:
        made = [Pair(pair.y_true, _levelled(pair.y_pred, level, pred)) for pair in measure.draw(rng, 120)]
        _, gradients = measure.values(made)
        norms = np.linalg.norm(np.asarray(gradients, np.longdouble), axis=1)  # squares of 1e200 have their place there
        norms = norms[np.isfinite(norms)]
        largest.append(float(norms.max()) if len(norms) else np.inf)
    where = "for |y_pred| up to" if pred.kind in _REALS else "as near to the ends as"
    last, before, most = largest[-1], max(largest[:-2]), max(largest)
    if np.isfinite(most) and last <= _GROWTH * before + 1e-12:
        words = f"norm of the gradient of a sample at most {most:.3g} (Lipschitz constant) {where} {levels[-1]:g}"
        return Property("bounded gradient", True, words, "measured")
    towards = "" if pred.kind in _REALS else " towards the ends"
    words = f"its norm grows{towards}: {largest[0]:.3g} at {levels[0]:g}, {last:.3g} at {levels[-1]:g}"
    return Property("bounded gradient", False, words, "measured")


def _levelled(y_pred: Array, level: float, pred: Spec) -> Array:
    """Predictions of this size, or this near to 0 and 1."""
    if pred.kind == "positive":
        return (np.abs(y_pred) / np.maximum(np.abs(y_pred), 1e-3) * level).astype(y_pred.dtype)
    if pred.kind in _REALS:
        return (np.clip(y_pred, -1.0, 1.0) * level).astype(y_pred.dtype)
    if pred.kind == "probability":
        count = y_pred.shape[-1]
        hot = (y_pred == y_pred.max(axis=-1, keepdims=True)).astype(np.float64)
        return (hot * (1.0 - level) + (1.0 - hot) * level / max(count - 1, 1)).astype(y_pred.dtype)
    return np.where(y_pred > 0.5, 1.0 - level, level).astype(y_pred.dtype)


def _symmetric(measure: Measure, true: Spec, pred: Spec, pairs: list[Pair], values: Array) -> Property | None:
    if replace(true, kind="real", missing=False) != replace(pred, kind="real", missing=False):
        return None
    if true.kind != pred.kind and {true.kind, pred.kind} - {"real", "logit", "positive"}:
        return None
    turned, _ = measure.values([Pair(pair.y_pred, pair.y_true) for pair in pairs])
    known = np.isfinite(turned) & np.isfinite(values)
    if known.sum() < 8:
        return None
    gap = np.abs(turned - values)[known] / (1e-12 + np.abs(values[known]))
    if gap.max() <= _ROUNDING:
        return Property(
            "symmetric", True, f"the same with the arguments exchanged, at {known.sum()} inputs", "measured"
        )
    return Property(
        "symmetric", False, f"exchanging the arguments changes it by up to {gap.max():.2g} of it", "measured"
    )


def _proper(true: Spec, pred: Spec, found: tuple[Curve, ...], entries: int) -> Property | None:
    """The expected loss is lowest where the prediction is the true probability."""
    pair = two_labels(true, pred, found)
    if pair is None:
        return None
    low, high = pair
    x = low.x
    shares = np.arange(1, 10) / 10
    with np.errstate(all="ignore"):
        expected = shares[:, None] * high.value + (1 - shares[:, None]) * low.value
    expected = np.where(np.isfinite(expected), expected, np.inf)
    best = x[np.argmin(expected, axis=1)]
    if pred.kind == "logit":
        other = 1.0 if true.kind == "binary" else float(_classes(pred, true) - 1)
        best = 1.0 / (1.0 + other * np.exp(-best))
    flat = np.ptp(np.where(np.isfinite(expected), expected, np.nan), axis=1) < 1e-12
    error = np.abs(best - shares)
    name = "proper"
    alike = ", all labels alike" if entries > 1 and true.kind == "binary" else ""
    if flat.any():
        return None
    if error.max() <= 0.03:
        return Property(
            name, True, f"the expected loss is lowest at the true probability, for 0.1 to 0.9{alike}", "measured"
        )
    worst = int(np.argmax(error))
    words = f"for a true probability of {shares[worst]:g} the expected loss is lowest at {best[worst]:.2g}{alike}"
    return Property(name, False, words, "measured")


def _classes(pred: Spec, true: Spec) -> int:
    last = pred.dims[-1]
    return last if isinstance(last, int) else (true.classes or 2)
