"""LD832: a layer that makes its input a thousand times larger."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.readings.model import ModelRun
from lossdoctor.rules.model.curves import stuck
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD832", name="exploding-layer", family="model", severity="error")
_FACTOR = 100.0  # an initialiser of the usual kinds keeps the deviation within a factor of ten
_LARGE = 1e3


@RULE.check
def exploding_layer(run: ModelRun) -> Iterator[Suspicion]:
    for layer in run.layers:
        if not layer.parameters or not layer.finite or not layer.finite_inputs:
            continue
        if layer.spread > _LARGE and layer.spread > _FACTOR * layer.spread_in:
            hurts = not run.finite or (run.curve is not None and stuck(run.curve))
            factor = _times(layer.spread / max(layer.spread_in, 1e-30))
            yield RULE.at(
                None,
                f"`{layer.name}` ({layer.kind}) makes numbers of deviation {layer.spread_in:.3g} into ones of "
                f"deviation {layer.spread:.3g}: its weights are {factor} times too large",
                evidence="witnessed",
                severity="error" if hurts else "warning",
                accused=Accused("model", f"layer:{layer.name}", (), rank=18),
            )
            return


def _times(factor: float) -> str:
    return f"about {factor:.0e}".replace("e+0", "e").replace("e+", "e")
