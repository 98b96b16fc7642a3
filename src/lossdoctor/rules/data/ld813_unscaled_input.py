"""LD813: inputs so large that training fails, and does not once they are standardised."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lossdoctor.readings.model import Batch, ModelRun
from lossdoctor.rules.data.batches import at, named, numeric
from lossdoctor.rules.model.curves import learns, stuck, told
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD813", name="unscaled-input", family="data", severity="error")


@RULE.check
def unscaled_input(batch: Batch, run: ModelRun) -> Iterator[Suspicion]:
    if run.curve is None or run.scaled_inputs is None or not stuck(run.curve) or not learns(run.scaled_inputs):
        return
    largest = [(float(np.abs(numbers).max()), key, numbers) for key, numbers in _floats(batch)]
    size, key, numbers = max(largest, key=lambda item: item[0])
    index = tuple(int(part) for part in np.unravel_index(np.abs(numbers).argmax(), numbers.shape))
    yield RULE.at(
        None,
        f"`{named('x', key)}` reaches {size:.4g} (at {at(index)}), and {told(run.curve)}; with each column of x at "
        f"mean 0 and deviation 1 {told(run.scaled_inputs)}: scale the inputs",
        evidence="witnessed",
        accused=Accused("data", "x", index, rank=20),
    )


def _floats(batch: Batch) -> Iterator[tuple[str, np.ndarray]]:
    for key, array in batch.inputs:
        numbers = numeric(array)
        if numbers is not None and array.dtype.kind == "f":
            yield key, numbers
