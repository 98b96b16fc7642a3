"""Targets: which loss is meant. `path/to/file.py`, `path/to/file.py:name` or `package.module:name`.

A name can be called with literals: `losses.py:focal(gamma=2)`. Nothing is imported here: names are looked up in
the text of the file.
"""

from __future__ import annotations

import ast
import difflib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lossdoctor.findings import UsageError
from lossdoctor.source.module import SourceModule, read_module

_FILE = re.compile(r"(?P<path>.+?\.py)(?::(?P<name>.*))?", re.DOTALL)
_MODULE = re.compile(r"(?P<module>[A-Za-z_][\w.]*):(?P<name>.+)", re.DOTALL)
_FORMS = "`file.py`, `file.py:name` or `package.module:name`"


@dataclass(frozen=True, slots=True)
class Arguments:
    """What a class or factory is called with; literals only."""

    positional: tuple[Any, ...] = ()
    keywords: tuple[tuple[str, Any], ...] = ()

    def __str__(self) -> str:
        """Python source, with the parentheses."""
        parts = [repr(value) for value in self.positional] + [f"{name}={value!r}" for name, value in self.keywords]
        return f"({', '.join(parts)})"


@dataclass(frozen=True, slots=True)
class TargetRef:
    """A target, taken apart. `path` is absolute; exactly one of `path` and `module` is set."""

    text: str  # as given
    path: str | None = None
    module: str | None = None
    name: str | None = None  # dotted, without arguments; None means every loss of the file
    arguments: Arguments | None = None  # None where none were written


def parse_target(text: str, base: str | Path | None = None) -> TargetRef:
    """Take a target apart, and see that the file and the name exist.

    Args:
        text: the target.
        base: the folder that a relative path starts from; the working folder by default.

    Raises:
        UsageError: not a target, no such file, not Python, or no such name in the file.
    """
    stripped = text.strip()
    # "package.py:name" is a file; a module is anything that has neither separators nor the suffix.
    match = _FILE.fullmatch(stripped)
    if match is not None:
        path = _existing(match["path"], text, base)
        if match["name"] is None:
            return TargetRef(text, path=str(path))
        name, arguments = _call(match["name"], text)
        _check_name(name, read_module(path), match["path"], text)
        return TargetRef(text, path=str(path), name=name, arguments=arguments)
    match = _MODULE.fullmatch(stripped)
    if match is not None and all(part.isidentifier() for part in match["module"].split(".")):
        name, arguments = _call(match["name"], text)
        return TargetRef(text, module=match["module"], name=name, arguments=arguments)
    place = Path(base or ".") / stripped
    if stripped and place.is_dir():
        raise _invalid(text, f"a Python file, {_FORMS}", " (a folder)")
    if stripped and place.is_file():
        raise _invalid(text, f"a Python file, {_FORMS}", " (not a .py file)")
    raise _invalid(text, _FORMS)


def _existing(given: str, text: str, base: str | Path | None) -> Path:
    path = Path(base or ".") / Path(given).expanduser()
    if path.is_file():
        return path.resolve()
    if path.is_dir():
        raise _invalid(text, "a Python file", " (a folder)")
    try:
        neighbours = [item.name for item in path.parent.iterdir() if item.suffix == ".py"]
    except OSError:
        neighbours = []
    raise _invalid(text, "an existing Python file", " (no such file)" + _suggest(path.name, neighbours))


def _call(source: str, text: str) -> tuple[str, Arguments | None]:
    """The dotted name and the arguments of `name` or `name(…)`."""
    try:
        node = ast.parse(source.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise _invalid(text, f"a name after the colon, {_FORMS}") from None
    arguments: Arguments | None = None
    if isinstance(node, ast.Call):
        arguments = _arguments(node, text)
        node = node.func
    name = ast.unparse(node)
    if not all(part.isidentifier() for part in name.split(".")):
        raise _invalid(text, f"a name after the colon, {_FORMS}")
    return name, arguments


def _arguments(node: ast.Call, text: str) -> Arguments:
    try:
        positional = tuple(ast.literal_eval(value) for value in node.args)
        keywords = tuple((item.arg or "**", ast.literal_eval(item.value)) for item in node.keywords)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        raise _invalid(text, "literals as arguments, such as `file.py:focal(gamma=2)`") from None
    if any(name == "**" for name, _ in keywords):
        raise _invalid(text, "arguments by name, not `**`")
    return Arguments(positional, keywords)


def _check_name(name: str, module: SourceModule, path: str, text: str) -> None:
    first = name.split(".")[0]
    if first in module.names or module.open_ended:
        return
    imported = {other for other in module.aliases if other not in module.functions}
    public = [other for other in module.names - imported if not other.startswith("__")]
    nested = [key for key in module.functions if key.endswith(f"<locals>.{first}")]
    if nested:
        outer = nested[0].split(".")[0]
        raise _invalid(text, f"a name at the top level of '{path}'", f" (`{first}` exists only inside `{outer}`)")
    raise _invalid(text, f"a name that '{path}' defines", _suggest(first, public))


def _suggest(name: str, names: list[str]) -> str:
    # A wrong case is the closest match of all, and difflib does not see it.
    close = [other for other in names if other.lower() == name.lower()] or difflib.get_close_matches(
        name, names, 1, 0.6
    )
    return f"; did you mean `{close[0]}`?" if close else ""


def _invalid(text: str, expected: str, note: str = "") -> UsageError:
    return UsageError(f"Invalid value for `target`. Expected {expected}. Received: {text!r}{note}")
