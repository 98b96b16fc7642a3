"""LD515: the loss can be saved, and not loaded again."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from lossdoctor.graph.ir import Span
from lossdoctor.readings import SaveLoad
from lossdoctor.rules.registry import Rule, Suspicion
from lossdoctor.source.module import SourceModule

RULE = Rule(code="LD515", name="reload-fails", family="keras-contract", severity="warning")

_UNREGISTERED = "Could not locate "  # keras.saving, of a function or class in the configuration that it does not know


_LOADING = ("__init__", "from_config", "get_config", "<lambda>")
_UNEXPECTED = re.compile(r"unexpected keyword argument '(\w+)'")


@RULE.check
def reload_fails(saved: SaveLoad, module: SourceModule) -> Iterator[Suspicion]:
    """As it is, or with an argument changed; by its own name, so that registration is not what fails."""
    changed = next((argument for argument in saved.arguments if argument.outcome == "raises"), None)
    raised = saved.unchanged or (changed.raised if changed is not None else None)
    if not saved.attempted or raised is None:
        return
    plain = changed is not None and isinstance(changed.changed, bool | int | float | str)
    given = {"argument": changed.name, "value": changed.changed} if changed is not None and plain else {}
    span = saved.init_span or saved.span
    entry = _UNEXPECTED.search(raised.message)
    if entry is not None and saved.config_span is not None and _mentions(module, saved.config_span.line, entry[1]):
        span = saved.config_span
    what = f"loading it again from its configuration raises {raised.type}: {raised.message}"
    calls = (span,) if span else raised.calls
    if raised.calls and _method(module, raised.calls[-1]) not in _LOADING:
        calls = raised.calls
        what = f"`{calls[-1].text}` raises {raised.type} once it is loaded from its configuration: {raised.message}"
    if saved.config_is is not None and saved.config_span is not None:
        calls, what = (saved.config_span,), f"get_config returns {saved.config_is}, so that it cannot be loaded again"
    yield RULE.at(
        None,
        what,
        calls=calls,
        evidence="witnessed",
        symptom="save-load" if saved.unchanged or given else None,
        arguments={} if saved.unchanged else given,
        replay="welcome",
        when=("save-load",),
        # Keras finds what nobody registered only where `load_model` is handed it, in code that is not here.
        severity=None if saved.meant_to_be_saved and not raised.message.startswith(_UNREGISTERED) else "info",
    )


def _method(module: SourceModule, place: Span) -> str:
    """The innermost function of the file around a place; "__init__" if it lies outside of the file."""
    around = [
        found
        for found in module.functions.values()
        if found.line <= place.line <= (found.node.end_lineno or found.line) and place.path == module.path
    ]
    return max(around, key=lambda found: found.line).name if around else "__init__"


def _mentions(module: SourceModule, line: int, name: str) -> bool:
    """Whether the function of a line writes a name as text or as a keyword."""
    method = next((found.node for found in module.functions.values() if found.line == line), None)
    parts = ast.walk(method) if method is not None else ()
    return any(
        (isinstance(part, ast.Constant) and part.value == name) or (isinstance(part, ast.keyword) and part.arg == name)
        for part in parts
    )
