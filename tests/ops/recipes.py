"""How to call each operation of TensorFlow: arguments that are small, valid and typical.

A recipe is a raw operation with its keywords. Arrays are inputs; what the operation calls an attribute is one.
Rows of elementwise operations need none unless their arguments are not real numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Recipe:
    tf: str
    keywords: dict[str, Any] = field(default_factory=dict[str, Any])
    close: float = 2e-5  # relative and absolute
    flows: bool = True  # whether the gradient is looked at as well
    output: int = 0  # of which result
    results: int | None = None  # how many results mean anything

    def __str__(self) -> str:
        return self.tf


rng = np.random.default_rng(7)


def f(*shape: int, low: float = -3.0, high: float = 3.0) -> np.ndarray:
    return rng.uniform(low, high, shape).astype(np.float32)


def i(*values: Any, dtype: str = "int32") -> np.ndarray:
    return np.array(values, dtype)


def c(*shape: int) -> np.ndarray:
    return (f(*shape) + 1j * f(*shape)).astype(np.complex64)


def definite(n: int) -> np.ndarray:
    a = f(2, n, n)
    return a @ a.transpose(0, 2, 1) + 2 * np.eye(n, dtype=np.float32)


R = Recipe
X = f(3, 4)
IMAGE = f(2, 6, 5, 3)
VOLUME = f(2, 4, 5, 4, 3)
PLAIN = {"strides": [1, 2, 2, 1], "padding": "SAME"}
VALID = {"strides": [1, 1, 1, 1], "padding": "VALID", "dilations": [1, 2, 1, 1]}
POOL = {"ksize": [1, 2, 2, 1], "strides": [1, 2, 2, 1], "padding": "SAME"}
POOL3 = {"ksize": [1, 2, 2, 2, 1], "strides": [1, 2, 2, 2, 1], "padding": "VALID"}
BOUNDS = {"begin": i(0, 1), "end": i(0, 4), "strides": i(1, 2), "begin_mask": 1, "end_mask": 1}
ROWS = i([0, 2], [1, 1])

RECIPES: list[Recipe] = [
    # Elementwise operations whose arguments are not real numbers, or that are special.
    R("AddN", {"inputs": [X, f(3, 4), f(3, 4)]}),
    R("Cast", {"x": X, "DstT": "float64"}),
    R("Cast", {"x": X, "DstT": "int32"}),
    R("Cast", {"x": X, "DstT": "bool"}),
    R("Cast", {"x": X, "DstT": "float16"}),
    R("Cast", {"x": X, "DstT": "bfloat16"}),
    R("Complex", {"real": X, "imag": f(3, 4)}),
    R("ComplexAbs", {"x": c(4)}),
    R("Real", {"input": c(4)}),
    R("Imag", {"input": c(4)}),
    R("Conj", {"input": c(4)}),
    R("Angle", {"input": c(4)}),
    R("FloorDiv", {"x": i(-7, 7, 8), "y": i(2, -2, 3)}),
    R("FloorMod", {"x": i(-7, 7, 8), "y": i(2, -2, 3)}),
    R("TruncateDiv", {"x": i(-7, 7, 8), "y": i(2, -2, 3)}),
    R("TruncateMod", {"x": i(-7, 7, 8), "y": i(2, -2, 3)}),
    R("Select", {"condition": i(1, 0, 1, dtype="bool"), "x": X, "y": f(3, 4)}),
    R("SelectV2", {"condition": X > 0, "t": X, "e": f(4)}),
    R("ClipByValue", {"t": X, "clip_value_min": np.float32(-1), "clip_value_max": np.float32(1)}),
    *(R(name, {"x": X > 0, "y": X > 1}) for name in ("LogicalAnd", "LogicalOr")),
    R("LogicalNot", {"x": X > 0}),
    *(R(name, {"x": i(5, 6, 7), "y": i(1, 2, 3)}) for name in
      ("BitwiseAnd", "BitwiseOr", "BitwiseXor", "LeftShift", "RightShift")),
    R("Invert", {"x": i(5, 6)}),
    R("PopulationCount", {"x": i(5, 6)}),
    # Reductions.
    *(R(name, {"input": X, "axis": i(1), "keep_dims": keep}) for name in
      ("Sum", "Mean", "Prod", "Max", "Min", "EuclideanNorm") for keep in (True, False)),
    R("Sum", {"input": f(0, 3), "axis": i(0)}, flows=False),
    R("Max", {"input": f(0, 3), "axis": i(0)}, flows=False),
    R("Mean", {"input": i(1, 2, 4, -9), "axis": i(0)}),
    R("Sum", {"input": f(2, 300).astype(np.float16), "axis": i(1)}, close=2e-3),
    R("L2Loss", {"t": X}),
    R("All", {"input": X > -2, "axis": i(0)}),
    R("Any", {"input": X > 2, "axis": i(0)}),
    R("ArgMax", {"input": X, "dimension": i(1)[0], "output_type": "int64"}),
    R("ArgMin", {"input": X, "dimension": i(0)[0], "output_type": "int32"}),
    R("BiasAddGrad", {"out_backprop": IMAGE}),
    R("SegmentSum", {"data": X, "segment_ids": i(0, 0, 2)}),
    R("SegmentMean", {"data": X, "segment_ids": i(0, 0, 2)}),
    R("SegmentProd", {"data": X, "segment_ids": i(0, 0, 2)}),
    R("SegmentMax", {"data": X, "segment_ids": i(0, 0, 2)}),
    R("SegmentMin", {"data": X, "segment_ids": i(0, 0, 2)}),
    *(R(f"UnsortedSegment{name}", {"data": X, "segment_ids": i(2, -1, 2), "num_segments": i(4)[0]}) for name in
      ("Sum", "Prod", "Max", "Min")),
    R("SparseSegmentSum", {"data": X, "indices": i(2, 0, 2), "segment_ids": i(0, 0, 1)}),
    R("SparseSegmentSumGrad", {"grad": X, "indices": i(2, 0, 2), "segment_ids": i(0, 0, 1), "output_dim0": i(4)[0]}),
    # Along an axis.
    *(R(name, {"x": X, "axis": i(1)[0], "exclusive": exclusive, "reverse": reverse}) for name in
      ("Cumsum", "Cumprod") for exclusive in (True, False) for reverse in (True, False)),
    R("CumulativeLogsumexp", {"x": X, "axis": i(0)[0]}),
    R("Softmax", {"logits": X}),
    R("LogSoftmax", {"logits": X}),
    R("SoftmaxCrossEntropyWithLogits", {"features": X, "labels": f(3, 4, low=0, high=1)}),
    R("SparseSoftmaxCrossEntropyWithLogits", {"features": X, "labels": i(3, 0, 1)}),
    R("TopKV2", {"input": np.round(X), "k": i(3)[0], "sorted": True}),
    R("NthElement", {"input": X, "n": i(1)[0], "reverse": True}),
    R("NthElement", {"input": X, "n": i(1)[0], "reverse": False}),
    R("InTopKV2", {"predictions": X, "targets": i(0, 1, 2), "k": i(2)[0]}),
    R("InvertPermutation", {"x": i(2, 0, 1)}),
    # Moving elements.
    R("Reshape", {"tensor": X, "shape": i(2, 6)}),
    R("Squeeze", {"input": f(3, 1, 4), "axis": [1]}),
    R("Squeeze", {"input": f(3, 1, 1), "axis": []}),
    R("ExpandDims", {"input": X, "axis": i(-1)[0]}),
    R("Transpose", {"x": f(2, 3, 4), "perm": i(2, 0, 1)}),
    R("BroadcastTo", {"input": X, "shape": i(2, 3, 4)}),
    R("Tile", {"input": X, "multiples": i(2, 3)}),
    R("ConcatV2", {"values": [X, f(3, 2)], "axis": i(1)[0]}),
    R("Pack", {"values": [X, f(3, 4)], "axis": 1}),
    R("Unpack", {"value": X, "num": 3, "axis": 0}),
    R("Unpack", {"value": f(3, 1), "num": 1, "axis": 1}),
    R("Split", {"axis": i(1)[0], "value": X, "num_split": 2}),
    R("SplitV", {"value": X, "size_splits": i(1, 3), "axis": i(1)[0], "num_split": 2}),
    R("Empty", {"shape": i(2, 3), "dtype": "float32", "init": True}),
    R("Fill", {"dims": i(2, 3), "value": np.float32(2)}),
    R("ZerosLike", {"x": X}),
    R("OnesLike", {"x": X}),
    R("Range", {"start": i(1)[0], "limit": i(9)[0], "delta": i(3)[0]}),
    R("LinSpace", {"start": np.float32(0), "stop": np.float32(1), "num": i(5)[0]}),
    R("Pad", {"input": X, "paddings": i([1, 0], [2, 3])}),
    R("PadV2", {"input": X, "paddings": i([1, 0], [2, 3]), "constant_values": np.float32(4)}),
    R("MirrorPad", {"input": X, "paddings": i([1, 0], [2, 3]), "mode": "REFLECT"}),
    R("MirrorPad", {"input": X, "paddings": i([1, 0], [2, 3]), "mode": "SYMMETRIC"}),
    R("MirrorPadGrad", {"input": f(4, 9), "paddings": i([1, 0], [2, 3]), "mode": "REFLECT"}),
    R("MirrorPadGrad", {"input": f(4, 9), "paddings": i([1, 0], [2, 3]), "mode": "SYMMETRIC"}),
    R("Roll", {"input": X, "shift": i(1, -2), "axis": i(0, 1)}),
    R("ReverseV2", {"tensor": X, "axis": i(1)}),
    R("ReverseSequence", {"input": X, "seq_lengths": i(2, 3, 0), "seq_dim": 1}),
    R("MatrixDiagV3", {"diagonal": X, "k": i(0)[0], "num_rows": i(-1)[0], "num_cols": i(-1)[0],
                       "padding_value": np.float32(0)}),
    R("MatrixDiagPartV3", {"input": f(2, 3, 4), "k": i(0)[0], "padding_value": np.float32(0)}),
    R("MatrixSetDiagV3", {"input": f(2, 3, 3), "diagonal": f(2, 3), "k": i(0)[0]}),
    R("MatrixBandPart", {"input": f(2, 3, 4), "num_lower": i(1)[0], "num_upper": i(-1)[0]}),
    R("Bitcast", {"input": X, "type": "int32"}),
    R("Shape", {"input": X}),
    R("ShapeN", {"input": [X, f(2)]}),
    R("Size", {"input": X}),
    R("Rank", {"input": X}),
    R("BroadcastArgs", {"s0": i(3, 1), "s1": i(4)}),
    R("BroadcastGradientArgs", {"s0": i(3, 1, 4), "s1": i(2, 1)}),
    R("BroadcastGradientArgs", {"s0": i(3, 1), "s1": i(3, 1)}),
    R("ConcatOffset", {"concat_dim": i(1)[0], "shape": [i(3, 4), i(3, 2)]}),
    # Indices.
    R("StridedSlice", {"input": X, **BOUNDS}),
    R("StridedSlice", {"input": f(2, 3, 4), "begin": i(0, 0, 1), "end": i(0, 0, 2), "strides": i(1, 1, 1),
                       "ellipsis_mask": 1, "new_axis_mask": 2, "shrink_axis_mask": 4}),
    R("StridedSlice", {"input": X, "begin": i(0, -1), "end": i(0, 0), "strides": i(1, -1), "begin_mask": 3,
                       "end_mask": 3}),
    R("StridedSliceGrad", {"shape": i(3, 4), "dy": f(3, 2), **BOUNDS}),
    R("TensorStridedSliceUpdate", {"input": X, "value": f(3, 2), **BOUNDS}),
    R("Slice", {"input": X, "begin": i(0, 1), "size": i(-1, 2)}),
    R("XlaDynamicUpdateSlice", {"input": X, "update": f(2, 2), "indices": i(1, 3)}),
    R("GatherV2", {"params": X, "indices": ROWS, "axis": i(1)[0]}),
    R("GatherV2", {"params": f(2, 3, 4), "indices": i([0, 1], [2, 2]), "axis": i(1)[0], "batch_dims": 1}),
    R("GatherNd", {"params": X, "indices": ROWS}),
    R("ScatterNd", {"indices": i([1], [1]), "updates": f(2, 4), "shape": i(3, 4)}),
    *(R(f"TensorScatter{name}", {"tensor": X, "indices": i([0], [2]), "updates": f(2, 4)}) for name in
      ("Update", "Add", "Sub", "Max", "Min")),
    R("OneHot", {"indices": i(0, 5, -1, 2), "depth": i(3)[0], "on_value": np.float32(1), "off_value": np.float32(0)}),
    R("OneHot", {"indices": i([0, 1]), "depth": i(3)[0], "on_value": np.float32(2), "off_value": np.float32(1),
                 "axis": 0}),
    R("Where", {"condition": X > 0}),
    R("Unique", {"x": i(4, 2, 4, 1)}),
    R("UniqueWithCounts", {"x": i(4, 2, 4, 1)}),
    R("ListDiff", {"x": i(4, 2, 4, 1), "y": i(2)}),
    R("DynamicStitch", {"indices": [i(0, 2), i(1, 2)], "data": [f(2, 3), f(2, 3)]}),
    R("DynamicPartition", {"data": X, "partitions": i(1, 0, 1), "num_partitions": 2}),
    R("DenseBincount", {"input": i(1, 2, 1, 9), "size": i(4)[0], "weights": f(4)}),
    R("DenseBincount", {"input": i([1, 2], [1, 9]), "size": i(4)[0], "weights": f(0), "binary_output": True}),
    R("HistogramFixedWidth", {"values": f(20), "value_range": np.array([-2, 2], np.float32), "nbins": i(5)[0]}),
    R("LowerBound", {"sorted_inputs": np.sort(X, axis=1), "values": f(3, 2)}),
    R("UpperBound", {"sorted_inputs": np.sort(X, axis=1), "values": f(3, 2)}),
    R("Bucketize", {"input": X, "boundaries": [-1.0, 0.0, 1.0]}),
    # Products.
    R("MatMul", {"a": f(3, 4), "b": f(5, 4), "transpose_b": True}),
    R("BatchMatMulV2", {"x": f(2, 4, 3), "y": f(4, 5), "adj_x": True}),
    R("Einsum", {"inputs": [f(2, 3, 4), f(4, 5)], "equation": "bij,jk->bik"}),
    R("Cross", {"a": f(2, 3), "b": f(2, 3)}),
    R("BiasAdd", {"value": IMAGE, "bias": f(3)}),
    R("_FusedMatMul", {"name": "fused", "a": f(3, 4), "b": f(4, 5), "args": [f(5)], "fused_ops": ["BiasAdd", "Relu"],
                       "transpose_a": False, "transpose_b": False, "epsilon": 1e-4, "leakyrelu_alpha": 0.2},
      flows=False),
    # Linear algebra.
    R("MatrixDeterminant", {"input": definite(3)}, close=1e-4),
    R("LogMatrixDeterminant", {"input": definite(3)}, close=1e-4, output=1),
    R("MatrixInverse", {"input": definite(3), "adjoint": True}, close=1e-4),
    R("MatrixSolve", {"matrix": definite(3), "rhs": f(2, 3, 2), "adjoint": True}, close=1e-4),
    R("MatrixTriangularSolve", {"matrix": definite(3), "rhs": f(2, 3, 2), "lower": True, "adjoint": True}, close=1e-4),
    R("Cholesky", {"input": definite(3)}, close=1e-4),
    R("Svd", {"input": definite(3), "compute_uv": False}, close=1e-4, results=1),
    R("SelfAdjointEigV2", {"input": definite(3), "compute_v": False}, close=1e-4, results=1),
    *(R(name, {"input": c(2, 4)}, close=1e-4) for name in ("FFT", "IFFT", "FFT2D", "IFFT2D")),
    *(R(name, {"input": c(2, 4, 4)}, close=1e-4) for name in ("FFT3D", "IFFT3D")),
    R("RFFT", {"input": f(2, 6), "fft_length": i(6)}, close=1e-4),
    R("IRFFT", {"input": c(2, 4), "fft_length": i(6)}, close=1e-4),
    # Images.
    R("Conv2D", {"input": IMAGE, "filter": f(3, 2, 3, 4), **PLAIN}, close=1e-4),
    # Only builds with oneDNN, which not every processor gets, have a gradient for dilation rates on CPUs.
    R("Conv2D", {"input": IMAGE, "filter": f(2, 2, 3, 4), **VALID}, close=1e-4, flows=False),
    R("Conv2D", {"input": IMAGE, "filter": f(2, 2, 3, 4), "strides": [1, 1, 1, 1], "padding": "EXPLICIT",
                 "explicit_paddings": [0, 0, 1, 0, 2, 1, 0, 0]}, close=1e-4),
    R("Conv2DBackpropInput", {"input_sizes": i(2, 6, 5, 3), "filter": f(3, 2, 3, 4), "out_backprop": f(2, 3, 3, 4),
                              **PLAIN}, close=1e-4),
    R("Conv2DBackpropFilter", {"input": IMAGE, "filter_sizes": i(3, 2, 3, 4), "out_backprop": f(2, 3, 3, 4), **PLAIN},
      close=1e-4),
    R("DepthwiseConv2dNative", {"input": IMAGE, "filter": f(3, 2, 3, 2), **PLAIN}, close=1e-4),
    R("DepthwiseConv2dNativeBackpropInput", {"input_sizes": i(2, 6, 5, 3), "filter": f(3, 2, 3, 2),
                                             "out_backprop": f(2, 3, 3, 6), **PLAIN}, close=1e-4),
    R("DepthwiseConv2dNativeBackpropFilter", {"input": IMAGE, "filter_sizes": i(3, 2, 3, 2),
                                              "out_backprop": f(2, 3, 3, 6), **PLAIN}, close=1e-4),
    R("Conv3D", {"input": VOLUME, "filter": f(2, 2, 2, 3, 2), "strides": [1] * 5, "padding": "VALID"}, close=1e-4),
    R("Conv3DBackpropInputV2", {"input_sizes": i(2, 4, 5, 4, 3), "filter": f(2, 2, 2, 3, 2),
                                "out_backprop": f(2, 3, 4, 3, 2), "strides": [1] * 5, "padding": "VALID"}, close=1e-4),
    R("Conv3DBackpropFilterV2", {"input": VOLUME, "filter_sizes": i(2, 2, 2, 3, 2),
                                 "out_backprop": f(2, 3, 4, 3, 2), "strides": [1] * 5, "padding": "VALID"}, close=1e-4),
    R("MaxPool", {"input": IMAGE, **POOL}),
    R("MaxPool3D", {"input": VOLUME, **POOL3}),
    R("AvgPool", {"value": IMAGE, **POOL}),
    R("AvgPool3D", {"input": VOLUME, **POOL3}),
    R("AvgPoolGrad", {"orig_input_shape": i(2, 6, 5, 3), "grad": f(2, 3, 3, 3), **POOL}),
    R("AvgPool3DGrad", {"orig_input_shape": i(2, 4, 5, 4, 3), "grad": f(2, 2, 2, 2, 3), **POOL3}),
    R("ResizeBilinear", {"images": IMAGE, "size": i(4, 7), "half_pixel_centers": True}),
    R("ResizeBilinear", {"images": IMAGE, "size": i(4, 7), "align_corners": True}),
    R("ResizeBilinearGrad", {"grads": f(2, 4, 7, 3), "original_image": IMAGE, "half_pixel_centers": True}),
    R("ResizeNearestNeighbor", {"images": IMAGE, "size": i(4, 7), "half_pixel_centers": True}),
    R("ResizeNearestNeighborGrad", {"grads": f(2, 4, 7, 3), "size": i(6, 5), "half_pixel_centers": True}),
    R("SpaceToDepth", {"input": f(2, 4, 6, 3), "block_size": 2}),
    R("DepthToSpace", {"input": f(2, 2, 3, 8), "block_size": 2}),
    R("SpaceToBatchND", {"input": f(2, 4, 5, 3), "block_shape": i(2, 2), "paddings": i([0, 0], [1, 0])}),
    R("BatchToSpaceND", {"input": f(8, 2, 3, 3), "block_shape": i(2, 2), "crops": i([0, 0], [1, 0])}),
    R("ExtractImagePatches", {"images": IMAGE, "ksizes": [1, 3, 2, 1], "strides": [1, 2, 1, 1], "rates": [1, 1, 2, 1],
                              "padding": "SAME"}),
    # The rest is reserved for the gradient, and not even filled by every kernel.
    R("FusedBatchNormV3", {"x": IMAGE, "scale": f(3), "offset": f(3), "mean": f(0), "variance": f(0), "epsilon": 1e-3,
                           "is_training": True}, close=1e-3, flows=False, results=3),
    R("FusedBatchNormV3", {"x": IMAGE, "scale": f(3), "offset": f(3), "mean": f(3), "variance": f(3, low=1),
                           "epsilon": 1e-3, "is_training": False}, close=1e-3, flows=False, results=1),
    # Passing on.
    R("Identity", {"input": X}),
    R("EnsureShape", {"input": X, "shape": [3, 4]}),
    R("StopGradient", {"input": X}),
    R("CheckNumerics", {"tensor": X, "message": "x"}),
]  # fmt: skip


def max_pool_gradient() -> Recipe:
    """The second input of this kernel has to be the pooled first."""
    image = rng.permutation(np.arange(48, dtype=np.float32)).reshape(2, 4, 6, 1)
    pooled = image.reshape(2, 2, 2, 3, 2, 1).max(axis=(2, 4))
    keywords = {"orig_input": image, "orig_output": pooled, "grad": f(2, 2, 3, 1), **POOL}
    return Recipe("MaxPoolGrad", keywords)


RECIPES.append(max_pool_gradient())
RECIPES.append(
    Recipe(
        "MaxPool3DGrad",
        {
            "orig_input": VOLUME,
            "orig_output": VOLUME[:, :, :4].reshape(2, 2, 2, 2, 2, 2, 2, 3).max(axis=(2, 4, 6)),
            "grad": f(2, 2, 2, 2, 3),
            **POOL3,
        },
    )
)
