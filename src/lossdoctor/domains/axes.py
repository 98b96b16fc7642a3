"""Where every axis comes from, and which broadcasts nobody wrote.

The symbolic dimension says which axis carries the batch ("B"); the origin of an axis of size 1 says whether
somebody asked for it. A pair of shapes alone cannot tell `x[:, None] - x` from an accident.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from lossdoctor.domains.dependence import Dependence, dependence
from lossdoctor.domains.interpret import Reading, interpret
from lossdoctor.graph.dims import of_batch
from lossdoctor.graph.ir import Dim, Graph, LossGraph, Node
from lossdoctor.ops import TABLE

Origin = Literal[
    "input",  # an axis of y_true or y_pred as the spec gives it
    "constant",  # of a constant or a variable
    "explicit",  # made by expand_dims, newaxis, stack or a reshape
    "kept",  # left by a reduction with keepdims
    "sliced",  # a part of a longer axis
    "computed",  # anything else
]
# What an elementwise result takes from aligned axes of size 1, first that occurs.
_PRECEDENCE: tuple[Origin, ...] = ("sliced", "kept", "explicit", "computed", "input", "constant")

_COMPARING = frozenset({"subtract", "squared_difference"})
_RESHAPES = frozenset({"reshape", "expand_dims", "squeeze", "ensure_shape"})
_SLICES = frozenset({"slice", "strided_slice", "take", "item"})
_KEEPS_RANK = frozenset({"astype", "identity", "stop_gradient", "check_numerics", "flip", "roll", "pad", "concat"})


_MASK_MOVES = frozenset({"astype", "expand_dims", "reshape", "strided_slice", "identity", "stop_gradient"})


@dataclass(frozen=True, slots=True)
class Axis:
    dim: Dim
    origin: Origin

    @property
    def batch(self) -> bool:
        """Whether the axis grows with the batch."""
        return of_batch(self.dim)

    @property
    def named(self) -> bool:
        return isinstance(self.dim, str) and self.dim != "?"


Axes = tuple[Axis, ...] | None  # None: unknown rank


@dataclass(frozen=True, slots=True)
class Broadcast:
    """One operation whose operands of different shapes were stretched implicitly."""

    node: int
    left: int  # the operand nodes
    right: int
    left_shape: tuple[Dim, ...]
    right_shape: tuple[Dim, ...]
    shape: tuple[Dim, ...]
    accidental: bool  # a batch (or named) axis was moved against another axis by left-padding
    why: str  # one clause in terms of shapes
    stretch: bool = False  # equal ranks: one target value is compared with several outputs


class AxesDomain:
    """`interpret`'s domain of axes; where it knows nothing, the shape of the node still names the dims."""

    name = "axes"

    def top(self, node: Node) -> Axes:
        return _plain(node, "computed")

    def transfer(self, node: Node, args: Sequence[Axes], graph: Graph) -> Axes:
        if node.shape is None:
            return None
        if node.op in ("constant", "variable", "dims"):
            return _plain(node, "constant")
        first = args[0] if args else None
        row = TABLE.by_name.get(node.op)
        kind = row.kind if row else ""
        if node.op in _KEEPS_RANK and first is not None and len(first) == len(node.shape):
            return _same_rank(node.shape, first, "computed")
        if kind == "elementwise":
            return _aligned(node.shape, args)
        if kind == "reduce":
            return _reduced(node, first)
        if node.op == "permute_dims":
            return _transposed(node, first)
        if node.op == "take" and len(args) > 1 and (taken := _taken(node, first, args[1])) is not None:
            return taken
        if node.op in _SLICES:
            return _sliced(node, first)
        if node.op == "stack":
            return _created(node.shape, first)
        if node.op in _RESHAPES:
            return _created(node.shape, first)
        if kind == "scan" and first is not None and len(first) == len(node.shape):
            return _same_rank(node.shape, first, "computed")
        return _plain(node, "computed")


