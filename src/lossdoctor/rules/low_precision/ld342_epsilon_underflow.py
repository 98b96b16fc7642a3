"""LD342: an epsilon, or a bound next to 1, that float16 or bfloat16 rounds away.

The rule has no check of its own: a finding in half precision that its float32 twin does not have is filed by what
`mechanisms` says of it.
"""

from __future__ import annotations

from lossdoctor.rules.registry import Rule

RULE = Rule(code="LD342", name="epsilon-underflow", family="low-precision", severity="error")
