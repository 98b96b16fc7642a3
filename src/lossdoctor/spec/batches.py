"""The batch of a program in a file: x, y and sample_weight of a model, or the arguments of a training step."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any, cast

import numpy as np

from lossdoctor.findings import UsageError

_ROLES = ("x", "y", "sample_weight")


def entries(path: str | Path) -> tuple[str, ...]:
    """The names of the arrays of an .npz file, without reading them; () if it is none."""
    try:
        with zipfile.ZipFile(path) as archive:
            return tuple(name.removesuffix(".npy") for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return ()


def of_program(path: str | Path) -> bool:
    """Whether the file holds a batch of a program and no targets and predictions of a loss."""
    names = entries(path)
    return bool(names) and not any(name.partition(".")[0] in ("y_true", "y_pred") for name in names)


def load_batch(path: str | Path) -> dict[str, Any]:
    """The arrays by name; several inputs or outputs, `x.left` or `y.price`, as one table. Pickles are never loaded.

    Raises:
        UsageError: no such file, not an .npz file, or objects in it.
    """
    file = Path(path)
    if not file.is_file() or not zipfile.is_zipfile(file):
        what = "no such file" if not file.exists() else "not an .npz file"
        raise UsageError(f"Invalid value for `data`. Expected an .npz file. Received: '{path}' ({what})")
    found: dict[str, Any] = {}
    try:
        with np.load(file, allow_pickle=False) as archive:
            for name in archive.files:
                role, dot, part = name.partition(".")
                if dot and role in _ROLES:
                    found.setdefault(role, {})[part] = archive[name]
                else:
                    found[name] = archive[name]
    except (ValueError, OSError, zipfile.BadZipFile, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(f"Invalid value for `data`. Expected arrays in '{path}'. Received: {reason}") from None
    return {name: _listed(value) for name, value in found.items()}


def _listed(value: Any) -> Any:
    """A table with the keys "0", "1", … as a list."""
    if not isinstance(value, dict):
        return value
    parts = cast("dict[str, Any]", value)
    places = [str(place) for place in range(len(parts))]
    return [parts[place] for place in places] if set(parts) == set(places) else parts
