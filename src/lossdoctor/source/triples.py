"""Which parts of a prediction are an anchor, a positive and a negative, as the code names them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from lossdoctor.source.calls import argument
from lossdoctor.source.module import SourceFunction, own_nodes
from lossdoctor.source.names import words

Role = Literal["anchor", "positive", "negative"]
ROLES: tuple[Role, ...] = ("anchor", "positive", "negative")
_SYNONYMS: dict[Role, tuple[str, ...]] = {
    "anchor": ("anchor", "anchors", "anc", "query", "a"),
    "positive": ("positive", "positives", "pos", "similar", "p"),
    "negative": ("negative", "negatives", "neg", "dissimilar", "n"),
}


@dataclass(frozen=True, slots=True)
class Triple:
    """Three equal parts of y_pred.

    Attributes:
        order: the roles of the parts, as they follow each other.
        axis: that is divided; negative ones count from the end.
        gone: whether a part lacks the axis, as `y_pred[:, 0]` does.
    """

    order: tuple[Role, Role, Role]
    axis: int
    gone: bool


@dataclass(frozen=True, slots=True)
class _Part:
    name: str
    place: int
    axis: int
    gone: bool


def triple_of(function: SourceFunction) -> Triple | None:
    """The roles of three parts, where each has a name of its own that says it; None else."""
    if len(function.parameters) < 2:
        return None
    found: dict[Role, _Part] = {}
    for node in own_nodes(function.node):
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            for part in _parts(node.targets[0], node.value, function):
                role = _role(part.name)
                if role is not None and role not in found:
                    found[role] = part
    parts = list(found.values())
    if len(parts) != len(ROLES) or len({(part.axis, part.gone) for part in parts}) != 1:
        return None
    ordered = sorted(found, key=lambda role: found[role].place)
    places = [found[role].place for role in ordered]
    if len(set(places)) != len(ROLES) or (parts[0].gone and places != [0, 1, 2]):
        return None
    return Triple((ordered[0], ordered[1], ordered[2]), parts[0].axis, parts[0].gone)


def _role(name: str) -> Role | None:
    found = words(name)
    roles: list[Role] = [role for role in ROLES if any(word in _SYNONYMS[role] for word in found)]
    return roles[0] if len(roles) == 1 else None


def _parts(target: ast.expr, value: ast.expr, function: SourceFunction) -> Iterator[_Part]:
    """What an assignment takes of y_pred, under which names."""
    if isinstance(target, ast.Name):
        part = _subscript(target.id, value, function)
        if part is not None:
            yield part
        return
    if not isinstance(target, ast.Tuple | ast.List):
        return
    names = [one.id if isinstance(one, ast.Name) else "" for one in target.elts]
    if isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(names):
        for name, one in zip(names, value.elts, strict=True):
            part = _subscript(name, one, function)
            if part is not None:
                yield part
    elif isinstance(value, ast.Call) and len(names) == len(ROLES):
        yield from _divided(names, value, function)


def _divided(names: list[str], call: ast.Call, function: SourceFunction) -> Iterator[_Part]:
    """The results of `unstack` and `split`."""
    called = (function.module.resolve(call.func) or "").rpartition(".")[2]
    if called not in ("unstack", "split") or not call.args or not _is_prediction(call.args[0], function):
        return
    given = argument(call, "axis", 2)
    axis = function.module.literal(given) if given is not None else 0
    if isinstance(axis, int):
        for place, name in enumerate(names):
            yield _Part(name, place, axis, called == "unstack")


def _subscript(name: str, value: ast.expr, function: SourceFunction) -> _Part | None:
    """`y_pred[:, 1]`, `y_pred[:, 8:16]`, `y_pred[..., 16:]`."""
    if not isinstance(value, ast.Subscript) or not _is_prediction(value.value, function):
        return None
    parts = value.slice.elts if isinstance(value.slice, ast.Tuple) else [value.slice]
    whole = [isinstance(one, ast.Slice) and one.lower is None and one.upper is None for one in parts]
    taken = [place for place, plain in enumerate(whole) if not plain and not _dots(parts[place])]
    if len(taken) != 1:
        return None
    one = parts[taken[0]]
    axis = taken[0] - len(parts) if any(_dots(part) for part in parts[: taken[0]]) else taken[0]
    if isinstance(one, ast.Slice):
        low = function.module.literal(one.lower) if one.lower is not None else 0
        return _Part(name, low, axis, False) if isinstance(low, int) and low >= 0 else None
    index = function.module.literal(one)
    return _Part(name, index % len(ROLES), axis, True) if isinstance(index, int) else None


def _dots(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is Ellipsis


def _is_prediction(node: ast.expr, function: SourceFunction) -> bool:
    """Made of y_pred alone: itself, or what a call makes of it."""
    first, second = function.parameters[:2]
    used = {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
    return second in used and first not in used
