"""Runs a traced loss at reference inputs of two sizes, so that each dimension can be solved in the spec's names."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lossdoctor.graph.run_tf import Executable
from lossdoctor.graph.spans import failed_nodes
from lossdoctor.graph.trace_tf import Leaf, flatten
from lossdoctor.graph.untyped_tf import context, func_graph, importer, tf
from lossdoctor.spec import Contract, sample

# Window operations (SSIM over five scales needs 176 pixels) fail on small sizes: then these are tried.
_SMALL, _LARGE = 11, 181
_BATCH, _APART = 7, 4
# Where the tensors of a sample are large, as all pairs of the pixels of an image: fewer samples.
_FEW, _CLOSE, _LARGEST = 2, 1, 2**24  # numbers a sample
_REFUSED = (tf.errors.OpError, ValueError, TypeError)


@dataclass(frozen=True)
class Run:
    """One execution: the sizes of the names, and what tensors held, by tensor name. A tensor is missing if its
    operation, or one that it depends on, failed at these sizes."""

    sizes: Mapping[str, int]
    tensors: Mapping[str, Any]


def assignments(
    specs: Sequence[Leaf], smallest: int = _SMALL, *, batch: int = _BATCH, apart: int = _APART
) -> tuple[dict[str, int], dict[str, int]]:
    """Two sizes for each name: primes that divide no given number, with growth that differs from name to name.

    Equal growth would make "B+4" and "H" the same to the solver.
    """
    given = [dim for leaf in specs for dim in leaf.spec.dims if isinstance(dim, int)]
    given += [leaf.spec.classes for leaf in specs if leaf.spec.classes]
    named = dict.fromkeys(dim for leaf in specs for dim in leaf.spec.dims if isinstance(dim, str))
    order = sorted(named, key=lambda name: (name != "B", list(named).index(name)))
    first: dict[str, int] = {}
    second: dict[str, int] = {}
    growths: set[int] = set()
    for name in order:
        start = batch if name == "B" else smallest
        used = {*first.values(), *second.values()}
        size = next(p for p in _primes(start) if p not in used and not any(d % p == 0 for d in given if d))
        for other in _primes(size + (apart if name == "B" else _APART)):
            fresh = other not in used and other - size not in growths
            if fresh and not any(d % other == 0 for d in given if d):
                first[name], second[name] = size, other
                growths.add(other - size)
                break
    return first, second


def _primes(start: int) -> Iterator[int]:
    number = start
    while True:
        if number > 1 and all(number % d for d in range(2, int(number**0.5) + 1)):
            yield number
        number += 1


def reference_runs(graph: Any, order: Sequence[Any], specs: Sequence[Leaf], contract: Contract, seed: int) -> list[Run]:
    """The tensors of `order` at two sizes; where the loss fails at sizes of its own spec, those that can be had."""
    tensors = [t for op in order for t in op.outputs if _is_array(t.dtype)]
    names = [t.name for t in tensors]
    few = sum(math.prod(dim or 1 for dim in t.shape) for t in tensors if t.shape.rank is not None) > _LARGEST
    choices = [assignments(specs, batch=_FEW, apart=_CLOSE) if few else assignments(specs)]
    if any(name != "B" for name in choices[0][0]):
        choices.append(assignments(specs, _LARGE))
    trials = [(sizes, True) for sizes in choices]
    if any(op.control_inputs for op in order):  # assertions on values, which the reference inputs may not pass
        trials.append((choices[0], False))
    trial = graph
    for sizes, guarded in trials:
        trial = graph if guarded else _without_control(graph)
        fetches = [trial.get_tensor_by_name(name) for name in names]
        feeds = [drawn(contract, specs, one, seed) for one in sizes]
        function = _executable(trial, fetches)
        values = [_attempt(function, fetches, feeds[0])]
        if not isinstance(values[0], Exception):
            values.append(_attempt(function, fetches, feeds[1]))
        found = [value for value in values if not isinstance(value, Exception)]
        if len(found) == len(sizes):
            return [Run(one, value) for one, value in zip(sizes, found, strict=True)]
    sizes, _ = trials[-1]
    runs: list[Run] = []
    fetches = [trial.get_tensor_by_name(name) for name in names]
    for one in sizes:
        held = _partial(trial, fetches, drawn(contract, specs, one, seed))
        fetches = [t for t in fetches if t.name in held]  # what fails at one size is of no use at the other
        runs.append(Run(one, held))
    return runs


def _is_array(dtype: Any) -> bool:
    return dtype.is_bool or dtype.is_integer or dtype.is_floating or dtype.is_complex


def _without_control(graph: Any) -> Any:
    """A copy of a graph in which nothing waits for an assertion or another side effect; the names are the same."""
    graph_def = graph.as_graph_def()
    for node in graph_def.node:
        data = [name for name in node.input if not name.startswith("^")]
        del node.input[:]
        node.input.extend(data)
    return import_copy(graph, graph_def, "unguarded")


def import_copy(source: Any, graph_def: Any, name: str) -> Any:
    """A FuncGraph of `graph_def` with the inputs and captures of `source`, of which it is a variant."""
    for function in graph_def.library.function:
        if not context.context().has_function(function.signature.name):
            context.context().add_function_def(function)
    graph = func_graph.FuncGraph(name)
    with graph.as_default():
        importer.import_graph_def(graph_def, name="")
    captures = {
        inner.name: outer for inner, outer in zip(source.internal_captures, source.external_captures, strict=True)
    }
    for tensor in source.inputs:
        twin = graph.get_tensor_by_name(tensor.name)
        if tensor.name in captures:
            graph.add_capture(captures[tensor.name], twin)
        else:
            graph.inputs.append(twin)
            twin.set_shape(tensor.shape)
    return graph


def drawn(contract: Contract, specs: Sequence[Leaf], sizes: Mapping[str, int], seed: int) -> list[Any]:
    """Reference inputs of these sizes."""
    rng = np.random.default_rng(seed)
    y_true = sample(contract.y_true, rng, sizes, 1.0)
    y_pred = sample(contract.y_pred, rng, sizes, 1.0)
    return [*flatten(contract.y_true, y_true), *flatten(contract.y_pred, y_pred)]


def _partial(graph: Any, fetches: Sequence[Any], feeds: list[Any]) -> dict[str, Any]:
    """Run what can be run: leave out the operation that fails and what depends on it, and try again."""
    remaining = list(fetches)
    while remaining:
        values = _attempt(_executable(graph, remaining), remaining, feeds)
        if not isinstance(values, Exception):
            return values
        failed = {_culprit(graph, remaining, feeds, values)}
        kept: list[Any] = []
        for tensor in remaining:
            if tensor.op.name in failed or any(t.op.name in failed for t in tensor.op.inputs):
                failed.add(tensor.op.name)
            else:
                kept.append(tensor)
        remaining = kept
    return {}


def _culprit(graph: Any, fetches: Sequence[Any], feeds: list[Any], error: Exception) -> str:
    """The operation that fails: the one TensorFlow names, else found by bisection of the order."""
    known = {tensor.op.name for tensor in fetches}
    for name in failed_nodes(error):
        if name in known:
            return name
    low, high = 0, len(fetches)  # the first `low` run, the first `high` do not
    while high - low > 1:
        middle = (low + high) // 2
        part = fetches[:middle]
        fails = isinstance(_attempt(_executable(graph, part), part, feeds), Exception)
        low, high = (low, middle) if fails else (middle, high)
    return fetches[low].op.name


def _executable(graph: Any, fetches: Sequence[Any]) -> Executable | Exception:
    try:
        return Executable(graph, fetches, effects=False)
    except _REFUSED as error:
        return error


def _attempt(function: Executable | Exception, fetches: Sequence[Any], feeds: list[Any]) -> dict[str, Any] | Exception:
    if isinstance(function, Exception):
        return function
    try:
        values = function(feeds, optimised=False)
    except _REFUSED as error:
        return error
    return dict(zip([t.name for t in fetches], values, strict=True))
