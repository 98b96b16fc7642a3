"""LD812: columns of x that never change; an error where nothing of x does."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lossdoctor.readings.model import Batch
from lossdoctor.rules.data.batches import named
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD812", name="constant-input", family="data", severity="info")
_ENOUGH = 8  # samples


@RULE.check
def constant_input(batch: Batch) -> Iterator[Suspicion]:
    if batch.size < _ENOUGH:
        return
    for key, array in batch.inputs:
        if array.dtype.kind not in "fiub" or not np.isfinite(array).all():
            continue
        constant = (array == array[:1]).all(axis=0)
        name = named("x", key)
        if bool(np.all(constant)):
            yield RULE.at(
                None,
                f"`{name}` is the same for all {batch.size} samples, so nothing can be told apart by it",
                evidence="witnessed",
                severity="error" if len(batch.inputs) == 1 else "info",
                accused=Accused("data", "x", (0,), rank=15),
            )
        elif array.ndim == 2 and bool(constant.any()) and array.dtype.kind == "f":
            columns = np.flatnonzero(constant)
            shown = ", ".join(str(int(column)) for column in columns[:6]) + (", …" if len(columns) > 6 else "")
            value = float(array[0, columns[0]])
            yield RULE.at(
                None,
                f"`{name}` is {value:g} for every sample in column {shown}, which tells nothing",
                evidence="witnessed",
                accused=Accused("data", "x", (0, int(columns[0])), rank=62),
            )
