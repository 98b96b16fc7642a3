"""LD511: a constructor argument does not survive saving and loading."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.readings import SaveLoad
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD511", name="config-lost", family="keras-contract", severity="warning")


@RULE.check
def config_lost(saved: SaveLoad) -> Iterator[Suspicion]:
    # Reduction last: what a class takes among **kwargs, few give it.
    lost = sorted(saved.lost, key=lambda argument: argument.name == "reduction")
    if not saved.attempted or not lost:
        return
    first = lost[0]
    names = ", ".join(f"`{argument.name}`" for argument in lost)
    # A loss of a library that was made with the defaults loses nothing; what it could lose is the library's to mend.
    # Nor does one that takes the reduction among **kwargs and was given none.
    defaults = all(argument.at_default for argument in lost)
    harmless = defaults and (saved.of_library or all(argument.among_kwargs for argument in lost))
    span = saved.config_span or saved.span
    cause = "get_config leaves it out" if saved.overrides_get_config else "the class has no get_config"
    yield RULE.at(
        None,
        f"{names} falls back to the default after saving and loading, as {cause}: with {first.name}="
        f"{first.changed!r} the loss was {first.before:.4g} and is {first.after:.4g} once loaded",
        calls=(span,) if span else (),
        evidence="witnessed",
        symptom="save-load",
        pair=first.pair,
        arguments={"argument": first.name, "value": first.changed},
        when=("save-load",),
        severity="info" if harmless else None,
    )
