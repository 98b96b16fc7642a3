"""What holds between a loss and a formula that it does not equal: a factor, an offset, a sum for a mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from lossdoctor.formula.reading import Difference
from lossdoctor.search.leaves import pair_arrays
from lossdoctor.spec import Contract

_SAME = 2e-3  # relative spread of a factor that counts as constant


def relation(found: Sequence[Difference], contract: Contract, agreeing: int, compared: int) -> str:
    """A clause that begins with a verb, such as "is twice the formula"; `found` are ordinary inputs and those that
    differ."""
    comparable = [one for one in found if not one.shapes_differ and one.value.size]
    if not comparable:
        return ""
    scale = float(np.median([np.abs(one.expected).max() for one in comparable])) or 1.0
    factors = [_factor(one, scale) for one in comparable]
    known = [(one, factor) for one, factor in zip(comparable, factors, strict=True) if factor is not None]
    if len(known) >= 4 and all(np.isfinite(factor) for _, factor in known):
        values = np.array([factor for _, factor in known])
        centre = float(np.median(values))
        if np.all(np.abs(values - centre) <= _SAME * abs(centre)):
            return _times(centre, known[0][0], contract)
        for name, size in _sizes(contract):
            counts = np.array([size(one) for one, _ in known])
            if np.all(np.abs(values - counts) <= _SAME * counts):
                return f"is the formula times {name}: a sum where the formula has a mean"
            if np.all(np.abs(values * counts - 1.0) <= _SAME):
                return f"is the formula divided by {name}: a mean where the formula has a sum"
    offsets = np.concatenate([(one.value - one.expected).reshape(-1) for one in comparable])
    if offsets.size >= 4 and np.ptp(offsets) <= _SAME * max(abs(float(offsets.mean())), 1e-9):
        offset = float(offsets.mean())
        return f"is the formula {'plus' if offset > 0 else 'minus'} {abs(offset):.4g}"
    if agreeing:
        return f"equals the formula at {agreeing} of {compared} inputs"
    return ""


def _factor(one: Difference, scale: float) -> float | None:
    """The factor at one input, the same for all elements; NaN where there is none, None where all are near zero."""
    large = np.abs(one.expected) > 1e-4 * scale
    if not large.any():
        return None if np.all(np.abs(one.value) <= 1e-3 * scale) else float("nan")
    ratios = one.value[large] / one.expected[large]
    small = np.abs(one.value[~large]) <= 1e-3 * scale
    same = np.ptp(ratios) <= _SAME * abs(float(np.mean(ratios)))
    return float(np.mean(ratios)) if same and bool(np.all(small)) else float("nan")


def _times(factor: float, one: Difference, contract: Contract) -> str:
    if abs(factor + 1.0) <= _SAME:
        return "is the formula with the other sign"
    if abs(factor) <= _SAME:
        return "is zero"
    shape = pair_arrays(contract, one.pair)[-1].shape
    fixed = {int(np.prod(shape[start:])) for start in range(1, len(shape))} - {1}
    for size in sorted(fixed):
        if abs(factor - size) <= _SAME * size:
            return f"is {size} times the formula, as a sum over {size} elements instead of their mean is"
        if abs(factor * size - 1.0) <= _SAME:
            return f"is 1/{size} of the formula, as a mean of {size} elements instead of their sum is"
    return f"is {factor:.4g} times the formula"


def _sizes(contract: Contract) -> tuple[tuple[str, Callable[[Difference], float]], ...]:
    """The numbers that a sum and a mean may differ by, with names."""

    def batch(one: Difference) -> float:
        return float(pair_arrays(contract, one.pair)[-1].shape[0])

    def sample(one: Difference) -> float:
        array = pair_arrays(contract, one.pair)[-1]
        return float(array.size / max(1, array.shape[0]))

    def everything(one: Difference) -> float:
        return float(pair_arrays(contract, one.pair)[-1].size)

    return (
        ("the batch size", batch),
        ("the number of elements of a sample", sample),
        ("the number of elements", everything),
    )
