"""LD815: target and prediction of shapes that only broadcasting reconciles, or nothing."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.readings.model import Batch, Output
from lossdoctor.rules.data.batches import target
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD815", name="shapes-apart", family="data", severity="error")


@RULE.check
def shapes_apart(batch: Batch) -> Iterator[Suspicion]:
    for output in batch.outputs:
        if not _elementwise(output) or output.y_true is None or output.y_pred is None:
            continue
        true, predicted = output.y_true.shape, output.y_pred.shape
        if _squeezed(true[1:], predicted[1:]):
            continue
        fits = _broadcasts(true[1:], predicted[1:])
        then = (
            "are broadcast against each other, so each target is compared with several outputs"
            if fits
            else "do not fit"
        )
        name = output.loss.name if output.loss is not None else "the loss"
        whole = (len(output.y_true), *predicted[1:])
        yield RULE.at(
            None,
            f"`{output.label}` has the shape {true} and {output.prediction} {whole}: under {name} the two {then}",
            evidence="witnessed",
            accused=Accused("data", target(output), (0,), rank=9),
        )


def _elementwise(output: Output) -> bool:
    loss, true = output.loss, output.y_true
    return loss is not None and loss.stock and loss.targets in ("same", "binary", "positive") and true is not None


def _squeezed(true: tuple[int, ...], predicted: tuple[int, ...]) -> bool:
    """Whether Keras makes the two equal: a last axis of one is dropped or added."""
    return true in (predicted, (*predicted, 1)) or predicted == (*true, 1)


def _broadcasts(true: tuple[int, ...], predicted: tuple[int, ...]) -> bool:
    pairs = zip(true[::-1], predicted[::-1], strict=False)
    return all(one == other or 1 in (one, other) for one, other in pairs)
