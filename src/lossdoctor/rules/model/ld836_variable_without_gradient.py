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
    ends = f": it ends at `{' '.join(run.torn[-1].text.split())}`, as {run.torn_what} has none" if run.torn else ""
    constant = not ends and bool(called) and not any(variable.read for variable in called)
    if constant:
        said = "is not read when its layer is called: what `build` or `__init__` makes of it stays as it was made"
        severity: Severity = "error" if everything else "info" if unheld else "warning"
    elif everything:
        said = "no variable of the model gets a gradient"
        said += ends or ": between the last weights and the output something has none"
        severity = "error"
    elif called and ends:
        said = f"takes part and gets no gradient{ends}"
        severity = "info" if unheld else "error"
    elif called:
        said = "takes part and gets no gradient: what follows it has none (argmax, round, cast, stop_gradient, NumPy)"
        severity = "info" if unheld else "error"
    else:
        said = "is trainable and takes no part in the output"
        severity = "info" if unheld else "warning"
    place = "call" if constant else "layer"
    names = ", ".join(f"`{variable.path}`" for variable in chosen[:3]) + (", …" if len(chosen) > 3 else "")
    yield RULE.at(
        None,
        f"{said} ({names})" if everything and not constant else f"{names} {said}",
        calls=run.torn if called else (),
        evidence="witnessed",
        severity=severity,
        accused=Accused("model", "" if run.torn and called else f"{place}:{chosen[0].layer}", (), rank=15),
    )
