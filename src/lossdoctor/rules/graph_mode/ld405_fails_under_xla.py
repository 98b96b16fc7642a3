"""LD405: the loss trains as a graph, and XLA refuses to compile it or its gradient."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lossdoctor.domains.dependence import COUNTING
from lossdoctor.findings import Severity
from lossdoctor.graph.ir import LossGraph
from lossdoctor.ops import TABLE
from lossdoctor.readings import Executions
from lossdoctor.rules.registry import Rule, Suspicion
from lossdoctor.session import Raised
from lossdoctor.source.module import SourceModule
from lossdoctor.spec import Contract

RULE = Rule(code="LD405", name="fails-under-xla", family="graph-mode", severity="warning")

# "Detected unsupported operations when trying to compile the graph on XLA_CPU_JIT: StringFormat (No registered …"
_ASKED = re.compile(r"\bjit_compile\s*=\s*True\b")
# XLA compiles none of TensorFlow's operations of ragged tensors: a loss that is given them has no other.
_OF_ROWS = "Ragged"
_UNSUPPORTED = re.compile(r"\bXLA_\w+: (?P<op>\w+) \(")


@RULE.check
def fails_where_asked_for(graph: LossGraph, executions: Executions, module: SourceModule) -> Iterator[Suspicion]:
    """In a file that turns jit_compile on itself, whatever the operation is for."""
    if _ASKED.search(module.text):
        yield from _refused(graph, executions, "warning")


@RULE.check
def fails_under_xla(graph: LossGraph, executions: Executions, contract: Contract) -> Iterator[Suspicion]:
    refused = executions.refused
    if refused is not None:
        known = _without_substitute(refused) or (contract.ragged is not None and _OF_ROWS in refused.message)
        yield from _refused(graph, executions, "info" if known else "warning")


def _refused(graph: LossGraph, executions: Executions, severity: Severity) -> Iterator[Suspicion]:
    refused = executions.refused
    if refused is None or graph.stage != "traced" or _python(graph, refused):
        return
    where = f"`{' '.join(refused.calls[-1].text.split())}`" if refused.calls else "the loss"
    yield RULE.at(
        None,
        f"{where} runs eagerly and as a graph, and fails under jit_compile=True, which Keras turns on by itself where "
        f"there is a GPU: {_reason(refused)}",
        calls=refused.calls,
        evidence="witnessed",
        symptom="raises",
        pair=executions.pairs[0],
        arguments={"execution": "xla", "gradient": True},
        when=("xla",),
        severity=severity,
    )


def _without_substitute(refused: Raised) -> bool:
    """Whether XLA lacks the mathematics itself, as of a determinant: nothing in the loss is to be mended then.

    Results as long as the data say (`unique`) have a substitute of fixed size.
    """
    found = _UNSUPPORTED.search(refused.message)
    row = TABLE.by_tf.get(found["op"]) if found is not None else None
    return row is not None and row.value is not None and row.name not in COUNTING


def _python(graph: LossGraph, refused: Raised) -> bool:
    """Whether it is a function that TensorFlow runs through Python, which LD414 and LD103 tell."""
    calls = [graph.calls(node)[-1:] for node in graph.where("py_function", role="forward")]
    return refused.calls[-1:] in calls


def _reason(refused: Raised) -> str:
    found = _UNSUPPORTED.search(refused.message)
    if found is not None:
        return f"XLA has no operation {found['op']}"
    return refused.message.split(". ")[0].rstrip(".")
