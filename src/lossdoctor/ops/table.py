"""The op table: a row of facts for each canonical operation.

A row is the only place that knows an operation. The frontend reads `tf`, `params` and `attrs` to turn a
framework's operation into a node; every domain derives its transfer function from `value`, `trend`, `defined`
and `kind`, and overrides only what those cannot say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict, Unpack

from lossdoctor.graph.ir import Attr
from lossdoctor.ops.namespace import RealNamespace

Kind = Literal[
    "input",  # input, constant, variable, dims, item
    "elementwise",  # broadcasts its arguments, each element on its own
    "reduce",  # folds the axes of attribute `axis`
    "scan",  # along one axis, keeps the shape (cumsum, softmax, sort)
    "shape",  # moves elements, computes none (reshape, transpose, concat, slice, gather …)
    "matmul",
    "linalg",
    "image",  # convolutions, pooling, resizing
    "control",
    "random",
    "opaque",  # host callbacks, strings: nothing is known of the result
]
# How the derivative with respect to an argument behaves.
Flow = Literal[
    "smooth",
    "kink",  # differentiable except on a set of measure zero (abs, max, relu, clip)
    "zero",  # connected, but the derivative is identically zero (sign)
    "none",  # TensorFlow returns None (round, argmax, comparison, cast to integer)
    "stop",  # cut on purpose (stop_gradient)
]

# Array arguments, then attributes as keywords. The fixed counts only give lambdas their types.
Value = Callable[[Any], Any] | Callable[[Any, Any], Any] | Callable[[Any, Any, Any], Any] | Callable[..., Any]
# The same over a namespace of exact or symbolic functions.
Real = (
    Callable[[RealNamespace, Any], Any]
    | Callable[[RealNamespace, Any, Any], Any]
    | Callable[[RealNamespace, Any, Any, Any], Any]
    | Callable[..., Any]
)


@dataclass(frozen=True, slots=True)
class Op:
    """Facts about one operation. Array arguments are positional, attributes are keywords of `value`."""

    name: str
    kind: Kind
    tf: tuple[str, ...] = ()
    # Position of a framework input that is a parameter -> attribute name; negative counts from the end.
    params: Mapping[int, str] = field(default_factory=dict[int, str])
    # Framework attribute -> canonical attribute.
    attrs: Mapping[str, str] = field(default_factory=dict[str, str])
    # Framework op -> canonical attributes that it has by its type, e.g. {"Select": {"rows": True}}.
    implied: Mapping[str, Mapping[str, Attr]] = field(default_factory=dict[str, Mapping[str, "Attr"]])
    outputs: int = 1  # more than one: the node is a tuple (0: as many as the framework's operation has)
    value: Callable[..., Any] | None = None  # NumPy: what the machine computes
    real: Callable[..., Any] | None = None  # real(m, *args): the mathematics, m a namespace (flint, sympy)
    defined: tuple[float, float] | None = None  # of a one-argument function: outside, NaN (ends included)
    trend: tuple[int, ...] = ()  # per argument: +1 rising, -1 falling, 0 neither
    flow: tuple[Flow, ...] = ("smooth",)  # per array argument; the last entry repeats
    ulps: float = 1.0  # error bound of the framework's kernel, in units in the last place of the result
    absolute: float = 0.0  # ... plus this many times the dtype's epsilon (2**-23 in float32)
    # Known tight intervals, e.g. ("[-1, 0]", "[-inf, 0]"): argument intervals, then the result.
    cases: tuple[tuple[str, ...], ...] = ()

    def flows(self, argument: int) -> Flow:
        return self.flow[min(argument, len(self.flow) - 1)] if self.flow else "none"


class Table:
    """All rows, by canonical name and by framework name."""

    def __init__(self) -> None:
        self.by_name: dict[str, Op] = {}
        self.by_tf: dict[str, Op] = {}

    def add(self, row: Op) -> Op:
        if row.name in self.by_name:
            raise ValueError(f"op {row.name!r} has two rows")
        self.by_name[row.name] = row
        for name in row.tf:
            if name in self.by_tf:
                raise ValueError(f"TensorFlow op {name!r} is claimed by {self.by_tf[name].name!r} and {row.name!r}")
            self.by_tf[name] = row
        return row


TABLE = Table()


class Facts(TypedDict, total=False):
    """The fields of `Op` by name, for `op`."""

    tf: tuple[str, ...]
    params: Mapping[int, str]
    attrs: Mapping[str, str]
    implied: Mapping[str, Mapping[str, Attr]]
    outputs: int
    value: Value | None
    real: Real | None
    defined: tuple[float, float] | None
    trend: tuple[int, ...]
    flow: tuple[Flow, ...]
    ulps: float
    absolute: float
    cases: tuple[tuple[str, ...], ...]


def op(name: str, kind: Kind, **facts: Unpack[Facts]) -> Op:
    """Add a row; `facts` are the fields of `Op`."""
    return TABLE.add(Op(name=name, kind=kind, **facts))
