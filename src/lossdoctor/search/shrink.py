"""From an input that fails to the smallest and plainest that still does.

Every round proposes simpler inputs (fewer samples, shorter named axes, constant arrays, plainer numbers), sorts
them by complexity, and takes the first that still fails. A proposal is always valid for the contract. Nothing is
random, and no more than `budget` inputs are tried.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossdoctor.search.leaves import examined, make_pair, pair_arrays, pair_specs
from lossdoctor.search.literals import number
from lossdoctor.session import Pair
from lossdoctor.spec import Contract, Spec

Array = NDArray[Any]
Parts = tuple[Array, ...]
StillFails = Callable[[list[Pair]], list[bool]]

PLAIN = (0.0, 1.0, 0.5, -1.0, 2.0)
_ROWS = frozenset({"onehot", "probability"})  # kinds whose last axis is one thing
_CHUNKS = (16, 32, 64, 128)  # inputs per call: small while a hit is likely
_DISTINCT = 12  # different numbers per array that are simplified one by one
_COSTED = 32  # beyond so many different numbers in an array their count says enough
_COUNTED = 256  # numbers, from which NumPy counts them faster than Python
_PIECES = 48  # parts of an array that are simplified one by one
# Of large inputs fewer are proposed in a round, and fewer tried: those come first that make whole arrays plain.
_ELEMENTS = 1 << 24
_LEAST = 192


def shrink(pair: Pair, contract: Contract, still_fails: StillFails, budget: int = 800) -> Pair:
    """The simplest pair found for which `still_fails` is true, at worst `pair` itself.

    Args:
        pair: an input that fails.
        contract: what the result stays valid for; an axis of a named dim may become shorter, never empty.
        still_fails: for a list of inputs, whether each still shows the same fault.
        budget: how many inputs may be given to `still_fails` in all.
    """
    specs = pair_specs(contract)
    best: Parts = tuple(pair_arrays(contract, pair))
    tried = {_key(best)}
    most = max(_LEAST, _ELEMENTS // max(1, sum(part.size for part in best)))
    budget = min(budget, most)
    while budget > 0:
        limit = complexity(best, specs)
        ranked: list[tuple[tuple[float, ...], int, Parts]] = []
        seen: set[bytes] = set()
        for order, parts in enumerate(islice(_proposals(best, specs), most)):
            key, cost = _key(parts), complexity(parts, specs)
            if cost < limit and key not in tried and key not in seen:
                seen.add(key)
                ranked.append((cost, order, parts))
        ranked.sort(key=lambda item: item[:2])
        found: Parts | None = None
        place, turn = 0, 0
        while found is None and place < len(ranked) and budget > 0:
            size = min(_CHUNKS[min(turn, len(_CHUNKS) - 1)], budget)
            turn += 1
            chunk: list[Parts] = []
            while place < len(ranked) and len(chunk) < size:
                parts = ranked[place][2]
                place += 1
                tried.add(_key(parts))
                if examined(parts, specs, contract.magnitude):
                    chunk.append(parts)
            if not chunk:
                break
            budget -= len(chunk)
            answers = still_fails([make_pair(contract, parts) for parts in chunk])
            found = next((parts for parts, fails in zip(chunk, answers, strict=True) if fails), None)
        if found is None:
            break
        best = found
    return make_pair(contract, best)


def complexity(parts: Sequence[Array], specs: Sequence[Spec]) -> tuple[float, ...]:
    """What a reader has to take in: samples and elements, then how many different numbers and how plain they are.

    An array of one number is plainest, whatever its size; an element that differs from the rest costs little.
    """
    sizes = [a.shape[spec.dims.index("B")] for a, spec in zip(parts, specs, strict=True) if "B" in spec.dims]
    batch = max(sizes, default=1)
    elements = float(sum(array.size for array in parts))
    weight = 0.0
    for array in parts:
        counts = _tally(array)
        common = max(counts.values(), default=0)
        weight += 4.0 * len(counts) + 0.5 * (array.size - common)
        weight += sum(_cost(value, array.dtype) for value in counts) if len(counts) <= _COSTED else 20.0 * len(counts)
    return float(batch), elements, weight


def _tally(array: Array) -> Counter[Any]:
    """How often each number occurs; all NaN are one."""
    if array.size > _COUNTED and array.dtype.kind in "fiub":
        values, counts = np.unique(array, return_counts=True)
        return Counter(dict(zip(values.tolist(), counts.tolist(), strict=True)))
    return Counter(math.nan if value != value else value for value in array.reshape(-1).tolist())


@lru_cache(maxsize=1 << 16)
def _cost(element: Any, dtype: np.dtype[Any]) -> float:
    """0 for 0, 1 for 1, then by significant digits, sign and magnitude."""
    plain = number(np.asarray(element).astype(dtype)[()])
    if isinstance(plain, bool | str):
        return float(bool(plain))
    if plain == 0:
        return 0.5 if isinstance(plain, float) and math.copysign(1.0, plain) < 0 else 0.0
    if not math.isfinite(plain):
        return 3.0
    if plain == 1:
        return 1.0
    if plain in (0.5, -1.0):
        return 2.0
    digits = f"{abs(plain):.17e}" if abs(plain) >= 1e17 else repr(abs(plain))
    significant = digits.split("e")[0].replace(".", "").strip("0")
    fraction = 0.0 if float(plain).is_integer() else 0.5
    return 2.0 + len(significant) + fraction + (0.5 if plain < 0 else 0.0) + 0.1 * abs(math.log10(abs(plain)))


def _key(parts: Parts) -> bytes:
    """Short, where the arrays are long: a round keeps one for each proposal."""
    digest = hashlib.blake2b()
    for array in parts:
        digest.update(repr(array.shape).encode() + array.tobytes())
    return digest.digest()


def _proposals(parts: Parts, specs: Sequence[Spec]) -> Iterator[Parts]:
    yield from _shorter(parts, specs)
    yield from _filled(parts)
    for index, spec in enumerate(specs):
        if spec.kind in _ROWS and parts[index].ndim:
            yield from _plain_rows(parts, index)
        else:
            yield from _plain_numbers(parts, index)
            yield from _plain_pieces(parts, index)
    yield from _plain_everywhere(parts)


def _replaced(parts: Parts, index: int, array: Array) -> Parts:
    return (*parts[:index], array.astype(parts[index].dtype), *parts[index + 1 :])


def _shorter(parts: Parts, specs: Sequence[Spec]) -> Iterator[Parts]:
    """Fewer samples, shorter named axes: one index alone, or the first few."""
    names = dict.fromkeys(dim for spec in specs for dim in spec.dims if isinstance(dim, str))
    for name in names:
        places = [(i, axis) for i, spec in enumerate(specs) for axis, dim in enumerate(spec.dims) if dim == name]
        size = parts[places[0][0]].shape[places[0][1]]
        keeps: list[list[int]] = [[i] for i in range(min(size, 8))] if size > 1 else []
        keeps += [list(range(n)) for n in sorted({2, 3, size // 2, size - 1}) if 1 < n < size]
        if 2 < size <= 8:
            keeps += [[i for i in range(size) if i != left_out] for left_out in range(size)]
        for keep in keeps:
            shorter = list(parts)
            for i, axis in places:
                shorter[i] = np.take(shorter[i], keep, axis=axis)
            yield tuple(shorter)


def _cast(value: float, dtype: np.dtype[Any]) -> Any:
    """The number in the array's dtype, or None where it does not exist there."""
    if dtype.kind in "biu":
        if value != int(value) or (value < 0 and dtype.kind in "bu") or (value > 1 and dtype.kind == "b"):
            return None
        return np.asarray(int(value)).astype(dtype)[()]
    return None if dtype.kind in "USOT" else np.asarray(value).astype(dtype)[()]


