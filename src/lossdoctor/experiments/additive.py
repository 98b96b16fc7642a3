"""The additive terms of a loss as the user thinks of them: where the sum is split, and what each part is called.

The value of a loss is linear in its terms. The walk goes back from the value through reductions, scalings and sums.
It ends at what the user gave a name (a variable, a key, a function), so that a Kullback-Leibler term stays one term
although its formula is a sum too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from lossdoctor.domains.dependence import Dependence, dependence
from lossdoctor.domains.interpret import Reading
from lossdoctor.experiments.naming import Region, called, function_name, names_of, region_of, text_of
from lossdoctor.graph.ir import LossGraph, Node, Span

_SUMS = frozenset({"add", "add_n", "subtract", "concat", "stack"})
_REDUCTIONS = frozenset({"sum", "mean"})
_MOVES = frozenset(
    {"identity", "reshape", "squeeze", "expand_dims", "permute_dims", "broadcast_to", "tile", "slice", "strided_slice",
     "take", "flip", "roll", "pad", "astype", "check_numerics", "ensure_shape"}
)  # fmt: skip
_MOST = 64  # terms; a loss with more is a loop over something
Loop = tuple[tuple[str, object], ...]  # the targets of the loops around an operation, and what they held


@dataclass(frozen=True, slots=True)
class Part:
    """One term: the node that holds it, and what the user calls it."""

    node: int
    name: str
    span: Span | None
    depends: bool  # on y_pred
    connected: bool  # gradient reaches it from y_pred
    inside: tuple[str, ...] = ()  # the names of its own addends, where it is a sum itself


@dataclass(frozen=True)
class Additive:
    """The terms of a loss in the order of the source, and the nodes between them and the value.

    `expanded` says for each node on the way which of its arguments lead to terms.
    """

    parts: tuple[Part, ...]
    expanded: Mapping[int, tuple[int, ...]] = field(default_factory=dict[int, "tuple[int, ...]"])


def additive(
    loss: LossGraph, name: str, loops: Mapping[int, Loop] | None = None, has: Callable[[int], bool] = lambda _: True
) -> Additive:
    """Split a loss.

    Args:
        name: of the loss, for one that is no sum.
        loops: what the loops around a node held when it was made.
        has: whether a node can stand for a term (its tensor can be fetched).
    """
    return _Walk(loss, dependence(loss), loops or {}, has).run(name)


@dataclass
class _Walk:
    loss: LossGraph
    values: Reading[Dependence]
    loops: Mapping[int, Loop]
    has: Callable[[int], bool]
    leaves: dict[int, None] = field(default_factory=dict[int, None])
    expanded: dict[int, tuple[int, ...]] = field(default_factory=dict[int, "tuple[int, ...]"])

    def __post_init__(self) -> None:
        needed = self.loss.graph.ancestors(self.loss.value)
        self.users: dict[int, list[Node]] = {}
        for node in self.loss.nodes:
            if node.id in needed:
                for arg in node.args:
                    self.users.setdefault(arg, []).append(node)

    def run(self, name: str) -> Additive:
        place = self.loss.value
        trail: list[int] = []
        while True:  # down to the first sum
            found = self.split(place)
            if not found:
                self.leaves, self.expanded = {self.loss.value: None}, {}
                break
            self.expanded[place] = found
            trail.append(place)
            real = [arg for arg in found if not self.constant(arg)]
            if len(real) != 1 or len(found) != 1:
                if len(real) < 2:
                    self.leaves, self.expanded = {self.loss.value: None}, {}
                else:
                    for arg in found:
                        self.visit(arg, top=True)
                break
            place = real[0]
        if len(self.leaves) < 2:
            value = self.values[self.loss.value]
            span = self.place_of(self.loss.value)
            return Additive((Part(self.loss.value, name, span, bool(value.y_pred), value.connected),))
        return Additive(tuple(self.named()), self.expanded)

    # ---- where the sum is split

    def visit(self, place: int, *, top: bool) -> None:
        """Add the terms of one addend."""
        found = self.split(place)
        if self.zero(place):
            return
        if not found or len(self.leaves) >= _MOST or not self.opens(place, found, top):
            self.leaves[place] = None
            return
        self.expanded[place] = found
        for arg in found:
            # Below a reduction only what the user named is a term of its own.
            self.visit(arg, top=top and self.loss[place].op not in _REDUCTIONS)

    def opens(self, place: int, found: tuple[int, ...], top: bool) -> bool:
        """Whether the walk goes on below a node, or that node is a term."""
        node = self.loss[place]
        if len(found) == 1:
            fixed = self.scaling(node) and not any(self.values[arg].on_data for arg in node.args if arg not in found)
            fixed = fixed and not self.inside_library(place, found)
            if self.given(place) or self.of_function(place):
                return fixed and bool(self.given(found[0]) or self.of_function(found[0]))
            return (fixed and top) or self.productive(found[0])
        real = [arg for arg in found if not self.constant(arg)]
        if len(real) < 2:
            return False
        titled = [bool(self.titled(arg)) for arg in real]
        if self.of_function(place):
            # What a function only adds up was made before it was called.
            return any(not self.within(arg, place) for arg in real)
        if self.given(place):
            return all(titled)
        return (top and not self.accumulated(place)) or self.accumulated(place) or all(titled)

    def productive(self, place: int) -> bool:
        """Whether below a reduction or a move there is a sum of things with names."""
        for _ in range(16):
            found = self.split(place)
            if not found:
                return False
            if self.given(place) or self.of_function(place):
                return False
            real = [arg for arg in found if not self.constant(arg)]
            if len(real) > 1:
                return all(self.titled(arg) for arg in real)
            if not real:
                return False
            place = real[0]
        return False

    def split(self, place: int) -> tuple[int, ...]:
        """The arguments in which a node is linear, if it is a sum, a scaling, a reduction or a move."""
        loss, values = self.loss, self.values
        node = loss[place]
        if not values[place].y_pred or not node.args or not node.dtype.startswith(("float", "bfloat")):
            return ()
        args = tuple(arg for arg in node.args if loss[arg].op != "dims")
        found: tuple[int, ...] = ()
        if node.op in _SUMS:
            found = tuple(arg for arg in args if not self.zero(arg))  # 0 + a, as `sum` begins
        elif node.op == "negative" or node.op in _REDUCTIONS:
            found = args[:1]
        elif node.op in ("divide", "divide_no_nan"):
            found = () if values[node.args[1]].y_pred or not args else args[:1]  # sizes are no arguments here
        elif node.op == "multiply":
            free = [arg for arg in args if values[arg].y_pred]
            found = tuple(free) if len(free) == 1 and len(set(node.args)) == 2 else ()
        elif node.op == "matmul":
            free = [arg for arg in args if values[arg].y_pred]
            found = tuple(free) if len(free) == 1 else ()
        elif node.op in _MOVES and not any(values[arg].y_pred for arg in args[1:]):
            found = args[:1]
        if any(not loss[arg].dtype.startswith(("float", "bfloat")) for arg in found):
            return ()
        if len(found) > 1 and any(self.raw(arg) for arg in found):
            return ()  # an error or a ratio of the data, no sum of terms
        if len(found) > 1 and self.inside_library(place, found):
            return ()
        return found if all(map(self.has, (place, *found))) else ()

    def inside_library(self, place: int, found: tuple[int, ...]) -> bool:
        """Whether a node and what it is made of are one expression of the user's: a call of a library."""
        here = _key(self.loss[place].calls)
        return bool(here) and all(_key(self.loss[arg].calls) == here for arg in found if not self.constant(arg))

    def raw(self, place: int) -> bool:
        """An input as it is, or what depends on y_true alone."""
        value = self.values[place]
        if value.y_true and not value.y_pred:
            return True
        node = self.loss[place]
        for _ in range(16):
            if node.op == "input":
                return True
            if node.op not in _MOVES or not node.args:
                return False
            node = self.loss[node.args[0]]
        return False

    def scaling(self, node: Node) -> bool:
        return node.op in ("multiply", "divide", "divide_no_nan", "negative", *_SUMS) or node.op in _MOVES

    def constant(self, place: int) -> bool:
        return not self.values[place].sources

    def zero(self, place: int) -> bool:
        held = self.loss[place].constant if self.loss[place].op == "constant" else None
        return held is not None and held.dtype.kind in "fiu" and not np.any(held)

    # ---- what the user calls a node

    def results(self, place: int) -> Iterator[tuple[int, Span]]:
        """The expressions whose value a node is, outermost first, with the depth of their frame."""
        calls = self.loss[place].calls
        users = [user.calls for user in self.users.get(place, ())]
        for depth, span in enumerate(calls):
            here = _key(calls[: depth + 1])
            if not any(_key(other[: depth + 1]) == here for other in users if len(other) > depth):
                yield depth, span

    def given(self, place: int) -> str:
        """The name of the variable, key or argument, at the outermost frame that gives one; not of one that adds
        up."""
        return next(iter(self.names(place)), "")

    def accumulated(self, place: int) -> bool:
        """Whether the value goes into a variable that is assigned again and again."""
        calls = self.loss[place].calls
        if not calls:
            return False
        found = names_of(calls[-1].path).given.get(region_of(calls[-1]))
        return found is not None and found.accumulates

    def names(self, place: int) -> Iterator[str]:
        """All names that a node has, outermost first."""
        for depth, span in self.results(place):
            source = names_of(span.path)
            found = source.given.get(region_of(span))
            if found is not None and not found.accumulates and found.name:
                yield found.name
            unpacked = source.unpacked.get(region_of(span), ())
            index = self._returned(place, depth + 1) if unpacked else None
            if index is not None and index < len(unpacked) and unpacked[index]:
                yield unpacked[index]

    def _returned(self, place: int, depth: int) -> int | None:
        """The place in the tuple that the function of a frame returns, by the expression or by its variable's name."""
        calls = self.loss[place].calls
        if depth >= len(calls):
            return None
        span = calls[depth]
        source = names_of(span.path)
        found = source.returned.get(region_of(span))
        if found is not None:
            return found
        name = source.given.get(region_of(span))
        if name is None:
            return None
        wanted = [
            (region, index)
            for region, index in source.returned.items()
            if region[0] >= span.line and text_at(span.path, region) == name.name
        ]
        return min(wanted)[1] if wanted else None

    def of_function(self, place: int) -> str:
        """The user's function whose result a node is."""
        calls = self.loss[place].calls
        for depth, span in self.results(place):
            if depth + 1 < len(calls):
                name = function_name(calls[depth + 1]) or called(span)
                if name:
                    return name
        return ""

    def of_library(self, place: int) -> str:
        """The library's function that the user called for it."""
        calls = self.loss[place].calls
        found = [(depth, span) for depth, span in self.results(place) if depth == len(calls) - 1]
        return called(found[0][1]) if found else ""

    def titled(self, place: int) -> str:
        """A name by assignment or function, of the node or of what it scales, reduces or moves."""
        for _ in range(16):
            name = self.given(place) or self.of_function(place) or self.of_library(place)
            if name:
                return name
            found = self.split(place)
            if len(found) != 1:
                return ""
            place = found[0]
        return ""

    def within(self, place: int, call: int) -> bool:
        """Whether a node was made inside the call whose result another node is."""
        depths = [depth for depth, _ in self.results(call) if depth + 1 < len(self.loss[call].calls)]
        if not depths:
            return False
        here = _key(self.loss[call].calls[: depths[0] + 1])
        return _key(self.loss[place].calls[: depths[0] + 1]) == here

    def place_of(self, place: int) -> Span | None:
        """The expression of a term: in the outermost frame in which it is one alone."""
        found = list(self.results(place))
        for depth, span in found:
            here = _key(self.loss[place].calls[: depth + 1])
            others = (_key(self.loss[other].calls[: depth + 1]) for other in self.leaves if other != place)
            if here not in others:
                return span
        return found[0][1] if found else self.loss[place].span

    def named(self) -> Iterator[Part]:
        """The terms in the order of the source, each with a name of its own."""
        leaves = sorted(self.leaves, key=self._order)  # loops: as they were made
        choices = [list(dict.fromkeys(self._choices(place))) for place in leaves]
        chosen = [options[0] for options in choices]
        # The same name twice: a deeper frame may tell them apart, else the loops around them, else numbers.
        for name in [name for name in dict.fromkeys(chosen) if chosen.count(name) > 1]:
            same = [i for i, other in enumerate(chosen) if other == name]
            deeper = [next((o for o in choices[i][1:] if o not in chosen), "") for i in same]
            looped = [self._looped(leaves[i], name) for i in same]
            for options in (looped, deeper, [f"{name}[{k}]" for k in range(len(same))]):
                if all(options) and len(set(options)) == len(options):
                    for i, option in zip(same, options, strict=True):
                        chosen[i] = option
                    break
        for place, name in zip(leaves, chosen, strict=True):
            value = self.values[place]
            inside = tuple(self._inside(place))
            yield Part(place, name, self.place_of(place), bool(value.y_pred), value.connected, inside)

    def _order(self, place: int) -> tuple[object, ...]:
        span = self.place_of(place)
        home = names_home(self.loss)
        return (span is None or span.path != home, span.line if span else 0, span.column if span else 0, place)

    def _choices(self, place: int) -> Iterator[str]:
        yield from self.names(place)
        yield from (value for _, value in reversed(self.loops.get(place, ())) if isinstance(value, str) and value)
        name = self.of_function(place) or self.of_library(place)
        if name:
            yield name
        below = self.titled(place)
        if below:
            yield below
        node = self.loss[place]
        if node.op == "constant" and node.constant is not None and node.constant.size == 1 and not node.calls:
            yield f"{float(node.constant.reshape(-1)[0]):g}"
        span = self.place_of(place)
        yield text_of(span) if span is not None and span.text else self._nameless(node)

    def _nameless(self, node: Node) -> str:
        if node.op == "constant" and node.constant is not None and node.constant.size == 1:
            return f"{float(node.constant.reshape(-1)[0]):g}"
        return node.name or node.op

    def _looped(self, place: int, name: str) -> str:
        held = self.loops.get(place, ())
        numbers = [(key, f"{value:g}") for key, value in held if isinstance(value, int | float)]
        text = name
        for key, number in numbers:
            text = re.sub(rf"\b{re.escape(key)}\b", number, text)
        if text != name:
            return text  # log_vars[0] of log_vars[i]
        return f"{name}[{', '.join(f'{key}={number}' for key, number in numbers)}]" if numbers else ""

    def _inside(self, place: int) -> Iterator[str]:
        for _ in range(16):
            found = self.split(place)
            real = [arg for arg in found if not self.constant(arg)]
            if len(real) > 1:
                names = [self.titled(arg) for arg in real]
                if all(names):
                    yield from names
                return
            if not real:
                return
            place = real[0]


def text_at(path: str, region: Region) -> str:
    """The text of a region on one line."""
    import linecache

    line, column, end_line, end_column = region
    return linecache.getline(path, line)[column - 1 : end_column - 1] if line == end_line else ""


def names_home(loss: LossGraph) -> str:
    """The file of the loss: that of the outermost frame of its value."""
    calls = loss[loss.value].calls
    return calls[0].path if calls else ""


def _key(calls: tuple[Span, ...]) -> tuple[tuple[str, Region], ...]:
    return tuple((span.path, region_of(span)) for span in calls)
