"""Traces a loss and its gradient into one TensorFlow graph, and records the user's frames of each operation.

The graph is what `model.fit` builds: unknown batch size, no AutoGraph on the loss itself, control dependencies added.
Functions decorated with `tf.function` inside the loss are traced in place (with their own AutoGraph), so that
their operations, and the gradients of these, are part of the same graph.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import FrameType
from typing import Any, Protocol

import numpy as np

from lossdoctor.findings import LossdoctorError
from lossdoctor.graph import spans
from lossdoctor.graph.ir import Span
from lossdoctor.graph.untyped_tf import PFor, autograph_util, func_graph, ops, polymorphic_function, tf, tf_stack
from lossdoctor.spec import Contract, Spec, Structure, leaves, map_structure

Call = Callable[[Any, Any], Any]


class Inside(Protocol):
    """Looks into the bodies of loops and branches while they are traced."""

    def starting(self, graph: Any, kind: str) -> None:
        """Before each forward operation of a body, whose type is `kind`."""
        ...

    def watch(self, op: Any, calls: tuple[Span, ...]) -> Any:
        """With each of these; the code that made the operation gets what this returns."""
        ...


Noted = Callable[[Any, "FrameType | None"], None]


class NotATensor(LossdoctorError, TypeError):
    """The loss ran and returned something that is no tensor."""


@dataclass
class Records:
    """What was seen while a graph was built, by operation."""

    calls: dict[tuple[int, str], tuple[Span, ...]] = field(default_factory=dict[tuple[int, str], tuple[Span, ...]])
    gradients: set[tuple[int, str]] = field(default_factory=set[tuple[int, str]])
    refused: set[str] = field(default_factory=set[str])  # types whose gradient was asked for, and is not registered
    # The graphs that were watched while they were built; kept, so that no other gets their id.
    graphs: dict[int, Any] = field(default_factory=dict[int, Any])
    by_name: dict[str, tuple[Span, ...]] = field(default_factory=dict[str, tuple[Span, ...]])
    accept: spans.IsUser = spans.is_user
    # What the targets of the loops around an operation held: (name, text or number), outermost frame first.
    loops: dict[tuple[int, str], tuple[tuple[str, str | int | float], ...]] = field(
        default_factory=dict[tuple[int, str], tuple[tuple[str, "str | int | float"], ...]]
    )

    def calls_of(self, op: Any) -> tuple[Span, ...]:
        """The user's frames of an operation, outermost first; its statements where no frame was seen."""
        found = self.calls.get((id(op.graph), op.name))
        if found is not None or id(op.graph) in self.graphs:
            return found or ()
        frames = list(op.traceback or ())
        entries = [i for i, frame in enumerate(frames) if frame.name == "func_graph_from_py_func"]
        return tuple(
            spans.statement_span(frame.filename, frame.lineno, frame.name)
            for frame in frames[entries[-1] if entries else 0 :]  # inside the function, not who had it traced
            if self.accept(frame.filename)
        )

    def calls_of_name(self, graph: Any, name: str) -> tuple[Span, ...]:
        """The user's frames of an operation of `graph` or of a function in it; of its forward operation if it has
        none of its own."""
        try:
            op = graph.get_operation_by_name(name)
        except (KeyError, ValueError):
            return self.by_name.get(name, ())
        original = op._original_op
        return self.calls_of(op) or (self.calls_of(original) if original is not None else ())

    def converted(self, old: Any, new: Any) -> None:
        """`tf.vectorized_map` makes an operation of the whole batch of one of a sample: it has the place of that."""
        calls = self.calls_of(old)
        key = (id(new.graph), new.name)
        known = self.calls.get(key, ())
        if new is not old and calls[: len(known)] == known:
            self.calls[key] = self.by_name[new.name] = calls

    def is_gradient(self, op: Any) -> bool:
        return (id(op.graph), op.name) in self.gradients


@dataclass(frozen=True)
class Leaf:
    """One input of the loss: a spec, and where it sits in a structured argument."""

    role: str
    key: str  # "" where the argument is one tensor
    spec: Spec


@dataclass
class Program:
    """A loss and its gradient as a TensorFlow graph."""

    graph: Any  # FuncGraph
    leaves: tuple[Leaf, ...]
    inputs: tuple[Any, ...]  # a placeholder for each leaf
    value: Any
    gradients: tuple[Any | None, ...]  # one for each leaf of y_pred
    records: Records
    # Whether the loss returned a tensor, made no variable and called no `tf.function`: then this is the graph that
    # `fit` makes of it.
    direct: bool


@dataclass(frozen=True)
class Stopped:
    """A loss as far as it was traced before it raised, and what it raised."""

    graph: Any  # FuncGraph
    leaves: tuple[Leaf, ...]
    inputs: tuple[Any, ...]
    records: Records
    error: Exception


def flatten(structure: Structure, value: Any) -> list[Any]:
    """The leaves of a value that has the structure of the spec, in the order of `leaves`."""
    if isinstance(structure, Spec):
        return [value]
    if isinstance(structure, Mapping):
        return [leaf for name in sorted(structure) for leaf in flatten(structure[name], value[name])]
    return [leaf for part, inner in zip(structure, value, strict=True) for leaf in flatten(part, inner)]


