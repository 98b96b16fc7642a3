"""LD341: a loss that is healthy in float32 breaks in float16 or bfloat16.

The rule has no check of its own: the engine repeats every non-finite finding in half precision on the same input in
float32, and files it under this rule if that is healthy.
"""

from __future__ import annotations

from lossdoctor.rules.registry import Rule

RULE = Rule(code="LD341", name="half-precision", family="low-precision", severity="error")
