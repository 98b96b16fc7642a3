"""What the rules about a training step share."""

from __future__ import annotations

from collections.abc import Sequence

from lossdoctor.readings.step import GradientCall


def torn(call: GradientCall) -> bool:
    """Whether a gradient is None that the whole step does give."""
    return len(call.none_whole) < len(call.none)


def listed(names: Sequence[str]) -> str:
    """The first three names, as code."""
    return ", ".join(f"`{name}`" for name in names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
