"""LD805: one-hot targets for a loss of labels, or labels for a loss of one-hot targets."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.readings.model import Batch
from lossdoctor.rules.data.batches import one_hot_given, target
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD805", name="label-form", family="data", severity="error")


@RULE.check
def label_form(batch: Batch) -> Iterator[Suspicion]:
    for output in batch.outputs:
        loss, true, predicted = output.loss, output.y_true, output.y_pred
        if loss is None or true is None or predicted is None or not loss.stock or true.dtype == object:
            continue
        classes = output.classes or 1
        narrow = true.shape[1:] in (predicted.shape[1:-1], (*predicted.shape[1:-1], 1)) and predicted.ndim >= 2
        if loss.targets == "label" and one_hot_given(output):
            message = (
                f"`{output.label}` of shape {true.shape} is one-hot, and {loss.name} expects the number of the class; "
                "use the loss without `sparse`, or `y.argmax(-1)`"
            )
        elif loss.targets == "onehot" and narrow and classes >= 2 and true.shape[1:] != predicted.shape[1:]:
            message = (
                f"`{output.label}` of shape {true.shape} holds numbers of classes, and {loss.name} expects one-hot "
                f"rows of {classes}; use the sparse loss, or `keras.ops.one_hot(y, {classes})`"
            )
        else:
            continue
        yield RULE.at(None, message, evidence="witnessed", accused=Accused("data", target(output), (0,), rank=7))
