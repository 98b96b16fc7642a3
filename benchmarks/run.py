"""A log of training with what is known of it."""

from __future__ import annotations

from dataclasses import dataclass, field

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