def _filled(parts: Parts) -> Iterator[Parts]:
    """Constant arrays: each alone, and all together."""
    options: list[list[Array]] = []
    shown = len(PLAIN)  # of the options, that are tried together
    for index, array in enumerate(parts):
        own = [value for value, _ in _tally(array).most_common(3)] if array.size else []
        if array.size > _COUNTED and array.dtype.kind in "fiu":  # too large to be made plain number by number
            own += [array.max().item(), array.min().item()]
            shown = len(PLAIN) + len(own)
        plain = [_cast(value, array.dtype) for value in PLAIN]
        values = [value for value in (*plain, *own) if value is not None]
        options.append([np.full_like(array, value) for value in values])
        for filled in options[-1]:
            yield _replaced(parts, index, filled)
    if len(parts) == 2:
        for first in options[0][:shown]:
            for second in options[1][:shown]:
                yield (first, second)


def simpler_numbers(value: float) -> list[float]:
    """Numbers plainer than `value`, of its sign: fewer digits, smaller magnitudes with one digit."""
    if not math.isfinite(value):
        return list(PLAIN)
    numbers = list(PLAIN)
    numbers += [float(np.round(value, digits)) for digits in range(4)]
    if value != 0.0:
        exponent = math.floor(math.log10(abs(value)))
        numbers += [round(value, -exponent + digits) for digits in range(3)]
        sign = math.copysign(1.0, value)
        for power in range(-3, max(exponent, 0) + 1) if exponent >= -3 else range(exponent, 1):
            for digit in range(1, 10):
                number_ = sign * float(f"{digit}e{power}")
                if abs(number_) < abs(value) or exponent < -3:
                    numbers.append(number_)
    return list(dict.fromkeys(numbers))


