"""LD227: a loss with reduction="none" is passed to `compile`."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lossdoctor.probes.callings import Callings
from lossdoctor.rules.registry import Rule, Suspicion
from lossdoctor.rules.sources import span_of
from lossdoctor.session import Loaded
from lossdoctor.source.calls import argument, compiled_losses
from lossdoctor.source.module import SourceModule

RULE = Rule(code="LD227", name="unreduced-in-compile", family="reduction", severity="warning")

_WHY = (
    "Keras hands the losses of the samples to the optimizer unreduced, where their gradients are added up: the step "
    'grows with the batch size; reduction="none" is for loops that reduce by themselves'
)


@RULE.check
def unreduced_in_compile(callings: Callings, loaded: Loaded, module: SourceModule) -> Iterator[Suspicion]:
    """A class that reduces nothing by default, an instance that does not, or a call that asks for it."""
    run = callings.get("keras-compile", "eager")
    unreduced = run is not None and run.reduced is not None and run.reduced.ndim > 0
    for given in compiled_losses(module):
        called = isinstance(given, ast.Call)
        name = given.func if isinstance(given, ast.Call) else given
        if not isinstance(name, ast.Name) or name.id != loaded.name:
            continue
        asked = argument(given, "reduction", 99) if isinstance(given, ast.Call) else None
        make = _made(given, loaded)
        if unreduced if asked is None else _none(asked, module):
            yield RULE.at(
                None,
                f"`{ast.unparse(given)}` does not reduce: {_WHY}",
                calls=(span_of(module, given),),
                evidence="proved" if called and asked is not None else "witnessed",
                symptom="vector-through-keras" if unreduced or make else None,
                arguments={"make": make} if make and not unreduced else {},
                replay="welcome",
                when=("keras-compile",),
            )
            return


def _made(given: ast.expr, loaded: Loaded) -> str:
    """A call that a script can make too: of a name with literals; "" for others."""
    if not loaded.loader or not isinstance(given, ast.Call):
        return ""
    parts = [*given.args, *(keyword.value for keyword in given.keywords)]
    return ast.unparse(given) if all(isinstance(part, ast.Constant) for part in parts) else ""


def _none(given: ast.expr, module: SourceModule) -> bool:
    return (isinstance(given, ast.Constant) and given.value is None) or module.literal(given) == "none"
