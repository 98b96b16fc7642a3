"""Does a compiled loss follow the Python state that it reads?

`fit` traces a loss once: a Python number that it reads, or a number that NumPy draws, is a constant from then
on. Each number that the source reads is changed; where the eager value follows and the traced one does not, it is
frozen. That is a fault only if some code changes the number during training.
"""

from __future__ import annotations

import ast
import inspect
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from lossdoctor.graph.ir import Span
from lossdoctor.graph.spans import make
from lossdoctor.probes.calls import Caller, Subject, caller
from lossdoctor.probes.draws import pair as draw_pair
from lossdoctor.probes.growth import grown
from lossdoctor.readings import Frozen, FrozenDraw, FrozenList, FrozenState
from lossdoctor.session import Array, Pair
from lossdoctor.source.parsed import parsed_file
from lossdoctor.source.python_state import Definition, Place, State, Usage, additions, draws, usages
from lossdoctor.spec import Contract

MOST_STATES = 16
_TICK = 0.05  # seconds


def probe(subject: Subject, contract: Contract, *, seed: int = 0) -> Frozen:
    """Change what the loss reads, and call it eagerly and traced."""
    rng = np.random.default_rng(seed)
    source = source_of(subject)
    if source is None:
        return Frozen(False, "its source is not available")
    found = grown(subject, contract, additions(source.tree, source.definition), source.namespace)
    if found is not None:  # eager calls after tracing meet the symbolic tensor: nothing else can be told apart
        return Frozen(True, grows=FrozenList(found[0], span_of(source, found[1])))
    used = usages(source.tree, source.definition)
    cells = [cell for cell in (_cell(state, source) for state in used) if cell is not None][:MOST_STATES]
    drawn = next(iter(draws(source.tree, source.definition)), None)
    if not cells and drawn is None:
        return Frozen(True)
    call = caller(subject, contract, rng)
    if call is None:
        return Frozen(False, "the loss does not accept ordinary inputs of its specs")
    runs = _Runs(call, call.compiled(), draw_pair(contract, rng, call.sizes), cells)
    try:
        eager, graph = (runs.eager(), runs.eager()), (runs.graph(), runs.graph())
    except Exception as problem:  # the loss is the user's: anything may be raised
        return Frozen(False, f"it cannot be traced: {type(problem).__name__}")
    if not _same(*graph):
        return Frozen(False, "two traced calls with the same input differ")
    if drawn is not None and np.array_equal(*eager):  # a clock may not have moved yet
        time.sleep(_TICK)
        eager = eager[0], runs.eager()
    if not (_same(*eager) if drawn is None else np.array_equal(*eager, equal_nan=True)):
        span = span_of(source, drawn) if drawn else None
        return Frozen(True, draw=FrozenDraw(_means(eager), _means(graph), span))
    changing = runs.changed_by_call()
    states = [
        _examine(runs, cell, used[cell.state], eager[0], graph[0], source, cell.state in changing) for cell in cells
    ]
    return Frozen(
        True,
        states=tuple(state for state in states if state is not None),
        examined=tuple(cell.state.name for cell in cells),
    )


@dataclass(frozen=True)
class Source:
    """The file of the loss, and the live objects that its names mean."""

    path: str
    tree: ast.Module
    definition: Definition
    namespace: Mapping[str, Any]
    instance: Any
    closure: Mapping[str, Any]  # the cells of its own function, by name


@dataclass(frozen=True)
class _Cell:
    """One number in a table: an instance's, a module's or the user's own."""

    state: State
    table: Any
    key: Any

    @property
    def value(self) -> Any:
        return self.table[self.key]


@dataclass(frozen=True)
class _Runs:
    """Calls with the same input that leave the state as it was."""

    call: Caller
    compiled: Caller
    pair: Pair
    cells: list[_Cell]

    def eager(self, cell: _Cell | None = None, value: object = None) -> Array:
        """As Python runs it, also what the user has decorated with `tf.function`."""
        import tensorflow as tf

        before = tf.config.functions_run_eagerly()
        tf.config.run_functions_eagerly(True)
        try:
            return self._run(self.call, cell, value)
        finally:
            tf.config.run_functions_eagerly(before)

    def graph(self, cell: _Cell | None = None, value: object = None) -> Array:
        return self._run(self.compiled, cell, value)

    def _run(self, call: Caller, cell: _Cell | None, value: object) -> Array:
        with self._restored():
            if cell is not None:
                cell.table[cell.key] = value
            return call.value(self.pair)

    def changed_by_call(self) -> set[State]:
        """The states that a call itself changes."""
        before = {cell.state: np.copy(cell.value) for cell in self.cells}
        with self._restored():
            self.call.value(self.pair)
            return {cell.state for cell in self.cells if not np.array_equal(before[cell.state], cell.value)}

    @contextmanager
    def _restored(self) -> Iterator[None]:
        saved = [(cell, cell.value) for cell in self.cells]
        try:
            yield
        finally:
            for cell, value in saved:
                cell.table[cell.key] = value


