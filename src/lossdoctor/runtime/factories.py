"""The call of a factory that makes a function once more, in another process."""

from __future__ import annotations

import ast
import inspect
from types import FunctionType
from typing import Any

import numpy as np

_PLAIN = (bool, int, float, complex, str, bytes, type(None), np.generic)


def made_by(loss: Any, path: str) -> str:
    """The target of a function that a factory of the file returned, such as `losses.py:focal(gamma=2.0)`.

    The factory is called to see whether what it makes is the same: code, defaults and all that the function holds of
    its surroundings. "" where it is not, or where that is more than numbers and texts.
    """
    try:
        return _made_by(loss, path)
    except Exception:  # of the user's factory
        return ""


def _made_by(loss: Any, path: str) -> str:
    if not isinstance(loss, FunctionType) or not path:
        return ""
    name, _, rest = loss.__qualname__.partition(".<locals>.")
    factory = loss.__globals__.get(name)
    held = _held(loss)
    if not rest or not isinstance(factory, FunctionType) or not all(map(_plain, held.values())):
        return ""
    parameters = inspect.signature(factory).parameters
    given = {key: held[key] for key in parameters if key in held}
    made = factory(**given)
    written = ", ".join(
        f"{key}={value.item() if isinstance(value, np.generic) else value!r}" for key, value in given.items()
    )
    ast.parse(f"{name}({written})", mode="eval")
    return f"{path}:{name}({written})" if isinstance(made, FunctionType) and _facts(made) == _facts(loss) else ""


def _held(function: FunctionType) -> dict[str, Any]:
    """The variables around a function that it uses."""
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    return dict(zip(function.__code__.co_freevars, cells, strict=True))


def _plain(value: Any) -> bool:
    return all(map(_plain, value)) if isinstance(value, list | tuple) else isinstance(value, _PLAIN)


def _facts(function: FunctionType) -> tuple[Any, ...]:
    return function.__code__, _held(function), function.__defaults__, function.__kwdefaults__
