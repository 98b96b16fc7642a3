"""Runs of a loss that leave the user's variables as they were."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from types import CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, cast

from lossdoctor.graph.reading_tf import bodies
from lossdoctor.graph.spans import is_user
from lossdoctor.graph.untyped_tf import tf

_MOST = 5000  # objects that are looked at for variables


@contextmanager
def unchanged(graph: Any) -> Generator[None]:
    """Put the variables that a FuncGraph captures back to what they hold, where it changes any."""
    held = [(handle, _value(handle)) for handle in graph.external_captures] if changes(graph) else []
    try:
        yield
    finally:
        for handle, value in held:
            if value is not None:
                with tf.init_scope():
                    tf.raw_ops.AssignVariableOp(resource=handle, value=value)


@contextmanager
def unchanged_by(loss: object) -> Generator[None]:
    """The same for an eager call of a loss: the variables that its code can name."""
    held = [(variable, variable.read_value()) for variable in _variables(loss)]
    try:
        yield
    finally:
        for variable, value in held:
            variable.assign(value)


def _variables(loss: object) -> list[Any]:
    found: dict[int, Any] = {}
    seen: dict[int, object] = {}
    stack: list[object] = [loss]
    while stack and len(seen) < _MOST:
        one = stack.pop()
        if id(one) in seen or isinstance(one, str | bytes | int | float | type | ModuleType | tf.Tensor):
            continue
        seen[id(one)] = one
        if isinstance(one, tf.Variable):
            found[id(one)] = one
        else:
            stack.extend(_parts(one))
    return [variable for variable in found.values() if tf.executing_eagerly() and variable.dtype.is_numpy_compatible]


def _parts(one: Any) -> Iterator[object]:
    """What an object holds, and what the code of a function names."""
    if isinstance(one, dict):
        yield from list(one.values())  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    elif isinstance(one, list | tuple | set | frozenset):
        yield from one  # pyright: ignore[reportUnknownVariableType]
    elif isinstance(one, MethodType):
        yield from (one.__self__, one.__func__)
    elif isinstance(one, FunctionType):
        if not is_user(one.__code__.co_filename):
            return
        yield from (cell.cell_contents for cell in one.__closure__ or () if cell != CellType())
        yield from one.__defaults__ or ()
        names = list(_names(one.__code__))
        for name in names:
            held = one.__globals__.get(name)
            yield held
            if isinstance(held, ModuleType) and is_user(getattr(held, "__file__", None) or "<frozen"):
                yield from (vars(held).get(inner) for inner in names)
    else:
        kind = cast("type[Any]", type(one))
        yield from list(getattr(one, "__dict__", {}).values())
        yield from (getattr(kind, name) for name in ("call", "__call__") if name in vars(kind))


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _names(inner)


def changes(graph: Any) -> bool:
    """Whether something in a graph, or in the bodies of its loops and branches, changes a variable."""
    return any(map(writes, graph.get_operations()))


def writes(op: Any, own: Callable[[Any], bool] = lambda op: False) -> bool:
    """Whether an operation, or one in its bodies, changes a variable or a generator; but for those that are `own`."""
    inner = bodies(op)
    if inner:
        return any(writes(each, own) for graph in inner for each in graph.get_operations())
    looks = "Read" in op.type or op.type == "VariableShape"
    return bool(op.op_def.is_stateful) and any(x.dtype == tf.resource for x in op.inputs) and not looks and not own(op)


def _value(handle: Any) -> Any | None:
    data = getattr(handle, "_handle_data", None)
    if handle.dtype != tf.resource or data is None or not data.is_set or len(data.shape_and_type) != 1:
        return None
    try:
        with tf.init_scope():
            return tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.dtypes.as_dtype(data.shape_and_type[0].dtype))
    except tf.errors.OpError:
        return None
