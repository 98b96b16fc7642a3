"""LD517: the parameters are declared in the other order than Keras passes them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lossdoctor.readings import SwappedRun
from lossdoctor.rules.registry import Rule, Suspicion
from lossdoctor.rules.sources import span_of
from lossdoctor.session import Loaded
from lossdoctor.source.module import SourceModule
from lossdoctor.source.names import argument_role

RULE = Rule(code="LD517", name="swapped-parameters", family="keras-contract", severity="warning")


@RULE.check
def swapped_parameters(loaded: Loaded, swapped: SwappedRun, module: SourceModule) -> Iterator[Suspicion]:
    """By their names; for a loss that is not symmetric."""
    first, second = loaded.parameters
    if (argument_role(first), argument_role(second)) != ("y_pred", "y_true"):
        return
    here, there = swapped.evaluation.value, swapped.other.value
    if (
        here is None
        or there is None
        or (here.shape == there.shape and np.allclose(here, there, rtol=1e-4, atol=1e-6, equal_nan=True))
    ):
        return
    call = module.functions.get(f"{loaded.name}.call")
    yield RULE.at(
        None,
        f"declares its parameters as ({first}, {second}), while Keras passes y_true first: `{first}` is y_true "
        "whenever Keras calls it, and the loss is not symmetric",
        calls=() if call is None else (span_of(module, call.node.args.args[1]),),
        evidence="witnessed",
        symptom="order-matters",
        replay="welcome",
        when=("keras-compile", "keras-loss"),
    )
