"""The decorator `@lossdoctor.contract`: stating beside a loss what it is given.

It costs nothing at run time: the loss is returned as it is. What it says is checked when the loss is examined, so
that a wrong spec never stops a training.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from lossdoctor.spec.model import Contract

L = TypeVar("L", bound=Callable[..., Any])
Given = str | Sequence["Given"] | Mapping[str, "Given"]

_ATTRIBUTE = "__lossdoctor_contract__"


@dataclass(frozen=True, slots=True)
class Stated:
    """The decorator's arguments, verbatim."""

    y_true: Given
    y_pred: Given
    formula: str | None = None
    reference: str | None = None


def contract(
    *, y_true: Given, y_pred: Given, formula: str | None = None, reference: str | None = None
) -> Callable[[L], L]:
    """State what a loss is given, and optionally what it computes.

    Args:
        y_true: spec of the targets, e.g. "float32[B,H,W,1] binary"; a list or table of specs for structured inputs.
        y_pred: spec of the predictions.
        formula: the mathematics that the loss is meant to compute.
        reference: target of a loss that computes the same, e.g. "keras.losses:Huber".

    Returns:
        A decorator for a function of (y_true, y_pred), a `Loss` class or a factory. It returns its argument.

    Example:
        >>> @contract(y_true="float32[B,4] real", y_pred="float32[B,4] real")
        ... def error(y_true, y_pred):
        ...     return (y_true - y_pred) ** 2
        >>> error(3.0, 1.0)
        4.0
    """

    def decorate(loss: L) -> L:
        setattr(loss, _ATTRIBUTE, Stated(y_true, y_pred, formula, reference))
        return loss

    return decorate


def stated_of(loss: Any) -> Stated | None:
    """What the decorator said of a loss: of the object, the function that it wraps, or the class of an instance."""
    seen: set[int] = set()
    while loss is not None and id(loss) not in seen:
        seen.add(id(loss))
        found = getattr(loss, _ATTRIBUTE, None)
        if isinstance(found, Stated):
            return found
        loss = next(
            (
                inner
                for name in ("__wrapped__", "python_function", "func")
                if (inner := getattr(loss, name, None)) is not None
            ),
            None,
        )
    return None


def contract_of(loss: Any) -> Contract | None:
    """The contract that the decorator states for a loss; None without decorator.

    Raises:
        UsageError: a spec is invalid.
    """
    from lossdoctor.spec.parse import parse_contract

    stated = stated_of(loss)
    return None if stated is None else parse_contract(stated.y_true, stated.y_pred, origin="contract")
