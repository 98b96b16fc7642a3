"""Renderers: pure functions from a `Report` to text, one module a format.

A module `report/<name>.py` with a function `render(report, view) -> str` is a format; the command line offers it
by the name of the module (`terminal` is called "text"). `report/parts/` holds what formats share.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lossdoctor.findings import Report, UsageError

_ALIASES = {"terminal": "text"}


@dataclass(frozen=True, slots=True)
class View:
    """How a report is shown. Formats for machines ignore all of it.

    `root` is the folder that the report's relative paths start from; `encoding` is that of the stream the text
    goes to; `elapsed` are the seconds that the whole run took, if they are known.
    """

    width: int = 80
    color: bool = False
    encoding: str = "utf-8"
    verbose: bool = False
    root: Path = Path()
    elapsed: float | None = None


Renderer = Callable[[Report, View], str]


def formats() -> tuple[str, ...]:
    """The names of all formats, "text" first. Imports none of them."""
    names = [_ALIASES.get(item.name, item.name) for item in pkgutil.iter_modules(__path__) if not item.ispkg]
    return tuple(sorted(names, key=lambda name: (name != "text", name)))


def renderer(name: str) -> Renderer:
    """The renderer of a format. Raises `UsageError` for a name that is none."""
    if name not in formats():
        raise UsageError(f"Invalid value for `format`. Expected one of {', '.join(formats())}. Received: {name}")
    module = next((key for key, alias in _ALIASES.items() if alias == name), name)
    return importlib.import_module(f"{__name__}.{module}").render
