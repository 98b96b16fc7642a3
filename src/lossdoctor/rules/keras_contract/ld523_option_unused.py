"""LD523: a setting of the loss is taken and never read."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from lossdoctor.rules.registry import Rule, Suspicion
from lossdoctor.rules.sources import span_of
from lossdoctor.session import Loaded
from lossdoctor.source.module import SourceModule
from lossdoctor.source.unused import Unused, unused_in_class, unused_in_factory

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
            **_shown(loaded, unused),
        )


def _shown(loaded: Loaded, unused: Unused) -> dict[str, Any]:
    """For a script: the loss with two values of a number or flag; nothing where no other value is known to be one."""
    text = loaded.target.rpartition(":")[2]
    name, _, given = text.partition("(")
    try:
        call = ast.parse(f"{name}({given}" if given else f"{name}()", mode="eval").body
        value = None if unused.default is None else ast.literal_eval(unused.default)
    except (SyntaxError, ValueError):
        return {}
    if not loaded.loader or not isinstance(call, ast.Call) or call.args or not isinstance(value, bool | int | float):
        return {}
    call.keywords = [each for each in call.keywords if each.arg != unused.name]
    makes: list[str] = []
    for each in (value, not value if isinstance(value, bool) else value + 1 if isinstance(value, int) else value / 2):
        setting = ast.keyword(unused.name, ast.Constant(each))
        makes.append(ast.unparse(ast.Call(call.func, [], [*call.keywords, setting])))
    return {"symptom": "setting-unused", "arguments": {"makes": tuple(makes)}, "replay": "welcome"}
