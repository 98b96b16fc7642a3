"""LD406: an assertion on values that XLA leaves out without a word."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.readings import Executions
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD406", name="guard-dropped", family="graph-mode", severity="info")


@RULE.check
def guard_dropped(executions: Executions) -> Iterator[Suspicion]:
    for dropped in executions.dropped:
        guard = f"`{' '.join(dropped.guard.calls[-1].text.split())}`"
        yield RULE.at(
            None,
            f"{guard} stops training eagerly and as a graph; under jit_compile=True it is left out, and "
            f"{dropped.value:g} passes without a word",
            calls=dropped.guard.calls,
            evidence="witnessed",
            symptom="execution-mismatch",
            pair=dropped.pair,
            arguments={"executions": ("graph", "xla")},
            when=("xla",),
        )
