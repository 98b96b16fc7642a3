"""From what a name stands for to something that can be called with (y_true, y_pred)."""

from __future__ import annotations

import ast
import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from lossdoctor.findings import UsageError
from lossdoctor.session import Raised, SessionError
from lossdoctor.source.module import SourceFunction, own_nodes
from lossdoctor.source.names import is_pair
from lossdoctor.subject.frames import user_frames
from lossdoctor.subject.kinds import (
    is_loss,
    is_loss_class,
    is_model,
    other_role,
    positional_parameters,
    required_arguments,
    wrapped_function,
)
from lossdoctor.subject.locate import source_function
from lossdoctor.subject.models import COMPUTED, computed, only_loss, own_compute_loss
from lossdoctor.targets import Arguments

TargetKind = Literal["function", "class", "instance", "factory", "model"]


@dataclass(frozen=True)
class Made:
    """A loss that can be called: a function or a `Loss` instance.

    `expression` is Python source that makes it, with `{0}` for the object that the name stands for.
    """

    value: Any
    kind: TargetKind
    make: Callable[[], Any]
    expression: str
    lacking: tuple[str, ...] = ()  # required arguments beside y_true and y_pred that were not given


def realise(value: Any, arguments: Arguments | None, text: str) -> Made:
    """Make a loss of a function, `Loss` class or instance, factory or compiled model.

    Args:
        value: what the name stands for.
        arguments: what was written in parentheses, if anything.
        text: the target, for errors.

    Raises:
        UsageError: it is no loss, or it needs arguments.
        SessionError: making it raised.
    """
    if is_loss_class(value):
        return _called(value, arguments or Arguments(), "class", text)
    if is_loss(value):
        _no_arguments(arguments, "a `Loss` instance", text)
        wrapped = getattr(value, "__wrapped__", None)
        if wrapped is not None:  # a watched loss: it behaves as what it watches
            inner = realise(wrapped, None, text)
            return replace(inner, expression=inner.expression.format("{0}.__wrapped__"))
        return Made(value, "instance", lambda: _copy(value), "{0}")
    if is_model(value):
        _no_arguments(arguments, "a model", text)
        return _of_model(value, text)
    role = other_role(value)
    if role == "model":
        return _of_model_class(value, arguments or Arguments(), text)
    if role is not None:
        raise _no_loss(text, f"a Keras {role}")
    if inspect.isclass(value):
        return _called(value, arguments or Arguments(), "class", text)
    if not callable(value):
        raise _no_loss(text, f"{_article(type(value).__name__)}")
    if _takes_pair(value):
        return _bound(value, arguments, text)
    return _called(value, arguments or Arguments(), "factory", text)


def _bound(function: Any, arguments: Arguments | None, text: str) -> Made:
    """A function of (y_true, y_pred), with the arguments beyond these that were given."""
    given = dict(arguments.keywords) if arguments else {}
    if arguments and arguments.positional:
        raise UsageError(
            "Invalid value for `target`. Expected arguments by name, since the function itself takes y_true and "
            f"y_pred. Received: {text!r}"
        )
    lacking = tuple(name for name in required_arguments(function)[2:] if name not in given)
    if lacking and given:
        name = getattr(function, "__name__", "it")
        shown = ", ".join(f"{item}=…" for item in [*given, *lacking])
        raise UsageError(
            f"Invalid value for `target`. Expected the arguments that `{name}` requires beside y_true and y_pred, "
            f"`{_named(text, name)}({shown})`. Received: {text!r}"
        )
    if not given:  # what is lacking then is for a rule to say
        return Made(function, "function", lambda: function, "{0}", lacking)
    try:
        inspect.signature(function).bind(None, None, **given)
    except TypeError as error:
        raise _unfit(function, error, text) from None
    # With the function's name: Keras asks a loss for it.
    bound = functools.update_wrapper(functools.partial(function, **given), function)
    keywords = ", ".join(f"{name}={item!r}" for name, item in given.items())
    expression = f"functools.update_wrapper(functools.partial({{0}}, {keywords}), {{0}})"
    return Made(bound, "function", lambda: bound, expression)


def _called(value: Any, arguments: Arguments, kind: TargetKind, text: str) -> Made:
    """Call a class or factory."""
    try:
        inspect.signature(value).bind(*arguments.positional, **dict(arguments.keywords))
    except TypeError as error:
        raise _unfit(value, error, text) from None
    except ValueError:
        pass  # no signature to check

    def make() -> Any:
        made = value(*arguments.positional, **dict(arguments.keywords))
        return made() if is_loss_class(made) else made

    try:
        made = make()
    except Exception as error:
        frames = user_frames(error)
        where = f" (line {frames[-1].line})" if frames else ""
        message = " ".join(str(error).split())[:300]
        name = getattr(value, "__name__", "the target")
        raise SessionError(
            f"`{name}{arguments}` raised {type(error).__name__}: {message}{where}",
            raised=Raised(type(error).__name__, message, frames),
        ) from error
    if is_model(made):
        inner = _of_model(made, text)
        again = inner.expression.replace("{0}", f"{{0}}{arguments}")
        return Made(inner.value, "model", lambda: _of_model(make(), text).value, again)
    again = "()" if kind == "factory" and _returns_class(value, arguments, made) else ""
    if not callable(made) or other_role(made):
        if kind == "factory":
            raise _no_loss(text, f"a function that returns {_article(type(made).__name__)}, called without arguments")
        raise _no_loss(text, f"the class `{value.__name__}`, whose instances cannot be called with (y_true, y_pred)")
    if kind == "class" and not is_loss(made) and not _takes_pair(made):
        raise _no_loss(text, f"the class `{value.__name__}`, which is no `keras.losses.Loss`")
    return Made(made, kind, make, f"{{0}}{arguments}{again}")


