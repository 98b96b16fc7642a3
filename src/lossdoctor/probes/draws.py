"""Ordinary inputs: realistic values without gaps, at which a healthy loss has nothing singular.

The probes that compare a loss with itself use these; boundary and hard values are for the search for witnesses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

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
