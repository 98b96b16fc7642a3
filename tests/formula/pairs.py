"""Formulas with losses that compute them, and with losses that do not."""

from __future__ import annotations

from dataclasses import dataclass

HEAD = "import keras\nimport tensorflow as tf\nfrom keras import ops\n\n\n"
REAL = ("float32[B,4] real", "float32[B,4] real")
UNIT = ("float32[B,4] binary", "float32[B,4] unit")
CLASSES = ("float32[B,3] onehot", "float32[B,3] probability")
LOGITS = ("float32[B,3] onehot", "float32[B,3] logit")
BINARY_LOGIT = ("float32[B,1] binary", "float32[B,1] logit")
IMAGE = ("float32[B,4,4,1] binary", "float32[B,4,4,1] unit")


@dataclass(frozen=True)
class Example:
    """`body` is that of `def loss(y_true, y_pred)`; the faulty line of a wrong one ends in `# here`."""

    name: str
    specs: tuple[str, str]
    formula: str
    body: str
    relation: str = ""  # part of what has to be said of a wrong one

    @property
    def source(self) -> str:
        return HEAD + "def loss(y_true, y_pred):\n" + "".join(f"    {line}\n" for line in self.body.splitlines())

    @property
    def line(self) -> int:
        return next(i for i, text in enumerate(self.source.splitlines(), 1) if text.endswith("# here"))


RIGHT = (
    Example("mse", REAL, "mean((t - p)**2, axis=-1)", "return tf.reduce_mean(tf.square(y_true - y_pred), axis=-1)"),
    Example("mse-of-batch", REAL, "mean((t - p)**2, axis=-1)", "return tf.reduce_mean((y_pred - y_true) ** 2)"),
    Example("sse", REAL, "sum((t - p)**2)", "return tf.reduce_sum(tf.math.squared_difference(y_true, y_pred))"),
    Example(
        "huber",
        REAL,
        "mean(where(abs(t-p) <= 1, (t-p)**2/2, abs(t-p) - 1/2), axis=-1)",
        "size = tf.abs(y_true - y_pred)\n"
        "inner = tf.minimum(size, 1.0)\n"
        "return tf.reduce_mean(inner * (size - 0.5 * inner), axis=-1)",
    ),
    Example(
        "log-cosh",
        REAL,
        "mean(log((exp(p - t) + exp(t - p))/2), axis=-1)",
        "d = y_pred - y_true\nreturn ops.mean(d + ops.softplus(-2.0 * d) - ops.log(2.0), axis=-1)",
    ),
    Example(
        "cross-entropy-stable",
        LOGITS,
        "logsumexp(p, axis=-1) - sum(t*p, axis=-1)",
        "top = tf.reduce_max(y_pred, axis=-1, keepdims=True)\n"
        "shifted = y_pred - top\n"
        "return tf.math.log(tf.reduce_sum(tf.exp(shifted), -1)) - tf.reduce_sum(y_true * shifted, -1)",
    ),
    Example(
        "cross-entropy-clipped",
        CLASSES,
        "-sum(t*log(p), axis=-1)",
        "p = tf.clip_by_value(y_pred, 1e-7, 1.0 - 1e-7)\nreturn -tf.reduce_sum(y_true * tf.math.log(p), axis=-1)",
    ),
    Example(
        "binary-cross-entropy-eps",
        UNIT,
        "-mean(t*log(p) + (1-t)*log(1-p), axis=-1)",
        "a = y_true * tf.math.log(y_pred + 1e-7)\n"
        "b = (1.0 - y_true) * tf.math.log(1.0 - y_pred + 1e-7)\n"
        "return -tf.reduce_mean(a + b, axis=-1)",
    ),
    Example(
        "logits",
        BINARY_LOGIT,
        "mean(log(1 + exp(p)) - t*p, axis=-1)",
        "return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(y_true, y_pred), axis=-1)",
    ),
    Example(
        "logits-naive-rounds",
        BINARY_LOGIT,
        "mean(softplus(p) - t*p, axis=-1)",
        "q = tf.sigmoid(y_pred)\n"
        "return -tf.reduce_mean(y_true * tf.math.log(q) + (1.0 - y_true) * tf.math.log(1.0 - q), axis=-1)",
    ),
    Example(
        "dice-smooth",
        IMAGE,
        "1 - (2*sum(t*p, axis=(1,2,3)) + 1)/(sum(t, axis=(1,2,3)) + sum(p, axis=(1,2,3)) + 1)",
        "overlap = tf.reduce_sum(y_true * y_pred, axis=[1, 2, 3])\n"
        "total = tf.reduce_sum(y_true, axis=[1, 2, 3]) + tf.reduce_sum(y_pred, axis=[1, 2, 3])\n"
        "return 1.0 - (2.0 * overlap + 1.0) / (total + 1.0)",
    ),
    Example(
        "cosine",
        REAL,
        "-sum(t*p, axis=-1)/sqrt(sum(t**2, axis=-1)*sum(p**2, axis=-1))",
        "return -tf.reduce_sum(tf.nn.l2_normalize(y_true, -1) * tf.nn.l2_normalize(y_pred, -1), axis=-1)",
    ),
    Example(
        "focal",
        UNIT,
        "mean(where(t > 0.5, -(1-p)**2*log(p), -p**2*log(1-p)), axis=-1)",
        "q = tf.where(y_true > 0.5, y_pred, 1.0 - y_pred)\n"
        "q = tf.maximum(q, 1e-7)\n"
        "return tf.reduce_mean(-tf.square(1.0 - q) * tf.math.log(q), axis=-1)",
    ),
    Example(
        "quantile",
        REAL,
        "mean(maximum(0.9*(t - p), -0.1*(t - p)), axis=-1)",
        "e = y_true - y_pred\nreturn ops.mean(ops.where(e >= 0, 0.9 * e, -0.1 * e), axis=-1)",
    ),
    Example(
        "two-outputs",
        ("float32[B,1] real", "float32[B,2] real"),
        "p[:,1] + (t[:,0] - p[:,0])**2*exp(-p[:,1])",
        "mu, s = tf.unstack(y_pred, axis=-1)\nreturn s + tf.square(tf.squeeze(y_true, -1) - mu) * tf.exp(-s)",
    ),
    Example(
        "sparse-labels",
        ("int32[B] label(3)", "float32[B,3] logit"),
        "-sum(one_hot(t, 3)*log_softmax(p), axis=-1)",
        "return tf.nn.sparse_softmax_cross_entropy_with_logits(y_true, y_pred)",
    ),
    Example(
        "float32-inside",
        ("float64[B,4] real", "float64[B,4] real"),
        "mean(abs(t - p), axis=-1)",
        "d = tf.cast(y_true, tf.float32) - tf.cast(y_pred, tf.float32)\nreturn tf.reduce_mean(tf.abs(d), axis=-1)",
    ),
    Example(
        "jump-next-to-a-decimal",
        REAL,
        "sum(where(abs(t - p) > 0.1, 1 + (t-p)**2, 0), axis=-1)",
        "d = y_true - y_pred\n"
        "return tf.reduce_sum(tf.where(tf.abs(d) > 0.1, 1.0 + tf.square(d), tf.zeros_like(d)), axis=-1)",
    ),
)