def build(
    call: Call, contract: Contract, accept: spans.IsUser, inside: Inside | None = None, noted: Noted | None = None
) -> Program:
    """Trace `call(y_true, y_pred)` and its gradient.

    `inside` looks into the bodies of loops and branches. `noted` is called with each forward operation and the frame
    that makes it.

    Raises what the loss raises; `NotATensor` if it returns something else than a tensor, a number or a sequence
    that stacks to one.
    """
    all_leaves = _all_leaves(contract)
    records = Records(accept=accept)
    made: dict[str, Any] = {}

    def body(*flat: Any) -> None:
        variables: list[Any] = []

        def creator(following: Any, **options: Any) -> Any:
            variables.append(following(**options))
            return variables[-1]

        with (
            _recording(records, _frame(), gradient=False, inside=inside, noted=noted),
            _tf_functions_in_place() as inlined,
            tf.variable_creator_scope(creator),
        ):
            value = call(*_arguments(contract, flat))
        made["inputs"] = flat
        # A variable that the loss makes is made here, and refused by the functions of `fit`.
        made["direct"] = isinstance(value, tf.Tensor) and not inlined and not variables
        made["value"] = value = _as_tensor(value)
        predictions = [x for leaf, x in zip(all_leaves, flat, strict=True) if leaf.role == "y_pred"]
        with _recording(records, _frame(), gradient=True), _tf_functions_in_place(), _unregistered_as_none(records):
            made["gradients"] = _gradients(value, predictions)

    graph = _graph_of(body, all_leaves)
    return Program(
        graph,
        all_leaves,
        tuple(made["inputs"]),
        made["value"],
        tuple(made["gradients"]),
        records,
        made["direct"],
    )


def build_until(
    call: Call, contract: Contract, accept: spans.IsUser, inside: Inside | None = None, noted: Noted | None = None
) -> Stopped | None:
    """Trace the value of a loss that raises while it is traced, as far as it gets; None where it does not raise.
    `inside` and `noted` as for `build`."""
    all_leaves = _all_leaves(contract)
    records = Records(accept=accept)
    inputs: list[Any] = []
    problems: list[Exception] = []

    def body(*flat: Any) -> None:
        inputs.extend(flat)
        with (
            _recording(records, _frame(), gradient=False, inside=inside, noted=noted),
            _tf_functions_in_place(),
            _whole_tracebacks(),
        ):
            try:
                _as_tensor(call(*_arguments(contract, flat)))
            except Exception as problem:  # whatever the loss raises
                problems.append(problem)

    graph = _graph_of(body, all_leaves)
    return Stopped(graph, all_leaves, tuple(inputs), records, problems[0]) if problems else None


def _graph_of(body: Callable[..., None], all_leaves: Sequence[Leaf]) -> Any:
    return func_graph.func_graph_from_py_func(
        "loss", body, args=tuple(_tensor_spec(leaf) for leaf in all_leaves), kwargs={}, add_control_dependencies=True
    )


def _arguments(contract: Contract, flat: Sequence[Any]) -> tuple[Any, Any]:
    iterator = iter(flat)
    y_true = map_structure(lambda _: next(iterator), contract.y_true)
    return y_true, map_structure(lambda _: next(iterator), contract.y_pred)


def _all_leaves(contract: Contract) -> tuple[Leaf, ...]:
    found = (*_leaves(contract.y_true, "y_true"), *_leaves(contract.y_pred, "y_pred"))
    if contract.ragged is None:
        return found
    # The user knows the rows by the name of the argument.
    return tuple(replace(leaf, key="present" if leaf.spec.present else "") for leaf in found)


def _leaves(structure: Structure, role: str) -> Iterator[Leaf]:
    for key, spec in leaves(structure):
        yield Leaf(role, key, spec)


def _gradients(value: Any, predictions: Sequence[Any]) -> list[Any | None]:
    """d sum(value) / d prediction; None where TensorFlow says so, and for integers."""
    if not (value.dtype.is_floating or value.dtype.is_complex):
        return [None] * len(predictions)
    floats = [x for x in predictions if x.dtype.is_floating]
    # Of a complex loss the derivative of the real part, which is what Keras keeps.
    upstream = [tf.ones_like(value)] if value.dtype.is_complex else None
    found = iter(tf.gradients(value, floats, grad_ys=upstream) if floats else [])
    gradients = [next(found) if x.dtype.is_floating else None for x in predictions]
    return [tf.convert_to_tensor(g) if isinstance(g, tf.IndexedSlices) else g for g in gradients]


def _tensor_spec(leaf: Leaf) -> Any:
    key = "".join(c if c.isascii() and c.isalnum() else "_" for c in leaf.key)
    name = f"{leaf.role}_{key}" if key else leaf.role
    shape = [dim if isinstance(dim, int) else None for dim in leaf.spec.dims]
    return tf.TensorSpec(shape, tf.dtypes.as_dtype(leaf.spec.dtype), name=name)


