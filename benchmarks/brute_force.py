"""Brute force on one loss: edge values of every kind, crossed, run in TensorFlow. Shares no code with lossdoctor.

What it finds depends on the inputs that it tries, so it refutes and never proves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
SYMPTOMS = ("value", "gradient")
_TINY = float(np.finfo(np.float32).tiny)
_MAGNITUDE = 1e4
# Of the kinds whose elements are free of each other.
_BOUNDS = {
    "unit": (0.0, 1.0),
    "positive": (1.0 / _MAGNITUDE, _MAGNITUDE),
    "real": (-_MAGNITUDE, _MAGNITUDE),
    "logit": (-_MAGNITUDE, _MAGNITUDE),
}
_NEAR_ONE = (1.0, 1 - 6e-8, 1 + 1.2e-7, 1 - 1e-4)
_SIZES = (
    *_NEAR_ONE, 1e-45, _TINY, 1e-30, 1e-20, 3e-19, 1e-12, 1e-10, 1e-8, 3e-8, 1e-7, 1e-4, 1e-3, 0.1, 0.25, 0.5, 2.0, 3.0,
    5.0, 9.43, 16.6, 17.4, 30.0, 44.4, 88.0, 88.72, 88.73, 89.5, 100.0, 104.0, 1e3, 1e4, 9999.0,
)  # fmt: skip


@dataclass
class Refutation:
    """An input and what the loss gave there."""

    execution: str
    y_true: list[Any]
    y_pred: list[Any]
    denormal: bool  # only inputs with a denormal showed it


@dataclass
class Truth:
    """What brute force saw of one loss. `found` is keyed by symptom and execution; `lowest` is the smallest value."""

    found: dict[tuple[str, str], Refutation] = field(default_factory=dict[tuple[str, str], Refutation])
    lowest: float = float("inf")
    lowest_at: tuple[list[Any], list[Any]] | None = None
    raised: str = ""

    def shows(self, symptom: str, *executions: str, denormals: bool = False) -> Refutation | None:
        """A refutation in one of the executions; with denormal inputs only if asked for."""
        for execution in executions:
            refutation = self.found.get((symptom, execution))
            if refutation is not None and (denormals or not refutation.denormal):
                return refutation
        return None


def edge_values(kind: str, source: str) -> Array:
    """The edge values of one element, with the constants that the source mentions and their neighbours."""
    literals = [float(text) for text in re.findall(r"(?<![\w.])\d+\.?\d*(?:e[-+]?\d+)?", source)]
    sizes = np.array([*_SIZES, *literals, *(1.0 - x for x in literals)], np.float32)
    sizes = np.concatenate([sizes, np.nextafter(sizes, np.float32(np.inf)), np.nextafter(sizes, np.float32(-np.inf))])
    values = np.unique(np.concatenate([sizes, -sizes, np.zeros(1, np.float32)]))
    if kind in ("binary", "sign"):
        return np.array([0.0, 1.0] if kind == "binary" else [-1.0, 1.0], np.float32)
    low, high = _BOUNDS.get(kind, (0.0, 1.0))
    return values[(values >= np.float32(low)) & (values <= np.float32(high))]


def draws(kind: str, rng: np.random.Generator, rows: int, size: int, edges: Array) -> Array:
    """Random rows of a kind; a third each of edge values, ordinary values and both mixed."""
    shape = (rows, size)
    if kind == "onehot":
        return np.eye(size, dtype=np.float32)[rng.integers(0, size, rows)]
    if kind == "probability":
        weights = np.exp(rng.normal(0.0, rng.choice([0.1, 1.0, 10.0, 60.0], (rows, 1)), shape))
        weights[: rows // 4] = rng.integers(0, 3, (rows // 4, size)) + 1e-300
        weights[: rows // 8, 0] = 1e5  # an exact or nearly exact 1
        return (weights / weights.sum(axis=-1, keepdims=True)).astype(np.float32)
    if kind in ("binary", "sign"):
        return rng.choice(edges, shape)
    ordinary = rng.normal(0.0, 2.0, shape)
    if kind == "unit":
        ordinary = 1.0 / (1.0 + np.exp(-ordinary))
    if kind == "positive":
        ordinary = np.exp(ordinary)
    share = rng.choice([0.0, 0.5, 1.0], (rows, 1))
    mixed = np.where(rng.random(shape) < share, rng.choice(edges, shape), ordinary)
    return np.clip(mixed, float(edges.min()), float(edges.max())).astype(np.float32)


def grid(kinds: tuple[str, str], size: int, source: str, rng: np.random.Generator, rows: int) -> tuple[Array, Array]:
    """Valid rows of both arguments, shape (N, size): edges crossed, draws, ties, one edge among ordinary values."""
    edges = edge_values(kinds[0], source), edge_values(kinds[1], source)
    parts: list[tuple[Array, Array]] = []
    constants = [_constant_rows(kind, size, edge) for kind, edge in zip(kinds, edges, strict=True)]
    picked = [rows_[_spread(len(rows_), 40)] for rows_ in constants]
    parts.append((np.repeat(picked[0], len(constants[1]), axis=0), np.tile(constants[1], (len(picked[0]), 1))))
    limit = 3 * rows
    if len(parts[0][0]) > limit:
        chosen = rng.permutation(len(parts[0][0]))[:limit]
        parts[0] = (parts[0][0][chosen], parts[0][1][chosen])
    random = draws(kinds[0], rng, rows, size, edges[0]), draws(kinds[1], rng, rows, size, edges[1])
    parts.append(random)
    for one, other in ((0, 1), (1, 0)):  # a prediction equal to the target, where the kinds allow it
        same = random[one]
        if _valid(same, kinds[other]).all():
            parts.append((same, same))
    tied = random[1].copy()
    tied[:, : (size + 1) // 2] = tied[:, :1]
    if kinds[1] != "probability":
        parts.append((random[0], tied))
    single = random[1].copy()
    if kinds[1] not in ("onehot", "probability"):
        single[np.arange(rows), rng.integers(0, size, rows)] = rng.choice(edges[1], rows)
        parts.append((random[0], single))
    y_true, y_pred = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
    return y_true, y_pred


def _spread(count: int, most: int) -> npt.NDArray[np.intp]:
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.intp))


def _constant_rows(kind: str, size: int, edges: Array) -> Array:
    if kind == "onehot":
        return np.eye(size, dtype=np.float32)
    if kind == "probability":
        near = np.array([[1 - 6e-8, 6e-8], [1 - 1e-7, 1e-7], [0.5, 0.5], [1.0, 1e-30], [1.0, _TINY], [1 - 1e-3, 1e-3]])
        extra = np.zeros((len(near), size))
        extra[:, : min(2, size)] = near[:, : min(2, size)]
        rows = np.concatenate([np.eye(size), np.full((1, size), 1.0 / size), extra if size > 1 else np.ones((1, 1))])
        return rows.astype(np.float32)
    return np.repeat(edges[:, None], size, axis=1)


def _valid(rows: Array, kind: str) -> npt.NDArray[np.bool_]:
    low, high = _BOUNDS.get(kind, (1.0, 0.0))
    return np.asarray(((rows >= np.float32(low)) & (rows <= np.float32(high))).all(axis=-1))


class Runner:
    """Runs one loss, value and gradient of the sum of the value, in one execution."""

    def __init__(self, loss: Callable[..., Any], execution: str) -> None:
        import tensorflow as tf

        self._tf = tf

        def both(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
            with tf.GradientTape() as tape:
                tape.watch(y_pred)
                value = loss(y_true, y_pred)
            gradient = tape.gradient(value, y_pred)
            return value, tf.zeros_like(y_pred) if gradient is None else gradient

        spec = None if execution == "xla" else [tf.TensorSpec((None, None), tf.float32)] * 2
        self._run = (
            both if execution == "eager" else tf.function(both, input_signature=spec, jit_compile=execution == "xla")
        )

    def __call__(self, y_true: Array, y_pred: Array) -> tuple[Array, Array]:
        value, gradient = self._run(self._tf.constant(y_true), self._tf.constant(y_pred))
        return value.numpy(), gradient.numpy()


def brute_force(
    loss: Callable[..., Any], kinds: tuple[str, str], size: int, source: str, by_rows: bool, seed: int, xla: bool
) -> Truth:
    """Try the grid in eager execution and `tf.function`, and with `jit_compile` if asked for.

    Where rows are independent, the whole grid is one batch, and some rows are tried alone as well (kernels treat the
    rest of a packet differently). Else batches of one to three rows are tried.
    """
    rng = np.random.default_rng(seed)
    y_true, y_pred = grid(kinds, size, source, rng, 300)
    truth = Truth()
    for execution in ("eager", "graph", *(("xla",) if xla else ())):
        try:
            runner = Runner(loss, execution)
            for batch in _batches(y_true, y_pred, by_rows, execution, rng):
                value, gradient = runner(*batch)
                _note(truth, execution, batch, value, gradient, by_rows)
        except Exception as problem:  # the loss is wrong in a way that has nothing to do with numbers
            truth.raised = f"{execution}: {type(problem).__name__} {str(problem).splitlines()[0][:100]}"
    return truth


def _batches(
    y_true: Array, y_pred: Array, by_rows: bool, execution: str, rng: np.random.Generator
) -> Iterator[tuple[Array, Array]]:
    count = len(y_true)
    if by_rows:
        yield y_true, y_pred
        alone = rng.permutation(count)[: 0 if execution == "xla" else 40]
        for row in alone:
            yield y_true[row : row + 1], y_pred[row : row + 1]
        return
    most = {"eager": 150, "graph": 900, "xla": 120}[execution]
    rows = rng.permutation(count)[: most * 2]
    at = 0
    for turn in range(most):
        batch = 1 + turn % 3
        chosen = rows[at : at + batch]
        if turn % 7 == 6 and len(chosen):
            chosen = np.repeat(chosen[:1], batch)
        at += batch
        if len(chosen) == batch:
            yield y_true[chosen], y_pred[chosen]


def _note(
    truth: Truth, execution: str, batch: tuple[Array, Array], value: Array, gradient: Array, by_rows: bool
) -> None:
    y_true, y_pred = batch
    rows = len(y_true)
    denormal = _has_denormal(y_true) | _has_denormal(y_pred)
    if by_rows and value.shape[:1] == (rows,):
        bad_value = _not_finite(value.reshape(rows, -1))
        bad_gradient = _not_finite(gradient) & ~bad_value
    else:
        denormal = np.array([denormal.any()])
        bad_value = _not_finite(value.reshape(1, -1))
        bad_gradient = _not_finite(gradient.reshape(1, -1)) & ~bad_value
    for symptom, bad in zip(SYMPTOMS, (bad_value, bad_gradient), strict=True):
        if not bad.any():
            continue
        index = int(np.flatnonzero(bad)[np.argmin(denormal[bad])])  # without a denormal if there is one
        chosen = slice(index, index + 1) if len(bad) > 1 else slice(None)
        known = truth.found.get((symptom, execution))
        if known is None or (known.denormal and not denormal[index]):
            truth.found[symptom, execution] = Refutation(
                execution, y_true[chosen].tolist(), y_pred[chosen].tolist(), bool(denormal[index])
            )
    if execution != "xla" and value.size:
        finite = np.where(np.isfinite(value), value, np.inf).reshape(-1)
        index = int(np.argmin(finite))
        if finite[index] < truth.lowest:
            chosen = slice(index, index + 1) if by_rows and finite.size == rows else slice(None)
            truth.lowest = float(finite[index])
            truth.lowest_at = (y_true[chosen].tolist(), y_pred[chosen].tolist())


def _not_finite(rows: Array) -> npt.NDArray[np.bool_]:
    return np.asarray((~np.isfinite(rows)).any(axis=-1))


def _has_denormal(rows: Array) -> npt.NDArray[np.bool_]:
    return np.asarray(((rows != 0) & (np.abs(rows) < _TINY)).any(axis=-1))
