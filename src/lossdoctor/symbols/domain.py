"""The symbols domain: every node of a loss graph as an expression over y_true and y_pred.

What the grammar of formulas has no word for becomes a "call" with the name of the operation. Casts between floats,
and operations that only carry a value on, are left out: a formula means the real function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np

from lossdoctor.domains.interpret import Reading, interpret
from lossdoctor.formula.expression import Expression, IndexPart
from lossdoctor.graph.ir import Graph, LossGraph, Node
from lossdoctor.spec import Contract, Spec, discrete_values
from lossdoctor.symbols.algebra import Algebra, Shape
from lossdoctor.symbols.rows import COMPOSED, SAME
from lossdoctor.symbols.truth import decided

# An expression, or the parts of a node that makes several tensors.
Symbol = Expression | tuple[Expression, ...]

_KEPT = frozenset(
    {"identity", "stop_gradient", "prevent_gradient", "check_numerics", "ensure_shape", "print", "real", "conj"}
)
_FOLDS = {"sum": "sum", "mean": "mean", "max": "max", "min": "min", "all": "all", "any": "any"}
_WHOLE = frozenset({"binary", "onehot", "label", "sign"})  # kinds whose numbers a cast to integers keeps
_LONGEST = 16  # elements of a constant that a formula writes out


def symbols(loss: LossGraph, contract: Contract) -> tuple[Reading[Symbol], Algebra]:
    """Read the forward nodes of a loss; the algebra has the shapes of all expressions."""
    domain = Symbols(contract)
    needed = loss.graph.ancestors(loss.value)
    nothing = domain.algebra.raw("call", (), (), text="unused")
    skipped = {node.id: nothing for node in loss.nodes if node.id not in needed}
    given = {place: domain.input(loss[place]) for place in loss.graph.inputs}
    return interpret(loss.graph, domain, {**skipped, **given}), domain.algebra


class Symbols:
    """The domain. `algebra` builds and keeps the expressions."""

    name = "symbols"

    def __init__(self, contract: Contract, algebra: Algebra | None = None) -> None:
        self.contract = contract
        self.algebra = algebra or Algebra()
        true = contract.y_true
        self._values = discrete_values(true) if isinstance(true, Spec) else None

    def input(self, node: Node) -> Expression:
        """y_true or y_pred, or the entry of a structured one."""
        role, key = str(node.attrs.get("role", "")), node.attrs.get("key")
        whole = self.algebra.raw("input", (), node.shape or (), role=role)
        if not key:
            return whole
        made = whole
        for part in str(key).split("."):
            structure = self.contract.y_true if role == "y_true" else self.contract.y_pred
            index: IndexPart = part if isinstance(structure, Mapping) else int(part) if part.isdigit() else part
            made = self.algebra.raw("index", (made,), node.shape or (), index=(index,))
        return made

    def top(self, node: Node) -> Symbol:
        return self.algebra.raw("call", (), node.shape or (), text=node.op)

    def transfer(self, node: Node, args: Sequence[Symbol], graph: Graph) -> Symbol | None:
        made = self._made(node, args, graph)
        if made is None and node.dtype != "tuple":
            plain = [arg for arg in args if isinstance(arg, Expression)]
            return self.algebra.raw("call", plain, node.shape or (), text=node.op)
        return made

    def _made(self, node: Node, given: Sequence[Symbol], graph: Graph) -> Symbol | None:
        op, a = node.op, self.algebra
        if op == "cond":
            return self._cond(node, given)
        if op == "item":
            parts, place = given[0], node.attrs.get("index")
            return parts[place] if isinstance(parts, tuple) and isinstance(place, int) and place < len(parts) else None
        if any(not isinstance(arg, Expression) for arg in given):
            return None
        args = [arg for arg in given if isinstance(arg, Expression)]
        if op == "constant":
            return self._constant(node)
        if op == "variable":
            return self._constant(node)
        if op == "dims":
            return self._dims(node.attrs.get("value"))
        if op in _KEPT:
            return args[0]
        if op == "astype":
            return self._cast(node, args[0], graph[node.args[0]])
        if op in _FOLDS or op in ("vector_norm", "logsumexp"):
            return self._fold(node, args[0], graph[node.args[0]].shape)
        if op == "where":
            return self._where(node, args)
        if op in SAME:
            return a.elementwise(SAME[op], *args)
        if op in COMPOSED:
            return COMPOSED[op](a, args, node.attrs)
        rule: Callable[..., Symbol | None] | None = getattr(self, f"_{op}", None)
        return rule(node, args, graph) if rule is not None else None

    # ---- atoms -----------------------------------------------------------------------------------------------

    def _constant(self, node: Node) -> Expression | None:
        value = node.constant
        if value is None or value.dtype.kind not in "fiub" or not value.size:
            return None
        if bool(np.all(value == value.flat[0])) or value.size == 1:
            return self.algebra.number(value.flat[0])
        if value.ndim == 1 and value.size <= _LONGEST and np.all(np.isfinite(value)):
            numbers = [self.algebra.number(item) for item in value]
            return self.algebra.raw("array", numbers, value.shape)
        return None

    def _dims(self, value: Any) -> Expression | None:
        if isinstance(value, tuple):
            return self.algebra.raw("call", (), (len(cast("tuple[object, ...]", value)),), text="shape")
        if isinstance(value, int):
            return self.algebra.number(value)
        return self.algebra.raw("size", (), (), text=str(value))

    def _cast(self, node: Node, x: Expression, source: Node) -> Expression | None:
        real = ("float", "bfloat")
        if node.dtype == "bool":
            return x if source.dtype == "bool" else self.algebra.elementwise("not_equal", x, self.algebra.number(0))
        if node.dtype.startswith(real) or not source.dtype.startswith(real):
            return x
        true = self.contract.y_true
        whole = x.op == "input" and x.role == "y_true" and isinstance(true, Spec) and true.kind in _WHOLE
        if whole or self.algebra.is_truth(x) or x.op == "number":
            return x
        return None

    # ---- along axes ------------------------------------------------------------------------------------------

    def _fold(self, node: Node, x: Expression, shape: Shape | None) -> Expression | None:
        if shape is None:
            return None
        axis = node.attrs.get("axis")
        places = (axis,) if isinstance(axis, int) else axis
        if places is not None and not (isinstance(places, tuple) and all(isinstance(one, int) for one in places)):
            return None
        keepdims = bool(node.attrs.get("keepdims", False))
        chosen = None if places is None else tuple(int(str(one)) for one in places)
        if node.op == "vector_norm":
            return self.algebra.elementwise(
                "sqrt", self.algebra.fold("sum", self.algebra.elementwise("square", x), chosen, keepdims, shape)
            )
        return self.algebra.fold(_FOLDS.get(node.op, node.op), x, chosen, keepdims, shape)

    def _softmax(self, node: Node, args: Sequence[Expression], graph: Graph) -> Expression:
        return self.algebra.raw("softmax", (args[0],), axis=(-1,))

    def _log_softmax(self, node: Node, args: Sequence[Expression], graph: Graph) -> Expression:
        return self.algebra.raw("log_softmax", (args[0],), axis=(-1,))

    def _softmax_cross_entropy(self, node: Node, args: Sequence[Expression], graph: Graph) -> Symbol:
        a, (scores, shares) = self.algebra, args
        product = a.elementwise("multiply", shares, self._log_softmax(node, [scores], graph))
        return (a.elementwise("negative", a.fold("sum", product, (-1,))),)

    def _sparse_softmax_cross_entropy(self, node: Node, args: Sequence[Expression], graph: Graph) -> Symbol | None:
        a, (scores, labels) = self.algebra, args
        count = a.shapes[scores][-1]
        if not isinstance(count, int):
            return None
        chosen = a.fold("sum", a.elementwise("multiply", self._hot(labels, count), scores), (-1,))
        return (a.elementwise("subtract", a.fold("logsumexp", scores, (-1,)), chosen),)

    def _hot(self, labels: Expression, count: int) -> Expression:
        return self.algebra.raw("one_hot", (labels,), (*self.algebra.shapes[labels], count), size=count)

    def _one_hot(self, node: Node, args: Sequence[Expression], graph: Graph) -> Expression | None:
        a, depth = self.algebra, node.attrs.get("depth")
        if not isinstance(depth, int) or node.attrs.get("axis") != -1 or len(args) != 3:
            return None
        made = self._hot(args[0], depth)
        on, off = args[1], args[2]
        if a.value(on) == 1 and a.value(off) == 0:
            return made
        return a.elementwise("add", off, a.elementwise("multiply", a.elementwise("subtract", on, off), made))

    def _take(self, node: Node, args: Sequence[Expression], graph: Graph) -> Expression | None:
        a, (x, places) = self.algebra, args
        own, axis = a.shapes[x], node.attrs.get("axis")
        if not isinstance(axis, int) or not own:
            return None
        axis %= len(own)
        place = a.value(places)
        if place is not None and not a.shapes[places] and node.attrs.get("batch_dims") in (0, None):
            index: list[IndexPart] = [*[slice(None)] * axis, int(place)]
            return a.index(x, tuple(index), own[:axis] + own[axis + 1 :])
        last, count = axis == len(own) - 1, own[-1]
        if last and isinstance(count, int) and a.shapes[places] == own[:-1] and node.attrs.get("batch_dims") == axis:
            return a.fold("sum", a.elementwise("multiply", self._hot(places, count), x), (-1,))
        return None

    def _ctc(self, node: Node, args: Sequence[Expression], graph: Graph) -> Expression:
        blank = self.algebra.number(int(str(node.attrs.get("blank", 0))))
        return self.algebra.raw("ctc", (*args, blank), node.shape or ())

    # ---- shapes ----------------------------------------------------------------------------------------------

    def _reshape(self, node: Node, args: Sequence[Expression], graph: Graph) -> Expression | None:
        source, target = graph[node.args[0]].shape, node.shape
        x = args[0]
        if target is None or source is None:
            return None
        own = self.algebra.shapes[x]
        if own != source:  # smaller than in the graph, as zeros(...) are 0
            return x if not own else None
        if own == target:
            return x
        if [dim for dim in own if dim != 1] == [dim for dim in target if dim != 1]:
            return self._ones(x, own, target)
        return self.algebra.raw("reshape", (x,), target)

    def _ones(self, x: Expression, source: Shape, target: Shape) -> Expression:
        """Axes of size one taken away and added."""
        if x.op == "index" and _moves_ones(x):
            return self._ones(x.args[0], self.algebra.shapes[x.args[0]], target)
        if source == target:
            return x
        index: list[IndexPart] = []
        rest = list(source)
        for dim in target:
            if rest and rest[0] == dim:
                rest.pop(0)
                index.append(slice(None))
                continue
            if dim == 1:
                index.append(None)
                continue
            while rest and rest[0] == 1:
                rest.pop(0)
                index.append(0)
            rest.pop(0)
            index.append(slice(None))
        index += [0] * len(rest)
        return self.algebra.index(x, tuple(index), target)

    def _expand_dims(self, node: Node, args: Sequence[Expression], graph: Graph) -> Expression | None:
        return self._reshape(node, args, graph)

    def _squeeze(self, node: Node, args: Sequence[Expression], graph: Graph) -> Expression | None:
        return self._reshape(node, args, graph)

    def _permute_dims(self, node: Node, args: Sequence[Expression], graph: Graph) -> Expression | None:
        x, order = args[0], node.attrs.get("axes")
        own = self.algebra.shapes[x]
        if node.shape is None or not isinstance(order, tuple) or len(own) != len(order):
            return None
        moved = [place for place in order if isinstance(place, int) and own[place] != 1]
        if moved == sorted(moved):
            return self._ones(x, own, node.shape)
        last_two = (*range(len(own) - 2), len(own) - 1, len(own) - 2)
        if order == last_two:
            return x.args[0] if x.op == "transpose" else self.algebra.raw("transpose", (x,), node.shape)
        return None

    def _matmul(self, node: Node, args: Sequence[Expression], graph: Graph) -> Expression | None:
        left, right = args
        a = self.algebra
        if node.shape is None or len(a.shapes[left]) < 2 or len(a.shapes[right]) < 2:
            return None

        def turned(x: Expression, turn: bool) -> Expression:
            if not turn:
                return x
            shape = a.shapes[x]
            return x.args[0] if x.op == "transpose" else a.raw("transpose", (x,), (*shape[:-2], shape[-1], shape[-2]))

        return a.raw(
            "matmul",
            (
                turned(left, bool(node.attrs.get("transpose_a"))),
                turned(right, bool(node.attrs.get("transpose_b"))),
            ),
            node.shape,
        )

    def _broadcast_to(self, node: Node, args: Sequence[Expression], graph: Graph) -> Expression:
        return args[0]  # NumPy's arithmetic broadcasts by itself, and `fold` is told the shape of the graph

    def _tile(self, node: Node, args: Sequence[Expression], graph: Graph) -> Expression | None:
        own = self.algebra.shapes[args[0]]
        if not own:
            return args[0]  # smaller than in the graph, as zeros(...) are 0
        repeated = node.shape is not None and len(node.shape) == len(own)
        same = repeated and all(dim in (1, size) for dim, size in zip(own, node.shape or (), strict=True))
        return args[0] if same else None

    def _zeros_like(self, node: Node, args: Sequence[Expression], graph: Graph) -> Expression:
        return self.algebra.number(0)

    def _ones_like(self, node: Node, args: Sequence[Expression], graph: Graph) -> Expression:
        return self.algebra.number(1)

    def _full(self, node: Node, args: Sequence[Expression], graph: Graph) -> Expression | None:
        return args[-1] if not self.algebra.shapes[args[-1]] else None

    def _matrix_set_diag(self, node: Node, args: Sequence[Expression], graph: Graph) -> Expression | None:
        """The diagonal replaced by a number."""
        a, (x, diagonal) = self.algebra, args
        if node.attrs.get("k") != 0 or a.shapes[diagonal] or node.shape is None or node.shape[-1] != node.shape[-2]:
            return None
        here = a.raw("diagonal", (), node.shape, text=str(node.shape[-1]))
        if a.value(x) == 0 and a.value(diagonal) == 1:
            return here
        return a.elementwise("where", here, diagonal, x)

    def _strided_slice(self, node: Node, args: Sequence[Expression], graph: Graph) -> Expression | None:
        begin, end, strides = (node.attrs.get(name) for name in ("begin", "end", "strides"))
        if not (isinstance(begin, tuple) and isinstance(end, tuple) and isinstance(strides, tuple)):
            return None
        if node.shape is None or self.algebra.shapes[args[0]] != graph[node.args[0]].shape:
            return None

        def masked(name: str, place: int) -> bool:
            return bool(int(str(node.attrs.get(name) or 0)) >> place & 1)

        index: list[IndexPart] = []
        for place, (low, high, step) in enumerate(zip(begin, end, strides, strict=True)):
            if not all(isinstance(one, int) for one in (low, high, step)):
                return None
            if masked("ellipsis_mask", place):
                index.append(Ellipsis)  # pyright: ignore[reportArgumentType]  # goes to NumPy as it is
            elif masked("new_axis_mask", place):
                index.append(None)
            elif masked("shrink_axis_mask", place):
                index.append(int(str(low)))
            else:
                ends = (
                    None if masked("begin_mask", place) else int(str(low)),
                    None if masked("end_mask", place) else int(str(high)),
                )
                index.append(slice(*ends, None if step == 1 else int(str(step))))
        return self.algebra.index(args[0], tuple(index), node.shape)

    def _slice(self, node: Node, args: Sequence[Expression], graph: Graph) -> Expression | None:
        begin, size = node.attrs.get("begin"), node.attrs.get("size")
        if not isinstance(begin, tuple) or not isinstance(size, tuple) or node.shape is None:
            return None
        index: list[IndexPart] = []
        for low, count in zip(begin, size, strict=True):
            if not isinstance(low, int) or not isinstance(count, int):
                return None
            index.append(slice(low or None, None if count == -1 else low + count))
        return self.algebra.index(args[0], tuple(index), node.shape)

    # ---- choices ---------------------------------------------------------------------------------------------

    def _where(self, node: Node, args: Sequence[Expression]) -> Expression | None:
        if len(args) != 3:
            return None
        condition, yes, no = args
        a = self.algebra
        if node.attrs.get("rows") and len(a.shapes[condition]) == 1 and len(node.shape or ()) > 1:
            extra = len(node.shape or ()) - 1
            condition = a.index(condition, (slice(None), *[None] * extra), (*a.shapes[condition], *[1] * extra))
        return self._chosen(condition, yes, no)

    def _chosen(self, condition: Expression, yes: Expression, no: Expression) -> Expression:
        known = decided(self.algebra, condition, yes, no, self._values)
        return known if known is not None else self.algebra.elementwise("where", condition, yes, no)

    def _cond(self, node: Node, given: Sequence[Symbol]) -> Symbol | None:
        """A choice between two bodies, of which each is inlined."""
        if len(node.bodies) != 2 or not isinstance(given[0], Expression):
            return None
        results: list[Symbol] = []
        for body in node.bodies:
            arguments = {place: given[1:][number] for number, place in enumerate(body.inputs)}
            reading = interpret(body, self, arguments)
            results.append(tuple(_expression(reading[out]) for out in body.outputs))
        no, yes = (result if isinstance(result, tuple) else (result,) for result in results)
        chosen = tuple(self._chosen(given[0], one, other) for one, other in zip(yes, no, strict=True))
        return chosen if node.dtype == "tuple" else chosen[0]


def _expression(symbol: Symbol) -> Expression:
    return symbol if isinstance(symbol, Expression) else symbol[0]


def _moves_ones(x: Expression) -> bool:
    return all(part is None or (isinstance(part, int) and part == 0) or part == slice(None) for part in x.index)
