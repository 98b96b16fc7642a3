"""Ordinary inputs: realistic values without gaps, at which a healthy loss has nothing singular.

The probes that compare a loss with itself use these; boundary and hard values are for the search for witnesses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from lossdoctor.search.leaves import make_pair, pair_arrays, pair_specs
from lossdoctor.session import Pair, Value
from lossdoctor.spec import BATCH, Contract, Structure, dim_names, map_structure, sample

Sizes = Mapping[str, int]


def sizes(contract: Contract, batch: int, other: int) -> dict[str, int]:
    """A size for every named dimension: `batch` for the batch, `other` for the rest."""
    return {name: batch if name == BATCH else other for name in dim_names(contract.y_true, contract.y_pred)}


def draw(structure: Structure, rng: np.random.Generator, sizes: Sizes) -> Value:
    """Realistic values of the structure; `missing` entries are not drawn."""
    complete = map_structure(lambda spec: replace(spec, missing=False), structure)
    return sample(complete, rng, sizes, style="realistic")


def pair(contract: Contract, rng: np.random.Generator, sizes: Sizes) -> Pair:
    """Both arguments."""
    return Pair(draw(contract.y_true, rng, sizes), draw(contract.y_pred, rng, sizes))


def dimmed(contract: Contract, given: Pair, rng: np.random.Generator) -> Pair:
    """The pair with some samples darker than others: among many numbers of [0, 1] one is near 1 in every sample, so
    that a maximum over the batch would show nothing."""
    parts = pair_arrays(contract, given)
    for place, spec in enumerate(pair_specs(contract)):
        if spec.kind == "unit" and spec.dims and spec.dims[0] == BATCH:
            array = parts[place]
            factors = rng.uniform(0.3, 1.0, (len(array), *(1,) * (array.ndim - 1)))
            parts[place] = (array * factors).astype(array.dtype)
    return make_pair(contract, parts)
