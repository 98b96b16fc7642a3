"""What TensorFlow's graph optimiser makes of a traced loss: the graph that `tf.function` really runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lossdoctor.graph.early import Early
from lossdoctor.graph.ir import Span
from lossdoctor.graph.reference_tf import import_copy
from lossdoctor.graph.trace_tf import Program, Records
from lossdoctor.graph.untyped_tf import config_pb2, meta_graph_pb2, tf, tf_optimizer


@dataclass(frozen=True)
class Optimised:
    """The optimised graph, imported: its inputs, value and gradients in the order of the program's."""

    graph: Any
    inputs: tuple[Any, ...]
    value: Any
    gradients: tuple[Any | None, ...]
    records: Records


class _Derived(Records):
    """Records of another graph with the same names: what the optimiser invents belongs to what it replaced."""

    def __init__(self, program: Program) -> None:
        super().__init__(accept=program.records.accept, by_name=program.records.by_name)
        self._original = {op.name: op for op in program.graph.get_operations()}
        self._source = program.records

    def original(self, name: str) -> Any | None:
        """The operation a name comes from: the longest known name in it ("ArithmeticOptimizer/…_mul_1" → "mul_1")."""
        if name in self._original:
            return self._original[name]
        parts = name.split("/")
        candidates = ("/".join(parts[i:j]) for i in range(len(parts)) for j in range(len(parts), i, -1))
        found: list[str] = []
        for candidate in candidates:
            words = candidate.split("_")
            trials = ("_".join(words[i:j]) for i in range(min(len(words), 4)) for j in range(len(words), i, -1))
            match = next((trial for trial in trials if trial in self._original), None)
            if match is not None:
                found.append(match)
        return self._original[max(found, key=len)] if found else None

    def calls_of(self, op: Any) -> tuple[Span, ...]:
        if op.name not in self._original and op.name in self.by_name:  # of a body
            return self.by_name[op.name]
        original = self.original(op.name)
        return self._source.calls_of(original) if original is not None else ()

    def is_gradient(self, op: Any) -> bool:
        original = self.original(op.name)
        return original is not None and self._source.is_gradient(original)


def optimise(program: Program) -> Callable[[], Optimised | None]:
    """Begin to run the optimiser with the options that `tf.function` uses, in a thread of its own.

    What is returned waits for it, and imports what it made; None if it refuses the graph.
    """
    graph = program.graph
    meta = meta_graph_pb2.MetaGraphDef()
    meta.graph_def.CopyFrom(graph.as_graph_def(add_shapes=True))
    _keep_functional(meta.graph_def)
    outputs = [program.value, *(g for g in program.gradients if g is not None)]
    signature = meta.signature_def["loss"]
    for position, tensor in enumerate(graph.inputs):
        _describe(signature.inputs[f"input_{position}"], tensor)
    for position, tensor in enumerate(outputs):
        _describe(signature.outputs[f"output_{position}"], tensor)
    config = config_pb2.ConfigProto()
    options = tf.config.optimizer.get_experimental_options()
    config.graph_options.rewrite_options.disable_meta_optimizer = bool(options.get("disable_meta_optimizer", False))
    early = Early(lambda: tf_optimizer.OptimizeGraph(config, meta, verbose=False, graph_id=b"loss"))

    def finish() -> Optimised | None:
        try:
            return _imported(program, early.result())
        except (tf.errors.OpError, ValueError, RuntimeError, KeyError):
            return None

    return finish


def _keep_functional(graph_def: Any) -> None:
    """Leave loops and branches as they are, where the optimiser would lower them to Switch and Merge."""
    functions = (function.node_def for function in graph_def.library.function)
    for nodes in (graph_def.node, *functions):
        for node in nodes:
            node.attr.pop("_lower_using_switch_merge", None)


def _describe(info: Any, tensor: Any) -> None:
    info.name = tensor.name
    info.dtype = tensor.dtype.as_datatype_enum
    info.tensor_shape.CopyFrom(tensor.shape.as_proto())


def _imported(program: Program, graph_def: Any) -> Optimised:
    graph = import_copy(program.graph, graph_def, "optimised")
    records = _Derived(program)
    for op in graph.get_operations():
        original = records.original(op.name)
        forward = None if original is None else original._original_op
        if forward is not None and op._original_op is None:
            op._original_op = forward
    return Optimised(
        graph,
        tuple(graph.get_tensor_by_name(tensor.name) for tensor in program.inputs),
        graph.get_tensor_by_name(program.value.name),
        tuple(None if g is None else graph.get_tensor_by_name(g.name) for g in program.gradients),
        records,
    )