def _plain_numbers(parts: Parts, index: int) -> Iterator[Parts]:
    """One number of an array replaced by a plainer one wherever it stands."""
    array = parts[index]
    if array.dtype.kind in "USOT":
        return
    values = [value for value, _ in _tally(array).most_common(_DISTINCT)]
    for value in dict.fromkeys(values):
        where = np.isnan(array.astype(np.float64)) if value != value else array == _exact(value, array.dtype)
        for plainer in simpler_numbers(float(value)):
            cast = _cast(plainer, array.dtype)
            if cast is not None:
                yield _replaced(parts, index, np.where(where, cast, array))
        if len(values) > 1:
            yield _replaced(parts, index, np.where(where, _exact(values[0], array.dtype), array))


def _exact(value: Any, dtype: np.dtype[Any]) -> Any:
    return np.asarray(value).astype(dtype)[()]


def _plain_pieces(parts: Parts, index: int) -> Iterator[Parts]:
    """Halves, quarters … single elements set to a plain number or to the most common one."""
    array = parts[index]
    size = array.size
    if size < 2 or array.dtype.kind in "USOT":
        return
    common = _tally(array).most_common(1)[0][0]
    values = [value for value in (_cast(v, array.dtype) for v in PLAIN[:3]) if value is not None]
    values.append(_exact(common, array.dtype))
    length = (size + 1) // 2
    while length >= 1 and -(-size // length) <= max(_PIECES, 2):
        for start in range(0, size, length):
            for value in values:
                piece = array.reshape(-1).copy()
                piece[start : start + length] = value
                yield _replaced(parts, index, piece.reshape(array.shape))
        if length == 1:
            break
        length = (length + 1) // 2


def _plain_everywhere(parts: Parts) -> Iterator[Parts]:
    """The same number simplified in all arrays at once, for faults that need equal numbers."""
    floats = [array for array in parts if array.dtype.kind not in "USOTb"]
    if len(floats) < 2:
        return
    shared = set(floats[0].reshape(-1).tolist())
    for array in floats[1:]:
        shared &= set(array.reshape(-1).tolist())
    for value in sorted(v for v in shared if v == v)[:_DISTINCT]:
        for plainer in simpler_numbers(float(value)):
            changed: list[Array] = []
            for array in parts:
                cast = _cast(plainer, array.dtype)
                if cast is None or array.dtype.kind in "USOT":
                    changed.append(array)
                else:
                    same = array == _exact(value, array.dtype)
                    changed.append(np.where(same, cast, array).astype(array.dtype))
            yield tuple(changed)


def _plain_rows(parts: Parts, index: int) -> Iterator[Parts]:
    """Kinds whose last axis is one thing: rows become one-hot, half and half, or like the first row."""
    array = parts[index]
    classes = array.shape[-1]
    rows = array.reshape(-1, classes) if classes else array.reshape(0, 0)
    plain: list[Array] = [np.eye(classes)[i] for i in dict.fromkeys((0, 1, classes - 1)) if i < classes]
    if classes > 1:
        half = np.zeros(classes)
        half[:2] = 0.5
        plain.append(half)
    for row in plain:
        yield _replaced(parts, index, np.broadcast_to(row, array.shape))
    for row in rows[:4]:
        yield _replaced(parts, index, np.broadcast_to(row, array.shape))
    for i in range(min(len(rows), _PIECES)):
        own = np.zeros(classes)
        own[int(np.argmax(rows[i]))] = 1.0
        for row in (*plain, own):
            changed = rows.copy()
            changed[i] = row.astype(rows.dtype)
            yield _replaced(parts, index, changed.reshape(array.shape))
