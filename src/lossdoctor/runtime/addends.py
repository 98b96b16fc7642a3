"""The additive terms of a watched loss: what each contributes to its value, as tensors of the traced copy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lossdoctor.experiments.routes import finder, follow
from lossdoctor.experiments.terms import terms_of
from lossdoctor.graph.frontend_tf import Live, Staged
from lossdoctor.graph.ir import Span
from lossdoctor.graph.trace_tf import Program
from lossdoctor.runtime.untyped_tf import tf
from lossdoctor.spec import Contract

MOST = 16  # terms that are measured


@dataclass(frozen=True)
class Addend:
    """One term. `value` has the shape of the loss, weights and reductions included: all of them add up to it."""

    name: str
    span: Span | None
    value: Any
    gradient: Any  # of its sum, at the first part of y_pred; None where there is none


def addends(program: Program, staged: Staged, contract: Contract) -> list[Addend]:
    """The terms that depend on y_pred, as `decompose` names them; none of a loss that is no sum.

    Their operations are added to the graph of the program.
    """
    live = Live(program, contract, staged, None)
    found, way = terms_of(live, program.graph.name)
    numbers = [number for number, part in enumerate(found.parts) if part.depends][:MOST]
    if len(numbers) < 2:
        return []
    inputs = {tensor.op.name for tensor in program.inputs}
    made = [op for op in program.graph.get_operations() if not program.records.is_gradient(op)]
    find = finder([op for op in made if op.name not in inputs], program.inputs)
    predictions = [x for leaf, x in zip(program.leaves, program.inputs, strict=True) if leaf.role == "y_pred"]
    floats = [x for x in predictions if x.dtype.is_floating]
    terms: list[Addend] = []
    with program.graph.as_default():
        for number in numbers:
            value = follow(way, find, {number})
            slopes = tf.gradients(value, floats) if floats and value.dtype.is_floating else []
            slope = tf.convert_to_tensor(slopes[0]) if slopes and slopes[0] is not None else None
            terms.append(Addend(found.parts[number].name, found.parts[number].span, value, slope))
    return terms
