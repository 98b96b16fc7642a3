"""An inaccuracy in words, and as a suspicion that a script can replay."""

from __future__ import annotations

from typing import Any

import numpy as np

from lossdoctor.domains.exact_error import Inaccuracy
from lossdoctor.findings import Calling, Fix
from lossdoctor.graph.ir import LossGraph
from lossdoctor.rules.precision_loss.mends import mend

SIGNIFICAND = 24  # bits of a float32


def message(graph: LossGraph, found: Inaccuracy) -> str:
    """Where the bits are lost, and what comes of it."""
    call = graph[found.node].call
    bits = min(round(found.bits), SIGNIFICAND)
    place = f"the derivative of `{call}`" if found.backward else f"`{call}`"
    got, expected = (0.0 if abs(number) < np.finfo(np.float32).tiny else number for number in worst(found))
    what = "the loss" if found.output == "value" else "the gradient"
    return f"{place} loses {bits} of {SIGNIFICAND} bits: {what} has {got:.6g} instead of {expected:.6g}"


def worst(found: Inaccuracy) -> tuple[float, float]:
    """The element that is most wrong, as computed and as it should be; relative to itself in a value."""
    error = np.abs(found.got - found.expected)
    if found.output == "value":
        error = error / np.maximum(np.abs(found.expected), np.finfo(np.float64).tiny)
    place = int(np.argmax(error))
    return float(found.got.flat[place]), float(found.expected.flat[place])


def facts(graph: LossGraph, found: Inaccuracy) -> dict[str, Any]:
    """The rest of the suspicion: the input, the script's arguments, the executions and the mend."""
    # np.allclose adds both tolerances; half of the error passes neither for the fault nor for rounding.
    error = np.abs(found.got - found.expected) / (1.0 + np.abs(found.expected))
    arguments: dict[str, Any] = {
        "expected": found.expected,
        "tolerance": float(f"{error.max() / 2:.2g}"),
        "execution": found.when[0],
    }
    if found.output == "gradient":
        arguments["gradient"] = found.index
    when: tuple[Calling, ...] = tuple(each for each in found.when if each != "unoptimised")
    advice = mend(graph, graph[found.node])
    return {
        "symptom": "expected",
        "pair": found.pair,
        "arguments": arguments,
        "when": when,
        "fix": Fix(advice) if advice else None,
    }
