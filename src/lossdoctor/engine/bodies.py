"""The line in the body of a loop or branching that breaks, where a finding names the loop as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lossdoctor.engine.place import Places
from lossdoctor.findings import Finding, Link
from lossdoctor.graph.ir import LossGraph, Span
from lossdoctor.readings.lines import Lines, Tensor


def holds_bodies(graph: LossGraph, calls: tuple[Span, ...]) -> bool:
    """Whether a loop or branching of TensorFlow's stands there."""
    return any(node.calls == calls for node in graph.where("while", "cond", role="forward"))


def placed(finding: Finding, lines: Lines, places: Places) -> Finding:
    """A finding about a loop or branching, at the line of its body that breaks at this batch; as it is if none does."""
    where = finding.location
    inner = [
        tensor
        for tensor in lines.tensors
        if tensor.inner
        and any(
            (places.path(call.path), call.line, call.column) == (where.path, where.line, where.column)
            for call in tensor.calls[:-1]
        )
    ]
    backward = finding.family == "nonfinite-gradient"
    found = _breaking_gradient(inner) if backward else _breaking_value(inner)
    if found is None:
        return finding
    span = found.calls[-1]
    text = " ".join(span.text.split())
    said = (
        f"the gradient becomes nan or inf in the derivative of `{text}`, while the loss stays finite"
        if backward
        else f"`{text}` becomes nan or inf although what it is given is finite"
    )
    place = replace(
        where,
        path=places.path(span.path),
        line=span.line,
        column=span.column,
        end_line=span.end_line,
        end_column=span.end_column,
    )
    link = Link(place.path, span.line, f"gradient of {text}" if backward else text)
    message = f"{said}, in a body of line {where.line}"
    return replace(
        finding,
        location=place,
        message=message,
        function=span.function or finding.function,
        chain=(link, *finding.chain),
    )


def _breaking_value(inner: Sequence[Tensor]) -> Tensor | None:
    return next((tensor for tensor in inner if not tensor.value.finite), None)


def _breaking_gradient(inner: Sequence[Tensor]) -> Tensor | None:
    """What is computed next after the last tensor whose gradient is not finite: on the way back it comes before.

    None where the gradient is not finite from the end of the body on: then turns of a loop hand it on to each other.
    """
    last = max((place for place, one in enumerate(inner) if one.gradient and not one.gradient.finite), default=None)
    rest = inner[last + 1 :] if last is not None else inner[:1]
    return next((tensor for tensor in rest if tensor.gradient is not None), None)
