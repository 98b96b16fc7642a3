"""Batches of rows of which a sum, a variance or a cosine leaves its range by nothing but rounding.

The variance of a nearly flat row by E[x^2] - E[x]^2 is now and then below 0, the cosine of a vector with itself now
and then above 1, and so is the sum of all probabilities but that of the true class, which is 0. One row in ten or so
does it, so that it takes a batch of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossdoctor.search.leaves import pair_arrays, pair_specs, specs
from lossdoctor.session import Pair
from lossdoctor.spec import BATCH, Contract, Spec

Array = NDArray[Any]
Parts = tuple[Array, ...]

_ELEMENTS_AT_MOST = 64  # of a sample
_FLOATING = ("real", "unit", "positive", "logit")
_ORDERS = 4  # of the probabilities of a row, whose sum is rounded otherwise in each
_LEVELS = (1.0, 100.0)  # of flat rows
_ULPS = (1, 16)  # that the elements of a row differ by
_UNIT = {"float16": 2.0**-11, "bfloat16": 2.0**-8, "float32": 2.0**-24, "float64": 2.0**-53}


def rounded_rows(contract: Contract, drawn: Pair, rng: np.random.Generator) -> Iterator[Parts]:
    """The arrays of pairs with the batch of `drawn`, in the order of `pair_specs`; not all are valid.

    Args:
        contract: what they are for; nothing comes of one without a batch axis or with large samples.
        drawn: realistic arrays, a batch of some.
        rng: the source of all randomness.
    """
    of, arrays = pair_specs(contract), pair_arrays(contract, drawn)
    true = len(specs(contract.y_true))
    samples = [array.size // array.shape[spec.dims.index(BATCH)] for spec, array in zip(of, arrays, strict=True)
               if BATCH in spec.dims]  # fmt: skip
    if not samples or max(samples) > _ELEMENTS_AT_MOST:
        return
    for index, spec in enumerate(of):
        rows = arrays[index]
        if index >= true and spec.kind == "probability" and rows.ndim > 1:
            own = _own_class(arrays[0], of[0], rows)
            for _ in range(_ORDERS):
                yield _replaced(arrays, index, _without(rng.permuted(rows, axis=-1), own))
        elif spec.kind in _FLOATING and rows.ndim > 1 and spec.dims[0] == BATCH:
            for flat in _flat(spec, rows.shape, rng):
                yield _replaced(arrays, index, flat)
    if len(of) == 2 and all(spec.kind in _FLOATING for spec in of) and arrays[0].shape == arrays[1].shape:
        for ulps in (0, *_ULPS):
            noise = ulps * _UNIT[of[1].dtype] * rng.standard_normal(arrays[0].shape)
            yield _replaced(arrays, 1, _within(of[1], arrays[0].astype(np.float64) * (1.0 + noise)))


def _flat(spec: Spec, shape: tuple[int, ...], rng: np.random.Generator) -> Iterator[Array]:
    """Rows of nearly equal numbers, each of another size."""
    sizes = np.linspace(0.6, 1.0, shape[0]).reshape((-1,) + (1,) * (len(shape) - 1))
    for level, ulps in product(_LEVELS[:1] if spec.kind == "unit" else _LEVELS, _ULPS):
        noise = ulps * _UNIT[spec.dtype] * rng.standard_normal(shape)
        yield _within(spec, level * sizes * (1.0 + noise))


def _without(rows: Array, own: Array) -> Array:
    """Probabilities of which the one of the given class of each row is 0, over their sum as softmax kernels do it:
    times the rounded reciprocal."""
    others = rows.copy()
    np.put_along_axis(others, own[..., None], 0, axis=-1)
    total = others.sum(axis=-1, keepdims=True)
    return others * (np.ones_like(total) / np.where(total > 0, total, np.ones_like(total)))


def _own_class(y_true: Array, spec: Spec, y_pred: Array) -> Array:
    """The class of each row of predictions that the target names; the first one where it names none."""
    rows = y_pred.shape[:-1]
    if spec.kind in ("onehot", "probability") and y_true.shape == y_pred.shape:
        return np.argmax(y_true, axis=-1)
    if spec.kind == "label" and y_true.size == int(np.prod(rows)) and spec.classes == y_pred.shape[-1]:
        return np.nan_to_num(y_true).reshape(rows).astype(int)
    return np.zeros(rows, int)


def _within(spec: Spec, rows: Array) -> Array:
    return np.clip(rows, 0.0, 1.0) if spec.kind == "unit" else rows


def _replaced(parts: Sequence[Array], index: int, array: Array) -> Parts:
    return (*parts[:index], array.astype(parts[index].dtype), *parts[index + 1 :])