def _copy(loss: Any) -> Any:
    """A twin with the same attributes. (`copy.copy` of a `Loss` saves and loads it, which needs a registered class.)"""
    twin = object.__new__(type(loss))
    twin.__dict__.update(loss.__dict__)
    return twin


def _returns_class(value: Any, arguments: Arguments, made: Any) -> bool:
    if not is_loss(made):
        return False
    return inspect.isclass(value(*arguments.positional, **dict(arguments.keywords)))


def _of_model(model: Any, text: str) -> Made:
    """The loss of a model: an overridden `compute_loss`, else what `compile` was given."""
    if own_compute_loss(type(model)) is not None:
        compute = computed(model, text)
        return Made(compute, "model", lambda: compute, COMPUTED)
    loss, expression = only_loss(model, text)
    inner = realise(loss, None, text)
    return Made(inner.value, "model", inner.make, inner.expression.format(expression))


def _of_model_class(cls: type, arguments: Arguments, text: str) -> Made:
    """The `compute_loss` of a model that the class makes."""
    if own_compute_loss(cls) is None:
        raise _no_loss(text, "a Keras model class without a `compute_loss` of its own")
    return _called(cls, arguments, "model", text)


def _takes_pair(value: Any) -> bool:
    """Whether a callable is itself the loss, rather than a factory of one."""
    inner = wrapped_function(value)
    known = positional_parameters(value) or positional_parameters(inner)
    if known is None:
        return True
    names, required, variadic = known
    if is_pair(names):
        return True
    source = source_function(inner) if inspect.isfunction(inner) else None
    if source is not None and returns_callable(source):
        return False
    if required == 2:
        return True
    return required < 2 and (len(names) >= 2 or variadic) and source is not None and source.returns_value


def returns_callable(function: SourceFunction) -> bool:
    """Whether a function returns a function that it defines, a lambda, or an instance or class called …Loss."""
    inner = {key.rpartition(".")[2] for key in function.module.functions if _inside(key, function)}
    inner |= {key.rpartition(".")[2] for key in function.module.classes if _inside(key, function)}
    for node in own_nodes(function.node):
        if not isinstance(node, ast.Return) or node.value is None:
            continue
        # `return inner`, `return tf.function(inner)`, `return inner if smooth else other`
        values = [node.value]
        while values:
            value = values.pop()
            if isinstance(value, ast.Lambda) or (isinstance(value, ast.Name) and value.id in inner):
                return True
            if isinstance(value, ast.IfExp):
                values += [value.body, value.orelse]
            elif isinstance(value, ast.Call):
                name = function.module.resolve(value.func) or ""
                if name.endswith("Loss") or (name.startswith("keras.losses.") and name.rpartition(".")[2][0].isupper()):
                    return True
                values += [item for item in value.args if isinstance(item, ast.Name) and item.id in inner]
    return False


def _inside(key: str, function: SourceFunction) -> bool:
    start = f"{function.qualname}.<locals>."
    return key.startswith(start) and "." not in key[len(start) :]


def _no_arguments(arguments: Arguments | None, what: str, text: str) -> None:
    if arguments is not None:
        raise UsageError(f"Invalid value for `target`. Expected {what} without arguments. Received: {text!r}")


def _unfit(value: Any, error: TypeError, text: str) -> UsageError:
    required = required_arguments(value)
    name = getattr(value, "__name__", "it")
    if required and "(" not in text:
        shown = ", ".join(f"{item}=…" for item in required)
        return UsageError(
            f"Invalid value for `target`. Expected the arguments that `{name}` requires, "
            f"`{_named(text, name)}({shown})`. Received: {text!r}"
        )
    return UsageError(f"Invalid value for `target`. Expected arguments of `{name}` ({error}). Received: {text!r}")


def _named(text: str, name: str) -> str:
    stem = text.partition("(")[0]
    return stem if stem.endswith(name) else f"{stem}:{name}"


def _no_loss(text: str, what: str) -> UsageError:
    return UsageError(
        f"Invalid value for `target`. Expected a function of (y_true, y_pred), a `Loss` or a factory of one. "
        f"Received: {text!r}, {what}"
    )


def _article(name: str) -> str:
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"
