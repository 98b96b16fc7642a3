"""LD492: the loss hangs, exhausts the memory or ends the process.

The rule has no check of its own: the engine reports the end of the process that examines a loss, once a second
process has met the same end.
"""

from __future__ import annotations

from lossdoctor.rules.registry import Rule

RULE = Rule(code="LD492", name="kills-process", family="crash", severity="error")
