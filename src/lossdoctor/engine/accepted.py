"""Which of several contracts a loss accepts, and what is said of it where it accepts none."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from lossdoctor.findings import UsageError
from lossdoctor.graph.ir import LossGraph
from lossdoctor.rules.exceptions import whatever_is_given
from lossdoctor.search.reproduce import ordinary
from lossdoctor.session import Loaded, Raised, Session, Traced
from lossdoctor.spec import Contract, Spec, parse_contract

_SIZES = re.compile(r"Dimensions must be equal, but are (\d+) and (\d+)\b")
# Keras, of labels of which too few columns are left for the prediction.
_COLUMNS = re.compile(r"same shape\. Received: target\.shape=\(None, (\d+)\), output\.shape=\(None, (\d+)\)")
_CLASSES = re.compile(r"indices\[[\d,]*\] = \d+ is not in \[0, (\d+)\)")
_LABELS = 16  # samples among which each of a few classes occurs


def accepted(
    contracts: Sequence[Contract], loaded: Loaded, session: Session
) -> tuple[Contract, Traced | None, list[Traced]]:
    """The first contract under which the loss can be traced, or at least runs eagerly (then tracing is the fault).

    A guessed size that the loss refuses, naming another, is tried again with that one. Guessed sizes of which the
    loss's slices leave nothing are refused too: what it does with nothing says nothing of it.

    Returns:
        The contract, its trace, and every refusal, of which there are none where the contract is accepted or the loss
        raises whatever it is given. Where it accepts nothing: the first contract.
    """
    refused: list[Traced] = []
    waiting, tried = list(contracts), set[str]()
    while waiting:
        contract = waiting.pop(0)
        if (name := f"{contract.y_true} {contract.y_pred}") in tried:
            continue
        tried.add(name)
        traced = session.trace(contract)
        guessed, raised = contract.origin == "inferred", traced.raised
        if traced.traced is None and session.evaluate([ordinary(contract)], "eager")[0].raised is None:
            return contract, traced, []
        if traced.traced is not None:
            raised = _of_labels(contract, session) if guessed else None
            if raised is None and not (guessed and _empties(traced.traced)):
                return contract, traced, []
        refused.append(traced)
        if guessed and raised is not None:
            if whatever_is_given(raised) and not loaded.lacking:
                return contract, traced, []
            if (other := _resized(contract, raised)) is not None:
                waiting.insert(0, other)
    return contracts[0], refused[0] if refused else None, refused


def refusal(loaded: Loaded, refused: Sequence[Traced]) -> str:
    """What is said of a loss that accepts none of its inferred contracts."""
    raised = next((traced.raised for traced in refused if traced.raised is not None), None)
    if raised is None:
        return f"`{loaded.name}` accepts none of the natural specs; state them with --y-true and --y-pred"
    return (
        f"`{loaded.name}` raises {raised.type}{raised.at(loaded.path)} for every natural spec: {raised.message}. "
        "State what it is given with --y-true and --y-pred"
    )


def _empties(graph: LossGraph) -> bool:
    """Whether something that the loss computes has no elements. What is left of a shape may well have none, as of
    that of ragged rows behind their second axis."""
    nodes = (node for node in graph.nodes if node.role == "forward" and node.op != "constant")
    return any(0 in (node.shape or ()) and (len(node.shape or ()) > 1 or "int" not in node.dtype) for node in nodes)


def _of_labels(contract: Contract, session: Session) -> Raised | None:
    """What a loss raises for labels that are beyond its own table of classes; None where it takes them."""
    if not isinstance(contract.y_true, Spec) or contract.y_true.kind != "label":
        return None
    raised = session.evaluate([ordinary(contract, _LABELS)], "eager")[0].raised
    return raised if raised is not None and _CLASSES.search(raised.message) else None


def _asked(contract: Contract, raised: Raised) -> tuple[int, int] | None:
    """The size that was assumed and the one that the loss asks for."""
    true, pred = contract.y_true, contract.y_pred
    if not isinstance(true, Spec) or not isinstance(pred, Spec):
        return None
    if true.classes and (found := _CLASSES.search(raised.message)):
        return true.classes, int(found[1])
    found = _SIZES.search(raised.message)
    sizes = (int(found[1]), int(found[2])) if found else (0, 0)
    old = next((size for size in sizes if pred.dims[-1:] == (size,)), 0)
    return (old, sum(sizes) - old) if old and sizes[0] != sizes[1] else None


def _resized(contract: Contract, raised: Raised) -> Contract | None:
    """The contract with the size that the loss asks for, in place of one that was assumed."""
    proposed = _proposed(contract, raised)
    if proposed is None:
        return None
    new, specs = proposed
    where = (
        f"`{' '.join(raised.calls[-1].text.split())}` (line {raised.calls[-1].line})" if raised.calls else "the loss"
    )
    reason = f"a size of {new} is taken since {where} asks for it: y_true is {specs[0]}, y_pred is {specs[1]}"
    try:
        resized = parse_contract(*specs, origin="inferred", magnitude=contract.magnitude)
    except UsageError:
        return None
    return replace(resized, assumptions=(*contract.assumptions[:-1], reason))


def _proposed(contract: Contract, raised: Raised) -> tuple[int, list[str]] | None:
    """The size that the loss asks for, and the two specs with it."""
    true, pred = contract.y_true, contract.y_pred
    if not isinstance(true, Spec) or not isinstance(pred, Spec):
        return None
    if (found := _COLUMNS.search(raised.message)) and true.dims and isinstance(last := true.dims[-1], int):
        new = last + int(found[2]) - int(found[1])
        return (new, [str(replace(true, dims=(*true.dims[:-1], new))), str(pred)]) if new > 0 else None
    sizes = _asked(contract, raised)
    return None if sizes is None else (sizes[1], [str(_with_size(spec, *sizes)) for spec in (true, pred)])


def _with_size(spec: Spec, old: int, new: int) -> Spec:
    classes = new if spec.kind == "label" and spec.classes == old else spec.classes
    dims = (*spec.dims[:-1], new) if spec.dims[-1:] == (old,) and spec.kind != "label" else spec.dims
    return replace(spec, dims=dims, classes=classes)