def _as_tensor(value: Any) -> Any:
    """What the loss returned, as Keras takes it: a tuple of equal shapes is stacked."""
    if value is None or isinstance(value, str | bytes):
        raise NotATensor(f"the loss returned {value!r}; expected a tensor")
    try:
        return tf.convert_to_tensor(value)
    except (TypeError, ValueError) as error:
        kind = type(value).__name__
        raise NotATensor(f"the loss returned a value of type {kind}, which is no tensor; expected a tensor") from error


def _frame() -> FrameType | None:
    """The frame of the caller."""
    here = inspect.currentframe()
    return here.f_back if here is not None else None


@contextmanager
def _recording(
    records: Records,
    until: FrameType | None,
    *,
    gradient: bool,
    inside: Inside | None = None,
    noted: Noted | None = None,
) -> Generator[None]:
    """Note the user's frames of every operation that is made in any graph meanwhile."""
    original = ops.Graph._create_op_internal
    whole = ops.get_default_graph()
    stacks = tf_stack._source_mapper_stacks

    def create(graph: Any, *args: Any, **kwargs: Any) -> Any:
        if inside is not None and graph is not whole:
            inside.starting(graph, args[0] if args else kwargs["op_type"])
        op = original(graph, *args, **kwargs)
        key = (id(graph), op.name)
        mapped = stacks[tf_stack._get_thread_key()][-1].get_effective_source_map()
        records.calls[key] = records.by_name[op.name] = spans.frames(_frame(), until, records.accept, mapped)
        records.graphs[id(graph)] = graph
        held = spans.loops(_frame(), until, records.accept, mapped)
        if held:
            records.loops[key] = held
        if gradient:
            records.gradients.add(key)
        if noted is not None:
            noted(op, _frame())
        if inside is not None and graph is not whole:
            return inside.watch(op, records.calls[key])
        return op

    convert = PFor._add_conversion

    def converted(loop: Any, old: Any, new: Any) -> None:
        convert(loop, old, new)
        records.converted(getattr(old, "op", old), getattr(getattr(new, "t", None), "op", new))

    ops.Graph._create_op_internal = create
    PFor._add_conversion = converted
    try:
        yield
    finally:
        ops.Graph._create_op_internal = original
        PFor._add_conversion = convert


@contextmanager
def _whole_tracebacks() -> Generator[None]:
    """Let TensorFlow leave its own frames in the traceback of an exception: they know of a loop that is being made."""
    filtered = tf.debugging.is_traceback_filtering_enabled()
    tf.debugging.disable_traceback_filtering()
    try:
        yield
    finally:
        if filtered:
            tf.debugging.enable_traceback_filtering()


@contextmanager
def _unregistered_as_none(records: Records) -> Generator[None]:
    """Let the gradient of an operation that has none registered be None, where TensorFlow raises LookupError: the
    rest of the loss can then be examined. What TensorFlow makes of calls of functions stays as it is."""
    original = ops.get_gradient_function

    def registered(op: Any) -> Any:
        try:
            return original(op)
        except LookupError:
            if asked_in_vain(op) and not op.graph._is_function(op.type):
                records.refused.add(op.type)
                return None
            raise

    ops.get_gradient_function = registered
    try:
        yield
    finally:
        ops.get_gradient_function = original


def asked_in_vain(op: Any) -> bool:
    """Whether TensorFlow raises when it comes to this operation on its way back. To one that gives integers it never
    comes."""
    if op.type in ("PartitionedCall", "StatefulPartitionedCall", "SymbolicGradient"):
        return False
    differentiable = any(tensor.dtype.is_floating or tensor.dtype.is_complex for tensor in op.outputs)
    return differentiable and op.type not in ops.gradient_registry.list()


def tracing() -> bool:
    """Whether a loss is being traced by lossdoctor, its calls of `tf.function` in place."""
    return getattr(polymorphic_function.Function.__call__, "in_place", False)


@contextmanager
def _tf_functions_in_place() -> Generator[list[Any]]:
    """Let a call of a `tf.function` put its operations in the calling graph, AutoGraph applied as it asks; yields those
    that were called."""
    original = polymorphic_function.Function.__call__
    inlined: list[Any] = []

    def in_place(function: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(ops.get_default_graph(), func_graph.FuncGraph):
            return original(function, *args, **kwargs)
        inlined.append(function)
        python_function = function._python_function
        if function._autograph:
            python_function = autograph_util.py_func_from_autograph(
                python_function, function._experimental_autograph_options
            )
        if function.input_signature is not None:
            args, kwargs = tf.nest.map_structure(_tensor_of_number, (args, kwargs))
        return tf.nest.map_structure(_tensor_of_number, python_function(*args, **kwargs))

    in_place.in_place = True  # pyright: ignore[reportFunctionMemberAccess]  # how it is known again
    polymorphic_function.Function.__call__ = in_place
    try:
        yield inlined
    finally:
        polymorphic_function.Function.__call__ = original


def _tensor_of_number(value: Any) -> Any:
    return tf.convert_to_tensor(value) if isinstance(value, bool | int | float | np.ndarray | np.generic) else value