WRONG = (
    Example(
        "sign",
        REAL,
        "mean((t - p)**2, axis=-1)",
        "return -tf.reduce_mean((y_true - y_pred) ** 2, -1)  # here",
        "other sign",
    ),
    Example(
        "half",
        REAL,
        "mean((t - p)**2, axis=-1)",
        "d = y_true - y_pred\nhalf = 0.5 * tf.square(d)  # here\nreturn tf.reduce_mean(half, axis=-1)",
        "0.5 times",
    ),
    Example(
        "sum-for-mean",
        REAL,
        "mean((t - p)**2, axis=-1)",
        "d = y_true - y_pred\nsquares = tf.square(d)\nreturn tf.reduce_sum(squares, axis=-1)  # here",
        "4 times",
    ),
    Example(
        "sum-over-batch",
        REAL,
        "mean(abs(t - p))",
        "d = tf.abs(y_true - y_pred)\nrows = tf.reduce_mean(d, axis=-1)\nreturn tf.reduce_sum(rows)  # here",
        "times the batch size",
    ),
    Example(
        "axis",
        ("float32[B,3] real", "float32[B,3] real"),
        "mean((t - p)**2, axis=-1)",
        "d = y_true - y_pred\nreturn tf.reduce_mean(tf.square(d), axis=0)  # here",
    ),
    Example(
        "branch-exchanged",
        REAL,
        "mean(where(abs(t-p) <= 1, (t-p)**2/2, abs(t-p) - 1/2), axis=-1)",
        "size = tf.abs(y_true - y_pred)\n"
        "small = size <= 1.0\n"
        "quadratic = 0.5 * tf.square(size)\n"
        "linear = size - 0.5\n"
        "chosen = tf.where(small, linear, quadratic)  # here\n"
        "return tf.reduce_mean(chosen, axis=-1)",
    ),
    Example(
        "threshold",
        REAL,
        "mean(where(abs(t-p) <= 1, (t-p)**2/2, abs(t-p) - 1/2), axis=-1)",
        "size = tf.abs(y_true - y_pred)\n"
        "small = size <= 2.0  # here\n"
        "quadratic = 0.5 * tf.square(size)\n"
        "linear = size - 0.5\n"
        "return tf.reduce_mean(tf.where(small, quadratic, linear), axis=-1)",
        "equals the formula at",
    ),
    Example(
        "signed-condition",
        REAL,
        "mean(where(abs(t-p) <= 1, (t-p)**2/2, abs(t-p) - 1/2), axis=-1)",
        "d = y_true - y_pred\n"
        "size = tf.abs(d)\n"
        "small = d <= 1.0  # here\n"
        "return tf.reduce_mean(tf.where(small, 0.5 * d * d, size - 0.5), axis=-1)",
        "equals the formula at",
    ),
    Example(
        "linear-part-without-offset",
        REAL,
        "mean(where(abs(t-p) <= 1, (t-p)**2/2, abs(t-p) - 1/2), axis=-1)",
        "size = tf.abs(y_true - y_pred)\n"
        "small = size <= 1.0\n"
        "quadratic = 0.5 * tf.square(size)\n"
        "linear = size + 0.5  # here\n"
        "return tf.reduce_mean(tf.where(small, quadratic, linear), axis=-1)",
    ),
    Example(
        "dice-without-two",
        IMAGE,
        "1 - (2*sum(t*p, axis=(1,2,3)) + 1)/(sum(t, axis=(1,2,3)) + sum(p, axis=(1,2,3)) + 1)",
        "overlap = tf.reduce_sum(y_true * y_pred, axis=[1, 2, 3])\n"
        "total = tf.reduce_sum(y_true, axis=[1, 2, 3]) + tf.reduce_sum(y_pred, axis=[1, 2, 3])\n"
        "upper = overlap + 1.0  # here\n"
        "return 1.0 - upper / (total + 1.0)",
    ),
    Example(
        "dice-offset",
        IMAGE,
        "1 - (2*sum(t*p, axis=(1,2,3)) + 1)/(sum(t, axis=(1,2,3)) + sum(p, axis=(1,2,3)) + 1)",
        "overlap = tf.reduce_sum(y_true * y_pred, axis=[1, 2, 3])\n"
        "total = tf.reduce_sum(y_true, axis=[1, 2, 3]) + tf.reduce_sum(y_pred, axis=[1, 2, 3])\n"
        "return -(2.0 * overlap + 1.0) / (total + 1.0)  # here",
        "minus 1",
    ),
    Example(
        "swapped-logarithm",
        UNIT,
        "-mean(t*log(p) + (1-t)*log(1-p), axis=-1)",
        "q = tf.clip_by_value(y_pred, 1e-7, 1.0 - 1e-7)\n"
        "a = y_true * tf.math.log(q)\n"
        "b = (1.0 - y_true) * tf.math.log(q)  # here\n"
        "return -tf.reduce_mean(a + b, axis=-1)",
        "equals the formula at",
    ),
    Example(
        "softmax-axis",
        ("float32[B,3,4] onehot", "float32[B,3,4] logit"),
        "-sum(t*log_softmax(p, axis=-1), axis=-1)",
        "scores = tf.nn.log_softmax(y_pred, axis=1)  # here\nreturn -tf.reduce_sum(y_true * scores, axis=-1)",
    ),
    Example(
        "large-epsilon",
        UNIT,
        "-mean(t*log(p) + (1-t)*log(1-p), axis=-1)",
        "a = y_true * tf.math.log(y_pred + 0.1)  # here\n"
        "b = (1.0 - y_true) * tf.math.log(1.0 - y_pred + 1e-7)\n"
        "return -tf.reduce_mean(a + b, axis=-1)",
    ),
    Example(
        "clipped-error",
        REAL,
        "mean((t - p)**2, axis=-1)",
        "d = y_true - y_pred\nd = tf.clip_by_value(d, -1.0, 1.0)  # here\nreturn tf.reduce_mean(tf.square(d), axis=-1)",
        "equals the formula at",
    ),
    Example(
        "root-of-mean-for-mean-of-root",
        REAL,
        "mean(sqrt(sum((t - p)**2, axis=-1)))",
        "squares = tf.reduce_sum(tf.square(y_true - y_pred), axis=-1)\nreturn tf.sqrt(tf.reduce_mean(squares))  # here",
    ),
    Example(
        "variance-for-deviation",
        ("float32[B,1] real", "float32[B,2] real"),
        "p[:,1] + (t[:,0] - p[:,0])**2*exp(-p[:,1])",
        "mu, s = tf.unstack(y_pred, axis=-1)\n"
        "d = tf.squeeze(y_true, -1) - mu\n"
        "weight = tf.exp(-2.0 * s)  # here\n"
        "return s + tf.square(d) * weight",
    ),
    Example(
        "exponent",
        UNIT,
        "mean(where(t > 0.5, -(1-p)**2*log(p), -p**2*log(1-p)), axis=-1)",
        "q = tf.where(y_true > 0.5, y_pred, 1.0 - y_pred)\n"
        "q = tf.maximum(q, 1e-7)\n"
        "weight = tf.pow(1.0 - q, 3.0)  # here\n"
        "return tf.reduce_mean(-weight * tf.math.log(q), axis=-1)",
    ),
)

