"""The machine: every node's concrete array, computed in NumPy with the dtypes of the program.

It stands in for TensorFlow on a CPU where thousands of runs of a process would be too slow, and it sees every
intermediate without changing the program. Float32, float64 and bfloat16 denormals count as zero in arithmetic,
as measured on TensorFlow 2.21; operations that only move or mask bits keep them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import numpy as np

from lossdoctor.domains.interpret import Reading, interpret
from lossdoctor.graph import dims
from lossdoctor.graph.ir import Attr, Dim, Graph, LossGraph, Node
from lossdoctor.ops import TABLE
from lossdoctor.ops.arrays import Array, dtype_named, is_array
from lossdoctor.ops.table import Op
from lossdoctor.spec import dtype_name


class Unknown:
    """The value of a node that the machine cannot compute; there is one, `UNKNOWN`."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = Unknown()
# An array; a tuple of values for a node of dtype "tuple" or a tensor list; None for an element never written.
Value = Any

MAX_ITERATIONS = 10_000  # of one loop; beyond, its result is unknown

_ARITHMETIC = ("elementwise", "reduce", "scan", "matmul", "linalg", "image")
_MOVES_BITS = ("negative", "abs", "where", "max", "min", "max_pool")  # keep denormals (measured)
_FLUSHED = {"float32": 2.0**-126, "bfloat16": 2.0**-126, "float64": 2.0**-1022}  # smallest normal numbers

# What a `value` raises for arguments that TensorFlow refuses as well, or that it cannot answer faithfully for.
REFUSALS = (ArithmeticError, LookupError, TypeError, ValueError, np.linalg.LinAlgError)


def machine(
    graph: Graph | LossGraph, inputs: Mapping[int, Array], sizes: Mapping[str, int] | None = None
) -> Reading[Value]:
    """Run the graph on concrete arrays.

    Args:
        graph: The graph to run.
        inputs: An array for each input node, of the node's dtype and shape; may also replace variables.
        sizes: A size for each name among the dimensions, such as {"B": 4}; inferred from the inputs where missing.

    Returns:
        An array, or a tuple of values, for every node; `UNKNOWN` where the machine has no rule (those are the
        gaps) and for all that is computed from such a node.
    """
    inner = graph.graph if isinstance(graph, LossGraph) else graph
    known = {**sizes_of(inner, inputs), **(sizes or {})}
    with np.errstate(all="ignore"):
        return interpret(inner, Machine(known), inputs)


class Machine:
    """The domain of concrete values."""

    name = "machine"

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self.sizes = sizes

    def top(self, node: Node) -> Value:
        return UNKNOWN

    def transfer(self, node: Node, args: Sequence[Value], graph: Graph) -> Value | None:
        if any(arg is UNKNOWN for arg in args):
            return UNKNOWN
        try:
            result = self._computed(node, args)
        except REFUSALS:
            return None
        return result if result is UNKNOWN or self._fits(node, result) else None

    def _computed(self, node: Node, args: Sequence[Value]) -> Value | None:
        match node.op:
            case "constant" | "variable":
                # A bfloat16 constant comes as the float32 array of the same numbers.
                if node.constant is None or node.dtype != "bfloat16":
                    return node.constant
                return node.constant.astype(dtype_named("bfloat16"))
            case "dims":
                return np.array(self._concrete(node.attrs["value"]), dtype_named(node.dtype))
            case "item":
                part = args[0][node.attrs["index"]]
                return None if part is UNKNOWN else part  # a gap within a body
            case "while":
                return self._while(node, args)
            case "cond":
                return self._cond(node, args)
            case "call":
                return self._body(node, node.bodies[0], args)
            case _:
                return self._by_row(node, args)

    def _by_row(self, node: Node, args: Sequence[Value]) -> Value | None:
        row = TABLE.by_name.get(node.op)
        if row is None or row.value is None:
            return None
        arrays, computed = _split(row, node, args)
        accepted = _accepted(row.value)
        attrs = {
            name: self._concrete(attr) if name in row.params.values() else attr for name, attr in node.attrs.items()
        }
        keywords = {name: attr for name, attr in attrs.items() if accepted.others or name in accepted.names}
        for name, fact in (("shape", self._shape(node)), ("dtype", None if node.dtype == "tuple" else node.dtype)):
            if fact is not None and name in accepted.names and (name == "shape" or name not in attrs):
                keywords[name] = fact
        keywords |= computed
        flushes = row.kind in _ARITHMETIC and node.op not in _MOVES_BITS
        result: Value = row.value(*map(_flushed, arrays) if flushes else arrays, **keywords)
        if np.isscalar(result):
            result = np.asarray(result)
        if isinstance(result, tuple) and row.outputs != 1 and node.dtype != "tuple":
            # One result of an operation that may have several, such as an unstack of one element.
            result = cast("tuple[Value, ...]", result)[0]
        return _flushed(result) if flushes else cast(Value, result)

    def _concrete(self, attr: Attr) -> Any:
        if isinstance(attr, tuple):
            return tuple(self._concrete(part) for part in attr)
        return dims.evaluate(attr, self.sizes) if isinstance(attr, str) else attr

    def _shape(self, node: Node) -> tuple[int, ...] | None:
        """The node's shape; None if it depends on values."""
        if node.shape is None or dims.UNKNOWN in node.shape:
            return None
        return tuple(dims.evaluate(dim, self.sizes) for dim in node.shape)

    def _while(self, node: Node, args: Sequence[Value]) -> Value | None:
        condition, body = node.bodies
        state: list[Value] = list(args)
        for _ in range(MAX_ITERATIONS):
            more = self._body(node, condition, state, several=False)
            if more is UNKNOWN or more is None:
                return None
            if not bool(np.all(more)):
                return tuple(state) if node.dtype == "tuple" else state[0]
            following = self._body(node, body, state, several=True)
            if following is None:
                return None
            state = list(following)
        return None

    def _cond(self, node: Node, args: Sequence[Value]) -> Value | None:
        decider = args[0]
        index = int(bool(decider)) if decider.dtype == bool or len(node.bodies) == 2 else int(decider)
        index = index if 0 <= index < len(node.bodies) else len(node.bodies) - 1
        return self._body(node, node.bodies[index], args[1:])

    def _body(self, node: Node, body: Graph, args: Sequence[Value], several: bool | None = None) -> Value | None:
        """The outputs of a body: a tuple if `several` (by default: if the node is one); None if none is known."""
        given = {place: args[cast(int, body[place].attrs["index"])] for place in body.inputs}
        reading = interpret(body, self, given)
        outputs = tuple(reading[output] for output in body.outputs)
        if outputs and all(output is UNKNOWN for output in outputs):
            return None
        return outputs if several or (several is None and node.dtype == "tuple") else outputs[0]

    def _fits(self, node: Node, result: Value) -> bool:
        """Whether dtype and shape are what the graph says; anything else would be a wrong answer."""
        if not is_array(result):
            return result is not None
        if node.dtype not in ("tuple", "resource", "variant", "string") and dtype_name(result.dtype) != node.dtype:
            return False
        return self._has_shape(node, result)

    def _has_shape(self, node: Node, result: Array) -> bool:
        if node.shape is None:
            return True
        return len(node.shape) == result.ndim and all(
            dim == dims.UNKNOWN or dims.evaluate(dim, self.sizes) == size
            for dim, size in zip(node.shape, result.shape, strict=True)
        )


