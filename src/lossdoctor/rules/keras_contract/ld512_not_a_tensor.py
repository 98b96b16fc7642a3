"""LD512: the loss returns something that is not one tensor."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lossdoctor.graph.ir import Span
from lossdoctor.probes.callings import Callings
from lossdoctor.rules.registry import Rule, Suspicion
from lossdoctor.rules.sources import span_of
from lossdoctor.session import Loaded
from lossdoctor.source.module import SourceFunction, SourceModule, own_nodes

RULE = Rule(code="LD512", name="not-a-tensor", family="keras-contract", severity="error")

_WHAT = {
    "none": "None (is a `return` missing?)",
    "string": "a string",
    "tuple": "several losses, which Keras stacks and averages into one",
    "dict": "a dict",
    "other": "an object that is no tensor",
}


@RULE.check
def not_a_tensor(callings: Callings, loaded: Loaded, module: SourceModule) -> Iterator[Suspicion]:
    run = callings.get("raw", "eager")
    if run is None or run.returned not in _WHAT:
        return
    yield RULE.at(
        None,
        f"returns {_WHAT[run.returned]}",
        calls=_return_of(module, loaded),
        evidence="witnessed",
        symptom="not-a-tensor",
        pair=callings.pair,
    )


def _return_of(module: SourceModule, loaded: Loaded) -> tuple[Span, ...]:
    """The loss's only `return` with a value; () where there is none, or more than one."""
    function = _function(module, loaded)
    if function is None:
        return ()
    returns = [node for node in own_nodes(function.node) if isinstance(node, ast.Return) and node.value is not None]
    return (span_of(module, returns[0]),) if len(returns) == 1 else ()


def _function(module: SourceModule, loaded: Loaded) -> SourceFunction | None:
    """The function that the loss is, or the `call` of its class."""
    if loaded.kind == "function":
        return module.functions.get(loaded.name)
    return module.functions.get(f"{loaded.name}.call")
