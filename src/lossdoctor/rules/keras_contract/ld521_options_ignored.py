"""LD521: the constructor takes `reduction` and does not hand it to Keras."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.readings import SaveLoad
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD521", name="options-ignored", family="keras-contract", severity="warning")


@RULE.check
def options_ignored(saved: SaveLoad) -> Iterator[Suspicion]:
    ignored = next((argument for argument in saved.arguments if argument.outcome == "ignored"), None)
    span = saved.init_span or saved.span
    if ignored is None or saved.of_library:
        return
    yield RULE.at(
        None,
        f"the constructor takes `{ignored.name}={ignored.changed!r}` and the loss keeps {ignored.default!r}: "
        "`super().__init__` is not given it",
        calls=(span,) if span else (),
        evidence="proved",
        symptom="setting-lost",
        arguments={"argument": ignored.name, "value": ignored.changed},
        replay="welcome",
        when=("keras-loss", "save-load"),
    )
