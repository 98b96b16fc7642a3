"""Host callbacks, strings, tables, sparse and ragged tensors: nothing is known of the result."""

from __future__ import annotations

from typing import Any

from lossdoctor.ops.table import op


def _row(name: str, *tf: str, **facts: Any) -> None:
    op(name, "opaque", tf=tf, flow=facts.pop("flow", ("none",)), outputs=facts.pop("outputs", 0), **facts)


# `tf.numpy_function` has no gradient, `tf.py_function` records one on the host.
_row("numpy_function", "PyFunc", "PyFuncStateless")
_row("py_function", "EagerPyFunc", flow=("smooth",))
_row("custom_call", "XlaCallModule", "XlaLaunch", "XlaHostCompute", "SymbolicGradient", "RemoteCall")

_row("string_from_number", "AsString", outputs=1)
_row("string_to_number", "StringToNumber", outputs=1)
_row("string_format", "StringFormat", outputs=1)
_row("string_join", "StringJoin", "ReduceJoin", "UnsortedSegmentJoin", outputs=1)
_row("string_length", "StringLength", outputs=1)
_row("string_split", "StringSplit", "StringSplitV2")
_row("string_match", "RegexFullMatch", "StaticRegexFullMatch", outputs=1)
_row("string_replace", "RegexReplace", "StaticRegexReplace", "StringLower", "StringUpper", "StringStrip", "Substr",
     outputs=1)  # fmt: skip
_row("string_hash", "StringToHashBucket", "StringToHashBucketFast", "StringToHashBucketStrong", outputs=1)
_row("string_decode", "DecodeRaw", "DecodePaddedRaw", "UnicodeDecode", "UnicodeDecodeWithOffsets", "UnicodeEncode")
_row("table", "HashTable", "HashTableV2", "MutableHashTable", "MutableHashTableV2", "MutableDenseHashTable",
     "MutableDenseHashTableV2", outputs=1)  # fmt: skip
_row("table_find", "LookupTableFind", "LookupTableFindV2", outputs=1)
_row("table_write", "LookupTableInsertV2", "LookupTableImportV2", "LookupTableSizeV2")
_row("handle", "VarHandleOp", outputs=1)

# Sparse and ragged tensors are several plain tensors each; losses rarely hold them.
_row("edit_distance", "EditDistance", outputs=1)
_row("ctc_loss", "CTCLoss", "CTCLossV2", flow=("smooth", "none"), outputs=2)
_row("ctc_decode", "CTCGreedyDecoder", "CTCBeamSearchDecoder")
_row("sparse_reduce_sum", "SparseReduceSum", flow=("none", "smooth", "none"), outputs=1)
_row("sparse_matmul", "SparseTensorDenseMatMul", flow=("none", "smooth", "none", "smooth"), outputs=1)
_row("sparse_to_dense", "SparseToDense", flow=("none", "smooth", "smooth"), outputs=1)
_row("sparse_reorder", "SparseReorder", "SparseReshape", "SparseSlice", "SparseConcat")
_row("ragged_to_dense", "RaggedTensorToTensor", flow=("smooth",), outputs=1)
_row("ragged_gradient", "RaggedTensorToVariantGradient", outputs=1)
_row("ragged", "RaggedTensorToVariant", "RaggedTensorFromVariant", "RaggedGather", "RaggedRange", flow=("smooth",))
_row("non_max_suppression", "NonMaxSuppressionV3", "NonMaxSuppressionV4", "NonMaxSuppressionV5",
     "CombinedNonMaxSuppression")  # fmt: skip
_row("summary", "WriteScalarSummary", "WriteHistogramSummary", "WriteSummary", "WriteImageSummary")
