"""Turns the attributes and the parameter inputs of a TensorFlow operation into canonical attributes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from lossdoctor.graph.fold_tf import NOTHING, Fact
from lossdoctor.graph.ir import Attr
from lossdoctor.graph.untyped_tf import tf
from lossdoctor.ops.table import TABLE, Op


def row_of(op: Any) -> Op | None:
    return TABLE.by_tf.get(op.type)


def parameters(op: Any, facts: Mapping[str, Fact]) -> dict[str, Attr]:
    """The inputs that are parameters, by attribute name: None where the value is not known before running."""
    row = row_of(op)
    count = len(op.inputs)
    if row is None:
        return {}
    return {
        name: facts.get(op.inputs[position].name, NOTHING).solved
        for position, name in row.params.items()
        if -count <= position < count
    }


def arguments(op: Any, facts: Mapping[str, Fact]) -> list[Any]:
    """The inputs that stay arguments: all but the parameters whose value is known."""
    row = row_of(op)
    count = len(op.inputs)
    if row is None:
        return list(op.inputs)
    known = {
        position % count
        for position in row.params
        if -count <= position < count and facts.get(op.inputs[position].name, NOTHING).known
    }
    return [tensor for position, tensor in enumerate(op.inputs) if position not in known]


def attributes(op: Any) -> dict[str, Attr]:
    """The canonical attributes that the row names; for an operation without a row, its plain ones as they are."""
    row = row_of(op)
    if row is not None:
        named = ((mine, _value(op, theirs)) for theirs, mine in row.attrs.items() if theirs in op.node_def.attr)
        return {**row.implied.get(op.type, {}), **dict(named)}
    plain = (name for name in op.node_def.attr if not name.startswith("_"))
    kinds = ("i", "f", "b", "s")
    return {name: _value(op, name) for name in sorted(plain) if op.node_def.attr[name].WhichOneof("value") in kinds}


def _value(op: Any, name: str) -> Attr:
    return _plain(op.get_attr(name))


def _plain(value: Any) -> Attr:
    if isinstance(value, bool | int | float | str) or value is None:
        return value
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, tf.DType):
        return value.name
    if isinstance(value, tf.TensorShape):
        return None if value.rank is None else tuple("?" if d is None else int(d) for d in value.as_list())
    if isinstance(value, list | tuple):
        return tuple(_plain(item) for item in cast("list[Any]", value))
    return str(value)
