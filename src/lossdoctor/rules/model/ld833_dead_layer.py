"""LD833: a layer whose output is zero, or saturated, for the whole batch."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.readings.model import LayerRun, ModelRun
from lossdoctor.rules.model.curves import stuck
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD833", name="dead-layer", family="model", severity="error")
_MOST = 0.98


@RULE.check
def dead_layer(run: ModelRun) -> Iterator[Suspicion]:
    moves = run.curve is not None and not stuck(run.curve)
    if moves:
        return
    for layer in run.layers:
        said = _dead(layer)
        if said:
            yield RULE.at(
                None,
                f"`{layer.name}` ({layer.kind}) {said}, so next to no gradient passes: look at the initial weights and "
                "the scale of what comes in",
                evidence="witnessed",
                accused=Accused("model", f"layer:{layer.name}", (), rank=19),
            )
            return


def _dead(layer: LayerRun) -> str:
    if not layer.finite or not layer.finite_inputs or layer.spread_in == 0:
        return ""
    if layer.activation in ("relu", "relu6") and layer.zero_share >= 1.0:
        return f"gives 0 for every sample: its {layer.activation} is dead"
    if layer.activation in ("sigmoid", "tanh") and layer.saturated_share >= _MOST:
        return f"is at a limit of its {layer.activation} in {layer.saturated_share:.0%} of its outputs"
    return ""
