"""How Keras names what it wraps."""

from __future__ import annotations

import re


def scope_name(name: str) -> str:
    """The name of the wrapper that `compile` makes of a function or class of this name: in snake case, and without
    what no scope of TensorFlow may hold.

    >>> scope_name("<lambda>"), scope_name("FocalLoss")
    ('lambda', 'focal_loss')
    """
    word = re.sub(r"\W+", "", name)
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<!^)(?=[A-Z][a-z])", "_", word).lower()
