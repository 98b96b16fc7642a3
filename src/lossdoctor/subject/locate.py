"""Where a loss is defined: file, line and the names of its arguments."""

from __future__ import annotations

import functools
import inspect
import os
import sys
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from lossdoctor.findings import UsageError
from lossdoctor.graph.ir import Span
from lossdoctor.source.module import SourceClass, SourceFunction, SourceModule, read_module
from lossdoctor.subject.frames import is_user_file
from lossdoctor.subject.kinds import is_loss, positional_parameters, wrappers


@dataclass(frozen=True)
class Definition:
    """The `def`, `class` or `lambda` of a loss; `path` is "" where there is no file."""

    name: str
    qualname: str
    path: str
    line: int
    parameters: tuple[str, str]
    span: Span


def definition_of(value: Any) -> Definition:
    """Where a function, `Loss` instance or other callable is defined.

    Of an instance it is the class, the most derived one of the user's; of wrappers the function that they wrap.
    """
    chain = wrappers(value)
    inner = chain[-1]
    if inspect.isfunction(inner) or inspect.ismethod(inner):
        # A partial has bound the first parameters: what is given are the next.
        given = next((part for part in chain if isinstance(part, functools.partial)), inner)
        return _of_function(inner, given)
    return _of_class(inner if inspect.isclass(inner) else type(inner), inner)


def source_of(path: str) -> SourceModule | None:
    """The text of a file, or None where it cannot be read (a notebook cell, a deleted file)."""
    try:
        return _read(path, os.stat(path).st_mtime_ns)
    except (OSError, UsageError):
        return None


@lru_cache(maxsize=64)
def _read(path: str, changed: int) -> SourceModule:
    del changed  # part of the key: a file that changed is read again
    return read_module(path)


def source_function(value: Any) -> SourceFunction | None:
    """The source of a function, found by its line."""
    code = getattr(inspect.unwrap(value) if callable(value) else value, "__code__", None)
    if code is None:
        return None
    module = source_of(os.path.abspath(code.co_filename))
    if module is None:
        return None
    # The first line of a code object is that of its first decorator.
    for function in module.functions.values():
        decorators = [item.lineno for item in getattr(function.node, "decorator_list", [])]
        if min([function.line, *decorators]) == code.co_firstlineno and function.name in (code.co_name, function.name):
            return function
    return None


def _of_function(function: Any, given: Any) -> Definition:
    code = function.__code__
    path = os.path.abspath(code.co_filename) if os.path.exists(code.co_filename) else ""
    source = source_function(function) if path else None
    line = source.line if source else code.co_firstlineno
    name, qualname = function.__name__, function.__qualname__
    parameters = ("y", "y_pred") if name == "compute_loss" else _parameters(given)  # of a Keras model
    return Definition(name, qualname, path, line, parameters, _header(path, line, name))


def _of_class(cls: type, value: Any) -> Definition:
    files = [(base, _class_file(base)) for base in cls.__mro__ if base is not object]
    chosen = next(((base, file) for base, file in files if file and is_user_file(file)), (cls, _class_file(cls)))
    base, path = chosen
    source = _source_class(base, path)
    line = source.line if source else 1
    call = getattr(value, "call" if is_loss(value) else "__call__", None)
    return Definition(
        cls.__name__, base.__qualname__, path, line, _parameters(call), _header(path, line, base.__name__)
    )


def _source_class(cls: type, path: str) -> SourceClass | None:
    module = source_of(path) if path else None
    return module.classes.get(cls.__qualname__) if module else None


def _class_file(cls: type) -> str:
    """The file of a class: of its module, or of its methods where that has none."""
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    if file is None:
        codes = [getattr(member, "__code__", None) for member in vars(cls).values()]
        file = next((code.co_filename for code in codes if code is not None), None)
    return os.path.abspath(file) if file and os.path.exists(file) else ""


def _parameters(function: Any) -> tuple[str, str]:
    known = positional_parameters(function) if function is not None else None
    names = known[0] if known else ()
    return (names[0], names[1]) if len(names) >= 2 else ("y_true", "y_pred")


def _header(path: str, line: int, name: str) -> Span:
    module = source_of(path) if path else None
    text = module.lines[line - 1] if module and line <= len(module.lines) else ""
    indent = len(text) - len(text.lstrip())
    return Span(path, line, indent + 1, line, len(text.rstrip()) + 1, text.strip(), name)