def axes(loss: LossGraph) -> Reading[Axes]:
    """The axes of every node."""
    inputs: dict[int, Axes] = {place: _plain(loss[place], "input") for place in (*loss.y_true, *loss.y_pred)}
    return interpret(loss.graph, AxesDomain(), inputs)


def _plain(node: Node, origin: Origin) -> Axes:
    return None if node.shape is None else tuple(Axis(dim, origin) for dim in node.shape)


def _same_rank(shape: tuple[Dim, ...], source: tuple[Axis, ...], changed: Origin) -> Axes:
    return tuple(axis if axis.dim == dim else Axis(dim, changed) for dim, axis in zip(shape, source, strict=True))


def _aligned(shape: tuple[Dim, ...], args: Sequence[Axes]) -> Axes:
    """Elementwise: an axis is that of the operand which has its size; of several of size 1, by precedence."""
    result: list[Axis] = []
    for back in range(len(shape), 0, -1):
        dim = shape[-back]
        meeting = [arg[-back] for arg in args if arg is not None and len(arg) >= back]
        same = [axis.origin for axis in meeting if axis.dim == dim]
        order: list[Origin] = [origin for origin in _PRECEDENCE if origin in same] or ["computed"]
        result.append(Axis(dim, order[0]))
    return tuple(result)


def _reduced(node: Node, source: Axes) -> Axes:
    shape = node.shape
    assert shape is not None
    if source is None:
        return _plain(node, "computed")
    if len(source) == len(shape):  # keepdims
        return tuple(
            axis if axis.dim == dim and dim != 1 else Axis(dim, "kept") for dim, axis in zip(shape, source, strict=True)
        )
    axis = node.attrs.get("axis")
    dropped = axis if isinstance(axis, tuple) else (axis,)
    gone = {place % len(source) for place in dropped if isinstance(place, int) and source}
    left = tuple(a for i, a in enumerate(source) if i not in gone)
    return left if tuple(a.dim for a in left) == shape else _plain(node, "computed")


def _transposed(node: Node, source: Axes) -> Axes:
    order = node.attrs.get("axes")
    if source is None or node.shape is None or len(source) != len(node.shape):
        return _plain(node, "computed")
    if isinstance(order, tuple) and all(isinstance(i, int) for i in order):
        moved = tuple(source[i] for i in order if isinstance(i, int))
        if tuple(axis.dim for axis in moved) == node.shape:
            return moved
    return _plain(node, "computed")


def _created(shape: tuple[Dim, ...], source: Axes) -> Axes:
    """Reshape and its kin: axes of the source in order where sizes agree; a new 1 was asked for.

    Left to right; a size-1 axis counts as the source's where the source has one at that place.
    """
    rest = list(source or ())
    result: list[Axis] = []
    for dim in shape:
        while rest and rest[0].dim == 1 and dim != 1:
            rest.pop(0)
        if rest and rest[0].dim == dim:
            result.append(rest.pop(0))
        else:
            result.append(Axis(dim, "explicit"))
    return tuple(result)


def _sliced(node: Node, source: Axes) -> Axes:
    """Slices: a 1 left of a longer axis was sliced; a 1 in a place where the source has no axis is new."""
    shape = node.shape
    assert shape is not None
    if source is None:
        return _plain(node, "computed")
    if len(source) == len(shape):
        return _same_rank(shape, source, "sliced")
    if len(source) > len(shape):
        origin: Origin = "sliced"
    else:
        origin = "explicit"
    rest = list(source)
    result: list[Axis] = []
    for dim in shape:
        match = next((i for i, axis in enumerate(rest) if axis.dim == dim), None)
        if match is None:
            result.append(Axis(dim, "explicit" if dim == 1 else origin))
        else:
            result.append(rest[match])
            del rest[: match + 1]
    return tuple(result)


