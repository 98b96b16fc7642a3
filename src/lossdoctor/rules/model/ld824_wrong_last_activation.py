"""LD824: the last activation does not belong to the task."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lossdoctor.findings import Severity
from lossdoctor.readings.model import Batch, Output
from lossdoctor.rules.model.heads import REACH, multi_label, numbers_of, out_of_reach, signed_regression
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD824", name="wrong-last-activation", family="model", severity="error")


@RULE.check
def wrong_last_activation(batch: Batch) -> Iterator[Suspicion]:
    for output in batch.outputs:
        for message, severity in _reasons(output):
            yield RULE.at(
                None,
                message,
                evidence="witnessed",
                severity=severity,
                accused=Accused("model", f"layer:{output.layer}", (), rank=13),
            )


def _reasons(output: Output) -> Iterator[tuple[str, Severity]]:
    loss, classes, activation = output.loss, output.classes or 1, output.activation
    if loss is None:
        return
    if activation == "softmax" and classes >= 2 and output.y_true is not None and multi_label(output):
        if output.y_pred is not None and output.y_true.shape[1:] == output.y_pred.shape[1:]:
            said = (
                f"`{output.label}` marks several classes of a sample, and the softmax of the last layer gives them one "
                "probability to share: use a sigmoid with binary cross-entropy"
            )
            yield said, "error"
    elif activation == "sigmoid" and classes >= 3 and loss.wants == "probability":
        said = (
            f"{loss.name} expects one distribution over the {classes} classes, and the sigmoid of the last layer gives "
            "each class its own: use a softmax"
        )
        yield said, "warning"
    elif activation in REACH and signed_regression(output):
        numbers = numbers_of(output)
        assert numbers is not None
        low, high = REACH[activation]
        wrong = out_of_reach(numbers, low, high)
        if wrong.any():
            worst = numbers[wrong][int(np.argmax(np.abs(numbers[wrong])))]
            said = (
                f"`{output.label}` holds real numbers such as {worst:g}, which the {activation} of the last layer "
                "cannot give: leave it linear"
            )
            yield said, "error"
