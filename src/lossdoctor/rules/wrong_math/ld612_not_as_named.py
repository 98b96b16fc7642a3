"""LD612: the loss is named after a standard loss of which it is no variant."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lossdoctor.rules.registry import Rule, Suspicion
from lossdoctor.rules.wrong_math.mismatch import mismatch
from lossdoctor.session import Traced
from lossdoctor.standards.reading import Misnamed

RULE = Rule(code="LD612", name="not-as-named", family="wrong-math", severity="warning")


@RULE.check
def not_as_named(misnamed: Misnamed, traced: Traced) -> Iterator[Suspicion]:
    check = misnamed.check
    if check.difference is not None:
        found = mismatch(RULE, check, check.difference, traced, misnamed.family)
        if misnamed.other:
            instead = f"it is {misnamed.other} instead"
        elif misnamed.slip:
            instead = f"it is that {misnamed.slip}"
        else:
            instead = f"it is that for {misnamed.share:.0%} of the errors tried, and no known variant of it"
        yield replace(found, message=f"named `{misnamed.word}`, {found.message}; {instead}")
