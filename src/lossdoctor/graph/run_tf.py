"""Runs a traced graph for any of its tensors, with or without the graph optimiser."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from lossdoctor.graph.untyped_tf import atomic_function, constant_op, context, ops, tf
from lossdoctor.spec import dtype_name

_names = itertools.count()


class _View:
    """A FuncGraph with other inputs and outputs, and without the operations that these do not need."""

    def __init__(
        self, graph: Any, fetches: Sequence[Any], *, effects: bool, inputs: Sequence[Any] | None = None
    ) -> None:
        self._graph = graph
        self.inputs = list(graph.inputs if inputs is None else inputs)
        self.outputs = list(fetches)
        self.control_outputs = list(graph.control_outputs) if effects else []
        self._operations = graph.get_operations() if effects else _needed(fetches)

    def get_operations(self) -> list[Any]:
        return self._operations

    def __getattr__(self, name: str) -> Any:
        return getattr(self._graph, name)


def _needed(fetches: Sequence[Any]) -> list[Any]:
    reached: dict[str, Any] = {}
    stack = [tensor.op for tensor in fetches]
    while stack:
        op = stack.pop()
        if op.name not in reached:
            reached[op.name] = op
            stack.extend(tensor.op for tensor in op.inputs)
            stack.extend(op.control_inputs)
    return list(reached.values())


class Executable:
    """Some tensors of a FuncGraph as a function of its inputs.

    With `effects`, side effects (assertions, printing, assignments) happen as in `tf.function`; without, only what
    the tensors need is run (the runtime would keep every stateful operation of the function). With `xla` the
    function is compiled as under `jit_compile=True`, once for each shape of the inputs. `inner` is a body of a loop or
    branching, whose operation gives it what it captures: there captures are inputs as well.
    `inputs` are those of the graph, unless others of its placeholders are given.
    """

    def __init__(
        self,
        graph: Any,
        fetches: Sequence[Any],
        *,
        effects: bool,
        xla: bool = False,
        inner: bool = False,
        inputs: Sequence[Any] | None = None,
    ) -> None:
        name = f"__inference_lossdoctor_{graph.name}_{next(_names)}"
        # The attribute that `tf.function(jit_compile=True)` puts on what it calls.
        attributes = {"_XlaMustCompile": True} if xla else {}
        given = graph.inputs if inputs is None else inputs
        self._function = atomic_function.from_func_graph(
            name, _View(graph, fetches, effects=effects, inputs=given), attributes
        )
        self._captures: Any = () if inner else graph.external_captures
        self._inputs = [tensor.dtype for tensor in given[: len(given) - len(self._captures)]]
        self._unoptimised: Any = None  # options, made once: making them takes as long as a small graph

    def __call__(self, feeds: Sequence[Any], *, optimised: bool) -> list[Any]:
        """Eager tensors, one for each fetch. Raises what TensorFlow raises."""
        with ops.init_scope():
            args = [_eager(feed, dtype) for feed, dtype in zip(feeds, self._inputs, strict=True)]
            if optimised:
                return list(self._function.call_flat(*args, *self._captures) or ())
            if self._unoptimised is None:
                self._unoptimised = plain_options()
            with calling_with(self._unoptimised):
                return list(self._function.call_flat(*args, *self._captures) or ())


def _eager(feed: Any, dtype: Any) -> Any:
    """`tf.convert_to_tensor`, without looking for what else an array could be."""
    if type(feed) is np.ndarray:
        return constant_op.convert_to_eager_tensor(feed, context.context(), dtype)
    return tf.convert_to_tensor(feed, dtype)


def call_options() -> Any:
    """How functions of this thread are called at present."""
    return context.context().function_call_options


def plain_options() -> Any:
    """How functions are called without the graph optimiser, and else as TensorFlow is set up."""
    config = context.context().config
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    config.allow_soft_placement = True
    return context.FunctionCallOptions(config_proto=config)


@contextmanager
def calling_with(options: Any) -> Generator[None]:
    """Functions of this thread are called with these options."""
    current = context.context()
    saved = current.function_call_options
    current.function_call_options = options
    try:
        yield
    finally:
        current.function_call_options = saved


def array(tensor: Any) -> np.ndarray[Any, Any]:
    """The value of an eager tensor in a dtype that NumPy itself has (bfloat16 becomes float32, exactly)."""
    value = tensor.numpy() if hasattr(tensor, "numpy") else tensor
    value = np.asarray(value)
    return value.astype(np.float32) if dtype_name(value.dtype) == "bfloat16" else value
