"""Operations along one axis that keep the shape or order the elements, and the cross-entropies made of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lossdoctor.ops.arrays import Array, in_single, like
from lossdoctor.ops.table import op


def _accumulated(function: Callable[..., Array], neutral: float) -> Callable[..., Array]:
    def value(x: Array, *, axis: int, exclusive: bool = False, reverse: bool = False) -> Array:
        x = np.moveaxis(x, axis, -1)
        if reverse:
            x = x[..., ::-1]
        if exclusive:
            first = np.full(x[..., :1].shape, neutral).astype(x.dtype)
            result = np.concatenate([first, function(x, axis=-1)[..., :-1]], axis=-1)[..., : x.shape[-1]]
        else:
            result = function(x, axis=-1)
        if reverse:
            result = result[..., ::-1]
        return np.moveaxis(result, -1, axis).astype(x.dtype)

    return value


def _softmax(x: Array) -> Array:
    shifted = np.exp(x - np.max(x, axis=-1, keepdims=True, initial=-np.inf))
    return shifted / np.sum(shifted, axis=-1, keepdims=True)


def _log_softmax(x: Array) -> Array:
    shifted = x - np.max(x, axis=-1, keepdims=True, initial=-np.inf)
    return shifted - np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True))


def _softmax_cross_entropy(logits: Array, labels: Array) -> tuple[Array, Array]:
    """Loss of each row, and its gradient with respect to the logits (xent_op.h: sum of labels * (log sum exp - x))."""
    logits, labels = np.broadcast_arrays(logits, labels)
    shifted = logits - np.max(logits, axis=-1, keepdims=True, initial=-np.inf)
    exponential = np.exp(shifted)
    total = np.sum(exponential, axis=-1, keepdims=True)
    # A label of 0 silences an infinite logarithm, as TensorFlow's kernel does.
    weighted: Array = labels * (np.log(total) - shifted)
    terms = np.where(labels == 0, like(shifted, 0), weighted)
    return np.sum(terms, axis=-1), exponential / total - labels


def _sparse_softmax_cross_entropy(logits: Array, labels: Array) -> tuple[Array, Array]:
    classes = logits.shape[-1]
    if np.any((labels < 0) | (labels >= classes)):
        raise IndexError("a label outside the range of the classes")  # TensorFlow on CPU raises as well
    shifted = logits - np.max(logits, axis=-1, keepdims=True, initial=-np.inf)
    exponential = np.exp(shifted)
    total = np.sum(exponential, axis=-1, keepdims=True)
    chosen = np.take_along_axis(shifted, labels[..., None].astype(np.int64), axis=-1)
    hot: Array = np.equal(np.arange(classes, dtype=np.int64), labels[..., None]).astype(logits.dtype)
    return (np.log(total) - chosen)[..., 0], exponential / total - hot


def _order(x: Array) -> Array:
    """Indices that sort the last axis from high to low, the lower index first among equals."""
    if x.dtype.kind not in "iub" and np.any(np.isnan(x)):
        raise ValueError("where a NaN is sorted to depends on the kernel")
    ranks = x.astype(np.float32) if x.dtype.name == "bfloat16" else x
    # Stable and rising on the reversed axis is stable and falling on the axis.
    last = x.shape[-1] - 1
    return last - np.argsort(ranks[..., ::-1], axis=-1, kind="stable")[..., ::-1]


def _top_k(x: Array, *, k: int, dtype: str = "int32") -> tuple[Array, Array]:
    order = _order(x)[..., :k]
    return np.take_along_axis(x, order, axis=-1), order.astype(dtype)


def _nth_element(x: Array, *, n: int, reverse: bool = False) -> Array:
    order = _order(x)
    if not reverse:
        order = order[..., ::-1]
    return np.take_along_axis(x, order[..., n : n + 1], axis=-1)[..., 0]


def _in_top_k(predictions: Array, targets: Array, *, k: int) -> Array:
    chosen = np.take_along_axis(predictions, targets[:, None].astype(np.int64), axis=-1)
    finite = np.isfinite(predictions).all(axis=-1)
    return (np.sum(predictions > chosen, axis=-1) < k) & finite


def _invert_permutation(x: Array) -> Array:
    result = np.empty_like(x)
    result[x] = np.arange(len(x), dtype=x.dtype)
    return result


ALONG: dict[str, Any] = {"params": {1: "axis"}, "attrs": {"exclusive": "exclusive", "reverse": "reverse"}}

op("cumulative_sum", "scan", tf=("Cumsum",), value=in_single(_accumulated(np.cumsum, 0.0)), trend=(1,), ulps=1.0,
   **ALONG)  # fmt: skip
op("cumulative_prod", "scan", tf=("Cumprod",), value=in_single(_accumulated(np.cumprod, 1.0)), trend=(0,), ulps=1.0,
   **ALONG)  # fmt: skip
op("cumulative_logsumexp", "scan", tf=("CumulativeLogsumexp",), trend=(1,), ulps=8.0,
   value=in_single(_accumulated(np.logaddexp.accumulate, -np.inf)), **ALONG)  # fmt: skip

# Along the last axis.
op("softmax", "scan", tf=("Softmax",), value=in_single(_softmax), trend=(0,), ulps=8.0)
op("log_softmax", "scan", tf=("LogSoftmax",), value=in_single(_log_softmax), trend=(0,), ulps=8.0)
op("softmax_cross_entropy", "scan", tf=("SoftmaxCrossEntropyWithLogits",), outputs=2, trend=(0, 0), ulps=16.0,
   value=in_single(_softmax_cross_entropy))  # fmt: skip
op("sparse_softmax_cross_entropy", "scan", tf=("SparseSoftmaxCrossEntropyWithLogits",), outputs=2, trend=(0, 0),
   flow=("smooth", "none"), ulps=16.0, value=in_single(_sparse_softmax_cross_entropy))  # fmt: skip

# Order.
op("top_k", "scan", tf=("TopKV2",), params={1: "k"}, attrs={"index_type": "dtype"}, outputs=2, value=_top_k,
   trend=(0,), flow=("kink",), ulps=0.0)  # fmt: skip
op("nth_element", "scan", tf=("NthElement",), params={1: "n"}, attrs={"reverse": "reverse"}, value=_nth_element,
   trend=(1,), flow=("kink",), ulps=0.0)  # fmt: skip
op("in_top_k", "scan", tf=("InTopK", "InTopKV2"), params={2: "k"}, attrs={"k": "k"}, value=_in_top_k, trend=(0, 0),
   flow=("none",), ulps=0.0)  # fmt: skip
op("invert_permutation", "scan", tf=("InvertPermutation",), value=_invert_permutation, trend=(0,), flow=("none",),
   ulps=0.0)  # fmt: skip
