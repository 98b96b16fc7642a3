"""The operations of an eager run: which of them ends the gradient to the weights, which is the first to give NaN."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any

import numpy as np

from lossdoctor.graph.ir import Span
from lossdoctor.graph.spans import frames
from lossdoctor.subject.frames import is_user_file

Alive = Callable[[Any], bool]
_OF_SHAPE = ("OnesLike", "ZerosLike", "Shape", "ShapeN", "Size", "Rank")  # no number of what they are given counts
_ASSIGNS = ("AssignVariableOp", "AssignAddVariableOp", "AssignSubVariableOp")


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation that ran; its tensors are kept, so that their ids stay theirs.

    Attributes:
        kind: TensorFlow's name, "ArgMax".
        calls: the user's frames within the run, outermost first.
        derives: of an operation of the backward pass the kind, inputs and outputs of the one that it derives, those
            that TensorFlow has kept.
    """

    kind: str
    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]
    calls: tuple[Span, ...]
    derives: tuple[str, tuple[Any, ...]] | None = None


class Operations:
    """The operations of a run, in order."""

    def __init__(self) -> None:
        self.all: list[Operation] = []
        self._sources: list[list[int]] = []  # of each operation those that made its inputs
        self._made: dict[int, int] = {}  # by the id of a tensor, or of a variable's handle: what gave it its value

    def add(self, operation: Operation) -> None:
        place = len(self.all)
        self.all.append(operation)
        self._sources.append([self._made[id(one)] for one in operation.inputs if id(one) in self._made])
        for output in operation.outputs:
            self._made[id(output)] = place
        if operation.kind in _ASSIGNS:
            self._made[id(operation.inputs[0])] = place

    def tear(self, target: Any, alive: Alive) -> Operation | None:
        """The operation nearest to a tensor without gradient at which the gradient ends; None where there is none.

        Args:
            alive: whether a tensor has a gradient to the weights in question.
        """
        for place in self._behind([target], lambda one: self.all[one].kind not in _OF_SHAPE):
            if any(alive(one) for one in self.all[place].inputs):
                return self.all[place]
        return None

    def wrong(self, targets: Sequence[Any]) -> Operation | None:
        """The operation that made NaN or infinity of finite numbers and so spoilt the targets, told as the operation
        of the forward pass whose derivative it is; None where none did."""
        found = list(self._behind(targets, lambda one: _wrong(self.all[one].outputs)))
        first = [place for place in found if not _wrong(self.all[place].inputs)]
        if not first:
            return None
        operation = self.all[min(first)]
        return self._derived(operation, min(first)) or operation

    def _behind(self, targets: Sequence[Any], follow: Callable[[int], bool]) -> Iterator[int]:
        """The places of the operations that the targets were computed by, the nearest first."""
        order = [self._made[id(target)] for target in targets if id(target) in self._made]
        seen = set(order)
        for place in order:
            if not follow(place):
                continue
            yield place
            fresh = [one for one in self._sources[place] if one not in seen]
            seen.update(fresh)
            order += fresh

    def _derived(self, operation: Operation, before: int) -> Operation | None:
        if operation.derives is None:
            return None
        kind, kept = operation.derives
        ids = {id(tensor) for tensor in kept}
        shared = [
            (len(ids & {id(one) for one in (*other.inputs, *other.outputs)}), other)
            for other in self.all[:before]
            if other.kind == kind
        ]
        best = max(shared, key=lambda item: item[0], default=(0, None))
        return best[1] if best[0] else None


@contextlib.contextmanager
def operations() -> Iterator[Operations]:
    """Every operation that runs eagerly in this block."""
    from tensorflow.python.framework import op_callbacks

    found = Operations()
    until = _outside(sys._getframe())

    def ran(kind: Any, inputs: Any, _: Any, outputs: Any, *__: Any, **___: Any) -> None:
        frame = sys._getframe(1)
        name = kind.decode() if isinstance(kind, bytes) else str(kind)
        calls = frames(frame, until, is_user_file, {})
        found.add(Operation(name, tuple(inputs), tuple(outputs), calls, _derives(frame, until)))

    op_callbacks.add_op_callback(ran)
    try:
        yield found
    finally:
        op_callbacks.remove_op_callback(ran)


def _outside(frame: FrameType | None) -> FrameType | None:
    """The frame that enters a context of this file."""
    while frame is not None and frame.f_code.co_filename in (__file__, contextlib.__file__):
        frame = frame.f_back
    return frame


def _derives(frame: FrameType | None, until: FrameType | None) -> tuple[str, tuple[Any, ...]] | None:
    """What TensorFlow's tape is deriving in this call."""
    from tensorflow.python.eager import backprop

    code = backprop._gradient_function.__code__
    while frame is not None and frame is not until:
        if frame.f_code is code:
            held = frame.f_locals
            kind = held["op_name"]
            tensors = (*(held["inputs"] or ()), *(held["outputs"] or ()))
            return kind.decode() if isinstance(kind, bytes) else str(kind), tensors
        frame = frame.f_back
    return None


def _wrong(tensors: Sequence[Any]) -> bool:
    numbers = (one for one in tensors if getattr(getattr(one, "dtype", None), "is_floating", False))
    return any(not np.isfinite(np.asarray(one, np.float64)).all() for one in numbers)
