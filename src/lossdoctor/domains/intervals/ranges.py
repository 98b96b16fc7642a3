"""Ranges of every node of a loss, and what they prove."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lossdoctor.domains.interpret import NodeGap
from lossdoctor.domains.intervals import sizes
from lossdoctor.domains.intervals.elementwise import known, transfer
from lossdoctor.domains.intervals.enclosure import (
    Enclosure,
    SliceFact,
    anything,
    constant,
    is_float,
    made,
)
from lossdoctor.domains.intervals.refine import Reading, bounded, read
from lossdoctor.graph.ir import Attr, LossGraph, Node
from lossdoctor.spec import Contract, Spec, discrete_values, leaves
from lossdoctor.spec import bounds as spec_bounds

BUDGET = 10_000
_SIMPLEX_TOLERANCE = 0.01  # of the sum of a row of probabilities given as data


@dataclass(frozen=True, slots=True)
class Interval:
    """Every element of a tensor lies in [low, high], or may be NaN."""

    low: float
    high: float
    nan: bool = False

    def __str__(self) -> str:
        if self.low > self.high:
            return "nan"
        return f"[{self.low:g}, {self.high:g}]" + (" or nan" if self.nan else "")

    def __contains__(self, value: float) -> bool:
        return self.nan if np.isnan(value) else self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class Proof:
    """What holds for every input of the contract, under `Ranges.assumptions`.

    `finite_value`, `finite_gradient`: proved; False means unknown, never refuted (and where there is no gradient).
    `limits`: the nodes at which finite arguments may give a result that is not finite, or of which nothing is known.
    `lower`, `upper`: bounds of the loss.
    """

    finite_value: bool
    finite_gradient: bool
    limits: tuple[Node, ...]
    nonnegative: bool
    lower: float
    upper: float


class Ranges:
    """The interval of each node over all inputs of a contract.

    `gaps` are the nodes without a rule, whose value could be anything. `assumptions` are sentences for the report.
    """

    def __init__(self, loss: LossGraph, reading: Reading, names: dict[int, str], assumed: Sequence[str] = ()) -> None:
        self.loss = loss
        self.gaps: tuple[NodeGap, ...] = reading.gaps
        self.assumptions: tuple[str, ...] = (
            *assumed, sizes.ASSUMPTION, sizes.DENORMALS, *sorted(reading.domain.assumptions)
        )  # fmt: skip
        self.boxes = reading.boxes.size
        self._reading = reading
        self._names = names

    def __getitem__(self, node: int | Node) -> Interval:
        return _interval(self._value(node))

    def finite(self, node: int | Node) -> bool:
        """Whether no element can be NaN or infinite; tensors that hold no numbers are finite."""
        value = self._value(node)
        dtype = self.loss[_id(node)].dtype
        if not is_float(dtype) and dtype != "tuple" and not dtype.startswith("complex"):
            return True
        return bool(bounded(value).all())

    def boxes_where(
        self, node: int | Node, predicate: Callable[[Interval], bool]
    ) -> list[dict[str, tuple[float, float]]]:
        """The regions of inputs in which the node's interval satisfies the predicate.

        Returns:
            For each region the range of the elements of each input that it restricts, by name ("y_true", "y_pred",
            "y_pred[key]"). A region that restricts none is empty. No region: nowhere.
        """
        value, boxes = self._value(node), self._reading.boxes
        size = max(value.low.size, value.nan.size)
        low, high, nan = (np.broadcast_to(part, (size,)) for part in (value.low, value.high, value.nan))
        regions: dict[tuple[tuple[str, tuple[float, float]], ...], None] = {}
        for box in range(size):
            if not predicate(Interval(float(low[box]), float(high[box]), bool(nan[box]))):
                continue
            region: dict[str, tuple[float, float]] = {}
            for leaf in boxes.low if size == boxes.size else ():
                name = self._names.get(leaf[0])
                if name is None or leaf not in value.leaves:
                    continue
                hull = self._reading.domain.hulls[leaf]
                cell = boxes.value(leaf, hull.joined())
                ends = float(cell.low[box]), float(cell.high[box])
                if name in region:  # two views of one input
                    ends = min(ends[0], region[name][0]), max(ends[1], region[name][1])
                region[name] = ends
            regions[tuple(sorted(region.items()))] = None
        return [dict(region) for region in regions]

    def proof(self) -> Proof:
        gradients = [gradient for gradient in self.loss.gradients if gradient is not None]
        value = self[self.loss.value]
        finite_value = self.finite(self.loss.value)
        finite_gradient = bool(gradients) and all(self.finite(gradient) for gradient in gradients)
        roots = [root for root in (self.loss.value, *gradients) if not self.finite(root)]
        return Proof(
            finite_value,
            finite_gradient,
            self.limits(*roots) if roots else (),
            value.low >= 0.0 and not value.nan,
            value.low,
            value.high,
        )

    def limits(self, *roots: int) -> tuple[Node, ...]:
        """The nodes behind these at which something that is not proved finite begins."""
        gaps = {gap.node for gap in self.gaps}
        found: list[Node] = []
        stack, seen = list(roots), set(roots)
        while stack:
            node = self.loss[stack.pop()]
            if self.finite(node):
                continue
            bad = [arg for arg in node.args if self._feeds(arg, node)]
            if node.id in gaps or not bad:
                if node.op != "constant":
                    found.append(node)
                continue
            for arg in bad:
                if arg not in seen:
                    seen.add(arg)
                    stack.append(arg)
        return tuple(sorted(found, key=lambda node: node.id))

    def _feeds(self, arg: int, node: Node) -> bool:
        """Whether the argument is not finite where the node is not."""
        value, result = self._value(arg), self._value(node)
        if value.parts or result.parts or not known(node.op):
            return not self.finite(arg)
        return bool((~value.bounded & ~result.bounded).any())

    def _value(self, node: int | Node) -> Enclosure:
        return self._reading.values[_id(node)]


def _id(node: int | Node) -> int:
    return node if isinstance(node, int) else node.id


def _interval(value: Enclosure) -> Interval:
    return Interval(float(value.low.min()), float(value.high.max()), bool(value.nan.any()))


def ranges(loss_graph: LossGraph, contract: Contract, magnitude: float | None = None, budget: int = BUDGET) -> Ranges:
    """Enclose every node for all inputs that the contract allows.

    Args:
        loss_graph: value and gradient of the loss.
        contract: the specs of both arguments.
        magnitude: the largest value of `real`, `positive` and `logit`; the contract's own if None.
        budget: how many boxes the inputs may be cut into.
    """
    limit = contract.magnitude if magnitude is None else magnitude
    sources: dict[int, Enclosure] = {}
    names: dict[int, str] = {}
    assumed: dict[str, None] = {}
    for role, structure, nodes in (
        ("y_true", contract.y_true, loss_graph.y_true),
        ("y_pred", contract.y_pred, loss_graph.y_pred),
    ):
        for (key, spec), number in zip(leaves(structure), nodes, strict=True):
            sources[number] = of_spec(spec, loss_graph[number], limit)
            assumed |= dict.fromkeys(_assumed(spec, limit))
            names[number] = f"{role}[{key}]" if key else role
    for node in loss_graph.where("input"):
        sources.setdefault(node.id, anything(node.dtype))
    roots = [loss_graph.value, *(gradient for gradient in loss_graph.gradients if gradient is not None)]
    reading = read(loss_graph.graph, sources, roots, budget)
    return Ranges(loss_graph, reading, names, tuple(assumed))


def _assumed(spec: Spec, magnitude: float) -> Iterator[str]:
    """What `of_spec` takes for granted beyond the words of the spec."""
    if spec.kind in ("real", "positive", "logit") and is_float(spec.dtype):
        low, high = spec_bounds(spec, magnitude)
        yield f"{spec.kind} numbers from {low:g} to {high:g}"
    if spec.kind == "probability":
        yield f"rows of probabilities sum to 1 within {_SIMPLEX_TOLERANCE:g}"


def prove(loss_graph: LossGraph, contract: Contract, magnitude: float | None = None, budget: int = BUDGET) -> Proof:
    """Whether value and gradient are finite for every input of the contract; see `Proof`."""
    return ranges(loss_graph, contract, magnitude, budget).proof()


def of_spec(spec: Spec, node: Node, magnitude: float) -> Enclosure:
    """The elements of an input, as the dtype of its node holds them."""
    low, high = spec_bounds(spec, magnitude)
    whole = discrete_values(spec) is not None or not is_float(spec.dtype)
    total = None
    if spec.kind == "onehot" and spec.dims:
        total = SliceFact((-1,), 1.0, 1.0)
    elif spec.kind == "probability" and spec.dims:
        total = SliceFact((-1,), 1.0 - _SIMPLEX_TOLERANCE, 1.0 + _SIMPLEX_TOLERANCE)
    value = made(np.array([low]), np.array([high]), np.array([spec.missing]), node.dtype, whole=whole)
    return Enclosure(value.low, value.high, value.nan, whole=value.whole, total=None if spec.missing else total)


def bounds(op: str, *args: tuple[float, float], dtype: str = "float32", **attrs: Attr) -> tuple[float, float]:
    """The interval of one elementwise operation whose arguments lie in `args`; (-inf, inf) without a rule.

    For tests of the op table: NaN is not part of the result.
    """
    nodes = tuple(range(len(args)))
    node = Node(len(args), op, nodes, (), dtype, attrs)
    with np.errstate(all="ignore"):
        result = transfer(node, [constant(float(low), float(high)) for low, high in args])
    if result is None:
        return -np.inf, np.inf
    return float(result.low.min()), float(result.high.max())
