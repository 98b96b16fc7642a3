"""Activation functions and the gradient kernels of elementwise functions.

The order of the products in the gradient kernels is TensorFlow's: it decides where inf * 0 gives NaN
(tensorflow/core/kernels/cwise_ops_gradients.h, relu_op_functor.h, softplus_op.h, softsign_op.h).
"""

from __future__ import annotations

import numpy as np

from lossdoctor.ops.arrays import Array, in_single, like
from lossdoctor.ops.table import op

# Klambauer et al., Self-Normalizing Neural Networks, 2017.
SELU_ALPHA = "1.6732632423543772848170429916717"
SELU_SCALE = "1.0507009873554804934193349852946"


def _sigmoid(x: Array) -> Array:
    small = np.exp(-np.abs(x))
    one = like(x, 1)
    return np.where(x < 0, small, one) / (one + small)


def _softplus(x: Array) -> Array:
    return np.maximum(x, like(x, 0)) + np.log1p(np.exp(-np.abs(x)))


def _softsign(x: Array) -> Array:
    return x / (like(x, 1) + np.abs(x))


def _relu(x: Array) -> Array:
    return np.maximum(x, like(x, 0))


def _relu6(x: Array) -> Array:
    return np.minimum(np.maximum(x, like(x, 0)), like(x, 6))


def _leaky_relu(x: Array, *, alpha: float = 0.2) -> Array:
    below: Array = like(x, alpha) * x
    return np.where(x > 0, x, below)


def _elu(x: Array) -> Array:
    bent: Array = np.exp(x) - like(x, 1)  # the kernel loses small x as well
    return np.where(x < 0, bent, x)


def _selu(x: Array) -> Array:
    straight: Array = like(x, float(SELU_SCALE)) * x
    bent: Array = like(x, float(SELU_SCALE) * float(SELU_ALPHA)) * (np.exp(x) - like(x, 1))
    return np.where(x < 0, bent, straight)


def _mask(x: Array, passes: Array) -> Array:
    return x * passes.astype(x.dtype)


def _elu_grad(dy: Array, y: Array) -> Array:
    return np.where(y < 0, (y + like(y, 1)) * dy, dy)


def _selu_grad(dy: Array, y: Array) -> Array:
    below: Array = dy * (y + like(y, float(SELU_SCALE) * float(SELU_ALPHA)))
    above: Array = dy * like(y, float(SELU_SCALE))
    return np.where(y < 0, below, above)


def _leaky_relu_grad(dy: Array, x: Array, *, alpha: float = 0.2) -> Array:
    return np.where(x > 0, dy, dy * like(x, alpha))


def _softsign_grad(dy: Array, x: Array) -> Array:
    return dy / np.square(like(x, 1) + np.abs(x))


# Functions.
op("sigmoid", "elementwise", tf=("Sigmoid",), value=in_single(_sigmoid), real=lambda m, x: 1 / (1 + m.exp(-x)),
   trend=(1,), ulps=8.0, cases=(("[-inf, 0]", "[0, 0.5]"), ("[-inf, inf]", "[0, 1]")))  # fmt: skip
op("softplus", "elementwise", tf=("Softplus",), value=in_single(_softplus), real=lambda m, x: m.log1p(m.exp(x)),
   trend=(1,), ulps=10.0, cases=(("[-inf, 0]", "[0, 0.6931471805599453]"),))  # fmt: skip
op("softsign", "elementwise", tf=("Softsign",), value=in_single(_softsign), real=lambda m, x: x / (1 + m.abs(x)),
   trend=(1,), ulps=1.5, cases=(("[-1, 3]", "[-0.5, 0.75]"),))  # fmt: skip
op("relu", "elementwise", tf=("Relu",), value=_relu, real=lambda m, x: m.maximum(x, m.number(0)), trend=(1,),
   flow=("kink",), ulps=0.0, cases=(("[-1, 2]", "[0, 2]"),))  # fmt: skip
op("relu6", "elementwise", tf=("Relu6",), value=_relu6, trend=(1,), flow=("kink",), ulps=0.0,
   real=lambda m, x: m.minimum(m.maximum(x, m.number(0)), m.number(6)), cases=(("[-1, 9]", "[0, 6]"),))  # fmt: skip
# Falling below zero where alpha is negative, hence no trend.
op("leaky_relu", "elementwise", tf=("LeakyRelu",), attrs={"alpha": "alpha"}, value=_leaky_relu, trend=(0,),
   flow=("kink",), ulps=1.0,
   real=lambda m, x, alpha=0.2: m.where(m.less(0, x), x, m.number(alpha) * x))  # fmt: skip
op("elu", "elementwise", tf=("Elu",), value=in_single(_elu), trend=(1,), ulps=4.0, absolute=1.0,
   real=lambda m, x: m.where(m.less(x, 0), m.expm1(x), x), cases=(("[-inf, 2]", "[-1, 2]"),))  # fmt: skip
