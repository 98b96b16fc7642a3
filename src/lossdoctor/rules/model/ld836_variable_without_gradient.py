"""LD836: trainable variables that the loss gives no gradient."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.findings import Severity
from lossdoctor.readings.model import Batch, ModelRun
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD836", name="variable-without-gradient", family="model", severity="error")


@RULE.check
def variable_without_gradient(batch: Batch, run: ModelRun) -> Iterator[Suspicion]:
    without = [variable for variable in run.variables if variable.flow == "none"]
    if not without or (run.terms and all(term.flow == "none" for term in run.terms if not term.added)):
        return  # the loss itself has none: LD842
    unheld = any(output.loss is None for output in batch.outputs)
    called = [variable for variable in without if variable.called]
    chosen = called or without
    everything = len(without) == len(run.variables)
    if everything:
        said = "no variable of the model gets a gradient: between the last weights and the output something has none"
        severity: Severity = "error"
    elif called:
        said = "takes part and gets no gradient: what follows it has none (argmax, round, cast, stop_gradient, NumPy)"
        severity = "info" if unheld else "error"
    else:
        said = "is trainable and takes no part in the output"
        severity = "info" if unheld else "warning"
    names = ", ".join(f"`{variable.path}`" for variable in chosen[:3]) + (", …" if len(chosen) > 3 else "")
    yield RULE.at(
        None,
        f"{said} ({names})" if everything else f"{names} {said}",
        evidence="witnessed",
        severity=severity,
        accused=Accused("model", f"layer:{chosen[0].layer}", (), rank=15),
    )
