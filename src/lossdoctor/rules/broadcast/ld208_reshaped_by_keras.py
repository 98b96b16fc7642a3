"""LD208: `compile` hands a function (B,1) where the training loop has (B,), and the loss pairs samples then."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import numpy as np

from lossdoctor.domains.axes import Broadcast
from lossdoctor.domains.dependence import Dependence
from lossdoctor.domains.interpret import Reading
from lossdoctor.graph.ir import LossGraph, Node
from lossdoctor.probes.batches import Batches
from lossdoctor.probes.callings import Callings
from lossdoctor.rules.registry import Rule, Suspicion
from lossdoctor.rules.tracing import MOVES, input_behind
from lossdoctor.session import Loaded
from lossdoctor.source.calls import compiled_losses
from lossdoctor.source.module import SourceModule
from lossdoctor.spec import BATCH, Contract, Spec

RULE = Rule(code="LD208", name="reshaped-by-keras", family="broadcast", severity="error")

_RANKS = ("reshape", "squeeze", "expand_dims", "strided_slice")


@RULE.check
def reshaped_by_keras(
    graph: LossGraph,
    broadcasts: tuple[Broadcast, ...],
    batches: Batches,
    callings: Callings,
    loaded: Loaded,
    contract: Contract,
    dependence: Reading[Dependence],
    module: SourceModule,
) -> Iterator[Suspicion]:
    """Right for the shapes of the spec, and something else for the two columns that Keras makes of a vector and a
    column (`squeeze_or_expand_to_same_rank`)."""
    name = _vector(contract)
    if graph.stage != "traced" or name is None or loaded.kind not in ("function", "factory"):
        return
    raw, compiled = callings.get("raw", "eager"), callings.get("keras-compile", "eager")
    if raw is None or compiled is None or raw.value is None or compiled.reduced is None or compiled.value is None:
        return
    if batches.deterministic is False or any(found.accidental for found in broadcasts):
        return  # the raw call is the wrong one
    wanted, got = np.mean(raw.value, dtype=np.float64), np.mean(compiled.reduced, dtype=np.float64)
    if not np.isfinite(wanted) or np.isclose(wanted, got, rtol=1e-3, atol=1e-6):
        return
    node = _reshaping(graph, dependence)
    if node is None:
        return
    yield RULE.at(
        node,
        f"`{node.call}` counts on {name} of shape (B,), and `compile` gives a function (B,1), as the other argument "
        f"is: samples are paired with each other, and the loss is {got:.4g} instead of {wanted:.4g}",
        evidence="witnessed",
        symptom="expected",
        pair=callings.pair,
        arguments={"expected": np.asarray(wanted), "execution": "eager", "calling": "keras-compile"},
        when=("keras-compile",),
        severity="error" if _compiled(loaded, module) else "info",  # it may be for training loops alone
    )


def _compiled(loaded: Loaded, module: SourceModule) -> bool:
    """Whether the same file passes the loss to `compile`."""
    names = [given.func if isinstance(given, ast.Call) else given for given in compiled_losses(module)]
    return any(isinstance(name, ast.Name) and name.id == loaded.name for name in names)


def _vector(contract: Contract) -> str | None:
    """The argument of shape (B,), where the other is a column."""
    labels, prediction = contract.y_true, contract.y_pred
    if not isinstance(labels, Spec) or not isinstance(prediction, Spec):
        return None
    vector, column = (BATCH,), (BATCH, 1)
    if (labels.dims, prediction.dims) == (vector, column):
        return "y_true"
    return "y_pred" if (labels.dims, prediction.dims) == (column, vector) else None


def _reshaping(graph: LossGraph, dependence: Reading[Dependence]) -> Node | None:
    """Where a rank is counted on: the vector gets an axis, or the column loses its own; else where the two meet."""
    inputs = {*graph.y_true, *graph.y_pred}
    for node in graph.where(*_RANKS, role="forward"):
        if node.calls and input_behind(graph, node.id) in inputs and node.shape != graph[node.args[0]].shape:
            return node
    for node in graph.where(role="forward"):
        found = dependence[node]
        if node.calls and node.op not in MOVES and found.y_true and found.y_pred:
            return node
    return None
