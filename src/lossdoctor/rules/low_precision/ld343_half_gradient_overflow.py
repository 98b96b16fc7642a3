"""LD343: a derivative larger than the largest number of half precision.

The rule has no check of its own: a finding in half precision that its float32 twin does not have is filed by what
`mechanisms` says of it.
"""

from __future__ import annotations

from lossdoctor.rules.registry import Rule

RULE = Rule(code="LD343", name="half-gradient-overflow", family="low-precision", severity="error")
