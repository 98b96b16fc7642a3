"""The single arrays of a pair, the way back, and whether a pair is valid for its contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossdoctor.session import Pair, Value
from lossdoctor.spec import BATCH, Contract, Spec, Structure, bounds, leaves, map_structure, validate

Array = NDArray[Any]


def specs(structure: Structure) -> list[Spec]:
    """The specs of a structure in TensorFlow's order (tables by sorted key)."""
    return [spec for _, spec in leaves(structure)]


def arrays(structure: Structure, value: Value) -> list[Array]:
    """The arrays of `value`, in the order of `specs(structure)`."""
    if isinstance(structure, Spec):
        return [np.asarray(value)]
    if isinstance(structure, Mapping):
        return [array for key in sorted(structure) for array in arrays(structure[key], value[key])]
    return [array for part, inner in zip(structure, value, strict=True) for array in arrays(part, inner)]


def rebuild(structure: Structure, parts: Sequence[Array]) -> Value:
    """The value whose arrays are `parts`; the inverse of `arrays`."""
    rest = iter(parts)
    return map_structure(lambda _: next(rest), structure)


def pair_specs(contract: Contract) -> list[Spec]:
    """The specs of y_true, then those of y_pred."""
    return [*specs(contract.y_true), *specs(contract.y_pred)]


def pair_arrays(contract: Contract, pair: Pair) -> list[Array]:
    """The arrays of a pair, in the order of `pair_specs`."""
    return [*arrays(contract.y_true, pair.y_true), *arrays(contract.y_pred, pair.y_pred)]


def make_pair(contract: Contract, parts: Sequence[Array]) -> Pair:
    """The pair whose arrays are `parts`; the inverse of `pair_arrays`."""
    count = len(specs(contract.y_true))
    return Pair(rebuild(contract.y_true, parts[:count]), rebuild(contract.y_pred, parts[count:]))


def valid(parts: Sequence[Array], of: Sequence[Spec]) -> bool:
    """Whether every array fits its spec, and every name of a dimension has one size."""
    sizes: dict[str, int] = {}
    for array, spec in zip(parts, of, strict=True):
        if array.ndim != len(spec.dims) or 0 in array.shape or validate(array, spec) is not None:
            return False
        for dim, size in zip(spec.dims, array.shape, strict=True):
            if isinstance(dim, str) and sizes.setdefault(dim, size) != size:
                return False
    return True


def examined(parts: Sequence[Array], of: Sequence[Spec], magnitude: float) -> bool:
    """Whether every array is valid and holds no number beyond what is examined (`positive` starts at 1/magnitude), so
    that a witness lies in the domain that a proof speaks of."""
    if not valid(parts, of):
        return False
    for array, spec in zip(parts, of, strict=True):
        if spec.kind in ("real", "positive", "logit"):
            low, high = bounds(spec, magnitude)
            numbers = array.astype(np.float64)
            if np.any(numbers < low) or np.any(numbers > high):
                return False
    return True


def repeated(pair: Pair, contract: Contract, size: int) -> Pair:
    """The samples of a pair over and over, up to a batch of `size`."""
    return chosen(pair, contract, np.arange(size) % max(1, batch_size(pair, contract)))


def chosen(pair: Pair, contract: Contract, samples: Sequence[int] | Array) -> Pair:
    """The samples of these numbers."""
    parts: list[Array] = []
    for spec, array in zip(pair_specs(contract), pair_arrays(contract, pair), strict=True):
        for axis, dim in enumerate(spec.dims):
            if dim == BATCH:
                array = np.take(array, samples, axis=axis)
        parts.append(array)
    return make_pair(contract, parts)


def batch_size(pair: Pair, contract: Contract) -> int:
    """The number of samples of a pair; 1 where the contract has no batch axis."""
    known = zip(pair_specs(contract), pair_arrays(contract, pair), strict=True)
    return next((array.shape[spec.dims.index(BATCH)] for spec, array in known if BATCH in spec.dims), 1)
