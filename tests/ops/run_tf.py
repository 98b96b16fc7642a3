"""Runs one raw operation of TensorFlow in a graph of its own, with its gradients; and the same as a node of ours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from lossdoctor.domains.machine import machine
from lossdoctor.graph import attributes_tf
from lossdoctor.graph.fold_tf import Fact, attribute
from lossdoctor.graph.ir import Graph, Node
from lossdoctor.ops import TABLE
from tests.ops.recipes import Recipe


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

        inputs = {arg.name for arg in tf.raw_ops.__dict__[recipe.tf].__signature__.parameters.values()} & {
            name for name, value in recipe.keywords.items() if _is_array(value)
        }
        keywords = {
            name: (
                [placeholder(part) for part in value]
                if isinstance(value, list) and name in inputs
                else placeholder(value)
                if name in inputs
                else value
            )
            for name, value in recipe.keywords.items()
        }
        keywords = {name: tf.as_dtype(v) if name in ("DstT", "output_type", "type") else v for name, v in keywords.items()}
        getattr(tf.raw_ops, recipe.tf)(**keywords)
        op = graph.get_operations()[-1]
        facts = {tensor.name: Fact(solved=attribute(array), array=array) for tensor, array in feeds.items()}
        arrays = [feeds[tensor] for tensor in op.inputs]
        with tf.compat.v1.Session(graph=graph) as session:
            expected = session.run(list(op.outputs), feeds)
            gradients = _gradients(session, op, feeds) if recipe.flows else {}
    return Ran(expected, _machine(op, facts, arrays, expected), gradients)


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray | np.generic) or (isinstance(value, list) and bool(value) and _is_array(value[0]))


def _parameters(op: Any) -> set[int]:
    return {place % len(op.inputs) for place in TABLE.by_tf[op.type].params if -len(op.inputs) <= place < len(op.inputs)}


def _gradients(session: Any, op: Any, feeds: dict[Any, np.ndarray]) -> dict[int, np.ndarray | None]:
    sources = [place for place, tensor in enumerate(op.inputs) if tensor.dtype.is_floating]
    targets = [tensor for tensor in op.outputs[:1] if tensor.dtype.is_floating or tensor.dtype.is_complex]
    gradients: dict[int, np.ndarray | None] = {}
    place_of = {place: index for index, place in enumerate(p for p in range(len(op.inputs)) if p not in _parameters(op))}
    for place in sources:
        if place not in place_of:
            continue
        gradient = None
        if targets:
            # Squared, so that a sum that is constant (softmax) does not look flat.
            target = tf.reduce_sum(tf.abs(targets[0]) ** 2 * 0.5 + tf.cast(tf.math.real(targets[0]), targets[0].dtype.real_dtype))
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
    attrs = attributes_tf.attributes(op) | attributes_tf.parameters(op, known) | row.implied.get(op.type, {})
    nodes = [
        Node(place, "input", (), array.shape, array.dtype.name)
        for place, array in enumerate(facts[tensor.name].array for tensor in arguments)
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
