"""Gradients that the user's code defines or cuts: `tf.custom_gradient` and `tf.stop_gradient` in a traced loss."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import CodeType
from typing import Any

import numpy as np

from lossdoctor.graph.ir import Span
from lossdoctor.graph.spans import make, statement_span
from lossdoctor.probes.calls import Subject
from lossdoctor.source.parsed import nodes_of, parsed_file

# TensorFlow wraps what a custom_gradient function returns in an IdentityN whose gradient is registered under
# this name and a number (tensorflow/python/ops/custom_gradient.py, `_graph_mode_decorator`).
PREFIX = "CustomGradient-"


@dataclass(frozen=True, slots=True)
class CustomGradients:
    """What a trace holds; see `readings.GradientCheck`."""

    stopped: bool
    stop_spans: tuple[Span, ...]
    custom: bool
    custom_spans: tuple[Span, ...]
    pass_through: bool
    surrogate: bool


def custom_gradients(graph: Any, subject: Subject, predictions: Sequence[Any]) -> CustomGradients:
    """Read a FuncGraph, functions that it calls included.

    Args:
        predictions: the inputs of the graph that are y_pred. A stop_gradient of something else changes no gradient.
    """
    operations = graph.get_operations()
    behind = _behind(operations, predictions)
    definition = graph.as_graph_def()
    nodes = [*definition.node, *(node for function in definition.library.function for node in function.node_def)]
    stopped = any(node.op == "StopGradient" for node in nodes)
    stop_spans = dict.fromkeys(
        span
        for operation in operations
        if operation.type == "StopGradient" and operation.inputs[0].ref() in behind
        for span in _stops(operation, subject)
    )
    names = dict.fromkeys(
        node.attr["_gradient_op_type"].s.decode() for node in nodes if "_gradient_op_type" in node.attr
    )
    spans: list[Span] = []
    through: list[bool] = []
    surrogate: list[bool] = []
    for name in names:
        registered = _registered(name)
        if registered is None:
            continue
        code, results = registered
        if not subject.is_user(code.co_filename):
            continue
        span = returned(code)
        if span is not None:
            spans.append(span)
        found = [operation for operation in operations if _gradient_name(operation) == name]
        through.append(bool(found) and all(_passes_through(operation, results) for operation in found))
        surrogate.append(bool(found) and all(_has_no_derivative(operation, results) for operation in found))
    return CustomGradients(
        stopped=stopped,
        stop_spans=tuple(stop_spans),
        custom=bool(through),
        custom_spans=tuple(dict.fromkeys(spans)),
        pass_through=bool(through) and all(through),
        surrogate=bool(surrogate) and all(surrogate),
    )


def _behind(operations: Sequence[Any], inputs: Sequence[Any]) -> set[Any]:
    """References to all tensors that are computed from some inputs; `operations` are in order of creation."""
    found = {tensor.ref() for tensor in inputs}
    for operation in operations:
        if any(tensor.ref() in found for tensor in operation.inputs):
            found.update(tensor.ref() for tensor in operation.outputs)
    return found


def returned(code: CodeType) -> Span | None:
    """The place where a function with this code returns its result: the last one if there are several."""
    tree = _tree(code.co_filename)
    if tree is None:
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.Lambda) and code.co_name == "<lambda>" and node.lineno == code.co_firstlineno:
            return span_of(node.body, code.co_filename, code.co_name)
        if isinstance(node, ast.FunctionDef) and node.name == code.co_name:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            if first == code.co_firstlineno:
                last = [item for item in _own(node) if isinstance(item, ast.Return) and item.value is not None]
                return span_of(last[-1] if last else node, code.co_filename, code.co_name)
    return None


def span_of(node: ast.AST, path: str, function: str) -> Span:
    """The region of an AST node; only the first line of a definition."""
    line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return statement_span(path, line, function)
    return make(path, (line, column), (getattr(node, "end_lineno", line), getattr(node, "end_col_offset", 0)), function)


def _tree(path: str) -> ast.Module | None:
    try:
        return parsed_file(path)
    except (OSError, SyntaxError, UnicodeDecodeError):
        return None


def _own(function: ast.FunctionDef) -> Iterator[ast.AST]:
    """The nodes of a function in source order, without those of functions inside it."""
    stack: list[ast.AST] = list(reversed(function.body))
    while stack:
        node = stack.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            stack.extend(reversed(list(ast.iter_child_nodes(node))))


def _registered(name: str) -> tuple[CodeType, int] | None:
    """The code of the gradient function registered under `name`, and how many tensors the forward one returned."""
    from tensorflow.python.framework import ops  # pyright: ignore[reportMissingImports]  # no public name

    if not name.startswith(PREFIX):
        return None
    try:
        inner = _cells(ops.gradient_registry.lookup(name))["tape_grad_fn"]
        cells = _cells(inner)
        code = _code(cells["grad_fn"])
        return (code, int(cells["flat_result_len"])) if code else None
    except (LookupError, ValueError, TypeError):
        return None


def _cells(function: Callable[..., Any]) -> dict[str, Any]:
    code: CodeType = function.__code__
    return {name: cell.cell_contents for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True)}


def _code(function: Any) -> CodeType | None:
    """The code behind a function, method, partial or wrapper."""
    for attribute in ("__wrapped__", "__func__", "func"):
        if hasattr(function, attribute):
            return _code(getattr(function, attribute))
    return getattr(function, "__code__", None)


def _passes_through(operation: Any, results: int) -> bool:
    """Whether the forward function returns its arguments unchanged."""

    def source(tensor: Any) -> Any:
        while tensor.op.type == "Identity":
            tensor = tensor.op.inputs[0]
        return tensor.ref()

    inputs = list(operation.inputs)
    return {source(one) for one in inputs[:results]} <= {source(one) for one in inputs[results:]}


def _has_no_derivative(operation: Any, results: int) -> bool:
    """Whether the forward function is one without a useful derivative of its own (round, sign, a comparison)."""
    import tensorflow as tf

    inputs = list(operation.inputs)
    with operation.graph.as_default():
        try:
            own = tf.gradients(inputs[:results], inputs[results:])
        except (LookupError, TypeError, ValueError):  # an operation without a registered gradient
            return True

    def zero(tensor: Any) -> bool:
        filled = tensor.op.inputs[1] if tensor.op.type == "Fill" else tensor
        value = tf.get_static_value(filled)
        return tensor.op.type == "ZerosLike" or (value is not None and not np.any(value))

    return all(one is None or zero(one) for one in own)


def _gradient_name(operation: Any) -> str:
    try:
        return operation.get_attr("_gradient_op_type").decode()
    except ValueError:
        return ""


def _stops(operation: Any, subject: Subject) -> Iterator[Span]:
    """The user's `stop_gradient` call that made an operation, if it was the user's (logsumexp has one inside)."""
    frames = [frame for frame in operation.traceback if subject.is_user(frame.filename)]
    if not frames:
        return
    tree = _tree(frames[-1].filename)
    for node in nodes_of(tree, ast.Call) if tree else ():
        if node.lineno <= frames[-1].lineno <= (node.end_lineno or node.lineno):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called == "stop_gradient":
                yield span_of(node, frames[-1].filename, frames[-1].name)
