"""LD403: random numbers, or the next item of an iterator, that are drawn once for the whole training."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lossdoctor.graph.dims import of_batch
from lossdoctor.graph.ir import LossGraph
from lossdoctor.readings import Frozen
from lossdoctor.rules.registry import Rule, Suspicion
from lossdoctor.rules.sources import span_of
from lossdoctor.session import Loaded
from lossdoctor.source.module import SourceModule

RULE = Rule(code="LD403", name="frozen-random", family="graph-mode", severity="error")

_GENERATORS = ("tensorflow.random.", "keras.random.", "numpy.random.", "random.")


@RULE.check
def frozen_random(frozen: Frozen) -> Iterator[Suspicion]:
    draw = frozen.draw
    if draw is None or draw.span is None:
        return  # without a call in the source, the cause is not shown
    call = f"`{' '.join(draw.span.text.split())}`"
    yield RULE.at(
        None,
        f"{call} is drawn once, when `fit` traces the loss, and stays the same for the whole training",
        calls=(draw.span,),
        evidence="witnessed",
        symptom="frozen",
        arguments={"holder": "draw"},
        when=("graph", "keras-compile"),
    )


@RULE.check
def fixed_seed(graph: LossGraph) -> Iterator[Suspicion]:
    """Numbers for each sample whose seed is a constant of the graph; what has no axis of the batch may be meant."""
    if graph.stage != "traced":
        return
    before = graph.graph.ancestors(graph.value)
    for node in graph.where(role="forward"):
        if (
            node.id not in before
            or not node.op.startswith("stateless_random")
            or not any(map(of_batch, node.shape or ()))
        ):
            continue
        if all(graph[arg].op == "constant" for arg in node.args):
            yield RULE.at(
                node,
                f"`{' '.join(node.call.split())}` has a fixed seed, so that every step gets the same numbers: the "
                "noise is a constant, one for each place in the batch; a `keras.random.SeedGenerator` gives new ones",
                evidence="proved",
                symptom="seeded-alike",
                replay="welcome",
                when=("eager", "graph"),
                severity="warning",
            )
            return


@RULE.check
def drawn_by_default(module: SourceModule, loaded: Loaded) -> Iterator[Suspicion]:
    """A default argument of the loss that is a call of a random generator: it is drawn when the file is read."""
    function = module.functions.get(loaded.name) or module.functions.get(f"{loaded.name}.call")
    if function is None or isinstance(function.node, ast.Lambda):
        return
    arguments = function.node.args
    for default in (*arguments.defaults, *arguments.kw_defaults):
        for call in ast.walk(default) if default is not None else ():
            if isinstance(call, ast.Call) and (module.resolve(call.func) or "").startswith(_GENERATORS):
                yield RULE.at(
                    None,
                    f"`{ast.unparse(call)}` is the default of an argument: it is drawn once, when the file is read, "
                    "and is the same in every step",
                    calls=(span_of(module, call),),
                    symptom="drawn-at-import",
                    arguments={"function": loaded.name if loaded.name in module.functions else f"{loaded.name}.call"},
                    replay="welcome",
                    severity="warning",
                )
                return
