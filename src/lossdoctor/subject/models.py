"""The losses of Keras models: what `compile` was given, or a `compute_loss` of the model's own."""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
from collections.abc import Callable, Mapping
from typing import Any

from lossdoctor.findings import UsageError
from lossdoctor.subject.kinds import is_keras_module, is_loss, is_model

# Source of the loss of the model `{0}`, as Keras calls it in `fit`, without the inputs of the model.
COMPUTED = (
    "(lambda model: lambda y_true, y_pred: model.compute_loss(x=None, y=y_true, y_pred=y_pred, sample_weight=None))"
    "({0})"
)


def own_compute_loss(cls: type) -> Any | None:
    """The `compute_loss` that a model class or a base of the user's defines."""
    found = next((base for base in cls.__mro__ if "compute_loss" in vars(base)), None)
    return None if found is None or is_keras_module(found.__module__) else vars(found)["compute_loss"]


def computed(model: Any, text: str) -> Callable[[Any, Any], Any]:
    """The model's own `compute_loss` as a function of (y_true, y_pred).

    Raises:
        UsageError: it reads the inputs of the model, which nobody knows here, or the losses of `compile` without any.
    """
    reads, delegates = _uses(own_compute_loss(type(model)))
    if reads:
        raise UsageError(
            "Invalid value for `target`. Expected a `compute_loss` of y and y_pred, or a function of (y_true, y_pred). "
            f"Received: {text!r}, whose `compute_loss` reads the inputs `x` of the model"
        )
    if delegates and getattr(model, "loss", None) is None:
        raise UsageError(
            "Invalid value for `target`. Expected a compiled model, since its `compute_loss` adds to the loss of "
            f"`compile`. Received: {text!r}, which has none"
        )

    def compute(y_true: Any, y_pred: Any) -> Any:
        return model.compute_loss(x=None, y=y_true, y_pred=y_pred, sample_weight=None)

    return functools.update_wrapper(compute, model.compute_loss)


def _uses(method: Any) -> tuple[bool, bool]:
    """Whether a `compute_loss` reads x, other than to hand it on to Keras's, and whether it calls that."""
    try:
        function = ast.parse(textwrap.dedent(inspect.getsource(method))).body[0]
    except (OSError, SyntaxError, TypeError, IndexError):
        return False, False
    if not isinstance(function, ast.FunctionDef):
        return False, False
    names = [argument.arg for argument in function.args.args]
    inputs = names[1] if len(names) > 1 else ""
    handed: set[int] = set()
    delegates = False
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "compute_loss":
            delegates = True
            handed |= {id(part) for part in [*node.args, *(keyword.value for keyword in node.keywords)]}
    reads = any(
        isinstance(node, ast.Name) and node.id == inputs and isinstance(node.ctx, ast.Load) and id(node) not in handed
        for node in ast.walk(function)
    )
    return reads, delegates


def losses_of(value: Any) -> Mapping[Any, Any] | None:
    """The losses of a model compiled with several, or of a list or table of losses; None for anything else.

    Outputs without a loss are left out; a loss that was given by name is made.
    """
    given = value.loss if is_model(value) and own_compute_loss(type(value)) is None else value
    if not isinstance(given, list | tuple | Mapping) or (is_model(value) and len(given) < 2):
        return None
    items: Mapping[Any, Any] = given if isinstance(given, Mapping) else dict(enumerate(given))
    found = {key: _made(loss) for key, loss in items.items() if loss is not None}
    return found if found and all(callable(loss) or losses_of(loss) is not None for loss in found.values()) else None


def _made(loss: Any) -> Any:
    if not isinstance(loss, str):
        return loss
    import keras

    return keras.losses.get(loss)


def named(name: str) -> Any:
    """The loss that Keras knows by a name.

    Raises:
        UsageError: it knows none.
    """
    try:
        return _made(name)
    except ValueError:
        files = ", or give a file to `lossdoctor check`" if name.endswith(".py") or ":" in name else ""
        raise UsageError(
            f"Invalid value for `loss`. Expected the name of a loss of Keras{files}. Received: {name!r}"
        ) from None


def only_loss(model: Any, text: str) -> tuple[Any, str]:
    """The loss of a model compiled with one, and source of it, with `{0}` for the model.

    Raises:
        UsageError: there is none, or there are several.
    """
    loss = getattr(model, "loss", None)
    several = losses_of(model)
    if several is not None and len(several) > 1:
        names = ", ".join(f"{key!r}: {_name(part)}" for key, part in several.items())
        raise UsageError(
            "Invalid value for `target`. Expected one loss; name each by itself, as `file.py:loss`, or hand the model "
            f"to lossdoctor.check. Received: {text!r}, a model compiled with {len(several)} losses ({names})"
        )
    place = ""
    if isinstance(loss, list | tuple | Mapping):
        items: Mapping[Any, Any] = loss if isinstance(loss, Mapping) else dict(enumerate(loss))
        key, loss = next(((key, part) for key, part in items.items() if part is not None), (None, None))
        place = f"[{key!r}]"
    if loss is None:
        added = ", only losses of add_loss, which no y_true reaches" if getattr(model, "losses", None) else ""
        raise UsageError(
            "Invalid value for `target`. Expected a compiled model. Received: a model without a loss" + added
        )
    return _made(loss), f"keras.losses.get({{0}}.loss{place})"


def _name(loss: Any) -> str:
    if is_loss(loss):
        return str(type(loss).__name__)
    return str(getattr(loss, "__name__", type(loss).__name__))
