"""Specs: what a loss is given. `dtype[dims] kind`, with optional modifier `missing` (DESIGN section 3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from lossdoctor.findings import SpecOrigin

Kind = Literal["real", "positive", "unit", "probability", "logit", "binary", "onehot", "label", "sign"]


@dataclass(frozen=True, slots=True)
class Spec:
    dtype: str
    dims: tuple[int | str, ...]  # names or numbers; "B" is the batch
    kind: Kind = "real"
    classes: int | None = None  # of label(n)
    missing: bool = False


# A spec, or a tuple or table of structures.
Structure = Spec | tuple["Structure", ...] | Mapping[str, "Structure"]


@dataclass(frozen=True, slots=True)
class Contract:
    """The specs of both arguments, where they come from, and what was assumed on the way."""

    y_true: Structure
    y_pred: Structure
    origin: SpecOrigin = "given"
    assumptions: tuple[str, ...] = ()
    magnitude: float = 1e4
