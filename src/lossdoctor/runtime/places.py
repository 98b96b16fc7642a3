"""Which samples of a data set a batch holds, found by what is in them.

A loss is given targets, never their places. Where each target differs from all others its row says the place; where
many are the same, as labels are, a whole batch in the order of the data does, unless so few targets would be met in
that order by chance.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lossdoctor.runtime.capture import flat

UNKNOWN = -1
_CHANCE = 1e-6  # of a batch in the order of the data by accident, at most
_ROWS = 4096  # rows of the data looked at together


def places(batch: Any, data: Any) -> tuple[int, ...]:
    """For each sample of the batch its place in the data, or `UNKNOWN`.

    Args:
        batch: the targets of a batch, an array or a structure of such.
        data: all targets; where they are of several outputs, the batch may be of one.
    """
    wanted, whole = list(flat(batch).values()), list(flat(data).values())
    if not wanted or not wanted[0].ndim:
        return ()
    none = (UNKNOWN,) * len(wanted[0])
    if len(wanted) == len(whole):
        return _found(wanted, whole) or none
    found = [_found(wanted, [one]) for one in whole] if len(wanted) == 1 else []
    matching = [each for each in found if each and set(each) != {UNKNOWN}]
    return matching[0] if len(matching) == 1 else none


def _found(wanted: Sequence[Any], whole: Sequence[Any]) -> tuple[int, ...] | None:
    """None where the shapes or types do not fit."""
    pairs = [(_rows(a), _rows(b)) for a, b in zip(wanted, whole, strict=True)]
    if any(a.shape[1] != b.shape[1] or len(b) != len(pairs[0][1]) for a, b in pairs):
        return None
    keys = _keys([a for a, _ in pairs])
    known = set(keys)
    met: dict[bytes, list[int]] = {key: [] for key in known}
    at: dict[int, bytes] = {}
    total = len(pairs[0][1])
    for start in range(0, total, _ROWS):
        with np.errstate(all="ignore"):  # numbers that the type of the batch does not hold
            chunk = [b[start : start + _ROWS].astype(a.dtype) for a, b in pairs]
        for place, key in enumerate(_keys(chunk), start):
            if key in known:
                met[key].append(place)
                at[place] = key
    single = tuple(met[key][0] if len(met[key]) == 1 else UNKNOWN for key in keys)
    if UNKNOWN not in single or any(not met[key] for key in keys):
        return single
    chance = math.log(total) + sum(math.log(len(met[key]) / total) for key in keys)
    runs = [first for first in met[keys[0]] if all(at.get(first + n) == key for n, key in enumerate(keys))]
    if len(runs) == 1 and chance < math.log(_CHANCE):
        return tuple(range(runs[0], runs[0] + len(keys)))
    return single


def _rows(array: Any) -> np.ndarray[Any, Any]:
    found = np.asarray(array)
    return found.reshape(len(found), -1) if found.ndim and len(found) else np.zeros((0, 0))


def _keys(parts: Sequence[np.ndarray[Any, Any]]) -> list[bytes]:
    """The content of each row over all parts."""
    return [b"".join(part[row].tobytes() for part in parts) for row in range(len(parts[0]))]


def rows_at(data: Any, indices: Sequence[int]) -> Any:
    """The samples at these places, in the same structure."""
    if isinstance(data, Mapping):
        return {str(key): rows_at(part, indices) for key, part in data.items()}
    if isinstance(data, list | tuple):
        return tuple(rows_at(part, indices) for part in data)
    return np.asarray(data)[list(indices)]


def length_of(data: Any) -> int | None:
    """The number of samples; None where the arrays differ in it or there is none."""
    lengths = {len(array) if array.ndim else None for array in flat(data).values()}
    return lengths.pop() if len(lengths) == 1 else None
