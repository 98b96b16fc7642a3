"""Runs one raw operation of TensorFlow in a graph of its own, with its gradients; and the same as a node of ours."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.framework import op_def_library
from tests.ops.recipes import Recipe

from lossdoctor.domains.machine import machine
from lossdoctor.graph import attributes_tf
from lossdoctor.graph.fold_tf import Fact, attribute
from lossdoctor.graph.ir import Graph, Node
from lossdoctor.ops import TABLE


@dataclass
class Ran:
    """What TensorFlow made of a recipe, and what the machine made of it (None: it has no rule)."""

    expected: list[np.ndarray]
    found: list[np.ndarray] | None
    # For each floating array argument that is no parameter: None where TensorFlow gives no gradient.
    gradients: dict[int, np.ndarray | None]


def run(recipe: Recipe) -> Ran:
    with tf.Graph().as_default() as graph:
        feeds: dict[Any, np.ndarray] = {}

        def placeholder(array: Any) -> Any:
            tensor = tf.compat.v1.placeholder(array.dtype, array.shape)
            feeds[tensor] = array
            return tensor

        keywords = {name: _converted(name, value, placeholder) for name, value in recipe.keywords.items()}
        if hasattr(tf.raw_ops, recipe.tf):
            getattr(tf.raw_ops, recipe.tf)(**keywords)
        else:
            op_def_library._apply_op_helper(recipe.tf, **keywords)
        op = graph.get_operations()[-1]
        facts = {tensor.name: Fact(solved=attribute(array), array=array) for tensor, array in feeds.items()}
        arrays = [feeds[tensor] for tensor in op.inputs]
        with tf.compat.v1.Session(graph=graph) as session:
            expected = session.run(list(op.outputs), feeds)
            gradients = _gradients(session, op, feeds, recipe.output) if recipe.flows else {}
    return Ran(expected, _machine(op, facts, arrays, expected), gradients)


def _converted(name: str, value: Any, placeholder: Any) -> Any:
    if _is_array(value):
        return [placeholder(part) for part in value] if isinstance(value, list) else placeholder(value)
    return tf.as_dtype(value) if name in ("DstT", "output_type", "type", "dtype") else value


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray | np.generic) or (
        isinstance(value, list) and bool(value) and _is_array(value[0])
    )


def _parameters(op: Any) -> set[int]:
    return {
        place % len(op.inputs) for place in TABLE.by_tf[op.type].params if -len(op.inputs) <= place < len(op.inputs)
    }


def _gradients(session: Any, op: Any, feeds: dict[Any, np.ndarray], output: int) -> dict[int, np.ndarray | None]:
    sources = [place for place, tensor in enumerate(op.inputs) if tensor.dtype.is_floating]
    targets = [
        tensor for tensor in op.outputs[output : output + 1] if tensor.dtype.is_floating or tensor.dtype.is_complex
    ]
    gradients: dict[int, np.ndarray | None] = {}
    place_of = {
        place: index for index, place in enumerate(p for p in range(len(op.inputs)) if p not in _parameters(op))
    }
    for place in sources:
        if place not in place_of:
            continue
        gradient = None
        if targets:
            # Squared, so that a sum that is constant (softmax) does not look flat.
            size = tf.abs(targets[0])
            target = tf.reduce_sum(size**2 + 0.7 * tf.cast(tf.math.real(targets[0]), size.dtype))
            try:
                gradient = tf.gradients(target, [op.inputs[place]])[0]
            except LookupError:
                gradient = None
        gradients[place_of[place]] = None if gradient is None else session.run(tf.convert_to_tensor(gradient), feeds)
    return gradients


def _machine(op: Any, facts: dict[str, Fact], arrays: list[np.ndarray], expected: list[np.ndarray]) -> Any:
    """The same operation as a graph of ours: inputs, the node, its parts."""
    row = TABLE.by_tf[op.type]
    if row.value is None:
        return None
    parameters = {op.inputs[place].name for place in _parameters(op)}
    known = {name: fact for name, fact in facts.items() if name in parameters}
    arguments = attributes_tf.arguments(op, known)
    attrs = attributes_tf.attributes(op) | attributes_tf.parameters(op, known) | dict(row.implied.get(op.type, {}))
    nodes = [
        Node(place, "input", (), array.shape, array.dtype.name)
        for place, array in enumerate(np.asarray(facts[tensor.name].array) for tensor in arguments)
    ]
    several = len(expected) > 1
    shape = None if several else expected[0].shape
    dtype = "tuple" if several else op.outputs[0].dtype.name
    nodes.append(Node(len(nodes), row.name, tuple(range(len(nodes))), shape, dtype, attrs))
    whole = len(nodes) - 1
    if several:
        for index, part in enumerate(expected):
            nodes.append(Node(len(nodes), "item", (whole,), part.shape, part.dtype.name, {"index": index}))
    count = len(arguments)
    graph = Graph(tuple(nodes), tuple(range(count)), (len(nodes) - 1,))
    reading = machine(graph, {place: np.asarray(facts[t.name].array) for place, t in enumerate(arguments)})
    return [reading[place] for place in (range(whole + 1, len(nodes)) if several else [whole])]


def evaluate(name: str, arrays: list[np.ndarray]) -> np.ndarray:
    """An elementwise operation of TensorFlow on arrays of more than one packet, as kernels are measured."""
    function = getattr(tf.raw_ops, name)
    names = list(inspect.signature(function).parameters)
    return function(**dict(zip(names, map(tf.constant, arrays), strict=False))).numpy()