@dataclass(frozen=True, slots=True)
class Accepted:
    """The keywords that a `value` takes: these, and any others if `others`."""

    names: frozenset[str]
    others: bool


def _split(row: Op, node: Node, args: Sequence[Value]) -> tuple[list[Value], dict[str, Any]]:
    """The array arguments, and the parameters that are computed and so came as arguments (their attribute is None)."""
    count = len(args) + sum(node.attrs.get(name) is not None for name in row.params.values())
    names = {place % count: name for place, name in row.params.items() if -count <= place < count}
    places = [place for place in range(count) if place not in names or node.attrs.get(names[place]) is None]
    arrays: list[Value] = []
    computed: dict[str, Any] = {}
    for place, arg in zip(places, args, strict=True):
        if place in names:
            computed[names[place]] = _tuples(arg.tolist())
        else:
            arrays.append(arg)
    return arrays, computed


def _tuples(value: Any) -> Any:
    return tuple(_tuples(part) for part in cast("list[Any]", value)) if isinstance(value, list) else value


def _flushed(value: Value) -> Value:
    """The value with denormals as zeros of the same sign."""
    if isinstance(value, tuple):
        return tuple(_flushed(part) for part in cast("tuple[Value, ...]", value))
    if not is_array(value):
        return value
    least = _least(value.dtype)
    if least is None:
        return value
    tiny = (np.abs(value) < least) & (value != 0)
    return np.where(tiny, np.copysign(np.zeros((), value.dtype), value), value) if tiny.any() else value


@cache
def _least(dtype: np.dtype[Any]) -> Array | None:
    """The smallest normal number, as an array of the dtype; None where denormals are kept."""
    least = _FLUSHED.get(dtype_name(dtype))
    return None if least is None else np.asarray(least).astype(dtype)


@cache
def _accepted(value: Callable[..., Any]) -> Accepted:
    if isinstance(inspect.unwrap(value), np.ufunc):  # its own keywords are no attributes
        return Accepted(frozenset(), False)
    parameters = inspect.signature(value).parameters.values()
    return Accepted(
        frozenset(p.name for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)),
        any(p.kind is p.VAR_KEYWORD for p in parameters),
    )


def sizes_of(graph: Graph, inputs: Mapping[int, Array]) -> dict[str, int]:
    """The sizes of names that are a dimension of an input by themselves."""
    found: dict[str, int] = {}
    for place in graph.inputs:
        shape: Sequence[Dim] = graph[place].shape or ()
        if place in inputs:
            for dim, size in zip(shape, inputs[place].shape, strict=False):
                if isinstance(dim, str) and dim.isidentifier():
                    found.setdefault(dim, size)
    return found
