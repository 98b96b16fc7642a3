"""LD520: the model masks time steps, and the loss has no value for a time step."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lossdoctor.graph.ir import LossGraph
from lossdoctor.rules.registry import Rule, Suspicion
from lossdoctor.rules.tracing import input_behind
from lossdoctor.source.module import SourceModule
from lossdoctor.source.parsed import nodes_of
from lossdoctor.spec import Contract, Spec

RULE = Rule(code="LD520", name="mask-not-applied", family="keras-contract", severity="warning")


@RULE.check
def mask_not_applied(graph: LossGraph, contract: Contract, module: SourceModule) -> Iterator[Suspicion]:
    prediction = contract.y_pred
    if graph.stage != "traced" or not isinstance(prediction, Spec) or not _sequence(prediction, contract):
        return
    node, masker = graph[graph.value], _masker(module)
    if (masker is None and not contract.masked) or node.shape not in ((), ("B",)):
        return
    steps = prediction.dims[1]
    if node.shape == ():
        if _has_own_mask(graph):
            return
        message = "returns one number, so that the masked time steps count like the others"
    else:
        message = (
            f"returns one number a sample, to which Keras cannot apply the mask of shape (B, {steps}): it fails, or, "
            f"where B is {steps}, weights samples with it"
        )
    source = "the model"
    if masker is not None and not contract.masked:
        source = f"`{ast.unparse(masker)}` in line {masker.lineno}"
    yield RULE.at(
        node,
        f"{message}; {source} masks time steps, and Keras multiplies the loss with the mask that y_pred carries",
        evidence="proved",
        symptom="mask-not-applied",
        when=("keras-compile",),
    )


def _sequence(spec: Spec, contract: Contract) -> bool:
    """Whether y_pred has time steps; one that was seen with a mask may have one number a step."""
    ranks = (2, 3) if contract.masked else (3,)
    return len(spec.dims) in ranks and spec.dims[0] == "B" and spec.dims[1] != 1


def _has_own_mask(graph: LossGraph) -> bool:
    """Whether the loss tells steps that do not count by a value of y_true, and so needs no mask of Keras."""
    for node in graph.where("equal", "not_equal", "greater", "isnan", role="forward"):
        constants = all(graph[arg].constant is not None for arg in node.args[1:])
        if constants and input_behind(graph, node.args[0]) in graph.y_true:
            return True
    return False


def _masker(module: SourceModule) -> ast.Call | None:
    """A layer of the file that makes a mask: `Masking`, or an `Embedding` with `mask_zero`."""
    for node in nodes_of(module.tree, ast.Call):
        if (module.resolve(node.func) or "").endswith("layers.Masking"):
            return node
        for keyword in node.keywords:
            if keyword.arg == "mask_zero" and module.literal(keyword.value) is True:
                return node
    return None
