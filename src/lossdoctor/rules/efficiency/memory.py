"""How much memory a tensor of the graph takes, as a function of the batch size."""

from __future__ import annotations

import math
from collections.abc import Iterable

from lossdoctor.graph.dims import evaluate
from lossdoctor.graph.ir import LossGraph, Node

BATCHES = (32, 1024, 8192)
_SIZES = {"bool": 1, "int8": 1, "uint8": 1, "float16": 2, "bfloat16": 2, "int16": 2, "float64": 8, "int64": 8}
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


def largest(graph: LossGraph, places: Iterable[int]) -> Node | None:
    """The node of these that takes the most memory at a large batch; None where no size can be told."""
    sized = [(size, -place) for place in places if (size := _bytes(graph[place], BATCHES[-1])) is not None]
    return graph[-max(sized)[1]] if sized else None


def said(node: Node) -> str:
    """ "(B, B, 8) takes 32 KiB at B = 32, 32 MiB at 1024 and 2 GiB at 8192"; "" where the size cannot be told."""
    sizes = [_bytes(node, batch) for batch in BATCHES]
    if node.shape is None or None in sizes:
        return ""
    shown = [_shown(size) for size in sizes if size is not None]
    shape = ", ".join(str(dim) for dim in node.shape)
    first, *between = BATCHES
    listed = [
        f"{shown[0]} at B = {first}",
        *(f"{text} at {size}" for text, size in zip(shown[1:], between, strict=True)),
    ]
    return f"({shape}) takes {', '.join(listed[:-1])} and {listed[-1]}"


def _bytes(node: Node, batch: int) -> int | None:
    """None for an unknown axis, or one with a name other than B."""
    if node.shape is None:
        return None
    try:
        return math.prod(evaluate(dim, {"B": batch}) for dim in node.shape) * _SIZES.get(node.dtype, 4)
    except (KeyError, ValueError):
        return None


def _shown(size: int) -> str:
    power = min(int(math.log2(size) // 10) if size else 0, len(_UNITS) - 1)
    return f"{size / 1024**power:.3g} {_UNITS[power]}"
