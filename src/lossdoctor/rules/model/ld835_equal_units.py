"""LD835: all units of a hidden layer start alike and stay alike."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.readings.model import ModelRun
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD835", name="equal-units", family="model", severity="error")


@RULE.check
def equal_units(run: ModelRun) -> Iterator[Suspicion]:
    last = {layer.name for layer in run.layers if layer.last}
    for variable in run.variables:
        hidden = variable.layer not in last and variable.called
        kernel = variable.path.rsplit("/", 1)[-1] in ("kernel", "depthwise_kernel", "recurrent_kernel")
        if not (hidden and kernel and variable.alike and variable.flow in ("zero", "fine") and variable.alike_gradient):
            continue
        said = "are zero" if variable.size == 0 else "are equal"
        then = "no gradient reaches them" if variable.flow == "zero" else "so are their gradients"
        yield RULE.at(
            None,
            f"all {variable.shape[-1]} units of `{variable.layer}` start alike (the weights {said}), and {then}: they "
            "act as one unit for ever; draw the weights at random",
            evidence="witnessed",
            accused=Accused("model", f"layer:{variable.layer}", (), rank=17),
        )
        return
