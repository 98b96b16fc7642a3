"""LD407: eager, graph and XLA give different losses for the same input."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lossdoctor.graph.ir import LossGraph
from lossdoctor.readings import Difference, Executions
from lossdoctor.rules.registry import Rule, Suspicion
from lossdoctor.session import Evaluation

RULE = Rule(code="LD407", name="executions-differ", family="graph-mode", severity="warning")

_NAMES = {"eager": "eagerly", "graph": "as a graph, which `fit` runs", "xla": "under jit_compile=True"}


@RULE.check
def executions_differ(executions: Executions, graph: LossGraph) -> Iterator[Suspicion]:
    draws = any(node.op.startswith("stateless_random") for node in graph.nodes)
    for found in executions.differences:
        if graph.stage != "traced" or (draws and found.executions[1] == "xla"):
            continue  # XLA has a random generator of its own
        first, second = (_NAMES[each] for each in found.executions)
        where = (
            f"`{' '.join(found.span.text.split())}` sends Python another way when the loss is traced: it"
            if (found.span)
            else "the loss"
        )
        yield RULE.at(
            None,
            f"the gradient is finite {first}, and not {second}"
            if found.symptom == "nonfinite-gradient"
            else f"{where} gives {_shown(found, found.first)} {first}, and {_shown(found, found.second)} {second}",
            calls=(found.span,) if found.span else (),
            evidence="witnessed",
            symptom=found.symptom or "execution-mismatch",
            pair=found.pair,
            arguments={"execution": "xla"} if found.symptom else {"executions": found.executions, "tolerance": 2e-3},
            # At an edge XLA alone may go wrong in its own kernels, for no fault of the loss.
            severity="info" if found.symptom else "warning",
            when=("xla",) if found.executions[1] == "xla" else ("graph", "keras-compile"),
        )


def _shown(found: Difference, result: Evaluation) -> str:
    """The element of the value that differs most."""
    assert found.first.value is not None
    assert found.second.value is not None
    assert result.value is not None
    one, other = found.first.value.astype(np.float64), found.second.value.astype(np.float64)
    if one.shape != other.shape:
        return f"a loss of shape {result.value.shape}"
    with np.errstate(invalid="ignore"):
        error = np.nan_to_num(np.abs(one - other), nan=np.inf)
    return f"{float(result.value.flat[int(np.argmax(error))]):.6g}"
