"""One loss as the judge of the API side runs it: raw and through Keras, eagerly and as a graph, with its gradient."""

from __future__ import annotations

import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.api_inputs import Inputs
from benchmarks.edge_grid import Array, Case


@dataclass
class Loss:
    """A loss in both callings: raw, and as Keras calls it."""

    raw: Callable[[Any, Any], Any]
    keras: Any
    kind: Any  # the class of a Loss that the target constructs, else None


def load(source: str, target: str) -> Loss:
    """The loss of a module given as text.

    Raises:
        Exception: whatever the module raises.
    """
    import keras

    module = types.ModuleType("mutant")
    exec(compile(source, "<mutant>", "exec"), module.__dict__)
    found = eval(target, module.__dict__)
    kind = found if isinstance(found, type) else type(found) if isinstance(found, keras.losses.Loss) else None
    if isinstance(found, type):
        found = found()
    if isinstance(found, keras.losses.Loss):
        return Loss(found.call, found, kind)

    class Compiled(keras.losses.Loss):
        """What `compile` makes of a function."""

        def call(self, y_true: Any, y_pred: Any) -> Any:
            return found(y_true, y_pred)

    return Loss(found, Compiled(), None)


def tensors_of(case: Case) -> list[Any]:
    import tensorflow as tf

    return [tf.constant(part) for part in case]


def attempt(function: Callable[[], Any]) -> tuple[Any, str]:
    try:
        return function(), ""
    except Exception as problem:
        return None, f"{type(problem).__name__}: {' '.join(str(problem).split())[:400]}"


class Trial:
    """One loss on the inputs of its original. Each result is found once; "" as a problem means that there is none."""

    def __init__(self, loss: Loss, inputs: Inputs) -> None:
        self.loss, self.inputs = loss, inputs
        self._known: dict[Any, Any] = {}

    def _once(self, key: Any, function: Callable[[], Any]) -> Any:
        if key not in self._known:
            self._known[key] = function()
        return self._known[key]

    def raw(self, size: int, seed: int = 0) -> tuple[Any, str]:
        case = self.inputs.batch(size, seed)
        return self._once(
            ("raw", size, seed), lambda: attempt(lambda: _ran(self.loss.raw(*self.inputs.pair(tensors_of(case)))))
        )

    def keras(self, case: Case, weights: Array | None = None) -> tuple[Any, str]:
        def call() -> float:
            return float(self.loss.keras(*self.inputs.pair(tensors_of(case)), sample_weight=weights))

        return attempt(call)

    def swapped(self) -> str:
        """What the raw call with exchanged arguments raises."""
        true, pred = self.inputs.pair(tensors_of(self.inputs.batch(5)))
        return attempt(lambda: _ran(self.loss.raw(pred, true)))[1]

    def graph(self, size: int) -> tuple[Any, str]:
        """The Keras loss traced with unknown batch size, without AutoGraph, as `fit` runs it."""
        import tensorflow as tf

        def trace() -> Any:
            signature = [
                tf.TensorSpec(
                    [None if dim == "B" else part.shape[axis] for axis, dim in enumerate(spec.dims)], part.dtype
                )
                for spec, part in zip(self.inputs.specs, self.inputs.batch(5), strict=True)
            ]

            def run(*parts: Any) -> Any:
                return self.loss.keras(*self.inputs.pair(parts))

            return tf.function(run, autograph=False, input_signature=signature).get_concrete_function()

        function, problem = self._once("graph", lambda: attempt(trace))
        if problem:
            return None, problem
        return attempt(lambda: float(function(*tensors_of(self.inputs.batch(size)))))

    def ops(self) -> set[str]:
        function, _ = self._known.get("graph", (None, ""))
        if function is None:
            return set()
        definition = function.graph.as_graph_def()
        nodes = [*definition.node, *(node for each in definition.library.function for node in each.node_def)]
        return {node.op for node in nodes}

    def largest(self, size: int) -> tuple[int, int]:
        """The most elements of one value, and the number of operations, with a known batch size."""
        import tensorflow as tf

        def trace() -> tuple[int, int]:
            specs = [tf.TensorSpec(part.shape, part.dtype) for part in self.inputs.batch(size)]
            run = tf.function(lambda *parts: self.loss.raw(*self.inputs.pair(parts)), autograph=False)
            graph = run.get_concrete_function(*specs).graph
            outputs = [output for op in graph.get_operations() for output in op.outputs]
            return max((output.shape.num_elements() or 0 for output in outputs), default=0), len(graph.get_operations())

        return attempt(trace)[0] or (0, 0)

    def gradient(self, case: Case) -> list[Array | None]:
        """Of the Keras loss with respect to the float predictions; None where there is none, or the call raises."""
        import tensorflow as tf

        tensors = tensors_of(case)
        watched = [part for part in tensors[self.inputs.count :] if part.dtype.is_floating]

        def run() -> list[Array | None]:
            with tf.GradientTape() as tape:
                tape.watch(watched)
                value = self.loss.keras(*self.inputs.pair(tensors))
            return [
                None if part is None else tf.convert_to_tensor(part).numpy() for part in tape.gradient(value, watched)
            ]

        return attempt(run)[0] or [None] * len(watched)

    def value(self, case: Case) -> float:
        found, problem = self.keras(case)
        return float("nan") if problem else found


def _ran(value: Any) -> Any:
    import tensorflow as tf

    return value.numpy() if isinstance(value, tf.Tensor) else value


def _unknown_batch(dims: Sequence[Any], shape: Sequence[int]) -> list[int | None]:
    return [None if dim == "B" else size for dim, size in zip(dims, shape, strict=True)]
