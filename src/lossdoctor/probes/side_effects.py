"""What a loss does beside computing: printing, keeping a tensor for later, being traced anew at every call.

`fit` runs the Python of a loss once for each shape of the batch. So a `print` prints once, what is kept is a symbolic
tensor, and a second trace that reads it raises; a function that is made inside the loss is traced at every eager call.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from lossdoctor.graph.ir import Span
from lossdoctor.graph.spans import frames, raised, statement_span
from lossdoctor.probes.calls import Caller, Subject, caller
from lossdoctor.probes.draws import pair as draw_pair
from lossdoctor.probes.frozen import Source, source_of, span_of
from lossdoctor.readings import Kept, SideEffects
from lossdoctor.session import Raised
from lossdoctor.source.python_state import Place, State, keeps, prints, usages
from lossdoctor.spec import Contract

_ABSENT = object()
_CALLS = 3  # eager ones; the first may trace for good reason


def probe(subject: Subject, contract: Contract, *, seed: int = 0) -> SideEffects:
    """Look at the source, and call the loss where the source says that there is something to see."""
    source = source_of(subject)
    if source is None:
        return SideEffects()
    printed = next((span_of(source, place) for place in prints(source.tree, source.definition)), None)
    kept = list(keeps(source.tree, source.definition))
    rng = np.random.default_rng(seed)
    call = caller(subject, contract, rng)
    if call is None:
        return SideEffects(prints=printed)
    return SideEffects(
        prints=printed,
        kept=(_kept(subject, source, call, rng) if kept else None) or _cached(subject, source, call, rng),
        retraced=_retraced(subject, call, rng),
    )


def _retraced(subject: Subject, call: Caller, rng: np.random.Generator) -> Span | None:
    """Where a function of the user's is traced again by the second and the third eager call with equal shapes."""
    pair = draw_pair(call.contract, rng, call.sizes)
    seen: list[Span] = []
    for _ in range(_CALLS):
        seen.clear()
        with _watching_traces(subject.is_user, seen):
            try:
                call.value(pair)
            except Exception:  # the loss is the user's: anything may be raised
                return None
        if not seen:
            return None
    return seen[0]


@contextmanager
def _watching_traces(is_user: Callable[[str], bool], seen: list[Span]) -> Generator[None]:
    """Note where the user's code calls a `tf.function` of the user's that has to be traced."""
    from lossdoctor.graph.untyped_tf import func_graph

    original = func_graph.func_graph_from_py_func

    def noting(name: str, python_func: Any, *args: Any, **kwargs: Any) -> Any:
        code = getattr(inspect.unwrap(python_func), "__code__", None)
        if code is not None and is_user(code.co_filename):
            seen.extend(frames(sys._getframe(1), None, is_user, {})[-1:])
        return original(name, python_func, *args, **kwargs)

    func_graph.func_graph_from_py_func = noting
    try:
        yield
    finally:
        func_graph.func_graph_from_py_func = original


@dataclass(frozen=True)
class Cell:
    """Where the loss keeps something beyond its call: a key of an instance, of a module, or of a table of theirs."""

    state: State
    place: Place
    table: Any
    value: Any  # when the cell was looked up; _ABSENT where there was none

    def symbolic(self) -> bool:
        """Whether it holds a tensor of a trace."""
        import tensorflow as tf

        now = self.table.get(self.state.key)
        return tf.is_tensor(now) and not hasattr(now, "numpy")

    def restore(self) -> None:
        if self.value is _ABSENT:
            self.table.pop(self.state.key, None)
        else:
            self.table[self.state.key] = self.value


def cells(subject: Subject) -> list[Cell]:
    """What the loss may leave behind, as its source says, with the values of now."""
    source = source_of(subject)
    found: list[Cell] = []
    for state, place in () if source is None else keeps(source.tree, source.definition):
        assert source is not None
        table: Any = source.namespace
        if state.holder == "attribute":
            table = getattr(source.instance, "__dict__", None)
        elif state.holder == "item":
            table = source.namespace.get(state.owner)
        if isinstance(table, dict):
            found.append(Cell(state, place, table, table.get(state.key, _ABSENT)))
    return found


def _kept(subject: Subject, source: Source, call: Caller, rng: np.random.Generator) -> Kept | None:
    """The first attribute, global or entry that holds a symbolic tensor once the loss is traced."""
    held = cells(subject)
    used = usages(source.tree, source.definition)
    try:
        failed = _traced_twice(subject, call, rng)
        cell = next((cell for cell in held if cell.symbolic()), None)
    finally:
        for each in held:
            each.restore()
    if cell is None:
        return None
    return Kept(cell.state.name, span_of(source, cell.place), read=cell.state in used, raised=failed)


def _cached(subject: Subject, source: Source, call: Caller, rng: np.random.Generator) -> Kept | None:
    """A helper under `functools.cache` or `lru_cache` that gives the tensor of one trace to the next."""
    known = {**source.namespace, **source.closure}
    caches = {name: value for name, value in known.items() if _is_cache(value, subject)}
    for cache in caches.values():
        cache.cache_clear()
    failed = _traced_twice(subject, call, rng) if caches else None
    filled = next((name for name, cache in caches.items() if cache.cache_info().currsize), None)
    for cache in caches.values():
        cache.cache_clear()
    if failed is None or filled is None or "scope" not in failed.message:
        return None
    code = caches[filled].__wrapped__.__code__
    span = failed.calls[-1] if failed.calls else statement_span(code.co_filename, code.co_firstlineno + 1, filled)
    return Kept(filled, span, read=True, raised=failed)


def _is_cache(value: Any, subject: Subject) -> bool:
    code = getattr(getattr(value, "__wrapped__", None), "__code__", None)
    return hasattr(value, "cache_clear") and code is not None and subject.is_user(code.co_filename)


def _traced_twice(subject: Subject, call: Caller, rng: np.random.Generator) -> Raised | None:
    """What the compiled loss raises at its second trace, for a smaller batch as the last one of an epoch is."""
    import tensorflow as tf

    function: Any = tf.function(call.function, autograph=False)
    for count in (call.sizes["B"], call.sizes["B"] + 1) if "B" in call.sizes else ():
        pair = draw_pair(call.contract, rng, {**call.sizes, "B": count})
        try:
            function(*call.tensors(pair.y_true, pair.y_pred))
        except Exception as problem:  # as above
            return raised(problem, subject.is_user) if count != call.sizes["B"] else None
    return None
