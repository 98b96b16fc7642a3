"""LD519: a factory of losses is passed to `compile` in place of the loss that it makes."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lossdoctor.rules.registry import Rule, Suspicion
from lossdoctor.rules.sources import span_of
from lossdoctor.session import Loaded
from lossdoctor.source.calls import compiled_losses
from lossdoctor.source.module import SourceModule

RULE = Rule(code="LD519", name="factory-not-called", family="keras-contract", severity="warning")


@RULE.check
def factory_not_called(loaded: Loaded, module: SourceModule) -> Iterator[Suspicion]:
    """`compile(loss=focal)` where `focal(gamma)` returns the loss: Keras calls `focal(y_true, y_pred)`."""
    if loaded.kind != "factory":
        return
    for given in compiled_losses(module):
        if isinstance(given, ast.Name) and given.id == loaded.name:
            yield RULE.at(
                None,
                f"`{loaded.name}` makes the loss and is not the loss: Keras calls it with y_true and y_pred and gets a "
                f"function instead of a number; pass `{loaded.name}()`, with its settings",
                calls=(span_of(module, given),),
                evidence="proved",
                symptom="factory-called" if loaded.loader else None,
                arguments={"name": loaded.name},
                replay="welcome",
                when=("keras-compile",),
            )
            return
