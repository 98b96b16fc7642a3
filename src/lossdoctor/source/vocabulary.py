"""What calls and names say about the arguments of a loss: tables, no code.

Keys are last parts of dotted names (`tf.nn.softmax` and `keras.ops.softmax` are both "softmax").
"""

from __future__ import annotations

# Same values and same shape.
SAME = frozenset({"cast", "convert_to_tensor", "identity", "stop_gradient", "constant", "asarray", "array", "float"})
# Same values in another shape.
RESHAPED = frozenset(
    {"reshape", "flatten", "batch_flatten", "squeeze", "expand_dims", "transpose", "permute_dimensions", "ravel"}
)
# Truth values of the shape of the first argument.
COMPARISONS = frozenset(
    {"equal", "not_equal", "greater", "greater_equal", "less", "less_equal", "logical_not", "logical_and", "is_nan",
     "is_finite", "isnan", "isfinite"}
)  # fmt: skip
# Same shape as the first argument that is a tensor, other values.
ELEMENTWISE = frozenset(
    {
        *(
            "abs",
            "absolute",
            "square",
            "sqrt",
            "rsqrt",
            "exp",
            "expm1",
            "log",
            "log1p",
            "log2",
            "log10",
            "pow",
            "power",
        ),
        *("sigmoid", "hard_sigmoid", "log_sigmoid", "softmax", "log_softmax", "softplus", "softsign", "tanh", "relu"),
        *("leaky_relu", "elu", "sin", "cos", "arcsin", "arccos", "asin", "acos", "atan", "atan2", "erf", "sign"),
        *("round", "rint", "floor", "ceil", "negative", "reciprocal", "maximum", "minimum", "clip", "clip_by_value"),
        *(
            "where",
            "multiply",
            "add",
            "subtract",
            "divide",
            "truediv",
            "div_no_nan",
            "divide_no_nan",
            "multiply_no_nan",
        ),
        *("squared_difference", "zeros_like", "ones_like", "lgamma", "digamma"),
        *("xlogy", "cumsum", "l2_normalize", "normalize"),
    }
)
REDUCTIONS = frozenset(
    {
        *("reduce_sum", "reduce_mean", "reduce_max", "reduce_min", "reduce_prod", "reduce_any", "reduce_all"),
        *("reduce_logsumexp", "reduce_std", "reduce_variance", "logsumexp", "sum", "mean", "max", "min", "prod", "any"),
        *("all", "std", "var", "norm", "count_nonzero"),
    }
)
SIGMOIDS = frozenset({"sigmoid", "hard_sigmoid", "log_sigmoid"})
SOFTMAXES = frozenset({"softmax", "log_softmax"})
CLIPS = frozenset({"clip", "clip_by_value"})
MISSING = frozenset({"is_nan", "isnan", "is_finite", "isfinite"})
IMAGE_OPS = frozenset(
    {
        "ssim",
        "ssim_multiscale",
        "psnr",
        "sobel_edges",
        "total_variation",
        "image_gradients",
        "conv2d",
        "depthwise_conv2d",
    }
)

# Losses of Keras and TensorFlow on (y_true, y_pred): the kinds of both, and the kind of y_pred with from_logits.
LOSSES: dict[str, tuple[str, str, str]] = {
    "binary_crossentropy": ("binary", "unit", "logit"),
    "binary_focal_crossentropy": ("binary", "unit", "logit"),
    "categorical_crossentropy": ("onehot", "probability", "logit"),
    "categorical_focal_crossentropy": ("onehot", "probability", "logit"),
    "categorical_generalized_cross_entropy": ("label", "probability", "probability"),
    "sparse_categorical_crossentropy": ("label", "probability", "logit"),
    "kl_divergence": ("probability", "probability", "probability"),
    "kullback_leibler_divergence": ("probability", "probability", "probability"),
    "kld": ("probability", "probability", "probability"),
    "poisson": ("positive", "positive", "positive"),
    "hinge": ("sign", "real", "real"),
    "squared_hinge": ("sign", "real", "real"),
    "categorical_hinge": ("onehot", "real", "real"),
    "dice": ("binary", "unit", "unit"),
    "tversky": ("binary", "unit", "unit"),
    "mean_squared_logarithmic_error": ("positive", "positive", "positive"),
    "mean_squared_error": ("real", "real", "real"),
    "mean_absolute_error": ("real", "real", "real"),
    "mean_absolute_percentage_error": ("real", "real", "real"),
    "huber": ("real", "real", "real"),
    "log_cosh": ("real", "real", "real"),
    "cosine_similarity": ("real", "real", "real"),
}
# Position of labels and of logits, and the kind of the labels.
WITH_LOGITS: dict[str, tuple[str, str]] = {
    "sigmoid_cross_entropy_with_logits": ("binary", "elementwise"),
    "weighted_cross_entropy_with_logits": ("binary", "elementwise"),
    "softmax_cross_entropy_with_logits": ("onehot", "classes"),
    "softmax_cross_entropy_with_logits_v2": ("onehot", "classes"),
    "sparse_softmax_cross_entropy_with_logits": ("label", "classes"),
}
# Words in the name of a loss: the kinds of both arguments. The first that occurs counts.
NAMES: tuple[tuple[frozenset[str], str, str], ...] = (
    (frozenset({"sparse"}), "label", "probability"),
    (frozenset({"categorical", "cce", "softmax"}), "onehot", "probability"),
    (
        frozenset({"dice", "iou", "jaccard", "tversky", "lovasz", "f1", "bce", "binary", "mask", "focal"}),
        "binary",
        "unit",
    ),
    (frozenset({"crossentropy", "ce", "nll", "entropy"}), "onehot", "probability"),
    (frozenset({"hinge", "margin"}), "sign", "real"),
    (frozenset({"kl", "kld", "kullback", "distillation", "wasserstein", "emd"}), "probability", "probability"),
    (frozenset({"poisson", "msle", "rmsle", "gamma", "tweedie"}), "positive", "positive"),
    (frozenset({"contrastive", "siamese"}), "binary", "positive"),
)
# Of these, the words that are said of masks and of boxes alike.
OVERLAPS = frozenset({"iou", "dice", "jaccard"})
# Activation of the last layer: the kind of y_pred.
ACTIVATIONS: dict[str, str] = {
    "sigmoid": "unit",
    "hard_sigmoid": "unit",
    "softmax": "probability",
    "softplus": "positive",
    "relu": "positive",
    "exponential": "positive",
    "linear": "real",
    "tanh": "real",
}
