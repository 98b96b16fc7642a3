"""Which mends are worth trying for a finding, the most faithful first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from lossdoctor.findings import Family
from lossdoctor.rewrite.classes import called, constructor
from lossdoctor.rewrite.definitions import cast_labels, config, converted, fraction, integer_labels, logits_option
from lossdoctor.rewrite.divisions import division
from lossdoctor.rewrite.exponentials import exponential
from lossdoctor.rewrite.guards import absorbed, discarded
from lossdoctor.rewrite.halves import coarser, masks, widened, widened_first
from lossdoctor.rewrite.logarithms import logarithm, shifted_logarithm
from lossdoctor.rewrite.loops import diagonal, direct, mapped
from lossdoctor.rewrite.masks import hidden
from lossdoctor.rewrite.precision import precise
from lossdoctor.rewrite.proposal import Proposal, Site
from lossdoctor.rewrite.reductions import per_sample, unreduced
from lossdoctor.rewrite.renamed import backend, modern, translated
from lossdoctor.rewrite.roots import inverse, norm, power, root
from lossdoctor.rewrite.selections import empty_mean, missing_targets
from lossdoctor.rewrite.shapes import fixed_batch, missing_axis, squeezed, static_size
from lossdoctor.rewrite.signs import exchanged, flipped, of_one_term, parameters
from lossdoctor.rewrite.special import angle, bessel, determinant, pole, singular

Mend = Callable[[Site], Iterator[Proposal]]

_VALUES: tuple[Mend, ...] = (
    discarded,
    absorbed,
    missing_targets,
    empty_mean,
    exponential,
    logarithm,
    shifted_logarithm,
    division,
    power,
    root,
    norm,
    inverse,
    pole,
    bessel,
    angle,
    singular,
    determinant,
)
_GRADIENTS: tuple[Mend, ...] = (hidden, *_VALUES)
_HALVES: tuple[Mend, ...] = (masks, widened_first, coarser, *_GRADIENTS, widened)
_MENDS: Mapping[Family, tuple[Mend, ...]] = {
    "nonfinite-value": _VALUES,
    "nonfinite-gradient": _GRADIENTS,
    "low-precision": _HALVES,
    "precision-loss": (precise, *_VALUES),
    "reduction": (per_sample, unreduced),
    "broadcast": (missing_axis,),
    "shape": (squeezed, static_size, fixed_batch),
    "dtype": (integer_labels, fraction, cast_labels),
    "keras-contract": (backend, modern, logits_option, called, parameters, constructor, config),
    "efficiency": (mapped, direct, diagonal),
    "no-gradient": (translated,),
    "graph-mode": (translated, static_size, modern, converted),
    "crash": (backend, modern, translated),
    "wrong-direction": (exchanged, of_one_term, flipped),
}


def propose(site: Site) -> Iterator[Proposal]:
    """Proposals for the finding of a site; nothing was tried yet, and a text may occur once only."""
    seen: set[str] = set()
    for mend in _MENDS.get(site.finding.family, ()):
        for proposal in mend(site):
            try:
                result = site.result(proposal.changes)
            except ValueError:
                continue
            if result not in seen and result != site.source.text:
                seen.add(result)
                yield proposal
