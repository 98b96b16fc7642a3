"""A log of training with what is known of it."""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Columns = dict[str, Array]


@dataclass
class Run:
    """A log. `onset` is the row where the fault begins, None for a healthy run; the first column is step or epoch.

    `also` names the kinds that are right besides `kind`.
    """

    family: str
    kind: str
    onset: int | None
    columns: Columns
    unit: str = "step"
    also: tuple[str, ...] = ()
    notes: dict[str, object] = field(default_factory=dict)


def half_of(name: str) -> int:
    """In which half a kind is, by its name alone."""
    return zlib.crc32(name.encode()) % 2


def kept(name: str, seed: int, folder: Path | None, make: Callable[[], Run]) -> Run:
    """The run of a kind: the one that the folder holds, or a new one, which it holds from then on."""
    path = None if folder is None else folder / f"{name.replace(' ', '-')}.{seed}.pickle"
    if path is not None and path.exists():
        found: Run = pickle.loads(path.read_bytes())
        return found
    run = make()
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pickle.dumps(run))
    return run
