"""LD523: a setting of the loss is taken and never read."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.rules.registry import Rule, Suspicion
from lossdoctor.rules.sources import span_of
from lossdoctor.session import Loaded
from lossdoctor.source.module import SourceModule
from lossdoctor.source.unused import unused_in_class, unused_in_factory

RULE = Rule(code="LD523", name="option-unused", family="keras-contract", severity="warning")


@RULE.check
def option_unused(loaded: Loaded, module: SourceModule) -> Iterator[Suspicion]:
    """A parameter of the factory or the constructor that nothing depends on."""
    name = loaded.target.rpartition(":")[2].partition("(")[0]
    # A loss with a helper inside makes no loss, and may ignore y_true: a criterion of embeddings does.
    made = unused_in_factory(module, name) if loaded.kind == "factory" else ()
    for unused in (*made, *unused_in_class(module, name)):
        where = f"kept as `self.{unused.attribute}` and" if unused.attribute else "taken and"
        yield RULE.at(
            None,
            f"`{unused.name}` is {where} nothing that is returned depends on it: whatever it is set to, the loss is "
            "the same",
            calls=(span_of(module, unused.node),),
            evidence="proved",
        )
