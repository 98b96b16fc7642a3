"""LD845: everything is finite on the way to the loss, and a gradient is not on the way back."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lossdoctor.readings.model import LayerRun, ModelRun
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD845", name="nonfinite-backward", family="model", severity="error")


@RULE.check
def nonfinite_backward(run: ModelRun) -> Iterator[Suspicion]:
    bad = [variable for variable in run.variables if variable.flow == "nonfinite"]
    if (
        not bad
        or run.value is None
        or not np.isfinite(run.value)
        or any(term.flow == "nonfinite" for term in run.terms)
    ):
        return  # the loss itself, or its gradient to the prediction: LD831, LD841
    if any(not layer.finite for layer in run.layers):
        return
    term = next((term for term in run.terms if term.added and bad[0].by_term.get(term.name) == "nonfinite"), None)
    own = term is not None and not any(
        flow == "nonfinite" for variable in bad for name, flow in variable.by_term.items() if name != term.name
    )
    if term is not None and own:
        yield RULE.at(
            None,
            f"the gradient of `{bad[0].path}` is not finite, though the loss is {run.value:.4g}: that of what "
            "`add_loss` adds is not",
            calls=term.calls,
            evidence="witnessed",
            accused=Accused("loss" if term.calls else "model", "" if term.calls else "model", rank=23),
        )
        return
    if run.origin:
        yield RULE.at(
            None,
            f"the gradient of `{bad[-1].path}` is not finite, though the loss is {run.value:.4g}, its gradient to the "
            f"prediction and every layer's output are finite: the derivative of "
            f"`{' '.join(run.origin[-1].text.split())}` is not",
            calls=run.origin,
            evidence="witnessed",
            accused=Accused("model", rank=23),
        )
        return
    suspects = _between(run)
    names = " or ".join(f"`{layer.name}` ({layer.kind})" for layer in suspects) or "an operation between the layers"
    yield RULE.at(
        None,
        f"the gradient of `{bad[-1].path}` is not finite, though the loss is {run.value:.4g}, its gradient to the "
        f"prediction and every layer's output are finite: the derivative of {names} is not",
        evidence="witnessed",
        accused=Accused("model", f"layer:{suspects[0].name}" if suspects else "model", rank=23),
    )


def _between(run: ModelRun) -> list[LayerRun]:
    """The layers that may be it: those without weights behind the last whose gradient is not finite; else that one."""
    depth = {layer.name: layer.depth for layer in run.layers}
    known = [variable for variable in run.variables if variable.layer in depth]
    last = max((depth[one.layer] for one in known if one.flow == "nonfinite"), default=-1)
    fine = min(
        (depth[one.layer] for one in known if one.flow == "fine" and depth[one.layer] > last), default=len(depth)
    )
    behind = [layer for layer in run.layers if last < layer.depth < fine]
    return behind or [layer for layer in run.layers if layer.depth == last]
