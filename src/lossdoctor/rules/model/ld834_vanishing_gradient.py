"""LD834: the gradient all but vanishes on its way to the first layers."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.readings.model import ModelRun, VariableRun
from lossdoctor.rules.model.curves import stuck
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD834", name="vanishing-gradient", family="model", severity="warning")
_LOST = 1e-6  # of the gradient of the last kernel; Adam, which rescales, works far below a hundredth


@RULE.check
def vanishing_gradient(run: ModelRun) -> Iterator[Suspicion]:
    # A bias may have two axes as well, as that of a GRU, and is zero at first: nothing is relative to that.
    kernels = [one for one in run.variables if len(one.shape) >= 2 and one.flow == "fine" and one.size > 0]
    if len(kernels) < 4:
        return
    first, last = kernels[0], max(kernels, key=lambda variable: _relative(variable))
    if _relative(first) < _LOST * _relative(last):
        moves = run.curve is not None and not stuck(run.curve)
        yield RULE.at(
            None,
            f"the gradient of `{first.path}` is {first.norm:.2g}, that of `{last.path}` {last.norm:.2g}: on "
            f"{len(kernels)} layers it is all but lost; use relu, another initialiser, normalisation or "
            "skip connections",
            evidence="witnessed",
            severity="info" if moves else "warning",
            accused=Accused("model", f"layer:{first.layer}", (), rank=42),
        )


def _relative(variable: VariableRun) -> float:
    return variable.norm / max(variable.size, 1e-12)
