"""At which line does the loss take another way when it is traced than when it runs eagerly?

An `except` that swallows what TensorFlow raises for a symbolic tensor, `tf.executing_eagerly()`, a size that is None
while tracing: Python then runs other lines, and the graph computes something else. The lines of the user's files are
recorded in both runs; the last one that they have in common is where the ways part.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import numpy as np

from lossdoctor.graph.ir import Span
from lossdoctor.graph.spans import is_user, statement_span
from lossdoctor.probes.calls import Subject
from lossdoctor.search.evaluate import leaves, rebuilt
from lossdoctor.session import Pair
from lossdoctor.spec import Contract, Spec

_LINES_AT_MOST = 100_000


def probe(subject: Subject, contract: Contract, *, pair: Pair) -> Span | None:
    """The statement after which the eager run and the trace go different ways; None if they go the same."""
    import tensorflow as tf

    specs: list[Spec] = [*leaves(contract.y_true), *leaves(contract.y_pred)]
    arrays = [np.asarray(part) for part in (*leaves(pair.y_true), *leaves(pair.y_pred))]
    tensors = [tf.cast(part, spec.dtype) for part, spec in zip(arrays, specs, strict=True)]
    count = len(leaves(contract.y_true))

    def call(*parts: Any) -> Any:
        return subject.call(rebuilt(pair.y_true, parts[:count]), rebuilt(pair.y_pred, parts[count:]))

    shapes = [[dim if isinstance(dim, int) else None for dim in spec.dims] for spec in specs]
    signature = [tf.TensorSpec(shape, tensor.dtype) for shape, tensor in zip(shapes, tensors, strict=True)]
    traced_call = tf.function(call, autograph=False)

    def own(path: str) -> bool:
        return path == subject.loaded.path or is_user(path)

    eager = _lines(lambda: call(*tensors), own)
    traced = _lines(lambda: traced_call.get_concrete_function(*signature), own)
    for number, (one, other) in enumerate(zip(eager, traced, strict=False)):
        if one != other:
            return statement_span(*eager[number - 1]) if number else None
    if len(eager) == len(traced):
        return None
    shorter = min(len(eager), len(traced))
    return statement_span(*eager[shorter - 1]) if shorter else None


def _lines(run: Callable[[], Any], accept: Callable[[str], bool]) -> list[tuple[str, int]]:
    """The lines of the user's files that a run executes, in order."""
    found: list[tuple[str, int]] = []
    known: dict[str, bool] = {}

    def enter(frame: FrameType, event: str, argument: Any) -> Any:
        path = frame.f_code.co_filename
        if path not in known:
            known[path] = accept(path)
        return step if known[path] else None

    def step(frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line" and len(found) < _LINES_AT_MOST:
            found.append((frame.f_code.co_filename, frame.f_lineno))
        return step

    with _traced(enter):
        try:
            run()
        except (Exception, SystemExit):  # the loss is the user's; what ran before says enough
            return found
    return found


@contextmanager
def _traced(function: Any) -> Generator[None]:
    before = sys.gettrace()
    sys.settrace(function)
    try:
        yield
    finally:
        sys.settrace(before)