def _taken(node: Node, source: Axes, indices: Axes) -> Axes:
    """Of a gather: the indices' axes in place of the one they choose from; None where the shape says otherwise."""
    axis, rows = node.attrs.get("axis", 0), node.attrs.get("batch_dims", 0)
    if not source or not indices or not isinstance(axis, int) or not isinstance(rows, int):
        return None
    axis %= len(source)
    found = (*source[:axis], *indices[rows:], *source[axis + 1 :])
    return found if tuple(axis.dim for axis in found) == node.shape else None


def broadcasts(loss: LossGraph, values: Reading[Dependence] | None = None) -> tuple[Broadcast, ...]:
    """Every implicit broadcast of the forward graph between operands that both depend on the data, in order.

    A pair of which one side has unknown dims is left out: nothing certain can be said about it. One operation
    appears once, with its worst pair of operands.
    """
    depends = values or dependence(loss)
    reading = axes(loss)
    found: list[Broadcast] = []
    for node in loss.where(role="forward"):
        row = TABLE.by_name.get(node.op)
        if row is None or row.kind != "elementwise" or len(node.args) < 2:
            continue
        if node.attrs.get("rows") is True:
            continue  # the old form of where: a vector that chooses whole rows
        pairs = [_pair(loss, node, a, b, reading, depends) for a, b in combinations(dict.fromkeys(node.args), 2)]
        known = [pair for pair in pairs if pair is not None]
        if known:
            found.append(max(known, key=lambda pair: (pair.accidental, pair.stretch)))
    return tuple(found)


def _pair(
    loss: LossGraph, node: Node, left: int, right: int, reading: Reading[Axes], depends: Reading[Dependence]
) -> Broadcast | None:
    a, b = reading[left], reading[right]
    if a is None or b is None or not a or not b:
        return None
    if any(axis.dim == "?" for axis in (*a, *b)) or not (depends[left].on_data and depends[right].on_data):
        return None
    dims_a, dims_b = tuple(axis.dim for axis in a), tuple(axis.dim for axis in b)
    if dims_a == dims_b:
        return None
    why, stretch = "", False
    masked = _masks_others(loss, node, left, right, reading) or _masks_others(loss, node, right, left, reading)
    if masked:
        why = masked
    elif len(a) < len(b):
        why = _accident(a, b, _same_data(depends[left], depends[right]))
    elif len(b) < len(a):
        why = _accident(b, a, _same_data(depends[left], depends[right]))
    elif node.op in _COMPARING:
        why = _one_target_many_outputs(loss, node, left, right, reading, depends)
        stretch = bool(why)
    shape = node.shape or _broadcast(dims_a, dims_b)
    return Broadcast(node.id, left, right, dims_a, dims_b, shape, bool(why) and not stretch, why, stretch)


def _masks_others(loss: LossGraph, node: Node, mask: int, values: int, reading: Reading[Axes]) -> str:
    """Why a mask (B, 1, T) of single samples that multiplies their values (B, T) is an accident; "" if it is none.

    `x[:, None, :] * y` makes pairs on purpose where both are vectors; a mask belongs to the sample it was made of.
    """
    high, low = reading[mask], reading[values]
    if node.op not in ("multiply", "where") or not high or not low or len(high) != len(low) + 1 or len(low) < 2:
        return ""
    middle = high[1].dim == 1 and high[1].origin == "explicit"
    if (
        not middle
        or not low[0].batch
        or (high[0].dim, *(axis.dim for axis in high[2:])) != tuple(axis.dim for axis in low)
    ):
        return ""
    source = loss[mask]
    while source.dtype != "bool" and source.op in _MASK_MOVES and source.args:
        source = loss[source.args[0]]
    if source.dtype != "bool":
        return ""
    return f"the mask ({_text(high)}) of each sample meets the samples of ({_text(low)}) on its axis of size 1"


