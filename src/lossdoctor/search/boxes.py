"""Inputs from the regions in which, by the intervals, a node may go wrong."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossdoctor.domains.intervals import Interval, Ranges
from lossdoctor.graph.ir import Node
from lossdoctor.spec import Contract, Spec, bounds, leaves, numpy_dtype

Array = NDArray[Any]
Parts = tuple[Array, ...]
Region = dict[str, tuple[float, float]]

_NODES = 8  # suspicious nodes, in the order of the graph
_LOOKED_AT = 96  # of the regions of one node, evenly chosen: there may be thousands
_REGIONS = 6  # of one node, the narrowest first: exact points are cells of their own


def box_points(contract: Contract, ranges: Ranges, ordinary: Sequence[Array], magnitude: float) -> Iterator[Parts]:
    """Corners and middles of the regions where a node that limits the proof may be infinite or NaN.

    Inputs that a region leaves free are `ordinary`; the others are constant arrays.
    """
    named = [(role, key, spec) for role, part in (("y_true", contract.y_true), ("y_pred", contract.y_pred))
             for key, spec in leaves(part)]  # fmt: skip
    places = {f"{role}[{key}]" if key else role: index for index, (role, key, _) in enumerate(named)}
    of = [spec for _, _, spec in named]
    for node in ranges.proof().limits[:_NODES]:
        regions = sorted(_regions(ranges, node), key=_width)
        for region in regions[:_REGIONS]:
            for corner in range(4):
                parts = list(ordinary)
                for name, ends in region.items():
                    index = places[name]
                    if of[index].kind in ("onehot", "probability"):
                        continue
                    value = _point(ends, corner if name.startswith("y_pred") else corner // 2, of[index], magnitude)
                    parts[index] = np.full_like(parts[index], value)
                yield tuple(parts)


def _regions(ranges: Ranges, node: Node) -> list[Region]:
    """Some of the regions in which the node may go wrong, spread over all of them."""
    count = 0

    def counted(interval: Interval) -> bool:
        nonlocal count
        count += _may_go_wrong(interval)
        return False

    ranges.boxes_where(node, counted)
    step, turn = max(1, count // _LOOKED_AT), -1

    def chosen(interval: Interval) -> bool:
        nonlocal turn
        wrong = _may_go_wrong(interval)
        turn += wrong
        return wrong and turn % step == 0

    return ranges.boxes_where(node, chosen)


def _may_go_wrong(interval: Interval) -> bool:
    return interval.nan or math.isinf(interval.low) or math.isinf(interval.high)


def _width(region: Region) -> float:
    return sum(min(high - low, 1e300) for low, high in region.values())


def _point(ends: tuple[float, float], corner: int, spec: Spec, magnitude: float) -> Any:
    """The low end, the high end, or (2, 3) the middle, inside what the spec allows."""
    first, last = bounds(spec, magnitude)
    low, high = min(max(ends[0], first), last), min(max(ends[1], first), last)
    value = (low, high, low + (high - low) / 2, low + (high - low) / 4)[corner]
    return np.asarray(value).astype(numpy_dtype(spec.dtype))
