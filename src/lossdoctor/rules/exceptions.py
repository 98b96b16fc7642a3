"""What family an exception of the loss belongs to, by what TensorFlow, Keras and Python say in it."""

from __future__ import annotations

import re

from lossdoctor.findings import Family
from lossdoctor.session import Raised

# Messages of TensorFlow's type checks (op_def_library, the eager runtime, kernels) and of tf.convert_to_tensor.
_DTYPE = re.compile(
    r"not in list of allowed values|was expected to be an? \w+ tensor but|has (?:Data)?[Tt]ype \w+|"
    r"Value for attr '\w+' of \w+ is not in the list|could not find device for node|must be of the following types|"
    r"requested dtype|incompatible with expected type|Tensor conversion requested|Expected \w*int\w*, but got|"
    r"of type '?(?:float|int|uint)\w*'? .*(?:allowed|match)|[Ii]ndices must be|must have the same dtype|"
    r"Cannot convert (?!None)\S+ to EagerTensor of dtype",
)
_SHAPE = re.compile(
    r"Incompatible shapes|[Dd]imensions must be equal|must have (?:the )?same|size-incompatible|"
    r"out of (?:bounds|range)|"
    r"must be (?:at least )?rank|required broadcastable shapes|Shapes? .* (?:incompatible|must)|Too many indices|"
    r"Dimension \d+ in both shapes|Expected \w+ (?:dimension|rank)|[Ii]nput to reshape|[Rr]ank mismatch|"
    r"must equal `?\w+\.shape|Cannot reshape|Can not squeeze|Index out of range"
)
_MISSING = re.compile(r"module '(?P<module>[\w.]+)' has no attribute '(?P<name>\w+)'")
# Names of TensorFlow 1 that version 2 has under another name or not at all, as far as losses use them
# (`dir(tf.compat.v1)` less `dir(tf)`). Any other name never was there: a slip of the pen, and no removed API.
_OF_TENSORFLOW_1 = frozenset(
    """
    Print Session accumulate_n angle app arg_max arg_min assert_greater_equal assert_integer assert_less_equal
    assert_near assert_negative assert_non_negative assert_non_positive assert_none_equal assert_positive
    assert_rank_at_least assert_rank_in assert_scalar assert_type assign assign_add assign_sub batch_gather betainc
    bincount ceil check_numerics cholesky cholesky_solve clip_by_average_norm confusion_matrix conj contrib
    count_nonzero cross cumprod depth_to_space diag diag_part digamma div div_no_nan erf erfc expm1
    extract_image_patches fft fft2d fft3d flags floor_div floordiv floormod get_collection get_default_graph
    get_default_session get_variable global_norm global_variables_initializer ifft ifft2d ifft3d igamma igammac imag
    invert_permutation is_finite is_inf is_nan is_non_decreasing is_strictly_increasing layers lbeta lgamma lin_space
    log log1p log_sigmoid logging logical_xor losses matrix_band_part matrix_determinant matrix_diag matrix_diag_part
    matrix_inverse matrix_set_diag matrix_solve matrix_solve_ls matrix_transpose matrix_triangular_solve mod
    multinomial placeholder placeholder_with_default polygamma py_func qr random_crop random_gamma random_normal
    random_poisson random_shuffle random_uniform real reciprocal reset_default_graph reverse_v2 rint rsqrt scatter_add
    scatter_div scatter_max scatter_min scatter_mul scatter_nd_add scatter_nd_sub scatter_nd_update scatter_sub
    scatter_update segment_max segment_mean segment_min segment_prod segment_sum self_adjoint_eig self_adjoint_eigvals
    set_random_seed setdiff1d space_to_depth sparse_add sparse_matmul sparse_placeholder sparse_reduce_sum
    sparse_tensor_dense_matmul sparse_tensor_to_dense sparse_to_dense squared_difference string_to_number svd
    tensor_scatter_add tensor_scatter_sub tensor_scatter_update to_bfloat16 to_double to_float to_int32 to_int64 trace
    trainable_variables transpose truncated_normal unsorted_segment_max unsorted_segment_mean unsorted_segment_min
    unsorted_segment_sum variable_scope verify_tensor_all_finite where_v2 zeta
    softmax_cross_entropy_with_logits_v2 relu_layer xw_plus_b absolute_difference compute_weighted_loss
    cosine_distance hinge_loss huber_loss log_loss mean_pairwise_squared_error mean_squared_error
    sigmoid_cross_entropy softmax_cross_entropy sparse_softmax_cross_entropy resize_images resize_bilinear
    resize_bicubic resize_nearest_neighbor transpose_image get_global_step get_or_create_global_step global_step
    """.split()
)


def family_of(raised: Raised) -> Family:
    """`crash` for what no other family names."""
    if removed_symbol(raised):
        return "keras-contract"
    if raised.left_out or _made_of_tensors(raised):
        return "keras-contract"
    if "A KerasTensor cannot be used as input to a TensorFlow function" in raised.message:
        return "graph-mode"  # a symbolic tensor of the model that is built, captured by the loss
    if raised.type == "TypeError" and not raised.calls and "required positional argument" in raised.message:
        return "keras-contract"  # the call itself does not fit, not one inside the loss
    if raised.type in ("TypeError", "InvalidArgumentError", "ValueError", "NotFoundError") and _DTYPE.search(
        raised.message
    ):
        return "dtype"
    if "truth value of an array" in raised.message and re.search(r"\.cond\.cond\w*$", raised.callee):
        return "shape"  # tf.cond decides once, by a scalar
    if raised.type in ("InvalidArgumentError", "ValueError", "IndexError") and _SHAPE.search(raised.message):
        return "shape"
    return "crash"


def reason(raised: Raised) -> str:
    """What the loss does that raises, in a clause."""
    if symbol := missing_symbol(raised):
        return f"`{symbol}` does not exist in this version, so the loss raises AttributeError"
    if raised.left_out:
        return (
            f"computes with `{raised.left_out}`, which nobody gives it and which is None: {raised.type}: "
            f"{raised.message}"
        )
    if _made_of_tensors(raised):
        name = raised.callee.split(".")[-2]
        return (
            f"gives its tensors to the constructor of `{name}`, and not to an instance of it, as `{name}()(…)` "
            f"would: {raised.type}: {raised.message}"
        )
    return f"raises {raised.type} for every input of this spec: {raised.message}"


def whatever_is_given(raised: Raised) -> bool:
    """Whether the exception has its cause in the code alone, so that no other input helps."""
    slips = ("NameError", "UnboundLocalError", "ModuleNotFoundError")
    return bool(missing_symbol(raised) or raised.left_out or _made_of_tensors(raised)) or raised.type in slips


def _made_of_tensors(raised: Raised) -> bool:
    """Whether a class of Keras refuses what it is made with because that is a tensor."""
    owner = raised.callee.removesuffix(".__init__")
    return owner != raised.callee and owner.startswith("keras.") and "ensor" in raised.message


def missing_symbol(raised: Raised) -> str:
    """The name that TensorFlow or Keras does not have, such as "keras.backend.sum"; "" for any other exception."""
    found = _MISSING.search(raised.message) if raised.type == "AttributeError" else None
    if found is None or not re.match(r"(?:_?tf_?keras|keras|tensorflow)\b", found["module"]):
        return ""
    return f"{found['module']}.{found['name']}"


def removed_symbol(raised: Raised) -> str:
    """The missing name if earlier versions had it; "" for a slip of the pen, and for any other exception."""
    symbol = missing_symbol(raised)
    return symbol if "keras" in symbol or symbol.rpartition(".")[2] in _OF_TENSORFLOW_1 else ""
