"""LD522: the loss unpacks its arguments into several outputs, and is given one tensor."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lossdoctor.probes.callings import Callings
from lossdoctor.rules.registry import Rule, Suspicion
from lossdoctor.session import Loaded, Traced
from lossdoctor.source.module import SourceModule
from lossdoctor.spec import Contract, Spec

RULE = Rule(code="LD522", name="unpacked-outputs", family="keras-contract", severity="error")


@RULE.check
def unpacked_outputs(
    callings: Callings, traced: Traced, loaded: Loaded, contract: Contract, module: SourceModule
) -> Iterator[Suspicion]:
    """`a, b = y_pred` of a tensor: it takes the batch apart, and cannot be traced at all."""
    if not isinstance(contract.y_true, Spec) or not isinstance(contract.y_pred, Spec) or traced.traced is not None:
        return
    run = callings.get("raw", "graph")
    if run is None or run.raised is None or not run.raised.calls:
        return
    statement = next(
        filter(None, (_unpacking(node, run.raised.calls[-1].line) for node in ast.walk(module.tree))), None
    )
    if statement is None or not isinstance(statement.value, ast.Name) or statement.value.id not in loaded.parameters:
        return
    what, text = statement.value.id, ast.unparse(statement)
    yield RULE.at(
        None,
        f"`{text}` takes {what} for several outputs, but it is one tensor, which this takes apart along "
        "the batch: Keras calls a loss once for each output, with the tensors of that output; concatenate the outputs, "
        "or override `compute_loss`",
        calls=run.raised.calls,
        evidence="witnessed",
        symptom="raises",
        pair=callings.pair,
        arguments={"execution": "graph", "calling": "raw"},
        when=("graph", "keras-compile"),
    )


def _unpacking(node: ast.AST, line: int) -> ast.Assign | None:
    """A statement `a, b = …` on a line."""
    if not isinstance(node, ast.Assign) or node.lineno != line or not isinstance(node.targets[0], ast.Tuple | ast.List):
        return None
    return node