op("selu", "elementwise", tf=("Selu",), value=in_single(_selu), trend=(1,), flow=("kink",), ulps=4.0, absolute=2.0,
   real=lambda m, x: m.number(SELU_SCALE) * m.where(m.less(x, 0), m.number(SELU_ALPHA) * m.expm1(x), x),
   cases=(("[0, 0]", "[0, 0]"),))  # fmt: skip

# Gradient kernels; `y` is the forward result, `dy` the upstream gradient.
op("sigmoid_grad", "elementwise", tf=("SigmoidGrad",), value=in_single(lambda y, dy: dy * (like(y, 1) - y) * y),
   real=lambda m, y, dy: dy * (1 - y) * y, trend=(0, 0), ulps=3.0,
   cases=(("[0, 1]", "[1, 1]", "[0, 0.25]"),))  # fmt: skip
op("tanh_grad", "elementwise", tf=("TanhGrad",), value=in_single(lambda y, dy: dy * (like(y, 1) - y * y)),
   real=lambda m, y, dy: dy * (1 - y * y), trend=(0, 0), ulps=2.0,
   cases=(("[-1, 1]", "[1, 1]", "[0, 1]"),))  # fmt: skip
op("sqrt_grad", "elementwise", tf=("SqrtGrad",), value=in_single(lambda y, dy: (like(y, 0.5) * dy) / y),
   real=lambda m, y, dy: dy / (2 * y), trend=(0, 0), ulps=2.0,
   cases=(("[1, 2]", "[1, 1]", "[0.25, 0.5]"),))  # fmt: skip
op("rsqrt_grad", "elementwise", tf=("RsqrtGrad",),
   value=in_single(lambda y, dy: like(y, -0.5) * (dy * y) * (y * y)),
   real=lambda m, y, dy: -dy * y * y * y / 2, trend=(0, 0), ulps=3.0,
   cases=(("[1, 2]", "[1, 1]", "[-4, -0.5]"),))  # fmt: skip
op("reciprocal_grad", "elementwise", tf=("ReciprocalGrad", "InvGrad"), value=in_single(lambda y, dy: -y * dy * y),
   real=lambda m, y, dy: -dy * y * y, trend=(0, 0), ulps=2.0,
   cases=(("[1, 2]", "[1, 1]", "[-4, -1]"),))  # fmt: skip
op("softplus_grad", "elementwise", tf=("SoftplusGrad",),
   value=in_single(lambda dy, x: dy / (np.exp(-x) + like(x, 1))), real=lambda m, dy, x: dy / (1 + m.exp(-x)),
   trend=(0, 0), ulps=4.0, cases=(("[1, 1]", "[-inf, inf]", "[0, 1]"),))  # fmt: skip
op("softsign_grad", "elementwise", tf=("SoftsignGrad",), value=in_single(_softsign_grad), flow=("none",),
   real=lambda m, dy, x: dy / (1 + m.abs(x)) ** 2, trend=(0, 0), ulps=4.0,
   cases=(("[1, 1]", "[-1, 1]", "[0.25, 1]"),))  # fmt: skip
op("relu_grad", "elementwise", tf=("ReluGrad",), value=lambda dy, x: _mask(dy, x > 0), trend=(0, 0),
   real=lambda m, dy, x: m.where(m.less(0, x), dy, m.number(0)), flow=("smooth", "zero"), ulps=0.0,
   cases=(("[1, 2]", "[-1, 1]", "[0, 2]"), ("[1, 2]", "[1, 2]", "[1, 2]")))  # fmt: skip
op("relu6_grad", "elementwise", tf=("Relu6Grad",), value=lambda dy, x: _mask(dy, (x > 0) & (x < like(x, 6))),
   real=lambda m, dy, x: m.where(m.less(0, x), m.where(m.less(x, 6), dy, m.number(0)), m.number(0)),
   trend=(0, 0), flow=("smooth", "zero"), ulps=0.0, cases=(("[1, 2]", "[7, 8]", "[0, 0]"),))  # fmt: skip
op("leaky_relu_grad", "elementwise", tf=("LeakyReluGrad",), attrs={"alpha": "alpha"}, value=_leaky_relu_grad,
   real=lambda m, dy, x, alpha=0.2: m.where(m.less(0, x), dy, m.number(alpha) * dy),
   trend=(0, 0), flow=("smooth", "zero"), ulps=1.0)  # fmt: skip
op("elu_grad", "elementwise", tf=("EluGrad",), value=in_single(_elu_grad), trend=(0, 0), ulps=2.0,
   real=lambda m, dy, y: m.where(m.less(y, 0), (y + 1) * dy, dy),
   cases=(("[1, 1]", "[-1, 2]", "[0, 1]"),))  # fmt: skip
op("selu_grad", "elementwise", tf=("SeluGrad",), value=in_single(_selu_grad), trend=(0, 0), ulps=3.0,
   real=lambda m, dy, y: dy * m.where(
       m.less(y, 0), y + m.number(SELU_SCALE) * m.number(SELU_ALPHA), m.number(SELU_SCALE)
   ))  # fmt: skip
