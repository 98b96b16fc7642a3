"""Value and gradient of a loss at many inputs, as each execution computes them.

A function is compiled once for each execution and signature and reused for every pair. TensorFlow is imported
when the first pair is evaluated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lossdoctor.graph.spans import is_user, raised
from lossdoctor.session import Array, Evaluation, Execution, Pair, Raised
from lossdoctor.spec import Contract, Spec, dtype_name

Call = Callable[[Any, Any], Any]
# Shape (None where unknown) and dtype of each leaf, y_true's first.
Signature = tuple[tuple[tuple[int | None, ...], str], ...]


def leaves(value: Any) -> list[Any]:
    """The arrays (or specs) of a structured value in order; tables in the order of their sorted keys."""
    if isinstance(value, Mapping):
        return [leaf for key in sorted(value) for leaf in leaves(value[key])]
    if isinstance(value, tuple | list):
        return [leaf for part in value for leaf in leaves(part)]
    return [value]


def rebuilt(value: Any, parts: Sequence[Any]) -> Any:
    """`parts` in the structure of `value`; the inverse of `leaves`."""
    rest = iter(parts)

    def build(node: Any) -> Any:
        if isinstance(node, Mapping):
            made = {key: build(node[key]) for key in sorted(node)}
            return {key: made[key] for key in node}
        if isinstance(node, tuple | list):
            return tuple(build(part) for part in node)
        return next(rest)

    return build(value)


def as_tensor(returned: Any) -> Any:
    """What a loss returned as one tensor, stacked as Keras does for a tuple.

    Raises:
        TypeError: for None, a string, a tuple of different shapes and other values that are no numbers.
    """
    import tensorflow as tf

    if isinstance(returned, tf.RaggedTensor):
        return returned.to_tensor()
    if not isinstance(returned, tf.Tensor):
        if returned is None or isinstance(returned, str | bytes):
            shown = "None" if returned is None else f"a string ({returned!r:.40})"
            raise TypeError(f"the loss returned {shown} instead of a tensor")
        try:
            returned = tf.convert_to_tensor(returned)
        except (TypeError, ValueError, tf.errors.InvalidArgumentError) as problem:
            kind = type(returned).__name__
            raise TypeError(f"the loss returned a value of type {kind} that is no single tensor") from problem
    if returned.dtype == tf.string:
        raise TypeError("the loss returned a string tensor instead of numbers")
    return returned


def value_and_gradients(call: Call, y_true: Any, y_pred: Any) -> tuple[Any, list[Any]]:
    """Value of the loss, and the gradient of its sum for each leaf of `y_pred` (None where there is none)."""
    import tensorflow as tf

    inputs = leaves(y_pred)
    with tf.GradientTape() as tape:
        for tensor in inputs:
            if tensor.dtype.is_floating:
                tape.watch(tensor)
        value = as_tensor(call(y_true, y_pred))
        total = tf.reduce_sum(value) if value.dtype.is_floating else None
    if total is None:
        return value, [None] * len(inputs)
    gradients = tape.gradient(total, inputs)
    return value, [None if gradient is None else tf.convert_to_tensor(gradient) for gradient in gradients]


@dataclass
class Evaluator:
    """Evaluates one calling of one loss.

    Args:
        call: the loss, `call(y_true, y_pred)`.
        is_user: whether a file is the user's, for the frames of an exception.
        contract: gives the static dimensions of the compiled functions; without it only the leading
            dimension is unknown.
    """

    call: Call
    is_user: Callable[[str], bool] = is_user
    contract: Contract | None = None
    _compiled: dict[tuple[Execution, Signature], Any] = field(default_factory=dict[Any, Any], init=False)
    _refused: dict[Any, Raised] = field(default_factory=dict[Any, Raised], init=False)
    _exhausted: tuple[int, Raised] | None = field(default=None, init=False)  # at so many input elements

    def fits(self, pair: Pair) -> bool:
        """Whether a pair has the structure, dtypes and static dimensions of the contract."""
        arrays = [np.asarray(leaf) for leaf in (*leaves(pair.y_true), *leaves(pair.y_pred))]
        specs = self._specs(len(arrays))
        return bool(specs) and all(
            spec.dtype == dtype and len(spec.dims) == array.ndim and _allows(spec, array)
            for spec, array, dtype in zip(specs, arrays, self._dtypes(arrays), strict=True)
        )

    def __call__(self, pairs: Sequence[Pair], execution: Execution) -> list[Evaluation]:
        """One evaluation for each pair, in order; what the loss raises is in it."""
        if execution == "unoptimised":
            with _meta_optimiser_off():
                return [self._one(pair, execution) for pair in pairs]
        return [self._one(pair, execution) for pair in pairs]

    def _one(self, pair: Pair, execution: Execution) -> Evaluation:
        import tensorflow as tf

        arrays = [np.asarray(leaf) for leaf in (*leaves(pair.y_true), *leaves(pair.y_pred))]
        # A compiled function refuses a shape for good, whatever the values: tracing fails for a signature,
        # XLA's compilation for the shapes.
        signature = self._signature(arrays) if execution != "eager" else ()
        shapes = tuple(array.shape for array in arrays) if execution == "xla" else ()
        known = self._refused.get((execution, signature, shapes)) or self._refused.get((execution, signature, None))
        elements = sum(array.size for array in arrays)
        if self._exhausted is not None and elements >= self._exhausted[0]:
            known = self._exhausted[1]
        if known is not None:
            return Evaluation(None, (), known)
        try:
            tensors = [
                tf.cast(array, dtype) if dtype_name(array.dtype) != dtype else tf.convert_to_tensor(array)
                for array, dtype in zip(arrays, self._dtypes(arrays), strict=True)
            ]
            if execution == "eager":
                count = len(leaves(pair.y_true))
                value, gradients = value_and_gradients(
                    self.call, rebuilt(pair.y_true, tensors[:count]), rebuilt(pair.y_pred, tensors[count:])
                )
            else:
                function, present = self._function(execution, signature, pair)
                value, *found = function(*tensors)
                rest = iter(found)
                gradients = [next(rest) if there else None for there in present]
            real = np.real(to_numpy(value))  # Keras keeps the real part of a complex loss
            return Evaluation(real, tuple(None if gradient is None else to_numpy(gradient) for gradient in gradients))
        except (Exception, SystemExit) as problem:
            report = raised(problem, self.is_user)
            if out_of_memory(report):
                self._exhausted = (elements, report)
            if execution != "eager":
                if (execution, signature) not in self._compiled:
                    self._refused[execution, signature, None] = report
                elif execution == "xla":
                    self._refused[execution, signature, shapes] = report
            return Evaluation(None, (), report)

    def _specs(self, count: int) -> list[Spec]:
        """The specs of all leaves; [] without a contract, or where it has another structure than the pair."""
        if self.contract is None:
            return []
        specs: list[Spec] = [*leaves(self.contract.y_true), *leaves(self.contract.y_pred)]
        return specs if len(specs) == count else []

    def _dtypes(self, arrays: Sequence[Array]) -> list[str]:
        """The dtype that each array is fed as: its own, but bfloat16, which NumPy lacks, may come as float32."""
        specs = self._specs(len(arrays))
        return [
            "bfloat16"
            if specs and specs[i].dtype == "bfloat16" and dtype_name(array.dtype) == "float32"
            else dtype_name(array.dtype)
            for i, array in enumerate(arrays)
        ]

    def _signature(self, arrays: Sequence[Array]) -> Signature:
        specs = self._specs(len(arrays))
        dtypes = self._dtypes(arrays)
        signature: list[tuple[tuple[int | None, ...], str]] = []
        for position, array in enumerate(arrays):
            shape: tuple[int | None, ...] = (None, *array.shape[1:])
            if specs:
                spec = specs[position]
                if len(spec.dims) == array.ndim and _allows(spec, array):
                    shape = tuple(dim if isinstance(dim, int) else None for dim in spec.dims)
            signature.append((shape if array.ndim else (), dtypes[position]))
        return tuple(signature)

    def _function(self, execution: Execution, signature: Signature, pair: Pair) -> tuple[Any, list[bool]]:
        """The concrete function, and for each leaf of y_pred whether it has a gradient."""
        import tensorflow as tf

        if (execution, signature) not in self._compiled:
            count = len(leaves(pair.y_true))
            present: list[bool] = []

            def run(*tensors: Any) -> tuple[Any, ...]:
                value, gradients = value_and_gradients(
                    self.call, rebuilt(pair.y_true, tensors[:count]), rebuilt(pair.y_pred, tensors[count:])
                )
                present[:] = [gradient is not None for gradient in gradients]
                return (value, *(gradient for gradient in gradients if gradient is not None))

            function = tf.function(run, autograph=False, jit_compile=True if execution == "xla" else None)
            concrete = function.get_concrete_function(*(tf.TensorSpec(shape, dtype) for shape, dtype in signature))
            self._compiled[execution, signature] = (concrete, present)
        return self._compiled[execution, signature]


def out_of_memory(report: Raised) -> bool:
    """Whether an exception says that there was too little memory, which TensorFlow says after ten seconds of trying."""
    return report.type in ("MemoryError", "ResourceExhaustedError")


def _allows(spec: Spec, array: Array) -> bool:
    return all(dim == size or isinstance(dim, str) for dim, size in zip(spec.dims, array.shape, strict=True))


def to_numpy(tensor: Any) -> Array:
    """An eager tensor's value."""
    # A copy: `numpy()` of a CPU tensor shares its memory, which TensorFlow may reuse. bfloat16 becomes float32.
    value = np.array(tensor.numpy())
    return value.astype(np.float32) if dtype_name(value.dtype) == "bfloat16" else value


class _meta_optimiser_off:
    """While it is open, functions run as they were traced, without the graph optimiser."""

    def __enter__(self) -> None:
        import tensorflow as tf

        self._before = bool(tf.config.optimizer.get_experimental_options().get("disable_meta_optimizer", False))
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})

    def __exit__(self, *_: object) -> None:
        import tensorflow as tf

        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": self._before})
