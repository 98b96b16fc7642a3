"""What `isolate` looks for."""

from __future__ import annotations

from typing import Literal, get_args

Symptom = Literal[
    "no-gradient",
    "dead-gradient",
    "nonfinite-value",
    "nonfinite-gradient",
    "wrong-sign",
    "precision-loss",
    "differs",
    "divergence",
]
SYMPTOMS: tuple[Symptom, ...] = get_args(Symptom)