BATCH = "float32[B,4]"
KERAS = (
    ("MeanSquaredError", REAL, "mean((t - p)**2, axis=-1)"),
    ("MeanAbsoluteError", REAL, "mean(abs(t - p), axis=-1)"),
    ("MeanAbsolutePercentageError", REAL, "100*mean(abs(t - p)/maximum(abs(t), 1e-7), axis=-1)"),
    (
        "MeanSquaredLogarithmicError",
        (f"{BATCH} positive", f"{BATCH} positive"),
        "mean((log(1 + t) - log(1 + p))**2, axis=-1)",
    ),
    ("Huber", REAL, "mean(where(abs(t-p) <= 1, (t-p)**2/2, abs(t-p) - 1/2), axis=-1)"),
    ("LogCosh", REAL, "mean(log((exp(p-t) + exp(t-p))/2), axis=-1)"),
    ("BinaryCrossentropy", UNIT, "-mean(t*log(p) + (1-t)*log(1-p), axis=-1)"),
    ("BinaryCrossentropy(from_logits=True)", (f"{BATCH} binary", f"{BATCH} logit"), "mean(softplus(p) - t*p, axis=-1)"),
    (
        "BinaryFocalCrossentropy",
        UNIT,
        "mean(where(t == 1, -(1-p)**2*log(p), -p**2*log(1-p)), axis=-1)",
    ),
    ("CategoricalCrossentropy", CLASSES, "-sum(t*log(p), axis=-1)"),
    ("CategoricalCrossentropy(from_logits=True)", LOGITS, "-sum(t*log_softmax(p), axis=-1)"),
    (
        "CategoricalCrossentropy(from_logits=True, label_smoothing=0.3)",
        LOGITS,
        "-sum((0.7*t + 0.1)*log_softmax(p), axis=-1)",
    ),
    (
        "SparseCategoricalCrossentropy(from_logits=True)",
        ("int32[B] label(3)", "float32[B,3] logit"),
        "-sum(one_hot(t, 3)*log_softmax(p), axis=-1)",
    ),
    ("KLDivergence", (f"{BATCH} probability", f"{BATCH} probability"), "sum(where(t > 0, t*log(t/p), 0), axis=-1)"),
    ("Poisson", (f"{BATCH} positive", f"{BATCH} positive"), "mean(p - t*log(p), axis=-1)"),
    ("Hinge", (f"{BATCH} sign", f"{BATCH} real"), "mean(maximum(1 - t*p, 0), axis=-1)"),
    ("SquaredHinge", (f"{BATCH} sign", f"{BATCH} real"), "mean(maximum(1 - t*p, 0)**2, axis=-1)"),
    (
        "CategoricalHinge",
        (f"{BATCH} onehot", f"{BATCH} real"),
        "maximum(max((1 - t)*p, axis=-1) - sum(t*p, axis=-1) + 1, 0)",
    ),
    ("CosineSimilarity", REAL, "-sum(t*p, axis=-1)/sqrt(sum(t**2, axis=-1)*sum(p**2, axis=-1))"),
    ("Dice", IMAGE, "1 - 2*sum(t*p)/(sum(t) + sum(p))"),
    ("Tversky", IMAGE, "1 - sum(t*p)/(sum(t*p) + 0.5*sum((1-t)*p) + 0.5*sum(t*(1-p)))"),
)
