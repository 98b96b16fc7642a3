"""Loops: unrolled while their condition is certain, else closed under their body.

A tensor list is an enclosure with `parts`: its elements, each the hull of one, where the length is certain; else one
hull for all of them. An element that was never written reads as zeros.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from lossdoctor.domains.intervals.enclosure import INF, Enclosure, constant, union
from lossdoctor.domains.intervals.reductions import Args, rule
from lossdoctor.graph.ir import Graph, Node

State = tuple[Enclosure, ...]
Body = Callable[[Graph, State], State | None]  # the outputs of a body, None where it has a gap
_WORK = 20_000  # nodes of bodies that are read for one loop
_ELEMENTS = 1024  # of a list
# Joined states grow to these, so that few passes decide whether they stop growing.
_STEPS = (0.0, 1.0, 10.0, 1e3, 1e4, 1e6, 1e12, INF)
_JOINED = 2 * len(_STEPS) + 4


def run(node: Node, start: State, body: Body) -> State | None:
    """The state behind a loop; None where nothing is known."""
    condition, step = node.bodies
    passes = max(4, _WORK // max(1, len(condition.nodes) + len(step.nodes)))
    state = start
    for _ in range(passes):
        asked = body(condition, state)
        if asked is None or asked[0].nan.any():
            return None
        if asked[0].high[0] == 0.0:
            return state
        if asked[0].low[0] != 1.0:
            break
        following = body(step, state)
        if following is None:
            return None
        state = following
    return _closed(step, state, body)


def _closed(step: Graph, state: State, body: Body) -> State | None:
    """A state that holds before and after each further pass."""
    for turn in range(_JOINED):
        following = body(step, state)
        if following is None:
            return None
        joined = _joined(state, following, widened=turn > 0)
        if joined is state:
            return state
        state = joined
    return None


def _joined(state: State, following: State, *, widened: bool) -> State:
    """Both states in one; the very same object per enclosure where the second adds nothing."""
    result: list[Enclosure] = []
    for old, new in zip(state, following, strict=True):
        if (old.parts or new.parts) and not (_known(old) and _known(new)):
            unknown = constant(-INF, INF, nan=True)
            result.append(old if not _known(old) else unknown)
            continue
        if (old.parts or new.parts) and not (_certain(old) and _certain(new) and len(old.parts) == len(new.parts)):
            old, new = (_many(*each.parts) if _certain(each) else each for each in (old, new))
            if not old.parts or not new.parts:  # an empty one, and one that is not
                result.append(new if new.parts else old)
                continue
        parts = _joined(old.parts, new.parts, widened=widened)
        same = all(one is other for one, other in zip(parts, old.parts, strict=True))
        if same and new.low[0] >= old.low[0] and new.high[0] <= old.high[0] and (old.nan[0] or not new.nan[0]):
            result.append(old)
            continue
        both = union(old.plain(), new.plain())
        low, high = float(both.low[0]), float(both.high[0])
        if widened:
            low = low if low == old.low[0] else -next(size for size in _STEPS if size >= -low)
            high = high if high == old.high[0] else next(size for size in _STEPS if size >= high)
        result.append(replace(both, low=np.array([low]), high=np.array([high]), whole=False, parts=parts))
    found = tuple(result)
    return state if all(one is other for one, other in zip(found, state, strict=True)) else found


def _list(*parts: Enclosure) -> Enclosure:
    return replace(constant(0.0, 0.0, whole=True), parts=parts)


def _many(*elements: Enclosure) -> Enclosure:
    """A list of any number of such elements."""
    hull = () if not elements else (union(*elements),)
    return replace(constant(0.0, INF, whole=True), parts=hull)


def _known(value: Enclosure) -> bool:
    return not value.nan[0]


def _certain(value: Enclosure) -> bool:
    return _known(value) and value.high[0] == 0.0


def _exact(value: Enclosure) -> int | None:
    return int(value.low[0]) if value.low[0] == value.high[0] and not value.nan[0] else None


def _one(value: Enclosure) -> Enclosure:
    return value.joined().plain()


@rule("list_empty")
def _empty(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    return _list()


@rule("list_reserve")
def _reserve(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    number = _exact(args[-1]) if args else None
    zero = constant(0.0, 0.0, whole=True)
    return _many(zero) if number is None or not 0 <= number <= _ELEMENTS else _list(*[zero] * number)


@rule("list_from_array")
def _from_array(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    shape, hull = graph[node.args[0]].shape, _one(args[0])
    number = shape[0] if shape else None
    return _list(*[hull] * number) if isinstance(number, int) and number <= _ELEMENTS else _many(hull)


@rule("list_get")
def _get(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    items, index = args[0].parts, _exact(args[1])
    if _certain(args[0]) and index is not None and 0 <= index < len(items):
        return items[index]
    return _stack(node, args, graph)


@rule("list_stack", "list_gather")
def _stack(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    return union(*args[0].parts) if args[0].parts and _known(args[0]) else None


@rule("list_set")
def _set(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    items, index, item = args[0].parts, _exact(args[1]), _one(args[2])
    if not items or not _known(args[0]) or node.attrs.get("resize"):
        return None
    if not _certain(args[0]):
        return _many(*items, item)
    if index is not None and 0 <= index < len(items):
        return _list(*items[:index], item, *items[index + 1 :])
    return _list(*(union(old, item) for old in items))


@rule("list_push")
def _push(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    if not _known(args[0]):
        return None
    longer = (*args[0].parts, _one(args[1]))
    return _list(*longer) if _certain(args[0]) and len(longer) <= _ELEMENTS else _many(*longer)


@rule("list_pop")
def _pop(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    items = args[0].parts
    if not items or not _known(args[0]):
        return None
    shorter = _list(*items[:-1]) if _certain(args[0]) else args[0]
    return replace(constant(0.0, 0.0), parts=(shorter, items[-1]))


@rule("list_length")
def _length(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    return constant(len(args[0].parts), len(args[0].parts), whole=True) if _certain(args[0]) else None
