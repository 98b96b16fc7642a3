"""Recognising Keras objects without importing Keras: by the modules of their classes."""

from __future__ import annotations

import inspect
from typing import Any

_KERAS = ("keras", "tf_keras", "tensorflow.python.keras")


def is_keras_module(module: str) -> bool:
    return any(module == root or module.startswith(root + ".") for root in _KERAS)


def _has_base(cls: type, name: str) -> bool:
    return any(base.__name__ == name and is_keras_module(base.__module__) for base in cls.__mro__)


def is_loss_class(value: Any) -> bool:
    return inspect.isclass(value) and _has_base(value, "Loss")


def is_loss(value: Any) -> bool:
    """Whether a value is an instance of a Keras `Loss`."""
    return not inspect.isclass(value) and _has_base(type(value), "Loss")


def is_model(value: Any) -> bool:
    return not inspect.isclass(value) and _has_base(type(value), "Model")


def other_role(value: Any) -> str | None:
    """ "metric", "layer" or "model" for a Keras object or class that is not a loss."""
    cls = value if inspect.isclass(value) else type(value)
    for name in ("Metric", "Model", "Layer"):
        if _has_base(cls, name):
            return name.lower()
    return None


def wrapped_function(value: Any) -> Any:
    """The function that does the work: of `functools.partial`, `tf.function`, decorators and Keras's own wrapper."""
    return wrappers(value)[-1]


def wrappers(value: Any) -> list[Any]:
    """The callable, what it wraps, what that wraps and so on: the last is the function that does the work."""
    found = [value]
    for _ in range(32):  # a wrapper can point at itself
        inner = None
        if is_loss(value) and type(value).__name__ == "LossFunctionWrapper" and is_keras_module(type(value).__module__):
            inner = getattr(value, "fn", None)
        elif inspect.isfunction(value) or inspect.ismethod(value):
            inner = getattr(value, "__wrapped__", None)
        else:
            for name in ("python_function", "__wrapped__", "func"):
                inner = getattr(value, name, None)
                if callable(inner):
                    break
        if not callable(inner) or inner is value:
            return found
        value = inner
        found.append(value)
    return found


def positional_parameters(value: Any) -> tuple[tuple[str, ...], int, bool] | None:
    """Names of the positional parameters, how many are required, and whether more are taken; None if unknown."""
    try:
        parameters = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        return None
    positional = [item for item in parameters if item.kind in (item.POSITIONAL_ONLY, item.POSITIONAL_OR_KEYWORD)]
    required = sum(item.default is item.empty for item in positional)
    variadic = any(item.kind is item.VAR_POSITIONAL for item in parameters)
    return tuple(item.name for item in positional), required, variadic


def required_arguments(value: Any) -> tuple[str, ...]:
    """Parameters of a class or factory that have no default."""
    try:
        parameters = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        return ()
    return tuple(
        item.name
        for item in parameters
        if item.default is item.empty and item.kind not in (item.VAR_POSITIONAL, item.VAR_KEYWORD)
    )
