"""A part of a traced loss as lines of Python: TensorFlow's raw operations, with the user's code beside them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lossdoctor.experiments.symptoms import Symptom
from lossdoctor.graph.frontend_tf import Live
from lossdoctor.graph.reading_tf import ordered
from lossdoctor.graph.run_tf import Executable
from lossdoctor.graph.untyped_tf import tf
from lossdoctor.search.literals import source
from lossdoctor.session import Pair

_LARGEST = 400  # operations of a script


@dataclass(frozen=True, slots=True)
class Reduced:
    """What is left of a loss, in pieces of a script.

    Attributes:
        heads: statements that make the inputs.
        watched: the names of the parts of y_pred with a gradient; `true` are those of y_true.
        body: the statements of a function of `watched`, whose result is `result`.
        floating: the result is a floating-point number.
    """

    heads: tuple[str, ...]
    watched: tuple[str, ...]
    true: tuple[str, ...]
    body: tuple[str, ...]
    result: str
    floating: bool


def shows(live: Live, root: int, pair: Pair, symptom: Symptom) -> bool:
    """Whether the sum of one node alone shows a symptom at an input."""
    tensor = live.staged.tensors.get(root)
    if tensor is None or not (tensor.dtype.is_floating or symptom == "no-gradient"):
        return False
    graph = live.program.graph
    predictions = _predictions(live)
    with graph.as_default():
        if not tensor.dtype.is_floating:
            return True  # an integer or bool: nothing can flow
        slopes = tf.gradients(tensor, predictions)
    real = [slope for slope in slopes if slope is not None]
    if symptom == "no-gradient":
        return not real
    with graph.as_default():
        fetches = [tensor, *(tf.convert_to_tensor(slope) for slope in real)]
    value, *found = (x.numpy() for x in Executable(graph, fetches, effects=False)(live.feeds(pair), optimised=True))
    finite = bool(np.all(np.isfinite(value)))
    if symptom == "nonfinite-value":
        return not finite
    if symptom == "nonfinite-gradient":
        return finite and any(not np.all(np.isfinite(slope)) for slope in found)
    return bool(found) and all(not np.any(slope) for slope in found)


def _predictions(live: Live) -> list[Any]:
    pairs = zip(live.program.inputs, live.program.leaves, strict=True)
    return [tensor for tensor, leaf in pairs if leaf.role == "y_pred" and tensor.dtype.is_floating]


def reduced(live: Live, tensor: Any, pair: Pair, *, real: str = "") -> Reduced | None:
    """The operations that a tensor needs, at an input; None where one of them cannot be written down.

    Args:
        real: the name that a script has for the dtype in which float32 is computed; "" leaves float32 as it is.
    """
    needed = _needed(tensor)
    operations = [op for op in ordered([tensor]) if op.name in needed]
    if len(operations) > _LARGEST:
        return None
    zeros = [op.outputs[0] for op in operations if op.type == "ZerosLike"]
    feeds = live.feeds(pair)
    made = Executable(live.program.graph, zeros, effects=False)(feeds, optimised=True) if zeros else []
    shapes = {zero.name: tuple(value.shape) for zero, value in zip(zeros, made, strict=True)}
    try:
        return _Writer(live, real, shapes).write(operations, tensor, feeds)
    except (_Unwritable, KeyError):
        return None


def _needed(tensor: Any) -> set[str]:
    """The names of the operations that a value needs: of what zeros are made like, only the shape counts."""
    found: set[str] = set()
    stack = [tensor.op]
    while stack:
        op = stack.pop()
        if op.name not in found:
            found.add(op.name)
            stack.extend(given.op for given in op.inputs if op.type != "ZerosLike")
    return found


class _Unwritable(Exception):
    pass


class _Writer:
    def __init__(self, live: Live, real: str, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self.live, self.real, self.shapes = live, real, shapes
        self.names: dict[str, str] = {}
        self.captured = {inner.name: outer for outer, inner in live.program.graph.captures}

    def write(self, operations: Sequence[Any], tensor: Any, feeds: Sequence[Any]) -> Reduced:
        heads: list[str] = []
        lines: list[str] = []
        inputs: dict[str, list[str]] = {"y_true": [], "y_pred": []}
        program = self.live.program
        for input_, leaf, value in zip(program.inputs, program.leaves, feeds, strict=True):
            key = "".join(c if c.isalnum() else "_" for c in leaf.key)
            name = f"{leaf.role}_{key}" if key else leaf.role
            heads.append(f"{name} = tf.constant({source(np.asarray(value))}, tf.{input_.dtype.name})")
            self.names[input_.name] = name
            if leaf.role == "y_true" or input_.dtype.is_floating:
                inputs[leaf.role].append(name)
            if self.real and input_.dtype == tf.float32:
                self.names[input_.name] = f"{name}_real"
                lines.append(f"{name}_real = tf.cast({name}, {self.real})")
        for op in operations:
            if op.outputs and op.outputs[0].name in self.names:
                continue
            if op.outputs and op.outputs[0].name in self.captured:
                self.names[op.outputs[0].name] = ""
                continue
            lines.append(self.line(op))
        floating = bool(tensor.dtype.is_floating)
        result = self.names[tensor.name]
        body = tuple(line for line in lines if line)
        return Reduced(tuple(heads), tuple(inputs["y_pred"]), tuple(inputs["y_true"]), body, result, floating)

    def dtype(self, dtype: Any) -> str:
        return self.real if self.real and dtype == tf.float32 else f"tf.{dtype.name}"

    def line(self, op: Any) -> str:
        """One operation as a line of Python."""
        if not op.outputs:
            return ""
        for output in op.outputs:
            self.names[output.name] = f"v{len(self.names)}"
        tensor = op.outputs[0]
        name = ", ".join(self.names[output.name] for output in op.outputs)
        if op.type == "ReadVariableOp" and op.inputs[0].name in self.captured:
            value = live_value(self.captured[op.inputs[0].name], tensor.dtype)
            return f"{name} = tf.constant({source(value)}, {self.dtype(tensor.dtype)})"
        if tensor.name in self.shapes:
            return f"{name} = tf.zeros({self.shapes[tensor.name]}, {self.dtype(tensor.dtype)})"
        constant = tf.get_static_value(tensor) if op.type == "Const" else None
        if constant is not None:
            return f"{name} = tf.constant({source(np.asarray(constant))}, {self.dtype(tensor.dtype)})"
        calls = self.live.program.records.calls_of(op)
        note = f"  # line {calls[-1].line}: {' '.join(calls[-1].text.split())[:60]}" if calls else ""
        return f"{name} = tf.raw_ops.{op.type}({', '.join(self.arguments(op))}){note}"

    def arguments(self, op: Any) -> list[str]:
        """What a raw operation is called with."""
        function = getattr(tf.raw_ops, op.type, None)
        if function is None:
            raise _Unwritable
        found: list[str] = []
        inferred: set[str] = set()
        inputs = iter(op.inputs)
        known = list(inspect.signature(function).parameters)
        for place, argument in enumerate(op.op_def.input_arg):
            # Python renames some: `reduction_indices` is `axis`.
            title = argument.name if argument.name in known else known[place]
            inferred |= {argument.type_attr, argument.number_attr, argument.type_list_attr}
            if argument.number_attr:
                count = op.get_attr(argument.number_attr)
                found.append(f"{title}=[{', '.join(self.names[next(inputs).name] for _ in range(count))}]")
            elif argument.type_list_attr:
                raise _Unwritable
            else:
                found.append(f"{title}={self.names[next(inputs).name]}")
        for attribute in op.op_def.attr:
            if attribute.name not in inferred:
                found.append(f"{attribute.name}={self.attribute(op.get_attr(attribute.name))}")
        return found

    def attribute(self, value: Any) -> str:
        if isinstance(value, bytes):
            return repr(value.decode())
        if isinstance(value, bool | int | float | str):
            return repr(value)
        if isinstance(value, tf.DType):
            return self.dtype(value)
        if isinstance(value, list):
            return f"[{', '.join(map(self.attribute, value))}]"
        raise _Unwritable


def live_value(handle: Any, dtype: Any) -> np.ndarray[Any, Any]:
    """What a variable holds."""
    return np.asarray(tf.raw_ops.ReadVariableOp(resource=handle, dtype=dtype))
