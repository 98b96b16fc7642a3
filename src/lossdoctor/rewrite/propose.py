"""Which mends are worth trying for a finding, the most faithful first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from lossdoctor.findings import Family
from lossdoctor.rewrite.definitions import cast_labels, config
from lossdoctor.rewrite.divisions import division
from lossdoctor.rewrite.exponentials import exponential
from lossdoctor.rewrite.guards import absorbed, discarded
from lossdoctor.rewrite.logarithms import logarithm
from lossdoctor.rewrite.loops import mapped
from lossdoctor.rewrite.masks import hidden
from lossdoctor.rewrite.precision import precise
from lossdoctor.rewrite.proposal import Proposal, Site
from lossdoctor.rewrite.reductions import per_sample, unreduced
from lossdoctor.rewrite.roots import inverse, norm, power, root
from lossdoctor.rewrite.shapes import fixed_batch, missing_axis

Mend = Callable[[Site], Iterator[Proposal]]

_VALUES: tuple[Mend, ...] = (discarded, absorbed, exponential, logarithm, division, power, root, norm, inverse)
_GRADIENTS: tuple[Mend, ...] = (hidden, *_VALUES)
_MENDS: Mapping[Family, tuple[Mend, ...]] = {
    "nonfinite-value": _VALUES,
    "nonfinite-gradient": _GRADIENTS,
    "low-precision": _GRADIENTS,
    "precision-loss": (precise, *_VALUES),
    "reduction": (per_sample, unreduced),
    "broadcast": (missing_axis,),
    "shape": (fixed_batch,),
    "dtype": (cast_labels,),
    "keras-contract": (config,),
    "efficiency": (mapped,),
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
