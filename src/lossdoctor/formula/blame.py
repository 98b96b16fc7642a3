"""The place in the loss that differs from its formula.

Every node of the graph is compared with every part of the formula at several inputs. A node that equals a part is
right. The strongest evidence against one is a repair: with the value of some part of the formula put in its place,
the whole loss equals the formula. The first such node is where the loss departs, unless what it is computed from
already equals nothing in the formula.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lossdoctor.formula.expression import Expression
from lossdoctor.formula.meaning import Meaning
from lossdoctor.formula.repairs import Same, branches, by_value, constants, reductions
from lossdoctor.formula.stabilisers import computed, value_of
from lossdoctor.graph.ir import LossGraph, Node, Span
from lossdoctor.session import Array, Pair
from lossdoctor.spec import Contract

_POINTS = 6
_REPAIRS = 600  # combinations of node and part that are tried
_RTOL = 1e-5
_TRIVIAL = ("number", "input", "index")
# Nodes that only move what they are given: never to blame.
_MOVING = frozenset(
    {"identity", "astype", "reshape", "squeeze", "expand_dims", "broadcast_to", "stop_gradient", "item", "ensure_shape"}
)


@dataclass(frozen=True, slots=True)
class Blamed:
    """`expected`: what should stand there instead, "" where that is not known."""

    node: Node
    expected: str = ""


def blamed(
    wide: LossGraph,
    meaning: Meaning,
    contract: Contract,
    pairs: Sequence[Pair],
    same: Same,
) -> Blamed | None:
    """The node that departs from the formula; None where the machine cannot tell.

    Args:
        wide: the forward graph, widened to float64.
        pairs: inputs of one shape at which loss and formula were compared; the first differs.
        same: `same(value of the loss, pair)`, whether a value equals the formula's at a pair.
    """
    given = [*pairs[:_POINTS], *[pair for pair in pairs[_POINTS:] if _shape(pair) != _shape(pairs[0])][:2]]
    mends = by_value(wide, contract, given, same)
    pairs = _alike(pairs)[:_POINTS]
    held = [computed(wide, contract, pair) for pair in pairs]
    parts = [meaning.parts(pair) for pair in pairs]
    reached = wide.graph.ancestors(wide.value)
    nodes = [
        node
        for node in wide.nodes
        if node.id in reached and node.role == "forward" and node.op not in ("constant", "variable", "dims")
        and all(isinstance(values[node.id], np.ndarray | np.generic) for values in held)
        and (node.dtype == "bool" or node.dtype == "float64")
    ]  # fmt: skip
    if not any(node.id == wide.value for node in nodes):
        return None
    columns = {node.id: [np.asarray(values[node.id]) for values in held] for node in nodes}
    table = {part: [values[part] for values in parts] for part in parts[0] if all(part in v for v in parts)}
    right = {node.id for node in nodes if node.op == "input" or _known(columns[node.id], table, scaled=False)}
    # p - t for t - p: what follows decides whether the sign matters.
    right |= {
        node.id
        for node in nodes
        if node.op == "subtract" and _known([-one for one in columns[node.id]], table, scaled=False)
    }
    right.discard(wide.value)
    near = right | {node.id for node in nodes if _known(columns[node.id], table, scaled=True)}
    if len(table) < 2:  # a reference that cannot be taken apart
        changed = constants(wide, meaning.numbers, mends) or reductions(wide, contract, mends)
        return None if changed is None else Blamed(changed.node, changed.expected)
    exchanged = branches(wide, contract, mends)  # too special a change to mend by chance
    if exchanged is not None:
        return Blamed(exchanged.node, exchanged.expected)
    repair = _repair(wide, contract, pairs, nodes, right, columns, table, same)
    if repair is not None:
        repair = _in_helper(repair, wide, contract, pairs, right, columns, table, same)
    start = wide[wide.value] if repair is None else repair.node
    suspects = _suspects(wide, start, {node.id for node in nodes}, right, near)
    if repair is not None and (not suspects or start in suspects):
        return repair
    # Inputs of other shapes as well: a factor of 3 may be the batch size or another axis.
    changed = constants(wide, meaning.numbers, mends) or reductions(wide, contract, mends)
    if changed is not None:
        return Blamed(changed.node, changed.expected)
    if repair is not None:
        return Blamed(suspects[0]) if len(suspects) == 1 else repair
    return Blamed(suspects[-1] if suspects else _with_place(wide, start))


def _alike(pairs: Sequence[Pair]) -> list[Pair]:
    """Those of the shape of the first."""
    return [pair for pair in pairs if _shape(pair) == _shape(pairs[0])]


def _shape(pair: Pair) -> tuple[int, ...] | None:
    return pair.y_pred.shape if isinstance(pair.y_pred, np.ndarray) else None


def _known(values: list[Array], table: dict[Expression, list[Array]], *, scaled: bool) -> bool:
    """Whether some part of the formula has these values at every input (up to a constant factor if `scaled`)."""
    if _constant(values) and not scaled:
        return False
    return any(
        _equal(values, wanted, scaled=scaled) for part, wanted in table.items() if part.op != "number" and wanted
    )


def _constant(values: list[Array]) -> bool:
    """Whether every element is the same number at all inputs, so that equality says nothing."""
    joined = np.concatenate([np.asarray(one, np.float64).reshape(-1) for one in values])
    return joined.size == 0 or bool(np.all(joined == joined[0]))


def _equal(values: list[Array], wanted: list[Array], *, scaled: bool) -> bool:
    factor: float | None = 1.0 if not scaled else None
    for left, right in zip(values, wanted, strict=True):
        if left.dtype == bool and right.dtype == bool and factor == 1.0:
            if _plain_shape(left) != _plain_shape(right) or not np.array_equal(left.reshape(-1), right.reshape(-1)):
                return _opposite(values, wanted)
            continue
        if _plain_shape(left) != _plain_shape(right):
            return False
        a, b = left.astype(np.float64).reshape(-1), right.astype(np.float64).reshape(-1)
        size = float(np.max(np.abs(b), initial=0.0))
        if factor is None and size > 0 and np.isfinite(size):
            place = int(np.argmax(np.abs(b)))
            factor = float(a[place] / b[place])
            if factor == 0:
                return False
        if not np.allclose(
            a, b * (factor or 0.0), rtol=_RTOL, atol=_RTOL * max(size * abs(factor or 0.0), 1e-12), equal_nan=True
        ):
            return False
    return factor is not None


def _opposite(values: list[Array], wanted: list[Array]) -> bool:
    """A condition written the other way round, with the branches exchanged."""
    return all(
        left.dtype == right.dtype == bool
        and _plain_shape(left) == _plain_shape(right)
        and np.array_equal(left.reshape(-1), ~right.reshape(-1))
        for left, right in zip(values, wanted, strict=True)
    )


def _plain_shape(value: Array) -> tuple[int, ...]:
    """The shape without axes of size 1."""
    return tuple(size for size in value.shape if size != 1)


def _repair(
    wide: LossGraph,
    contract: Contract,
    pairs: Sequence[Pair],
    nodes: Sequence[Node],
    right: set[int],
    columns: dict[int, list[Array]],
    table: dict[Expression, list[Array]],
    same: Same,
) -> Blamed | None:
    """The first node whose replacement by a part of the formula mends the loss at every input."""
    tried = 0
    for node in nodes:
        if node.id in right or node.id == wide.value or node.op in _MOVING or node.op == "input":
            continue
        for part, wanted in table.items():
            if part.op in _TRIVIAL or not all(
                _plain_shape(a) == _plain_shape(b) and (a.dtype == bool) == (b.dtype == bool)
                for a, b in zip(columns[node.id], wanted, strict=True)
            ):
                continue
            tried += 1
            if tried > _REPAIRS:
                return None
            if all(
                _mended(wide, contract, pair, {node.id: put.reshape(has.shape)}, same)
                for pair, put, has in zip(pairs, wanted, columns[node.id], strict=True)
            ):
                return Blamed(node, f"`{part.text}`" if part.text else "")
    return None


def _in_helper(
    repair: Blamed,
    wide: LossGraph,
    contract: Contract,
    pairs: Sequence[Pair],
    right: set[int],
    columns: dict[int, list[Array]],
    table: dict[Expression, list[Array]],
    same: Same,
) -> Blamed:
    """The line of a helper that y_true and y_pred both go through, where putting a part of the formula in the place
    of what each of the two calls gives mends the loss as well; else the repair as it is."""
    wrong = [wide[arg] for arg in dict.fromkeys(repair.node.args) if arg in columns and arg not in right]
    if len(wrong) != 2 or any(not one.calls for one in wrong):
        return repair
    inner = {(one.calls[-1].path, one.calls[-1].line, one.calls[-1].column) for one in wrong}
    if len(inner) != 1 or wrong[0].calls == wrong[1].calls or wrong[0].op in _MOVING:
        return repair
    first, second = wrong
    fitting = [
        [(part, wanted) for part, wanted in table.items() if part.op not in _TRIVIAL and _fits(columns[one.id], wanted)]
        for one in wrong
    ]
    tried = itertools.islice(itertools.product(*fitting), _REPAIRS)
    for (part, one), (_, two) in tried:
        if all(
            _mended(wide, contract, pair, {first.id: a.reshape(has.shape), second.id: b.reshape(had.shape)}, same)
            for pair, a, b, has, had in zip(pairs, one, two, columns[first.id], columns[second.id], strict=True)
        ):
            return Blamed(first, f"`{part.text}`" if part.text else "")
    return repair


def _fits(values: list[Array], wanted: list[Array]) -> bool:
    return all(_plain_shape(a) == _plain_shape(b) for a, b in zip(values, wanted, strict=True))


def _mended(wide: LossGraph, contract: Contract, pair: Pair, override: dict[int, Array], same: Same) -> bool:
    value = value_of(wide, contract, pair, override)
    return value is not None and bool(same(value, pair))


def _suspects(wide: LossGraph, start: Node, known: set[int], right: set[int], near: set[int]) -> list[Node]:
    """Among what `start` is computed from, the nodes that equal nothing while all their arguments are right."""
    found: dict[int, Node] = {}
    seen: set[int] = set()
    stack = [start.id]
    while stack:
        place = stack.pop()
        if place in seen or place in right or place not in known:
            continue
        seen.add(place)
        node = wide[place]
        if place in near and place != start.id:
            continue
        open_args = [arg for arg in node.args if arg in known and arg not in right and arg not in near]
        if not open_args and node.op not in _MOVING:
            found[place] = node
        stack.extend(open_args)
    return [found[place] for place in sorted(found)]


def _with_place(wide: LossGraph, node: Node) -> Node:
    """The node, or the first before it whose line is known."""
    while not node.calls and node.args:
        node = wide[node.args[0]]
    return node


def place_of(loss: LossGraph, found: Blamed) -> tuple[Span, ...]:
    """The user's frames of the blamed node."""
    return loss.calls(found.node)
