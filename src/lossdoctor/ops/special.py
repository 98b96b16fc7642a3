"""Special functions, element by element."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from lossdoctor.ops import special_values as special
from lossdoctor.ops.arrays import Array, in_double, like
from lossdoctor.ops.table import op


def _bessel(order: int, scaled: bool) -> Callable[..., Array]:
    def value(x: Array) -> Array:
        base = special.bessel_ie(order, x)
        return base if scaled else base * np.exp(np.abs(x))

    return in_double(value)


def _erfinv(x: Array) -> Array:
    """TensorFlow's way (tf.math.erfinv), which rounds small x away: the quantile of (1 + x) / 2, over sqrt(2)."""
    return _ndtri((x + like(x, 1)) / like(x, 2)) * like(x, math.sqrt(0.5))


_ndtri = in_double(special.ndtri)

op("erf", "elementwise", tf=("Erf",), value=in_double(special.erf), real=lambda m, x: m.erf(x), trend=(1,), ulps=8.0,
   cases=(("[-inf, 0]", "[-1, 0]"),))  # fmt: skip
op("erfc", "elementwise", tf=("Erfc",), value=in_double(special.erfc), real=lambda m, x: m.erfc(x), trend=(-1,),
   ulps=10.0, cases=(("[0, inf]", "[0, 1]"),))  # fmt: skip
# Rising, but the kernel reaches infinity before 1 and zero before 0: there is no bound in units of the result.
op("erfinv", "elementwise", tf=("Erfinv",), value=_erfinv, real=lambda m, x: m.erfinv(x), defined=(-1.0, 1.0),
   trend=(0,), ulps=math.inf)  # fmt: skip
op("ndtri", "elementwise", tf=("Ndtri",), value=_ndtri, defined=(0.0, 1.0), trend=(1,), ulps=8.0, absolute=1.0,
   real=lambda m, x: m.sqrt(m.number(2)) * m.erfinv(2 * x - 1), cases=(("[0.5, 1]", "[0, inf]"),))  # fmt: skip
op("lgamma", "elementwise", tf=("Lgamma",), value=in_double(special.lgamma), real=lambda m, x: m.lgamma(x),
   trend=(0,), ulps=8.0, absolute=1.0, cases=(("[1, 1]", "[0, 0]"), ("[2, 3]", "[0, 0.6931471805599453]")))  # fmt: skip
op("digamma", "elementwise", tf=("Digamma",), value=in_double(special.digamma), real=lambda m, x: m.digamma(x),
   trend=(0,), ulps=8.0, absolute=8.0, cases=(("[1, 2]", "[-0.5772156649015329, 0.42278433509846713]"),))  # fmt: skip
op("polygamma", "elementwise", tf=("Polygamma",), value=in_double(special.polygamma), trend=(0, 0),
   flow=("none", "smooth"), ulps=16.0, real=lambda m, n, x: m.polygamma(n, x))  # fmt: skip
op("zeta", "elementwise", tf=("Zeta",), value=in_double(special.zeta), trend=(0, 0), flow=("none", "smooth"),
   ulps=16.0, real=lambda m, s, q: m.zeta(s, q))  # fmt: skip
op("igamma", "elementwise", tf=("Igamma",), value=in_double(special.igamma), trend=(-1, 1), ulps=128.0,
   real=lambda m, a, x: m.igamma(a, x), cases=(("[1, 2]", "[0, inf]", "[0, 1]"),))  # fmt: skip
op("igammac", "elementwise", tf=("Igammac",), value=in_double(special.igammac), trend=(1, -1), ulps=128.0,
   real=lambda m, a, x: m.igammac(a, x), cases=(("[1, 2]", "[0, inf]", "[0, 1]"),))  # fmt: skip
# The derivative of igamma by a; no closed form.
op("igamma_grad_a", "elementwise", tf=("IgammaGradA",), trend=(0, 0), flow=("none",), ulps=math.inf)
op("random_gamma_grad", "elementwise", tf=("RandomGammaGrad",), trend=(0, 0), flow=("none",), ulps=math.inf)
op("betainc", "elementwise", tf=("Betainc",), value=in_double(special.betainc), trend=(-1, 1, 1),
   flow=("none", "none", "smooth"), ulps=512.0, real=lambda m, a, b, x: m.betainc(a, b, x),
   cases=(("[1, 1]", "[1, 1]", "[0, 1]", "[0, 1]"),))  # fmt: skip
op("bessel_i0", "elementwise", tf=("BesselI0",), value=_bessel(0, scaled=False), trend=(0,), ulps=12.0,
   real=lambda m, x: m.bessel_i(0, x), cases=(("[0, 0]", "[1, 1]"),))  # fmt: skip
op("bessel_i1", "elementwise", tf=("BesselI1",), value=_bessel(1, scaled=False), trend=(1,), ulps=24.0,
   real=lambda m, x: m.bessel_i(1, x), cases=(("[0, 0]", "[0, 0]"),))  # fmt: skip
op("bessel_i0e", "elementwise", tf=("BesselI0e",), value=_bessel(0, scaled=True), trend=(0,), ulps=12.0,
   real=lambda m, x: m.exp(-m.abs(x)) * m.bessel_i(0, x), cases=(("[0, 0]", "[1, 1]"),))  # fmt: skip
op("bessel_i1e", "elementwise", tf=("BesselI1e",), value=_bessel(1, scaled=True), trend=(0,), ulps=24.0,
   real=lambda m, x: m.exp(-m.abs(x)) * m.bessel_i(1, x), cases=(("[0, 0]", "[0, 0]"),))  # fmt: skip
