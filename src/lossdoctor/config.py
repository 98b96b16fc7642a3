"""The configuration: `[tool.lossdoctor]` in pyproject.toml, or in the file that `--config` names.

```toml
[tool.lossdoctor]
ignore = ["LD203"]
range = 1e3

[tool.lossdoctor.losses."losses.py:dice"]
y_true = "float32[B,H,W,1] binary"
y_pred = "float32[B,H,W,1] unit"
```
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from lossdoctor.findings import ErrorItem, Severity, UsageError
from lossdoctor.spec import Contract, parse_contract
from lossdoctor.targets import parse_target

_LOSS_KEYS = ("y_true", "y_pred", "formula", "reference", "ignore")
_FAIL_ON = ("error", "warning", "info", "never")
_FORMATS = ("text", "json", "sarif", "github", "junit", "html")


@dataclass(frozen=True, slots=True)
class LossEntry:
    """What the configuration says of one loss. `contract` is None where it gives no specs, or an invalid entry."""

    target: str  # the key, verbatim
    contract: Contract | None = None
    formula: str | None = None
    reference: str | None = None
    ignore: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Config:
    """The configuration of a project.

    Attributes:
        root: the folder that relative paths start from: the configuration's, else the one searched.
        path: the file, if there is one.
        losses: the entries in their order; an invalid one is among them, and in `errors`.
        errors: one item for each invalid entry.
    """

    root: Path
    path: Path | None = None
    losses: tuple[LossEntry, ...] = ()
    errors: tuple[ErrorItem, ...] = ()
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    extend_select: tuple[str, ...] = ()
    per_file_ignores: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    range: float | None = None
    seed: int | None = None
    time_limit: float | None = None
    memory_limit: float | None = None
    jobs: int | None = None
    fail_on: Severity | str | None = None
    format: str | None = None

    def entry(self, target: str) -> LossEntry | None:
        """The entry of a target: of the same text, else of the same loss (another path to the file, a file's entry
        for each of its losses). None if there is none."""
        exact = next((entry for entry in self.losses if entry.target == target), None)
        if exact is not None:
            return exact
        wanted = _identity(target, self.root)
        if wanted is None:
            return None
        same = {_identity(entry.target, self.root): entry for entry in self.losses}
        return same.get(wanted) or same.get((wanted[0], None))


def load_config(path: str | Path | None = None, start: str | Path = ".") -> Config:
    """Read the configuration.

    Args:
        path: the file; None means the nearest pyproject.toml with a `[tool.lossdoctor]`, from `start` upwards.
        start: the folder to start from, and the root if there is no configuration.

    Raises:
        UsageError: no such file, not TOML, an unknown key, or a value of the wrong type. What is wrong with the entry
            of one loss is an item of `errors` instead.
    """
    if path is not None:
        file = Path(path)
        if not file.is_file():
            what = "a folder" if file.is_dir() else "no such file"
            raise UsageError(f"Invalid value for `config`. Expected a TOML file. Received: '{path}' ({what})")
        return _read(file, _table(file, required=True) or {})
    for folder in (Path(start).resolve(), *Path(start).resolve().parents):
        file = folder / "pyproject.toml"
        if file.is_file():
            table = _table(file, required=False)
            if table is not None:
                return _read(file, table)
    return Config(Path(start).resolve())


def _table(file: Path, *, required: bool) -> dict[str, Any] | None:
    """The table `[tool.lossdoctor]`."""
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"Cannot read '{file}': {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        # A pyproject.toml that lossdoctor was not pointed at may be none of its business.
        if not required and b"tool.lossdoctor" not in file.read_bytes():
            return None
        raise UsageError(f"Invalid TOML in '{file}': {error}") from None
    tool = document.get("tool", {})
    table = tool.get("lossdoctor") if isinstance(tool, dict) else None
    if table is None:
        if required:
            raise UsageError(
                f"Invalid value for `config`. Expected a table [tool.lossdoctor]. Received: '{file}' without one"
            )
        return None
    if not isinstance(table, dict):
        raise UsageError(f"Invalid value for `tool.lossdoctor` in '{file}'. Expected a table. Received: {table!r}")
    return cast(dict[str, Any], table)


def _read(file: Path, table: Mapping[str, Any]) -> Config:
    root = file.parent.resolve()
    readers = _readers(file)
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key == "losses":
            continue
        if key not in readers:
            raise _unknown(key, (*readers, "losses"), f"`tool.lossdoctor` of '{file}'")
        values[key.replace("-", "_")] = readers[key](value, key)
    losses = table.get("losses", {})
    if not isinstance(losses, dict):
        raise _invalid("losses", "a table of losses", losses, file)
    entries: list[LossEntry] = []
    errors: list[ErrorItem] = []
    for target, given in cast(dict[str, Any], losses).items():
        try:
            entries.append(_entry(target, given, root, values.get("range") or 1e4))
        except UsageError as error:
            entries.append(LossEntry(target))
            errors.append(ErrorItem(target, f"{error} (in '{file.name}')"))
    return Config(root, file, tuple(entries), tuple(errors), **values)


def _entry(target: str, given: object, root: Path, magnitude: float) -> LossEntry:
    if not isinstance(given, dict):
        raise UsageError(f"Invalid value for `losses`. Expected a table for each loss. Received: {given!r}")
    table = cast(dict[str, Any], given)
    for key in table:
        if key not in _LOSS_KEYS:
            raise _unknown(key, _LOSS_KEYS, f"the entry of {target!r}")
    if ("y_true" in table) != ("y_pred" in table):
        lacking = "y_pred" if "y_true" in table else "y_true"
        raise UsageError(
            f"Invalid value for `{lacking}`. Expected a spec beside that of the other argument. Received: none"
        )
    contract = None
    if "y_true" in table:
        contract = parse_contract(table["y_true"], table["y_pred"], origin="config", magnitude=magnitude)
    for key in ("formula", "reference"):
        if key in table and not (isinstance(table[key], str) and table[key].strip()):
            raise UsageError(f"Invalid value for `{key}`. Expected text. Received: {table[key]!r}")
    reference = parse_target(target, root)  # a loss that is not there is an error before anything starts
    if reference.name is None and contract is not None and "formula" in table:
        raise UsageError(f"Invalid value for `formula`. Expected one loss. Received: the file {target!r}")
    ignore = _strings(table.get("ignore", []), "ignore", None)
    return LossEntry(target, contract, table.get("formula"), table.get("reference"), ignore)


def _readers(file: Path) -> dict[str, Callable[[Any, str], Any]]:
    """For each key the function that checks its value and returns it."""

    def strings(value: Any, key: str) -> tuple[str, ...]:
        return _strings(value, key, file)

    def table(value: Any, key: str) -> dict[str, tuple[str, ...]]:
        if not isinstance(value, dict):
            raise _invalid(key, "a table of patterns with lists of rules", value, file)
        return {str(name): strings(rules, key) for name, rules in cast(dict[Any, Any], value).items()}

    def positive(value: Any, key: str) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
            raise _invalid(key, "a positive number", value, file)
        return float(value)

    def magnitude(value: Any, key: str) -> float:
        if positive(value, key) <= 1:
            raise _invalid(key, "a number above 1", value, file)
        return float(value)

    def whole(least: int) -> Callable[[Any, str], int]:
        def read(value: Any, key: str) -> int:
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise _invalid(key, f"a whole number from {least}", value, file)
            return value

        return read

    def choice(names: Sequence[str]) -> Callable[[Any, str], str]:
        def read(value: Any, key: str) -> str:
            if value not in names:
                hint = _suggest(str(value), names)
                raise _invalid(key, f"one of {', '.join(names)}{hint}", value, file)
            return cast(str, value)

        return read

    return {
        "select": strings,
        "ignore": strings,
        "extend-select": strings,
        "per-file-ignores": table,
        "range": magnitude,
        "seed": whole(0),
        "time-limit": positive,
        "memory-limit": positive,
        "jobs": whole(1),
        "fail-on": choice(_FAIL_ON),
        "format": choice(_FORMATS),
    }


def _strings(value: Any, key: str, file: Path | None) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in cast(list[Any], value)):
        raise _invalid(key, 'a list of rules, such as ["LD301"]', value, file)
    return tuple(cast(list[str], value))


def _identity(target: str, root: Path) -> tuple[str, str | None] | None:
    """What a target means, so that two ways to write it are equal; None if it cannot be told."""
    try:
        reference = parse_target(target, root)
    except UsageError:
        return None
    name = f"{reference.name}{reference.arguments or ''}" if reference.name else None
    return (reference.path or f"module {reference.module}", name)


def _unknown(key: str, known: Sequence[str], where: str) -> UsageError:
    return UsageError(f"Unknown key `{key}` in {where}. Expected one of {', '.join(known)}{_suggest(key, known)}")


def _suggest(given: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(given.replace("_", "-"), known, 1, 0.6) or difflib.get_close_matches(
        given, known, 1, 0.6
    )
    return f" (did you mean `{close[0]}`?)" if close else ""


def _invalid(key: str, expected: str, received: object, file: Path | None) -> UsageError:
    where = f" in '{file}'" if file else ""
    return UsageError(f"Invalid value for `{key}`{where}. Expected {expected}. Received: {received!r}")
