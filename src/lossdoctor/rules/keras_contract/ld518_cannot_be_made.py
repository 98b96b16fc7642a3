"""LD518: Keras refuses to make the loss.

The rule has no check of its own: the engine reports a loss whose construction fails, once a script has met the same.
"""

from __future__ import annotations

from lossdoctor.rules.registry import Rule

RULE = Rule(code="LD518", name="cannot-be-made", family="keras-contract", severity="error")
