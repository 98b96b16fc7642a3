"""Random numbers. There is no `value`: two runs differ."""

from __future__ import annotations

from typing import Any

from lossdoctor.ops.table import op


def _row(name: str, tf: tuple[str, ...], **facts: Any) -> None:
    op(name, "random", tf=tf, flow=facts.pop("flow", ("none",)), ulps=0.0, **facts)


SIZED: dict[str, Any] = {"params": {0: "shape"}, "attrs": {"dtype": "dtype"}}

# In [0, 1), of the normal distribution, of the normal distribution within two deviations, in [low, high).
_row("random_uniform", ("RandomUniform",), **SIZED)
_row("random_normal", ("RandomStandardNormal",), **SIZED)
_row("random_truncated_normal", ("TruncatedNormal",), **SIZED)
_row("random_integers", ("RandomUniformInt",), params={0: "shape"}, attrs={"Tout": "dtype"})
_row("random_gamma", ("RandomGamma",), params={0: "shape"}, flow=("smooth",))
_row("random_poisson", ("RandomPoisson", "RandomPoissonV2"), params={0: "shape"}, attrs={"dtype": "dtype"})
_row("random_categorical", ("Multinomial",), params={1: "num"}, attrs={"output_dtype": "dtype"})
_row("random_shuffle", ("RandomShuffle",))
_row("random_binomial", ("StatefulRandomBinomial",))

# The same numbers for the same seed: constant if the seed is.
_row("stateless_random_uniform", ("StatelessRandomUniform", "StatelessRandomUniformV2"), **SIZED)
_row("stateless_random_normal", ("StatelessRandomNormal", "StatelessRandomNormalV2"), **SIZED)
_row("stateless_random_truncated_normal", ("StatelessTruncatedNormal", "StatelessTruncatedNormalV2"), **SIZED)
_row("stateless_random_integers", ("StatelessRandomUniformInt", "StatelessRandomUniformIntV2",
     "StatelessRandomUniformFullInt", "StatelessRandomUniformFullIntV2"), **SIZED)  # fmt: skip
_row("stateless_random_gamma", ("StatelessRandomGammaV2", "StatelessRandomGammaV3"), params={0: "shape"},
     attrs={"dtype": "dtype"}, flow=("smooth",))  # fmt: skip
_row("stateless_random_poisson", ("StatelessRandomPoisson",), **SIZED)
_row("stateless_random_categorical", ("StatelessMultinomial",), params={1: "num"}, attrs={"output_dtype": "dtype"})
_row("stateless_random_binomial", ("StatelessRandomBinomial",), **SIZED)
_row("stateless_random_shuffle", ("StatelessShuffle",))
_row("random_key", ("StatelessRandomGetKeyCounter",), outputs=2)
_row("random_algorithm", ("StatelessRandomGetAlg",))
_row("random_key_algorithm", ("StatelessRandomGetKeyCounterAlg",), outputs=3)
_row("random_generator", ("RngReadAndSkip",))
