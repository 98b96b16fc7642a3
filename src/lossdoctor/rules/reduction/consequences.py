"""What a loss without a value for each sample does to weights and to `tf.distribute`, in words and measured numbers."""

from __future__ import annotations

from typing import Any

from lossdoctor.findings import Calling
from lossdoctor.readings import Replicas

_KEEPS = 0.02  # share of its gradient from which a sample of weight 0 counts as not weighted away


def unweighted(replicas: Replicas) -> str:
    """What becomes of a sample whose weight is zero."""
    share = replicas.zero_weight
    if share is None or share <= _KEEPS:
        return "sample_weight does not weight samples"
    kept = f"with weights 1, 1, 1, 0 the last one keeps {share:.0%} of its gradient"
    return f"sample_weight does not weight samples ({kept})"


def shown(replicas: Replicas) -> dict[str, Any]:
    """What a suspicion needs for a script that shows it; nothing where no sample of weight 0 was seen to count."""
    if replicas.pair is None or (replicas.zero_weight or 0.0) <= _KEEPS:
        return {}
    return {"symptom": "weight-ignored", "pair": replicas.pair, "replay": "welcome"}


def distributed(replicas: Replicas) -> tuple[str, tuple[Calling, ...]]:
    """How the step under two replicas differs from that of one, as the end of a sentence, and where the fault stands.

    Without a difference, or a measurement, there is nothing to say of replicas.
    """
    split = replicas.keras or replicas.loop
    if split is None or not split.differs:
        return "", ("keras-compile",)
    about = "" if split.multiplied else "about "
    return (
        f", and under two replicas of tf.distribute the gradient is {about}{split.ratio:.1f} times that of one",
        ("keras-compile", "replicas"),
    )
