"""A term as a loss of its own: callable, differentiable, with the user's lines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lossdoctor.experiments.reading import Route
from lossdoctor.experiments.routes import check_same, finder, follow
from lossdoctor.graph.trace_tf import flatten, tracing
from lossdoctor.graph.untyped_tf import func_graph, ops, tf
from lossdoctor.spec import Contract, Spec, map_structure


class Term:
    """What one term, or several, contribute to a loss: weight included, so that all terms add up to the loss.

    Calling it runs the loss with all other terms put to zero. It can be trained with, differentiated and checked like
    any loss.

    Args:
        call: the loss.
        contract: the specs under which it was decomposed.
        route: from its terms to its value.
        wanted: the numbers of the terms.
        name: of the term.
        owner: the function or method that the loss is, whose lines are those of the term.
    """

    def __init__(
        self,
        call: Callable[[Any, Any], Any],
        contract: Contract,
        route: Route,
        wanted: tuple[int, ...],
        name: str,
        owner: Callable[..., Any] | None = None,
    ) -> None:
        self.__name__ = self.__qualname__ = name
        self.__doc__ = f"The term `{name}`."
        if owner is not None:
            self.__wrapped__ = owner
        self._call = call
        self._contract = contract
        self._route = route
        self._wanted = wanted
        self._function: Any = None

    def __call__(self, y_true: Any, y_pred: Any) -> Any:
        """The contribution of the term, of the shape of the loss.

        Args:
            y_true, y_pred: as for the loss, arrays or tensors of the dtypes of the specs.
        """
        true, predicted = self._tensors(self._contract.y_true, y_true), self._tensors(self._contract.y_pred, y_pred)
        if isinstance(ops.get_default_graph(), func_graph.FuncGraph) and tracing():
            return self.in_graph(true, predicted)
        if self._function is None:
            signature = [self._signature(part) for part in (self._contract.y_true, self._contract.y_pred)]
            self._function = tf.function(self.in_graph, autograph=False, input_signature=signature)
        return self._function(true, predicted)

    def in_graph(self, y_true: Any, y_pred: Any) -> Any:
        """The same with the operations in the current graph. Raises `Elsewhere`."""
        graph = ops.get_default_graph()
        before = len(graph.get_operations())
        value = tf.convert_to_tensor(self._call(y_true, y_pred))
        operations = graph.get_operations()[before:]
        check_same(self._route, operations)
        inputs = [*flatten(self._contract.y_true, y_true), *flatten(self._contract.y_pred, y_pred)]
        found = follow(self._route, finder(operations, inputs), self._wanted)
        return tf.ensure_shape(found, value.shape) if value.shape.rank is not None else found

    @staticmethod
    def _tensors(structure: Any, value: Any) -> Any:
        """Tensors of the dtypes of the specs, in the structure of the contract."""
        flat = iter(flatten(structure, value))
        return map_structure(lambda spec: _tensor(next(flat), spec), structure)

    @staticmethod
    def _signature(structure: Any) -> Any:
        def one(spec: Spec) -> Any:
            return tf.TensorSpec([d if isinstance(d, int) else None for d in spec.dims], tf.dtypes.as_dtype(spec.dtype))

        return map_structure(one, structure)

    def __repr__(self) -> str:
        return f"<term {self.__name__}>"


def _tensor(value: Any, spec: Spec) -> Any:
    return value if tf.is_tensor(value) and value.dtype.name == spec.dtype else tf.cast(value, spec.dtype)