def _same_data(a: Dependence, b: Dependence) -> bool:
    """Both sides come from the same inputs, as in a comparison of all pairs of one tensor's rows."""
    return a.y_true == b.y_true and a.y_pred == b.y_pred


def _accident(low: tuple[Axis, ...], high: tuple[Axis, ...], same_data: bool) -> str:
    """Why left-padding the operand of lower rank looks like an accident; "" where it does not.

    The operand of lower rank is given axes of size 1 on its left, so its leading axis, the batch, meets a later
    axis of the other. It is meant where somebody put an axis there for it: `x[:, None, :] - y` always;
    `x[..., None] - y` only between rows of the same tensor, since a trailing axis is what (B, 1) accidents have.
    """
    for place, mine in enumerate(low):
        back = len(low) - place
        other = high[-back]
        if mine.dim in (1, other.dim):
            continue
        # An axis other than the batch: only (T,) against (T, 1) is told from bins or channels.
        moved = other.dim == 1 and other.origin != "explicit" and any(axis.dim == mine.dim for axis in high)
        if not mine.batch and not moved:
            continue
        if other.dim == 1 and other.origin == "explicit" and (back > 1 or same_data):
            return ""
        if any(axis.dim == 1 and axis.origin == "explicit" for axis in low[:place]):
            return ""  # the author aligned the operand of lower rank by hand
        name = "batch axis" if mine.batch else f"axis {mine.dim}"
        against = "an axis of size 1" if other.dim == 1 else f"an axis of size {other.dim}"
        return f"the {name} of ({_text(low)}) meets {against} of ({_text(high)})"
    return ""


def _one_target_many_outputs(
    loss: LossGraph, node: Node, left: int, right: int, reading: Reading[Axes], depends: Reading[Dependence]
) -> str:
    """(B, 1) of y_true alone against (B, C) of y_pred, where nothing else says that this is meant."""
    for target, output in ((left, right), (right, left)):
        if depends[target].y_pred or not depends[target].y_true or not depends[output].y_pred:
            continue
        one, many = reading[target], reading[output]
        assert one is not None
        assert many is not None
        if one[-1].dim != 1 or many[-1].dim == 1 or one[-1].origin not in ("input", "explicit"):
            continue
        if any(x.dim != y.dim for x, y in zip(one[:-1], many[:-1], strict=True)):
            continue
        if not _has_own_factor(loss, node, output, many[-1].dim, depends):
            return f"each of the {many[-1].dim} outputs is compared with the same target"
    return ""


def _has_own_factor(loss: LossGraph, node: Node, output: int, size: Dim, depends: Reading[Dependence]) -> bool:
    """A later operation gives every output its own constant, as quantile losses do, or another part of the
    prediction, as mixtures of distributions do: then it is meant."""
    users: Mapping[int, tuple[int, ...]] = loss.graph.users()
    seen: set[int] = set()
    stack = [node.id]
    while stack:
        place = stack.pop()
        for user in users[place]:
            reader = loss[user]
            if user in seen or reader.role != "forward":
                continue
            seen.add(user)
            for arg in reader.args:
                other = loss[arg]
                if not other.shape or other.shape[-1] != size:
                    continue
                apart = depends[arg].y_pred and output not in loss.graph.ancestors(arg)
                if apart or other.op in ("constant", "variable"):
                    return True
            if reader.shape and reader.shape[-1] == size:
                stack.append(user)
    return False


def _broadcast(a: tuple[Dim, ...], b: tuple[Dim, ...]) -> tuple[Dim, ...]:
    """The shape of the result where the frontend did not say."""
    rank = max(len(a), len(b))
    one, two = (1,) * (rank - len(a)) + a, (1,) * (rank - len(b)) + b
    return tuple(y if x == 1 else x for x, y in zip(one, two, strict=True))


def _text(axes_: tuple[Axis, ...]) -> str:
    text = ", ".join(str(axis.dim) for axis in axes_)
    return text + "," if len(axes_) == 1 else text
