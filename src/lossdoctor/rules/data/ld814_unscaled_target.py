"""LD814: targets of another order of magnitude than what the model can give soon."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lossdoctor.readings.model import Batch, ModelRun
from lossdoctor.rules.data.batches import at, numeric, target
from lossdoctor.rules.model.curves import learns, stuck, told
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD814", name="unscaled-target", family="data", severity="error")
_FAR = 100.0  # times the predictions; a fresh model is within ten of targets of ordinary size


@RULE.check
def unscaled_target(batch: Batch, run: ModelRun) -> Iterator[Suspicion]:
    if run.curve is None or run.scaled_targets is None or not stuck(run.curve) or not learns(run.scaled_targets):
        return
    for output in batch.outputs:
        numbers = numeric(output.y_true)
        if numbers is None or output.y_pred is None or output.loss is None or output.loss.targets not in ("same", ""):
            continue
        size, own = float(np.abs(numbers).mean()), float(np.abs(output.y_pred).mean())
        if size <= _FAR * own:
            continue
        index = tuple(int(part) for part in np.unravel_index(np.abs(numbers).argmax(), numbers.shape))
        yield RULE.at(
            None,
            f"`{output.label}` is {size:.4g} on average ({numbers[index]:.6g} at {at(index)}) and the predictions are "
            f"{own:.3g}: {told(run.curve)}; with y at mean 0 and deviation 1 {told(run.scaled_targets)}: scale the "
            "targets",
            evidence="witnessed",
            accused=Accused("data", target(output), index, rank=21),
        )