def source_of(subject: Subject) -> Source | None:
    """The source of the loss and what its names mean; None where it cannot be read, or is not the user's."""
    loss = subject.object
    try:
        if inspect.isroutine(inspect.unwrap(loss)):  # what `tf.function` makes is none itself
            function: Any = inspect.unwrap(loss)
            code = function.__code__
            definition = Definition(line=code.co_firstlineno)
            path, namespace, instance = code.co_filename, function.__globals__, getattr(function, "__self__", None)
            closure = dict(zip(code.co_freevars, function.__closure__ or (), strict=True))
        else:
            kinds = [kind for kind in type(loss).__mro__ if kind is not object]
            definition = Definition(classes=tuple(kind.__name__ for kind in kinds))
            path, namespace, instance = inspect.getfile(type(loss)), inspect.unwrap(type(loss).call).__globals__, loss
            closure = {}
        if not subject.is_user(path):
            return None
        return Source(path, parsed_file(path), definition, namespace, instance, closure)
    except (AttributeError, OSError, SyntaxError, TypeError, UnicodeDecodeError):
        return None


def _cell(state: State, source: Source) -> _Cell | None:
    """Where the number of a state is held, if it is a number at all."""
    if state.holder == "closure" and not state.owner:
        variable = source.closure.get(state.key)
        return None if variable is None else _number(state, _Attributes(variable), "cell_contents")
    if state.holder == "global":
        return _number(state, source.namespace, state.key)
    if state.holder == "attribute":
        owner = _owner(state.owner, source)
        if isinstance(getattr(owner, "__dict__", None), dict) and state.key in owner.__dict__:
            return _number(state, owner.__dict__, state.key)
        kinds = owner.__mro__ if isinstance(owner, type) else type(owner).__mro__
        holder = next((kind for kind in kinds if state.key in vars(kind)), None)
        if holder is None or holder.__module__ == "builtins":
            return None
        return _number(state, _Attributes(holder), state.key)
    closed = state.holder == "closure"
    table = _contents(source.closure.get(state.owner)) if closed else source.namespace.get(state.owner)
    keys = range(len(table)) if isinstance(table, list) else tuple(table) if isinstance(table, dict) else ()
    key = next((key for key in keys if state.key in (str(key), repr(key))), None)
    return None if key is None else _number(state, table, key)


def _owner(path: str, source: Source) -> Any:
    """The object that a dotted name of the loss's code means; None if there is none."""
    root, *rest = path.split(".")
    found = source.instance if root == "self" else source.namespace.get(root)
    for name in rest:
        found = getattr(found, name, None)
    return found


def _contents(variable: Any) -> Any:
    try:
        return None if variable is None else variable.cell_contents
    except ValueError:  # not assigned yet
        return None


def _number(state: State, table: Any, key: Any) -> _Cell | None:
    try:
        value = table[key]
        if not _is_number(value):
            return None
        table[key] = value  # members of an enumeration cannot be changed
    except Exception:  # the object is the user's: anything may be raised
        return None
    return _Cell(state, table, key)


@dataclass(frozen=True)
class _Attributes:
    """The attributes of an object as a table."""

    owner: Any

    def __getitem__(self, name: str) -> Any:
        return getattr(self.owner, name)

    def __setitem__(self, name: str, value: Any) -> None:
        setattr(self.owner, name, value)


def _is_number(value: object) -> bool:
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "fiu" and value.size <= 1000
    return isinstance(value, bool | int | float | np.number)


def _examine(
    runs: _Runs, cell: _Cell, usage: Usage, eager: Array, graph: Array, source: Source, in_call: bool
) -> FrozenState | None:
    """The state as a finding-to-be if the traced loss ignores its change, else None."""
    value = cell.value
    for other in _others(value):
        try:
            changed = runs.eager(cell, other)
        except Exception:  # not a valid value: try the next
            continue
        if _same(changed, eager):
            continue
        again = runs.graph(cell, other)
        if not _same(again, graph):
            return None
        return FrozenState(
            name=f"{cell.state.owner}[{cell.key!r}]" if cell.state.holder == "item" else cell.state.name,
            holder=cell.state.holder,
            eager=_means((eager, changed)),
            graph=_means((graph, again)),
            values=(value, other),
            span=span_of(source, usage.read),
            mutated_at=span_of(source, usage.changed) if usage.changed else None,
            in_call=in_call or usage.in_call,
        )
    return None


def _others(value: Any) -> tuple[Any, ...]:
    """Other values: small steps first, as counters and weights make them."""
    if isinstance(value, bool):
        return (not value,)
    if isinstance(value, int | np.integer):
        return (value + 1, 2 * value + 3, value + 10)
    others = (value * 1.7 + 0.3, value * 0.5 + 0.1, value + 1.0)
    if isinstance(value, np.ndarray):
        return others
    return tuple(float(f"{one:.6g}") for one in others)  # plain numbers, for the message


def _same(one: Array, other: Array) -> bool:
    # The same float32 expression eagerly and traced differs by rounding only.
    return one.shape == other.shape and np.allclose(one, other, rtol=1e-5, atol=1e-7, equal_nan=True)


def _means(values: tuple[Array, Array]) -> tuple[float, float]:
    return float(np.mean(values[0])), float(np.mean(values[1]))


def span_of(source: Source, place: Place) -> Span:
    """A place of the file as a span."""
    node = place.node
    end = (node.end_lineno or node.lineno, node.end_col_offset or node.col_offset)
    return make(source.path, (node.lineno, node.col_offset), end, place.function)
