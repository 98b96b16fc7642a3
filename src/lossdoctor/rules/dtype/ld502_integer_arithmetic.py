"""LD502: labels are calculated with as integers, and the result is another one than in floats."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lossdoctor.domains.dependence import Dependence
from lossdoctor.domains.interpret import Reading
from lossdoctor.graph.ir import LossGraph, Node
from lossdoctor.ops import TABLE
from lossdoctor.probes.batches import Batches
from lossdoctor.probes.callings import Callings
from lossdoctor.rules.registry import Rule, Suspicion
from lossdoctor.session import Array
from lossdoctor.spec import Contract, Spec

RULE = Rule(code="LD502", name="integer-arithmetic", family="dtype", severity="error")

_INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


@RULE.check
def integer_arithmetic(
    graph: LossGraph, callings: Callings, batches: Batches, contract: Contract, dependence: Reading[Dependence]
) -> Iterator[Suspicion]:
    """The raw call computes in the integers of y_true, and gives another value than the call in which Keras has cast
    y_true to floats."""
    labels = contract.y_true
    if graph.stage != "traced" or not isinstance(labels, Spec) or labels.dtype not in _INTEGERS:
        return
    raw, compiled = callings.get("raw", "eager"), callings.get("keras-compile", "eager")
    if raw is None or compiled is None or raw.value is None or compiled.value is None or batches.deterministic is False:
        return
    if raw.value.shape != compiled.value.shape or np.allclose(
        raw.value, compiled.value, rtol=1e-3, atol=1e-5, equal_nan=True
    ):
        return
    node = next((node for node in graph.where(role="forward") if _calculates(node, dependence)), None)
    if node is not None and _reshaped(contract) and not _loses(node):
        return  # `compile` gives the function other shapes as well, which explains it
    if node is not None:
        yield RULE.at(
            None,
            f"`{node.call}` is computed in {node.dtype}, which wraps or truncates: in a custom training loop the loss "
            f"is {_first(raw.value)}, and {_first(compiled.value)} in `compile`, which casts y_true to a float first",
            calls=node.calls,
            evidence="witnessed",
            symptom="expected",
            pair=callings.pair,
            arguments={"expected": np.asarray(compiled.value, np.float64), "execution": "eager", "calling": "raw"},
            when=("raw",),
        )


def _calculates(node: Node, dependence: Reading[Dependence]) -> bool:
    row = TABLE.by_name.get(node.op)
    known = row is not None and row.kind in ("elementwise", "reduce", "matmul", "scan") and node.op != "astype"
    return known and node.dtype in _INTEGERS and bool(dependence[node].y_true)


def _reshaped(contract: Contract) -> bool:
    """Whether Keras makes the two ranks equal before it calls a function."""
    labels, prediction = contract.y_true, contract.y_pred
    return isinstance(labels, Spec) and isinstance(prediction, Spec) and len(labels.dims) != len(prediction.dims)


def _loses(node: Node) -> bool:
    """Whether integers of labels wrap or truncate there, and not only in numbers beyond all labels."""
    return node.dtype not in ("int32", "int64") or node.op in ("divide", "floor_divide", "mean", "power", "remainder")


def _first(value: Array) -> str:
    return f"{float(np.mean(value)):.4g}" if value.size else "empty"
