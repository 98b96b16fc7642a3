"""Ragged arguments, from what the code of a loss asks of them: `y_true.row_lengths()` is of a ragged tensor only."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import cast

from lossdoctor.source.module import SourceFunction, own_nodes
from lossdoctor.spec.model import BATCH, Contract, Spec

# Attributes of tf.RaggedTensor that no other argument of a loss has.
_OWN = frozenset(
    {
        "row_lengths", "row_splits", "row_starts", "row_limits", "value_rowids", "nrows", "ragged_rank", "to_tensor",
        "flat_values", "nested_flat_values", "nested_row_splits", "nested_row_lengths", "nested_value_rowids",
        "with_values", "with_flat_values", "bounding_shape", "merge_dims",
    }
)  # fmt: skip
_MAKES = ("tensorflow.RaggedTensor", "tensorflow.ragged.", "tensorflow.strings.", "tensorflow.sparse.")
_LENGTHS = frozenset({"row_lengths", "row_splits", "row_starts", "row_limits", "value_rowids", "nrows", "ragged_rank"})
_SPARSE = frozenset({"indices", "dense_shape"})  # `values` is of a sparse tensor, too
_FUNCTIONS = frozenset({"tensorflow.ragged.map_flat_values"})
_ROWS = (BATCH, "(T)")
_FEATURES = 4
# What stands beside a ragged argument, if it is not ragged itself: one number for each sample.
_LABELS = (Spec("int32", _ROWS, "label", _FEATURES), Spec("float32", _ROWS, "logit"))
_BESIDE = ((BATCH, 1), (BATCH,))


@dataclass(frozen=True, slots=True)
class _Use:
    text: str
    line: int


def ragged(function: SourceFunction, own: Sequence[Contract]) -> Iterator[Contract]:
    """Contracts with ragged arguments for a loss that takes one for a ragged tensor.

    Args:
        function: the loss.
        own: what its code says of the values; their kinds are kept.
    """
    if len(function.parameters) < 2:
        return
    uses = [_use(function, parameter) for parameter in function.parameters[:2]]
    found = next((use for use in uses if use is not None), None) or _within(function)
    if found is None:
        return
    why = f"`{found.text}` (line {found.line}) is of a ragged tensor"
    true, pred = _kinds(own)
    alone = (uses[0] is None) is not (uses[1] is None)
    counted = alone and not _beside(function, function.parameters[0 if uses[1] is None else 1])
    both = [*_both(true, pred, why), *_both(*_LABELS, why)]
    yield from (*_single(uses, true, pred, why), *both) if counted else (*both, *_single(uses, true, pred, why))


def _both(true: Spec, pred: Spec, why: str) -> Iterator[Contract]:
    classes = true.kind in ("label", "onehot") or pred.kind == "probability"
    inner: tuple[tuple[int, ...], ...] = ((_FEATURES,),) if classes else ((), (_FEATURES,))
    for more in inner:
        rows = replace(pred, dims=(*_ROWS, *more))
        targets = replace(true, dims=_ROWS if true.kind == "label" else rows.dims)
        yield _contract(targets, rows, f"y_true is taken as {targets} and y_pred as {rows}, since {why}")


def _single(uses: Sequence[_Use | None], true: Spec, pred: Spec, why: str) -> Iterator[Contract]:
    """One argument alone is ragged."""
    for other in _BESIDE if uses.count(None) == 1 else ():
        if uses[0] is None:
            targets, rows = replace(true, dims=other), replace(pred, dims=_ROWS)
        else:
            targets, rows = replace(true, dims=_ROWS), replace(pred, dims=other)
        if not {targets.kind, rows.kind} & {"onehot", "probability", "label"}:
            yield _contract(targets, rows, f"y_true is taken as {targets} and y_pred as {rows}, since {why}")


def _within(function: SourceFunction) -> _Use | None:
    """What is asked of something that the loss computes, as of a ragged tensor, where it makes none itself."""
    found: list[ast.Attribute] = []
    for node in own_nodes(function.node):
        if isinstance(node, ast.Attribute) and node.attr in _OWN:
            found.append(node)
        name = function.module.resolve(node) if isinstance(node, ast.Attribute) else None
        if name is not None and name.startswith(_MAKES):
            return None
        if isinstance(node, ast.Name) and node.id in function.parameters[:2] and isinstance(node.ctx, ast.Store):
            return None
    first = min(found, key=lambda node: node.lineno, default=None)
    return None if first is None else _Use(ast.unparse(first), first.lineno)


def _beside(function: SourceFunction, parameter: str) -> bool:
    """Whether the rows of a parameter are computed with, and not only their lengths."""
    inside = {
        id(node.value)
        for node in own_nodes(function.node)
        if isinstance(node, ast.Attribute) and node.attr in _LENGTHS | {"shape", "dtype"}
    }
    return any(
        isinstance(node, ast.Name) and node.id == parameter and id(node) not in inside
        for node in own_nodes(function.node)
    )


def _contract(true: Spec, pred: Spec, reason: str) -> Contract:
    return Contract(true, pred, "inferred", (reason,))


def _kinds(own: Sequence[Contract]) -> tuple[Spec, Spec]:
    first = own[0] if own else None
    if first is None or not isinstance(first.y_true, Spec) or not isinstance(first.y_pred, Spec):
        return Spec("float32", _ROWS), Spec("float32", _ROWS)
    true = first.y_true
    return replace(true, classes=_FEATURES if true.kind == "label" else None), first.y_pred


def _use(function: SourceFunction, parameter: str) -> _Use | None:
    """The first thing that is asked of a parameter as of a ragged tensor; None where it may be made ragged, or where
    the code asks first whether it is."""
    attributes: dict[str, ast.Attribute] = {}
    called: set[int] = set()
    passed: ast.Call | None = None
    for node in own_nodes(function.node):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) if name == parameter:
                return None
            case ast.Call(func=ast.Name(id="isinstance"), args=[ast.Name(id=name), *_]) if name == parameter:
                return None
            case ast.Call():
                called.add(id(node.func))
                if (function.module.resolve(node.func) or "") in _FUNCTIONS and any(
                    isinstance(each, ast.Name) and each.id == parameter for each in node.args
                ):
                    passed = node
            case ast.Attribute(value=ast.Name(id=name)) if name == parameter:
                attributes.setdefault(node.attr, node)
            case _:
                pass
    own = [node for name, node in attributes.items() if name in _OWN]
    values = attributes.get("values")
    if values is not None and id(values) not in called and not _SPARSE & attributes.keys():
        own.append(values)
    if not own and passed is not None:
        return _Use(ast.unparse(passed), passed.lineno)
    first = min(own, key=lambda node: node.lineno, default=None)
    if first is None:
        return None
    return _Use(ast.unparse(first) + ("()" if id(first) in called else ""), cast(int, first.lineno))
