"""A loss in this process: loaded from a target or given as a live object, and called as it is or as Keras does.

This runs where TensorFlow runs (the worker). Keras itself is imported only when it is called.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType
from typing import Any

from lossdoctor.findings import UsageError
from lossdoctor.session import Loaded, SessionError
from lossdoctor.source.discover import discover
from lossdoctor.subject.frames import is_user_file
from lossdoctor.subject.importing import Imported, import_target
from lossdoctor.subject.kinds import is_keras_module, is_loss
from lossdoctor.subject.live import live_loader
from lossdoctor.subject.loader import loader_source
from lossdoctor.subject.locate import definition_of
from lossdoctor.subject.models import named
from lossdoctor.subject.realise import Made, realise
from lossdoctor.targets import TargetRef, parse_target


class Subject:
    """One loss.

    Attributes:
        loaded: what it is, as plain data.
        object: the function or `Loss` instance that is called.
        module: the module that the target names; None for a live object without one.
        unreproducible: why `loaded.loader` is empty; "" where it is not.
    """

    def __init__(self, loaded: Loaded, made: Made, module: ModuleType | None, unreproducible: str = "") -> None:
        self.loaded = loaded
        self.object = made.value
        self.module = module
        self.unreproducible = unreproducible
        self._made = made
        self._model: Any = None
        self._users: dict[str, bool] = {}

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The raw call: of a `Loss` its `call`, without cast and reduction. Raises what the loss raises."""
        if is_loss(self.object):
            return self.object.call(y_true, y_pred)
        return self.object(y_true, y_pred)

    def keras_call(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The call that a compiled model makes: casts, squeezes (functions only), weighs and reduces."""
        if is_loss(self.object):
            return self.object(y_true, y_pred, sample_weight=sample_weight)
        if self._model is None:
            import keras

            self._model = keras.Model()
            self._model.compile(loss=self.object)
        return self._model.compute_loss(y=y_true, y_pred=y_pred, sample_weight=sample_weight)

    def make(self) -> Any:
        """A fresh loss: a new instance of a class, a new product of a factory, a copy of an instance; of a function
        the function itself. Raises what making it raises."""
        return self._made.make()

    def is_user(self, filename: str) -> bool:
        """Whether a frame of this file is the user's; the file that defines the loss always is."""
        if filename.startswith("<"):  # whose text may be registered at any time
            return is_user_file(filename)
        known = self._users.get(filename)
        if known is None:  # asked for each frame of each operation
            known = self._users[filename] = os.path.abspath(filename) == self.loaded.path or is_user_file(filename)
        return known


def load(target: TargetRef | str) -> Subject:
    """Import the file or module of a target and make the loss that it names.

    Raises:
        UsageError: there is no such thing, it is no loss, or it needs arguments.
        SessionError: importing or making it raised.
    """
    reference = parse_target(target) if isinstance(target, str) else target
    imported = import_target(reference)
    name = reference.name or _only_loss(reference)
    arguments = reference.arguments
    if "(" in name:  # a loss that the file itself makes with literals
        inner = parse_target(f"{reference.path}:{name}")
        assert inner.name is not None
        name, arguments = inner.name, inner.arguments
    made = realise(_lookup(imported, name, reference), arguments, reference.text)
    source = loader_source(imported.loader, name, made, is_loss(made.value))
    return Subject(_describe(made, reference.text, name, source), made, imported.module)


def subject_of(value: Any, target: str = "") -> Subject:
    """The subject of a live function, `Loss` class or instance, factory or compiled model.

    Args:
        value: the object, or the name of a loss of Keras.
        target: what to call it; by default "file.py:name".

    Raises:
        UsageError: it is no loss.
        SessionError: making it raised.
    """
    if isinstance(value, str):
        value = named(value)
    try:
        made = realise(value, None, target or getattr(value, "__name__", repr(value)[:60]))
    except UsageError as problem:  # which speaks of what the command line is given
        raise UsageError(str(problem).replace("`target`", "`loss`", 1)) from None
    definition = definition_of(made.value)
    source, module, reason = live_loader(value, made)
    if not target:
        inside = definition.path.startswith(os.getcwd() + os.sep)
        place = os.path.relpath(definition.path) if inside else definition.path
        target = f"{place}:{definition.name}" if place else definition.name
    loaded = _describe(made, target, getattr(value, "__name__", definition.name), source)
    return Subject(loaded, made, module, reason)


def _describe(made: Made, target: str, name: str, loader: str) -> Loaded:
    definition = definition_of(made.value)
    return Loaded(
        target=target,
        name=name.rpartition(".")[2],
        kind=made.kind,
        path=definition.path,
        line=definition.line,
        parameters=definition.parameters,
        span=definition.span,
        loader=loader,
        attributes=_numbers(made.value),
        serializable=_serializable(made.value),
        lacking=made.lacking,
        computes_in=_half(made.value),
    )


def _only_loss(reference: TargetRef) -> str:
    """The loss of a file that has one.

    Raises:
        UsageError: there is none, or there are several.
    """
    assert reference.path is not None
    found = [candidate.name for candidate in discover(reference.path)]
    if len(found) == 1:
        return found[0]
    shown = Path(reference.path).name
    if not found:
        raise UsageError(
            f"Invalid value for `target`. Expected a file with a loss, or `{shown}:name`. "
            f"Received: {reference.text!r}, in which no loss was found"
        )
    raise UsageError(
        f"Invalid value for `target`. Expected one of {', '.join(f'`{shown}:{name}`' for name in found)}. "
        f"Received: {reference.text!r}"
    )


def _lookup(imported: Imported, name: str, reference: TargetRef) -> Any:
    value: Any = imported.module
    for part in name.split("."):
        try:
            value = getattr(value, part)
        except AttributeError:
            owner = imported.module.__name__ if reference.module else Path(reference.path or "").name
            raise UsageError(
                f"Invalid value for `target`. Expected a name that '{owner}' defines{_near(part, value)}. "
                f"Received: {reference.text!r}"
            ) from None
        except Exception as error:  # a lazy module or a property
            raise SessionError(
                f"Reading `{part}` of {reference.text!r} raised {type(error).__name__}: {error}"
            ) from error
    return value


def _near(name: str, value: Any) -> str:
    import difflib

    close = difflib.get_close_matches(name, dir(value), 1, 0.6)
    return f" (did you mean `{close[0]}`?)" if close else ""


def _numbers(value: Any) -> tuple[str, ...]:
    """The public attributes of an instance that hold Python numbers."""
    attributes: dict[str, Any] = {} if hasattr(value, "__code__") else getattr(value, "__dict__", {})
    return tuple(
        name
        for name, item in attributes.items()
        if isinstance(item, (int, float)) and not isinstance(item, bool) and not name.startswith("_")
    )


def _half(value: Any) -> str:
    """The dtype of a `Loss`, if it is half precision: Keras casts what it hands to `call` to it."""
    dtype = str(getattr(value, "dtype", "")) if is_loss(value) else ""
    return dtype if dtype in ("float16", "bfloat16") else ""


def _serializable(value: Any) -> bool:
    """Whether Keras can find the class or function again when a saved model is loaded."""
    cls: Any = type(value) if is_loss(value) else value
    if is_keras_module(getattr(cls, "__module__", None) or ""):
        return True
    try:
        import keras
    except ImportError:
        return False
    try:
        return keras.saving.get_registered_name(cls) != cls.__name__
    except (TypeError, AttributeError):  # not hashable; without a name, as functools.partial
        return False
