"""Inputs on which brute force tries a loss: edge values of every kind, crossed, and what a network really gives.

Shares no code with lossdoctor but the parser of specs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossdoctor.spec import Contract, Spec, leaves

Array = NDArray[Any]
Case = tuple[Array, ...]  # the leaves of y_true, then those of y_pred; one sample unless the loss couples the batch

NAMED, NAMED_WINDOW = 3, 16  # sizes of the named dimensions; images need more
_TINY = float(np.finfo(np.float32).tiny)
_SIZES = (
    _TINY, 1e-30, 1e-20, 3e-19, 1e-12, 1e-10, 1e-8, 3e-8, 6e-8, 1.2e-7, 1e-6, 1e-4, 1e-3, 0.1, 0.25, 0.5, 0.9, 1.0,
    1.0 - 2.0**-24, 1.0 + 2.0**-23, 1 - 1e-6, 1 - 1e-3, 2.0, 3.0, 5.0, 9.43, 12.0, 16.6, 17.4, 20.0, 30.0, 44.4, 60.0,
    88.0, 89.0, 100.0, 104.0, 200.0, 1e3, 3e3, 1e4,
)  # fmt: skip
_LEVELS = (4.0, 8.0, 12.0, 16.0, 20.0, 30.0)  # of confident logits
ORDINARY = 48


@dataclass
class Grid:
    """Inputs of one loss. `edges` are valid, `ordinary` realistic; `structure` puts leaves together again."""

    contract: Contract
    edges: list[Case]
    ordinary: list[Case]
    converged: list[Case]  # realistic too: confident, nearly right, or far from zero

    def pair(self, case: Sequence[Any]) -> tuple[Any, Any]:
        count = len(leaves(self.contract.y_true))
        return _built(self.contract.y_true, list(case[:count])), _built(self.contract.y_pred, list(case[count:]))


def _built(structure: Any, parts: list[Any]) -> Any:
    """The values in the structure of specs; tables take theirs in the order of sorted keys."""
    if isinstance(structure, Spec):
        return parts.pop(0)
    if isinstance(structure, tuple):
        return tuple(_built(part, parts) for part in structure)
    found = {key: _built(structure[key], parts) for key in sorted(structure)}
    return {key: found[key] for key in structure}


def make_grid(contract: Contract, seed: int = 0, named: int = NAMED) -> Grid:
    """The inputs to try: edges crossed, one among ordinary values, ties, equal arguments, small batches, draws."""
    rng = np.random.default_rng(seed)
    true = len(leaves(contract.y_true))
    specs = [spec for part in (contract.y_true, contract.y_pred) for _, spec in leaves(part)]

    def drawn(batch: int = 1, mixed: float = 0.0) -> list[Array]:
        return [_draw(spec, _shape(spec, batch, named), rng, mixed) for spec in specs]

    shapes = [_shape(spec, 1, named) for spec in specs]
    fills = [[_cast(fill, spec) for fill in _fills(spec, shape)] for spec, shape in zip(specs, shapes, strict=True)]
    edges: list[list[Array]] = []
    targets = max((len(options) for options in fills[:true]), default=1)
    outputs = max((len(options) for options in fills[true:]), default=1)
    for t in np.unique(np.linspace(0, targets - 1, min(targets, 10)).astype(int)):
        for p in range(outputs):
            edges.append([options[min(t if i < true else p, len(options) - 1)] for i, options in enumerate(fills)])
    for index, options in enumerate(fills):
        for fill in options:
            one, whole, half = drawn(), drawn(), drawn()
            whole[index] = fill
            if specs[index].kind not in ("onehot", "probability"):
                one[index].reshape(-1)[:1] = fill.reshape(-1)[:1]
                half[index].reshape(-1)[::2] = fill.reshape(-1)[:1]
                edges += [one, half]
            edges.append(whole)
    for base in (*edges[:: max(1, len(edges) // 60)], *(drawn() for _ in range(10))):
        edges += _equal(base, specs, true)
    edges += [drawn(mixed=0.5) for _ in range(60)]
    for batch in (2, 3):
        same = [np.repeat(part[:1], batch, 0) if part.ndim else part for part in drawn(batch)]
        edges += [same, *(drawn(batch, mixed) for mixed in (0.0, 0.0, 0.3, 0.7) for _ in range(4))]
        for index, options in enumerate(fills):
            for fill in options[:: max(1, len(options) // 8)]:
                parts = drawn(batch)
                if parts[index].ndim == fill.ndim and parts[index].shape[1:] == fill.shape[1:]:
                    parts[index] = np.repeat(fill[:1], len(parts[index]), 0)
                edges.append(parts)
    converged = [*_confident(specs, true, drawn), *_near(specs, true, drawn, rng)]
    return Grid(
        contract,
        [tuple(parts) for parts in edges if _allowed(parts, specs)],
        [tuple(drawn(2)) for _ in range(ORDINARY)],
        [tuple(parts) for parts in converged if _allowed(parts, specs)],
    )


def ordinary_batch(contract: Contract, batch: int, named: int, rng: np.random.Generator) -> list[Array]:
    """Realistic arrays, the leaves of y_true and then those of y_pred, without values at the edges."""
    specs = [spec for part in (contract.y_true, contract.y_pred) for _, spec in leaves(part)]
    return [_draw(spec, _shape(spec, batch, named), rng, 0.0) for spec in specs]


def _shape(spec: Spec, batch: int, named: int) -> tuple[int, ...]:
    return tuple(dim if isinstance(dim, int) else batch if dim == "B" else named for dim in spec.dims)


def _limits(spec: Spec) -> tuple[float, float]:
    if spec.kind == "label":
        return 0.0, float((spec.classes or 1) - 1)
    ends = {"unit": (0, 1), "probability": (0, 1), "binary": (0, 1), "onehot": (0, 1), "sign": (-1, 1)}
    low, high = ends.get(spec.kind, (1e-4 if spec.kind == "positive" else -1e4, 1e4))
    if spec.dtype.startswith("uint"):
        low, high = max(low, 0), min(high, 255)
    return float(low), float(high)


def _numbers(spec: Spec) -> list[float]:
    low, high = _limits(spec)
    if spec.kind in ("binary", "onehot"):
        return [0.0, 1.0]
    if spec.kind == "sign":
        return [-1.0, 1.0]
    if not spec.dtype.startswith(("float", "bfloat")):
        return [float(value) for value in dict.fromkeys([low, 0.0, 1.0, 2.0, high]) if low <= value <= high]
    sizes = [float(np.float32(size)) for size in _SIZES]
    return [value for value in (0.0, *sizes, *(-size for size in sizes)) if low <= value <= high]


def _fills(spec: Spec, shape: tuple[int, ...]) -> Iterator[Array]:
    if spec.kind not in ("onehot", "probability"):
        yield from (np.full(shape, value) for value in _numbers(spec))
        if spec.missing:
            yield np.full(shape, np.nan)
        return
    classes = shape[-1]
    rows = [np.eye(classes)[i] for i in range(min(classes, 3))]
    if spec.kind == "probability" and classes > 1:
        for small in (0.5, 1e-3, 1e-6, 1e-7, 6e-8, 1e-20, _TINY):
            row = np.zeros(classes)
            row[:2] = 1.0 - small, small
            rows.append(row)
        rows.append(np.full(classes, 1.0 / classes))
    yield from (np.broadcast_to(row, shape) for row in rows)


def _draw(spec: Spec, shape: tuple[int, ...], rng: np.random.Generator, mixed: float) -> Array:
    """A realistic array; with `mixed`, that share of its elements are edge values."""
    if spec.kind == "onehot":
        return _cast(np.eye(shape[-1])[rng.integers(0, shape[-1], shape[:-1])], spec)
    if spec.kind == "probability":
        weights = np.exp(rng.normal(0.0, 2.0 + 40.0 * mixed, shape))
        return _cast(weights / weights.sum(axis=-1, keepdims=True), spec)
    numbers = np.array(_numbers(spec))
    if spec.kind in ("binary", "sign", "label") or not spec.dtype.startswith(("float", "bfloat")):
        low, high = _limits(spec)
        values = rng.integers(0, int(high) + 1, shape) if spec.kind == "label" else rng.choice(numbers, shape)
        return _with_gaps(_cast(np.clip(values, low, high), spec), spec, rng)
    values = rng.normal(0.0, 3.0 if spec.kind == "logit" else 1.0, shape)
    values = {"unit": 1.0 / (1.0 + np.exp(-2.0 * values)), "positive": np.exp(values)}.get(spec.kind, values)
    values = np.where(rng.random(shape) < mixed, rng.choice(numbers, shape), values)
    return _with_gaps(_cast(np.clip(values, *_limits(spec)), spec), spec, rng)


def _with_gaps(values: Array, spec: Spec, rng: np.random.Generator) -> Array:
    return np.where(rng.random(values.shape) < 0.2, np.nan, values).astype(values.dtype) if spec.missing else values


def _cast(values: Array, spec: Spec) -> Array:
    return np.array(values).astype(np.dtype(spec.dtype))


def _allowed(parts: Sequence[Array], specs: Sequence[Spec]) -> bool:
    for part, spec in zip(parts, specs, strict=True):
        low, high = _limits(spec)
        known = part[~np.isnan(part)] if part.dtype.kind == "f" else part
        if known.size and not ((known >= np.float32(low)).all() and (known <= np.float32(high)).all()):
            return False
        if part.dtype == np.float32 and ((known != 0) & (np.abs(known) < _TINY)).any():
            return False
    return True


def _equal(parts: list[Array], specs: Sequence[Spec], true: int) -> Iterator[list[Array]]:
    """The prediction equal to the target, and opposite."""
    for index, target in zip(range(true, len(parts)), parts[:true], strict=False):
        spec = specs[index]
        if parts[index].shape != target.shape or spec.dtype != "float32" or spec.kind in ("onehot", "probability"):
            continue
        for value in (target, -target, 1.0 - target):
            yield [*parts[:index], np.nan_to_num(value).astype(np.float32), *parts[index + 1 :]]


def _confident(specs: Sequence[Spec], true: int, drawn: Callable[[], list[Array]]) -> Iterator[list[Array]]:
    for level in _LEVELS:
        for sign in (1.0, -1.0):
            for _ in range(3):
                parts = drawn()
                for index in range(true, len(specs)):
                    if specs[index].kind in ("logit", "real"):
                        parts[index] = np.full_like(parts[index], sign * level)
                yield parts
        parts = drawn()
        for index in range(true, len(specs)):
            if specs[index].kind in ("logit", "real") and parts[index].ndim:
                parts[index] = parts[index].copy()
                parts[index][..., 0] = level
        yield parts


def _near(
    specs: Sequence[Spec], true: int, drawn: Callable[[], list[Array]], rng: np.random.Generator
) -> Iterator[list[Array]]:
    alike = [(i, true + i) for i in range(min(true, len(specs) - true)) if specs[i].dims == specs[true + i].dims]
    for distance in (1e-3, 1e-2):
        for _ in range(4):
            parts = drawn()
            for t, p in alike:
                if {specs[t].kind, specs[p].kind} <= {"real", "positive", "unit", "logit"}:
                    noise = distance * rng.standard_normal(parts[t].shape)
                    parts[p] = np.clip(parts[t] + noise, *_limits(specs[p])).astype(parts[p].dtype)
            yield parts
    if alike and all(spec.kind in ("real", "positive") for spec in specs):
        for offset in (100.0, 1000.0):
            for _ in range(3):
                yield [(part + offset).astype(part.dtype) for part in drawn()]
