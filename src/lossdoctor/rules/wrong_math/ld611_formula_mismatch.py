"""LD611: the value of the loss is not that of its declared formula."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.formula.reading import FormulaCheck
from lossdoctor.rules.registry import Rule, Suspicion
from lossdoctor.rules.wrong_math.mismatch import mismatch
from lossdoctor.session import Traced

RULE = Rule(code="LD611", name="formula-mismatch", family="wrong-math", severity="error")


@RULE.check
def formula_mismatch(formula: FormulaCheck, traced: Traced) -> Iterator[Suspicion]:
    if formula.difference is not None:
        yield mismatch(RULE, formula, formula.difference, traced, "its formula")
