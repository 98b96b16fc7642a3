"""What the losses of some steps on one batch say."""

from __future__ import annotations

from lossdoctor.readings.model import Curve

STUCK = 0.01  # share of the loss that a healthy program loses in thirty steps on one batch
CLEAR = 0.05  # and what shows that it can


def stuck(curve: Curve) -> bool:
    """Whether the steps did not help."""
    return not curve.finite or curve.gain < STUCK


def learns(curve: Curve | None) -> bool:
    """Whether the steps helped plainly."""
    return curve is not None and curve.finite and curve.gain >= CLEAR


def told(curve: Curve) -> str:
    """What happened, in words: "30 steps take the loss from 2.3 to nan"."""
    last = curve.values[-1] if not curve.finite else curve.end
    return f"{len(curve.values)} steps on this batch take the loss from {curve.start:.4g} to {last:.4g}"
