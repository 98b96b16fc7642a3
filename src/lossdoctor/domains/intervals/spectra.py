"""Complex numbers and Fourier transforms. The interval of a complex tensor holds the real and the imaginary part."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from lossdoctor.domains.intervals import arithmetic as arith
from lossdoctor.domains.intervals import reductions, sizes, structure
from lossdoctor.domains.intervals.enclosure import INF, Enclosure, constant, largest, made, union
from lossdoctor.domains.intervals.reductions import Args, Rule, folded, summed
from lossdoctor.graph.ir import Graph, Node

# The rounding of a transform of n numbers is some log2(n) units (Higham 2002, section 24.1): far below a percent.
_LOOSE = 1.01
_ROOT = math.sqrt(2.0)  # of the modulus, over the larger part
PARTS = {"complex64": "float32", "complex128": "float64"}
_REGISTERS = (structure,)
# Of what mixes complex elements only these have rules: those of real numbers bound another product. The ones taken
# from there move elements, and leave each as it is.
RULES: dict[str, Rule] = {
    name: reductions.RULES[name] for name in ("concat", "stack", "take", "gather_nd", "pad", "item")
}


def rule(*names: str) -> Callable[[Rule], Rule]:
    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return register


def concerned(node: Node, graph: Graph) -> bool:
    """Whether an operation takes or makes complex numbers."""
    return node.dtype in PARTS or any(graph[arg].dtype in PARTS for arg in node.args)


def _dtype(node: Node) -> str:
    return PARTS.get(node.dtype, node.dtype)


def _symmetric(bound: float, value: Enclosure, dtype: str) -> Enclosure:
    bound = bound if bound <= largest(dtype) else INF
    return made(np.array([-bound]), np.array([bound]), value.nan | arith.infinite(value), dtype)


def _size(value: Enclosure) -> float:
    return float(max(abs(value.low[0]), abs(value.high[0])))


@rule("fft.fft", "fft.fft2", "fft.fft3", "fft.rfft", "fft.rfft2")
def _forward(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    modulus = _size(args[0]) * (_ROOT if graph[node.args[0]].dtype in PARTS else 1.0)
    return _symmetric(modulus * _numbers(node, graph) * _LOOSE, args[0], _dtype(node))


@rule("fft.ifft", "fft.ifft2", "fft.ifft3", "fft.irfft", "fft.irfft2")
def _backward(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    modulus = _size(args[0]) * _ROOT * _LOOSE
    summed_up = modulus * 2.0 * _numbers(node, graph)  # the mean is divided last; half of a real spectrum is given
    return _symmetric(INF if summed_up > largest(_dtype(node)) else modulus, args[0], _dtype(node))


def _numbers(node: Node, graph: Graph) -> float:
    """How many go into one, at most."""
    shape = graph[node.args[0]].shape
    axes = int(node.op[-1]) if node.op[-1].isdigit() else 1
    return sizes.count(None if shape is None else shape[-axes:])[1]


@rule("constant")
def _constant(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    if node.constant is None or not node.constant.size:
        return None
    parts = np.abs([node.constant.real, node.constant.imag]).astype(np.float64)
    return _symmetric(float(parts.max()), constant(0.0, 0.0, nan=bool(np.isnan(parts).any())), _dtype(node))


@rule("sum")
def _sum(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    return summed(args[0].plain(), folded(node, graph)[1], _dtype(node))


@rule("real", "imag", "conj")
def _part(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    return args[0].plain() if node.op == "real" else _symmetric(_size(args[0]), args[0], _dtype(node))


@rule("abs")
def _modulus(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    bound = np.array([_size(args[0]) * _ROOT])
    return made(np.zeros(1), bound, args[0].nan, node.dtype, ulps=4.0)


@rule("angle")
def _angle(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    return made(np.array([-math.pi]), np.array([math.pi]), args[0].nan, node.dtype, ulps=4.0)


@rule("complex", "astype")
def _made(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    return union(*(arg.plain() for arg in args), constant(0.0, 0.0))


@rule("negative")
def _negative(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    return arith.negate(args[0].plain())


@rule("add", "subtract")
def _added(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    return (arith.add if node.op == "add" else arith.subtract)(args[0].plain(), args[1].plain(), _dtype(node))


@rule("multiply")
def _multiplied(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    product = arith.multiply(args[0].plain(), args[1].plain(), _dtype(node))
    return summed(union(product, arith.negate(product)), (2.0, 2.0), _dtype(node))
