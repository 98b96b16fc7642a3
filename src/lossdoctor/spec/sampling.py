"""Random arrays that are valid for a spec."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lossdoctor.findings import UsageError
from lossdoctor.spec.model import FLOATS, Spec, Structure, map_structure
from lossdoctor.spec.values import (
    Array,
    boundary_values,
    bounds,
    discrete_values,
    float_limits,
    hard_values,
    numpy_dtype,
)

Style = Literal["mixed", "realistic"]
Float = NDArray[np.float64]
Regime = Callable[[np.random.Generator, tuple[int, ...]], Float]

MISSING_RATE = 0.2  # share of NaN among the entries of a `missing` array


def sample(
    structure: Structure,
    rng: np.random.Generator,
    sizes: Mapping[str, int],
    magnitude: float = 1e4,
    *,
    style: Style = "mixed",
) -> Any:
    """Draw valid arrays: one for each spec, in the same structure.

    Args:
        structure: what to draw.
        rng: the source of randomness.
        sizes: a value for each name of a dimension, e.g. {"B": 3}.
        magnitude: the largest value of `real`, `positive` and `logit`.
        style: "realistic" draws what a network and its targets produce (real ~ N(0,1), unit = sigmoid(N(0,2)) …);
            "mixed" gives each row of the first axis a regime of its own: realistic, boundary values, hard values,
            all sizes, or constant, so that exact ends and ties occur.

    Raises:
        UsageError: `sizes` lacks a name.
    """
    return map_structure(lambda spec: _draw(spec, rng, shape_of(spec, sizes), magnitude, style), structure)


def shape_of(spec: Spec, sizes: Mapping[str, int]) -> tuple[int, ...]:
    """The shape with `sizes` for the names.

    Raises:
        UsageError: `sizes` lacks a name.
    """
    lacking = [dim for dim in spec.dims if isinstance(dim, str) and dim not in sizes]
    if lacking:
        raise UsageError(f"Invalid value for `sizes`. Expected a size for `{lacking[0]}`. Received: {dict(sizes)}")
    return tuple(sizes[dim] if isinstance(dim, str) else dim for dim in spec.dims)


def _draw(spec: Spec, rng: np.random.Generator, shape: tuple[int, ...], magnitude: float, style: Style) -> Array:
    regimes = _regimes(spec, magnitude)
    if style == "realistic":
        values: Float = regimes[0](rng, shape)
    else:
        rows = shape[0] if shape else 1
        # Half of the rows are realistic, the other regimes share the rest.
        weights = np.array([0.5, *([0.5 / (len(regimes) - 1)] * (len(regimes) - 1))])
        chosen = rng.choice(len(regimes), size=rows, p=weights)
        values = np.empty(shape, np.float64)
        for index in np.unique(chosen):
            if not shape:
                values = regimes[int(index)](rng, shape)
            else:
                count = int((chosen == index).sum())
                values[chosen == index] = regimes[int(index)](rng, (count, *shape[1:]))
    low, high = bounds(spec, magnitude)
    values = np.clip(values, low, high)
    if spec.dtype in FLOATS:
        _, tiny, _ = float_limits(spec.dtype)
        values = np.where(np.abs(values) < tiny, 0.0, values)  # TensorFlow flushes denormals on CPU
    else:
        values = np.rint(values)
    if spec.missing:
        values = np.where(_gaps(rng, shape), np.nan, values)
    return np.asarray(values).astype(numpy_dtype(spec.dtype))


@lru_cache(maxsize=256)
def _regimes(spec: Spec, magnitude: float) -> Sequence[Regime]:
    """Ways to draw a spec; the first is the realistic one. Each gives values of the kind for any shape."""
    kind = spec.kind
    if spec.present:
        return (_rows(1), _rows(0), lambda rng, shape: _constant(rng, shape, np.array([0.0, 1.0])))
    if kind == "onehot":
        return (_onehot, _same_class)
    if kind == "probability":
        return (lambda rng, shape: _softmax(2.0 * rng.standard_normal(shape)), _onehot, _sparse, _near_onehot)
    discrete = discrete_values(spec)
    if discrete is not None:
        values = np.array(discrete)
        return (lambda rng, shape: rng.choice(values, size=shape), lambda rng, shape: _constant(rng, shape, values))
    edges = boundary_values(_without_missing(spec), magnitude).astype(np.float64)
    hard = hard_values(_without_missing(spec), magnitude).astype(np.float64)
    low, high = bounds(spec, magnitude)
    if kind == "unit":
        usual, scaled = _unit, _uniform
    elif kind == "positive":
        usual, scaled = _lognormal, _log_uniform(low, high)
    else:
        usual = _normal(3.0 if kind == "logit" or spec.dtype not in FLOATS else 1.0)
        scaled = _all_sizes(high)
    return (
        usual,
        scaled,
        lambda rng, shape: rng.choice(edges, size=shape),
        lambda rng, shape: rng.choice(hard, size=shape),
        lambda rng, shape: _constant(rng, shape, edges),
    )


def _without_missing(spec: Spec) -> Spec:
    return Spec(spec.dtype, spec.dims, spec.kind, spec.classes)


def _unit(rng: np.random.Generator, shape: tuple[int, ...]) -> Float:
    """What a sigmoid gives."""
    return 1.0 / (1.0 + np.exp(-2.0 * rng.standard_normal(shape)))


def _uniform(rng: np.random.Generator, shape: tuple[int, ...]) -> Float:
    return rng.random(shape)


def _lognormal(rng: np.random.Generator, shape: tuple[int, ...]) -> Float:
    return np.exp(rng.standard_normal(shape))


def _normal(deviation: float) -> Regime:
    return lambda rng, shape: deviation * rng.standard_normal(shape)


def _log_uniform(low: float, high: float) -> Regime:
    """All sizes alike."""
    return lambda rng, shape: np.exp(rng.uniform(np.log(low), np.log(high), shape))


def _all_sizes(high: float) -> Regime:
    """All sizes from 1e-6 alike, with both signs."""
    sizes = _log_uniform(1e-6, max(high, 1.0))
    return lambda rng, shape: sizes(rng, shape) * rng.choice([-1.0, 1.0], size=shape)


def _constant(rng: np.random.Generator, shape: tuple[int, ...], values: Float) -> Float:
    """One value for each row, so that all elements of a row tie."""
    rows = rng.choice(values, size=shape[:1] + (1,) * (len(shape) - 1))
    return np.broadcast_to(rows, shape)


def _rows(shortest: int) -> Regime:
    """Rows of any length from `shortest`, without gaps."""

    def draw(rng: np.random.Generator, shape: tuple[int, ...]) -> Float:
        lengths = rng.integers(shortest, shape[1] + 1, size=shape[0])
        return (np.arange(shape[1])[None, :] < lengths[:, None]).astype(np.float64)

    return draw


def _softmax(scores: Float) -> Float:
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def _onehot(rng: np.random.Generator, shape: tuple[int, ...]) -> Float:
    return np.eye(shape[-1])[rng.integers(shape[-1], size=shape[:-1])]


def _same_class(rng: np.random.Generator, shape: tuple[int, ...]) -> Float:
    return np.broadcast_to(np.eye(shape[-1])[rng.integers(shape[-1])], shape)


def _sparse(rng: np.random.Generator, shape: tuple[int, ...]) -> Float:
    """Probabilities with exact zeros: softmax over a random non-empty subset of the classes."""
    kept = (rng.random(shape) < 0.5) | (_onehot(rng, shape) == 1.0)
    return _softmax(np.where(kept, rng.standard_normal(shape), -np.inf))


def _near_onehot(rng: np.random.Generator, shape: tuple[int, ...]) -> Float:
    """What a confident network gives: one class near 1, the others from 1e-4 down to nothing."""
    return _softmax(30.0 * rng.standard_normal(shape))


def _gaps(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Where entries are missing: some everywhere, and now and then a whole row or none of it."""
    gaps = rng.random(shape) < MISSING_RATE
    if len(shape) > 1:
        fate = rng.random(shape[:1] + (1,) * (len(shape) - 1))
        gaps = np.where(fate < 0.1, True, np.where(fate > 0.8, False, gaps))
    return np.asarray(gaps)
