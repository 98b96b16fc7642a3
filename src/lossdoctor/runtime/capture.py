"""A capture: the batch at which training went wrong, in one .npz file.

It holds the arrays `y_true`, `y_pred`, where given `sample_weight` and `x` (of structured ones `y_true.boxes`,
`y_true.0`, …) and `about`, a JSON text that says the rest. There are no pickled objects in it, and the file is written
beside its place and moved there, so that it is whole or absent. `lossdoctor check --data FILE` reads it as well.
"""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lossdoctor.findings import UsageError

FORMAT = "lossdoctor-capture"
VERSION = 1
_SOURCE_LIMIT = 2**20  # bytes of a source file that is kept


@dataclass(frozen=True)
class About:
    """What is known of a captured batch beside its arrays."""

    target: str  # "path/to/losses.py:dice"; "" for a loss that cannot be imported again
    name: str
    step: int  # of training, counted from 0
    epoch: int | None
    replica: int
    replicas: int
    reason: str  # "non-finite", or what the capture was asked for
    loss: float  # as training saw it
    gradient_norm: float
    scale: float  # what the loss was multiplied with on its way to the optimizer
    executions: tuple[str, ...]  # eager, graph, xla
    dtype: str  # in which the loss computes
    squeezes: bool  # a function, for which Keras makes the ranks of both arguments equal
    rows: int  # of the whole batch
    versions: Mapping[str, str] = field(default_factory=dict[str, str])
    sources: Mapping[str, str] = field(default_factory=dict[str, str])  # path: text
    output: int = 0  # which call of the loss in a step
    indices: tuple[int, ...] = ()  # of the samples in the data set, -1 where not known


@dataclass(frozen=True)
class Capture:
    """A captured batch. Arrays that were too large have fewer rows than `about.rows`."""

    about: About
    y_true: Any
    y_pred: Any
    sample_weight: Any = None
    x: Any = None

    @property
    def truncated(self) -> bool:
        return any(array.ndim and len(array) < self.about.rows for array in flat(self.y_pred).values())


def flat(value: Any, key: str = "") -> dict[str, np.ndarray[Any, Any]]:
    """The arrays of a structure by their keys: "", "boxes", "0.boxes"."""
    if value is None:
        return {}
    if isinstance(value, Mapping):
        parts = [(str(name), value[name]) for name in sorted(value)]
    elif isinstance(value, list | tuple):
        parts = [(str(place), part) for place, part in enumerate(value)]
    else:
        return {key: np.asarray(value)}
    return {k: v for name, part in parts for k, v in flat(part, f"{key}.{name}" if key else name).items()}


def shaped(structure: Any, arrays: Sequence[Any]) -> Any:
    """The structure (None for an array) with the arrays in their places."""
    rest = iter(arrays)

    def fill(part: Any) -> Any:
        if isinstance(part, Mapping):
            return {key: fill(part[key]) for key in sorted(part)}
        return tuple(fill(each) for each in part) if isinstance(part, list | tuple) else next(rest)

    return fill(structure)


def save(capture: Capture, path: str | Path, extra: Mapping[str, Any] | None = None) -> Path:
    """Write a capture; what is in its place is replaced at once. `extra` are further arrays, such as weights.

    Raises:
        OSError: it cannot be written.
    """
    place = Path(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    entries: dict[str, Any] = {}
    for role in ("y_true", "y_pred", "sample_weight", "x"):
        for key, array in flat(getattr(capture, role)).items():
            entries[f"{role}.{key}" if key else role] = array
    about = {"format": FORMAT, "version": VERSION, **asdict(capture.about)}
    entries["about"] = np.array(json.dumps(about, default=str))
    entries.update({f"extra.{key}": value for key, value in (extra or {}).items()})
    handle, name = tempfile.mkstemp(dir=place.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez_compressed(file, **entries)
        os.replace(name, place)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return place


def load(path: str | Path) -> Capture:
    """Read a capture. Pickled objects are never loaded.

    Raises:
        UsageError: there is no such file, or it is no capture.
    """
    file = Path(path)
    if not file.is_file():
        what = "a folder" if file.is_dir() else "no such file"
        raise UsageError(f"Invalid value for `file`. Expected a capture (.npz). Received: '{path}' ({what})")
    try:
        with np.load(file, allow_pickle=False) as archive:
            entries = {name: archive[name] for name in archive.files}
        about = json.loads(str(entries.pop("about")))
        if about.pop("format") != FORMAT:
            raise ValueError
        version = about.pop("version")
    except (ValueError, OSError, zipfile.BadZipFile, KeyError, EOFError, AttributeError):
        raise UsageError(
            f"Invalid value for `file`. Expected a capture as lossdoctor's Monitor writes it. Received: '{path}'"
        ) from None
    if version != VERSION:
        raise UsageError(
            f"Invalid value for `file`. Expected a capture of version {VERSION}. Received: version {version}"
        )
    about["executions"] = tuple(about["executions"])
    about["indices"] = tuple(about.get("indices", ()))
    try:
        told = About(**about)
    except TypeError:
        raise UsageError(f"Invalid value for `file`. Expected a complete capture. Received: '{path}'") from None
    return Capture(told, *(_role(entries, role) for role in ("y_true", "y_pred", "sample_weight", "x")))


def source_texts(paths: Sequence[str]) -> dict[str, str]:
    """The texts of source files, those that can be read and are not huge."""
    found: dict[str, str] = {}
    for path in dict.fromkeys(paths):
        file = Path(path)
        try:
            if file.stat().st_size <= _SOURCE_LIMIT:
                found[path] = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
    return found


def _role(entries: Mapping[str, Any], role: str) -> Any:
    if role in entries:
        return entries[role]
    table: dict[str, Any] = {}
    for name, array in entries.items():
        if name.startswith(role + "."):
            here = table
            *folders, last = name.removeprefix(role + ".").split(".")
            for folder in folders:
                here = here.setdefault(folder, {})
            here[last] = array
    return _tuples(table) if table else None


def _tuples(table: Any) -> Any:
    """Tables whose keys are 0, 1, … become tuples."""
    if not isinstance(table, dict):
        return table
    parts = {key: _tuples(part) for key, part in table.items()}
    if set(parts) == {str(place) for place in range(len(parts))}:
        return tuple(parts[str(place)] for place in range(len(parts)))
    return parts
