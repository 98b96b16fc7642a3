"""Graphs as text, for people and for tests: `parse(str(graph))` is the same graph.

    loss(%0 y_true: f32[B,3], %1 y_pred: f32[B,3]) -> %4, gradients %6
      %2: f32[B,3] = log %1                 # focal.py:14 ops.log(y_pred)
      %3: f32[B,3] = multiply %0 %2         # focal.py:14 y_true * ops.log(y_pred)
      %6: f32[B,3] = divide %5 %1 ~%2       # a gradient node: part of the derivative of %2

Text leaves out what it shows as a comment (spans), the framework's names, and the values of constants of more than
`_LITERAL` elements, which appear as a digest; `same` compares graphs up to these.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossdoctor.graph.ir import Attr, Dim, Graph, LossGraph, Node

_SHORT = {
    "float16": "f16", "bfloat16": "bf16", "float32": "f32", "float64": "f64", "int8": "i8", "int16": "i16",
    "int32": "i32", "int64": "i64", "uint8": "u8", "uint16": "u16", "uint32": "u32", "uint64": "u64",
    "complex64": "c64", "complex128": "c128",
}  # fmt: skip
_LONG = {short: long for long, short in _SHORT.items()}
_LITERAL = 8  # constants of more elements are shown by shape and digest
_COMMENT_COLUMN = 44
_BARE = re.compile(r"[A-Za-z_?][\w*+\-?]*|-?\d+(\*[A-Za-z_]\w*)+([+-][\w*]+)*|-[A-Za-z_][\w*+-]*")
_RESERVED = {"True", "False", "None", "inf", "nan", "-inf"}


def show(graph: LossGraph | Graph) -> str:
    """The text of a graph; ends without a newline."""
    return "\n".join(_loss_lines(graph) if isinstance(graph, LossGraph) else _graph_lines(graph, "graph"))


def shape_text(dtype: str, shape: Sequence[Dim] | None) -> str:
    """A type as messages write it: `f32[B,3]`; `f32[...]` where the rank is unknown."""
    inside = "..." if shape is None else ",".join(str(dim) for dim in shape)
    return f"{_SHORT.get(dtype, dtype)}[{inside}]"


def node_line(node: Node) -> str:
    """One node on one line, with its place in the user's source."""
    parts = [f"%{node.id}: {shape_text(node.dtype, node.shape)} = {node.op}", *(f"%{arg}" for arg in node.args)]
    if node.constant is not None:
        parts.append(_constant_text(node.constant))
    parts += [f"{name}={_attr_text(value)}" for name, value in node.attrs.items()]
    if node.role == "gradient":
        parts.append("~" if node.forward is None else f"~%{node.forward}")
    line = " ".join(parts)
    if node.span is None:
        return line
    return f"{line:<{_COMMENT_COLUMN}}  # {PurePath(node.span.path).name}:{node.span.line} {node.call}"


def _loss_lines(loss: LossGraph) -> Iterator[str]:
    def argument(node: Node) -> str:
        key = node.attrs.get("key")
        name = str(node.attrs.get("role", "")) + (f"/{key}" if key is not None else "")
        return f"%{node.id} {name}: {shape_text(node.dtype, node.shape)}"

    gradients = " ".join("none" if g is None else f"%{g}" for g in loss.gradients)
    arguments = ", ".join(argument(loss[node]) for node in loss.graph.inputs)
    stage = "" if loss.stage == "traced" else f" [{loss.stage}]"
    yield f"loss({arguments}) -> %{loss.value}, gradients {gradients}{stage}"
    yield from _node_lines(loss.graph)


def _graph_lines(graph: Graph, word: str) -> Iterator[str]:
    arguments = ", ".join(f"%{i}: {shape_text(graph[i].dtype, graph[i].shape)}" for i in graph.inputs)
    yield f"{word}({arguments}) -> {' '.join(f'%{output}' for output in graph.outputs)}".rstrip()
    yield from _node_lines(graph)


def _node_lines(graph: Graph) -> Iterator[str]:
    inputs = set(graph.inputs)
    for node in graph.nodes:
        if node.id in inputs:
            continue
        if not node.bodies:
            yield "  " + node_line(node)
            continue
        line, mark, comment = node_line(node).partition("  # ")
        yield "  " + line.rstrip() + " {" + (mark + comment if mark else "")
        for body in node.bodies:
            for inner in _graph_lines(body, "body"):
                yield "    " + inner
        yield "  }"


def _constant_text(value: NDArray[Any]) -> str:
    if value.size > _LITERAL or value.dtype.kind in "OSU":
        return "#" + digest(value)
    return "{" + " ".join(str(element) for element in value.ravel()) + "}"


def digest(value: NDArray[Any]) -> str:
    """Eight hexadecimal digits that tell one constant from another."""
    raw = repr(value.tolist()).encode() if value.dtype.kind in "OSU" else np.ascontiguousarray(value).tobytes()
    return hashlib.sha256(raw).hexdigest()[:8]


def _attr_text(value: Attr) -> str:
    if isinstance(value, tuple):
        return "(" + ",".join(_attr_text(item) for item in value) + ("," if len(value) == 1 else "") + ")"
    if isinstance(value, str):
        return value if _BARE.fullmatch(value) and value not in _RESERVED else repr(value).replace(" ", "\\x20")
    return repr(value)


def same(left: LossGraph | Graph, right: LossGraph | Graph) -> bool:
    """Whether two graphs are equal but for spans, names and the values of big constants."""
    return show(_bare(left)) == show(_bare(right))


def _bare(graph: LossGraph | Graph) -> LossGraph | Graph:
    from dataclasses import replace

    if isinstance(graph, LossGraph):
        inner = _bare(graph.graph)
        assert isinstance(inner, Graph)
        return replace(graph, graph=inner)
    nodes: list[Node] = []
    for node in graph.nodes:
        bodies = tuple(body for body in map(_bare, node.bodies) if isinstance(body, Graph))
        attrs, constant = dict(node.attrs), node.constant
        if constant is not None and _constant_text(constant).startswith("#"):
            attrs, constant = {"digest": digest(constant), **attrs}, None
        nodes.append(replace(node, calls=(), name="", bodies=bodies, attrs=attrs, constant=constant))
    return replace(graph, nodes=tuple(nodes))


def long_dtype(short: str) -> str:
    """`float32` of `f32`; other names stay as they are."""
    return _LONG.get(short, short)
