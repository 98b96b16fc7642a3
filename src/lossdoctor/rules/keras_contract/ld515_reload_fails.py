"""LD515: the loss can be saved, and not loaded again."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.readings import SaveLoad
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD515", name="reload-fails", family="keras-contract", severity="warning")

_UNREGISTERED = "Could not locate "  # keras.saving, of a function or class in the configuration that it does not know


@RULE.check
def reload_fails(saved: SaveLoad) -> Iterator[Suspicion]:
    """As it is, or with an argument changed; by its own name, so that registration is not what fails."""
    raised = saved.unchanged or next((a.raised for a in saved.arguments if a.outcome == "raises"), None)
    if not saved.attempted or raised is None:
        return
    span = saved.init_span or saved.span
    what = f"loading it again from its configuration raises {raised.type}: {raised.message}"
    if saved.config_is is not None and saved.config_span is not None:
        span, what = saved.config_span, f"get_config returns {saved.config_is}, so that it cannot be loaded again"
    yield RULE.at(
        None,
        what,
        calls=(span,) if span else raised.calls,
        evidence="witnessed",
        symptom="save-load" if saved.unchanged is not None else None,
        replay="welcome",
        when=("save-load",),
        # Keras finds what nobody registered only where `load_model` is handed it, in code that is not here.
        severity=None if saved.meant_to_be_saved and not raised.message.startswith(_UNREGISTERED) else "info",
    )
