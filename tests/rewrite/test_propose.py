"""What is proposed for each pattern, and where nothing may be."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.rewrite.sites import one, proposals

pytestmark = pytest.mark.real

# The faulty expression and the first proposal for it, both inside the same loss.
VALUES = [
    ("tf.math.log(y_pred)", "tf.math.log(tf.maximum(y_pred, 1e-7))"),
    ("ops.log(y_pred)", "ops.log(ops.maximum(y_pred, 1e-7))"),
    ("tf.keras.backend.log(y_pred)", "tf.keras.backend.log(tf.keras.backend.maximum(y_pred, 1e-7))"),
    ("tf.math.log(y_pred + 1e-50)", "tf.math.log(y_pred + 1e-7)"),
    ("tf.math.log(tf.nn.softmax(y_pred, axis=-1))", "tf.nn.log_softmax(y_pred, axis=-1)"),
    ("ops.log(ops.softmax(y_pred))", "ops.log_softmax(y_pred)"),
    ("tf.math.log(tf.sigmoid(y_pred))", "tf.math.log_sigmoid(y_pred)"),
    ("tf.math.log(1.0 - tf.sigmoid(2.0 * y_pred))", "tf.math.log_sigmoid(-(2.0 * y_pred))"),
    ("tf.math.log(1.0 + tf.exp(y_pred))", "tf.math.softplus(y_pred)"),
    ("tf.math.log(tf.cosh(y_pred))", "(y_pred + tf.math.softplus(-2.0 * y_pred) - tf.math.log(2.0))"),
    (
        "tf.math.log(tf.reduce_sum(tf.exp(y_pred), 1, keepdims=True))",
        "tf.reduce_logsumexp(y_pred, axis=1, keepdims=True)",
    ),
    ("y_true / y_pred", "tf.math.divide_no_nan(y_true, y_pred)"),
    ("tf.divide(y_true, y_pred)", "tf.math.divide_no_nan(y_true, y_pred)"),
    ("ops.divide(y_true, y_pred)", "ops.divide_no_nan(y_true, y_pred)"),
    ("1.0 / y_pred", "1.0 / tf.maximum(y_pred, 1e-7)"),
    ("tf.math.reciprocal(y_pred)", "tf.math.reciprocal_no_nan(y_pred)"),
    ("tf.math.rsqrt(y_pred)", "tf.math.rsqrt(tf.maximum(y_pred, 1e-12))"),
    ("tf.sqrt(y_pred)", "tf.sqrt(tf.maximum(y_pred, 1e-12))"),
    ("tf.pow(y_pred, 1.5)", "tf.pow(tf.abs(y_pred), 1.5)"),
    ("(y_true - y_pred) ** 1.5", "tf.abs(y_true - y_pred) ** 1.5"),
    ("tf.acos(y_pred)", "tf.acos(tf.clip_by_value(y_pred, -1.0 + 1e-7, 1.0 - 1e-7))"),
    ("ops.arccosh(y_pred)", "ops.arccosh(ops.maximum(y_pred, 1.0 + 1e-7))"),
    ("tf.exp(tf.square(y_pred))", "tf.exp(tf.minimum(tf.square(y_pred), 80.0))"),
    ("tf.sinh(y_pred)", "tf.sinh(tf.clip_by_value(y_pred, -80.0, 80.0))"),
    ("tf.abs(y_true / y_pred)", "tf.abs(y_true / tf.maximum(tf.abs(y_pred), 1e-7))", "y_true / y_pred"),
    ("tf.math.log(tf.maximum(y_pred, 1e-20))", "tf.math.log(tf.maximum(y_pred, 1e-7))"),
    ("tf.math.log(tf.clip_by_value(y_pred, 0.0, 1.0))", "tf.math.log(tf.clip_by_value(y_pred, 1e-7, 1.0))"),
    ("tf.pow(tf.nn.relu(y_pred), -0.5)", "tf.pow(tf.maximum(tf.nn.relu(y_pred), 1e-7), -0.5)"),
    (
        "tf.math.log(tf.reduce_prod(y_pred, axis=-1, keepdims=True))",
        "tf.reduce_sum(tf.math.log(y_pred), axis=-1, keepdims=True)",
    ),
    (
        "tf.math.log(tf.math.cumprod(y_pred, axis=-1, exclusive=True))",
        "tf.math.cumsum(tf.math.log(y_pred), axis=-1, exclusive=True)",
    ),
    ("tf.math.log1p(y_pred)", "tf.math.log1p(tf.maximum(y_pred, -1.0 + 1e-7))"),
    ("tf.math.digamma(y_pred)", "tf.math.digamma(tf.maximum(y_pred, 1e-7))"),
    (
        "tf.math.log(tf.math.bessel_i0(y_pred))",
        "tf.math.log(tf.math.bessel_i0e(y_pred)) + tf.abs(y_pred)",
        "tf.math.bessel_i0(y_pred)",
    ),
]
GRADIENTS = [
    ("tf.sqrt(tf.abs(y_pred))", "tf.sqrt(tf.abs(y_pred) + 1e-12)"),
    (
        "tf.norm(y_pred, axis=-1, keepdims=True)",
        "tf.sqrt(tf.reduce_sum(tf.square(y_pred), axis=-1, keepdims=True) + 1e-12)",
    ),
    (
        "ops.norm(y_pred, axis=-1, keepdims=True)",
        "ops.sqrt(ops.sum(ops.square(y_pred), axis=-1, keepdims=True) + 1e-12)",
    ),
    (
        "tf.math.reduce_std(y_pred, axis=-1, keepdims=True)",
        "tf.sqrt(tf.math.reduce_variance(y_pred, axis=-1, keepdims=True) + 1e-12)",
    ),
    ("tf.pow(tf.abs(y_pred), 0.3)", "tf.pow(tf.maximum(tf.abs(y_pred), 1e-7), 0.3)"),
    (
        "tf.acos(tf.clip_by_value(y_pred, -1.0, 1.0))",
        "tf.acos(tf.clip_by_value(y_pred, -1.0 + 1e-7, 1.0 - 1e-7))",
    ),
    ("tf.math.acosh(1.0 + 2.0 * y_true / y_pred)", "2.0 * tf.asinh(tf.sqrt(y_true / y_pred + 1e-12))"),
    ("-tf.math.acosh(1.0 + y_pred)", "-(2.0 * tf.asinh(tf.sqrt(0.5 * y_pred + 1e-12)))", "tf.math.acosh(1.0 + y_pred)"),
    (
        "tf.atan2(y_true, y_pred)",
        "tf.atan2(y_true, tf.where(tf.maximum(tf.abs(y_true), tf.abs(y_pred)) > 1e-7, y_pred, 1.0))",
    ),
]
PRECISION = [
    ("1.0 - tf.sigmoid(y_pred)", "tf.sigmoid(-y_pred)"),
    ("tf.exp(y_pred) - 1.0", "tf.math.expm1(y_pred)"),
    ("1.0 - tf.exp(y_pred)", "(-tf.math.expm1(y_pred))"),
    ("tf.math.log(1.0 + y_pred)", "tf.math.log1p(y_pred)"),
    ("tf.sqrt(1.0 + tf.square(y_pred)) - 1.0", "tf.square(y_pred) / (tf.sqrt(1.0 + tf.square(y_pred)) + 1.0)"),
    (
        "tf.reduce_mean(tf.square(y_pred), 1, True) - tf.square(tf.reduce_mean(y_pred, 1, True))",
        "tf.math.reduce_variance(y_pred, axis=1, keepdims=True)",
    ),
]


@pytest.mark.parametrize(
    ("expression", "family", "expected", "at"),
    [
        (row[0], family, row[1], row[-1] if len(row) > 2 else row[0])
        for family, rows in (
            ("nonfinite-value", VALUES),
            ("nonfinite-gradient", GRADIENTS),
            ("precision-loss", PRECISION),
        )
        for row in rows
    ],
)
def test_the_first_proposal(expression: str, family, expected: str, at: str, tmp_path: Path) -> None:
    found = proposals(tmp_path, one(expression), at, family)
    assert found, "nothing was proposed"
    assert found[0][1] == one(expected)


def test_softmax_by_hand_takes_the_names_it_replaces_along(tmp_path: Path) -> None:
    code = """\
def loss(y_true, y_pred):
    weights = tf.exp(y_pred)
    share = weights / tf.reduce_sum(weights, axis=-1, keepdims=True)
    return tf.reduce_mean(y_true * share, axis=-1)
"""
    wanted = """\
def loss(y_true, y_pred):
    share = tf.nn.softmax(y_pred)
    return tf.reduce_mean(y_true * share, axis=-1)
"""
    for blamed in ("tf.exp(y_pred)", "weights / tf.reduce_sum(weights, axis=-1, keepdims=True)"):
        (first, text), (_, shifted), *_ = proposals(tmp_path, code, blamed)
        assert text == wanted
        assert not first.changes_values
        assert "tf.exp(y_pred - tf.reduce_max(y_pred, axis=-1, keepdims=True))" in shifted


def test_a_definition_that_is_still_read_stays(tmp_path: Path) -> None:
    code = """\
def loss(y_true, y_pred):
    total = tf.reduce_sum(tf.exp(y_pred), axis=-1)
    return tf.math.log(total) + 1e-6 * total
"""
    _, text = proposals(tmp_path, code, "tf.exp(y_pred)")[0]
    assert "total = tf.reduce_sum(tf.exp(y_pred), axis=-1)\n" in text
    assert "return tf.reduce_logsumexp(y_pred, axis=-1) + 1e-6 * total" in text


def test_a_name_that_is_bound_in_between_is_not_carried_along(tmp_path: Path) -> None:
    code = """\
def loss(y_true, y_pred):
    p = tf.nn.softmax(y_pred)
    y_pred = y_pred - 1.0
    return tf.reduce_sum(y_true * tf.math.log(p) + y_pred, axis=-1)
"""
    texts = [text for _, text in proposals(tmp_path, code, "tf.math.log(p)")]
    assert texts
    assert not any("log_softmax" in text for text in texts)


def test_where_guards_the_argument_of_the_branch_that_is_not_taken(tmp_path: Path) -> None:
    code = """\
LIMIT = 0.1


def curve(x):
    low = 10.0 * x
    high = tf.pow(x, 0.4)
    return tf.where(x <= LIMIT, low, high)


def loss(y_true, y_pred):
    return tf.reduce_mean(tf.square(curve(y_pred) - curve(y_true)), axis=-1)
"""
    found = proposals(tmp_path, code, "tf.pow(x, 0.4)", "nonfinite-gradient", y_pred="float32[B,3] unit")
    assert "high = tf.pow(tf.where(x <= LIMIT, 1.0, x), 0.4)" in found[0][1]
    assert not found[0][0].changes_values


def test_x_log_x(tmp_path: Path) -> None:
    code = one("-y_pred * tf.math.log(y_pred) + y_pred * tf.math.log(y_pred)")
    found = proposals(tmp_path, code, "tf.math.log(y_pred)", y_pred="float32[B,3] unit")
    assert all("xlogy" not in text for _, text in found)  # -y_pred is another factor than y_pred
    found = proposals(tmp_path, one("y_pred * tf.math.log(y_pred)"), "tf.math.log(y_pred)")
    assert found[0][1] == one("tf.math.xlogy(y_pred, y_pred)")


def test_the_ratio_in_a_logarithm_stays_large_where_its_denominator_vanishes(tmp_path: Path) -> None:
    found = proposals(tmp_path, one("tf.math.log(y_true / y_pred)"), "y_true / y_pred")
    assert found[0][1] == one("tf.math.log(y_true / tf.maximum(y_pred, 1e-7))")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("tf.reduce_mean(tf.square(y_pred))", "tf.reduce_mean(tf.square(y_pred), axis=-1)"),
        ("tf.reduce_sum(tf.square(y_pred))", "tf.reduce_sum(tf.square(y_pred), axis=-1)"),
        ("tf.reduce_mean(tf.reduce_sum(y_pred, axis=-1))", "tf.reduce_sum(y_pred, axis=-1)"),
        (
            "ops.mean(ops.abs(y_pred)) + 0.1 * ops.mean(ops.square(y_pred))",
            "ops.mean(ops.abs(y_pred), axis=-1) + 0.1 * ops.mean(ops.square(y_pred), axis=-1)",
        ),
        ("tf.square(y_pred)", "tf.reduce_mean(tf.square(y_pred), axis=-1)"),
        ("tf.sqrt(tf.reduce_mean(tf.square(y_pred)))", None),  # not linear in the mean
        ("tf.reduce_mean(y_pred) / tf.reduce_mean(y_true)", None),
        ("tf.reduce_mean(y_pred) + tf.reduce_sum(y_pred)", None),
    ],
)
def test_reductions_keep_the_batch(expression: str, expected: str | None, tmp_path: Path) -> None:
    code = "def loss(y_true, y_pred):\n    return {}\n"
    found = proposals(tmp_path, code.format(expression), expression, "reduction")
    assert [text for _, text in found] == ([] if expected is None else [code.format(expected)])


def test_images_are_reduced_over_all_axes_but_the_first(tmp_path: Path) -> None:
    code = "def loss(y_true, y_pred):\n    return tf.reduce_mean(y_true - y_pred)\n"
    spec = "float32[B,4,4,3] real"
    found = proposals(tmp_path, code, "tf.reduce_mean(y_true - y_pred)", "reduction", spec, spec)
    assert "tf.reduce_mean(y_true - y_pred, axis=[1, 2, 3])" in found[0][1]


def test_the_operand_of_lower_rank_gets_the_axis(tmp_path: Path) -> None:
    column = "float32[B,1] real"
    found = proposals(
        tmp_path, one("tf.square(y_true - y_pred)"), "y_true - y_pred", "broadcast", "float32[B] real", column
    )
    assert found[0][1] == one("tf.square(y_true[..., tf.newaxis] - y_pred)")
    found = proposals(
        tmp_path, one("tf.square(y_true - y_pred)"), "y_true - y_pred", "broadcast", column, "float32[B] real"
    )
    assert found[0][1] == one("tf.square(y_true - y_pred[..., tf.newaxis])")


@pytest.mark.parametrize("shape", ["[8, 2, 3]", "shape"])
def test_a_batch_size_written_as_a_number(shape: str, tmp_path: Path) -> None:
    code = f"""\
SIZE = 8


def loss(y_true, y_pred):
    shape = [SIZE, 3, 2]
    return tf.reduce_mean(tf.reshape(y_pred, {shape}), axis=[1, 2])
"""
    spec = "float32[B,6] real"
    found = proposals(tmp_path, code, f"tf.reshape(y_pred, {shape})", "shape", spec, spec)
    texts = [text for _, text in found]
    expected = ("[-1, 2, 3]", "[tf.shape(y_pred)[0], 2, 3]")
    if shape == "shape":
        expected = ("shape = [-1, 3, 2]", "shape = [tf.shape(y_pred)[0], 3, 2]")
    assert len(texts) == 2
    assert all(part in text for part, text in zip(expected, texts, strict=True))


def test_labels_are_cast_first_behind_the_docstring(tmp_path: Path) -> None:
    code = '''\
def loss(y_true, y_pred):
    """Pairs."""
    return tf.reduce_mean(y_true * y_pred, axis=-1)
'''
    found = proposals(tmp_path, code, "y_true * y_pred", "dtype", "int64[B,3] binary")
    assert found[0][1].splitlines()[1:3] == ['    """Pairs."""', "    y_true = tf.cast(y_true, y_pred.dtype)"]


CLASS = """\
class Scaled(keras.losses.Loss):
    def __init__(self, scale=2.0, shift=1.0, name="scaled"):
        super().__init__(name=name)
        self.scale = scale
        self.shift = {shift}

    def call(self, y_true, y_pred):
        return self.scale * tf.reduce_mean(tf.square(y_true - y_pred), axis=-1) + self.shift
"""


def test_get_config_holds_what_the_object_keeps(tmp_path: Path) -> None:
    at = "class Scaled"
    found = proposals(tmp_path, CLASS.format(shift="shift"), at, "keras-contract", name="Scaled")
    entries = '{**super().get_config(), "scale": self.scale, "shift": self.shift}'
    assert found[0][1].endswith(f"\n\n    def get_config(self):\n        return {entries}\n")
    # What is stored is not what was given: nobody but the author knows what to write.
    assert not proposals(tmp_path, CLASS.format(shift="shift + 1.0"), at, "keras-contract", name="Scaled")


def test_an_incomplete_get_config_is_completed(tmp_path: Path) -> None:
    code = CLASS.format(shift="shift") + (
        '\n    def get_config(self):\n        return {**super().get_config(), "scale": self.scale}\n'
    )
    found = proposals(tmp_path, code, "class Scaled", "keras-contract", name="Scaled")
    assert 'return {**super().get_config(), "scale": self.scale, "shift": self.shift}' in found[0][1]


@pytest.mark.parametrize(
    ("expression", "family"),
    [
        ("tf.maximum(y_true, y_pred)", "nonfinite-gradient"),
        ("tf.math.log(tf.maximum(y_pred, 1e-3))", "nonfinite-value"),  # bounded already
        ("tf.linalg.inv(y_pred[..., None] * y_pred[:, None])", "nonfinite-value"),  # a ridge helps Gram matrices only
        ("tf.norm(y_pred, ord=1, axis=-1, keepdims=True)", "nonfinite-gradient"),
        ("tf.square(y_pred)", "nonfinite-value"),
        ("keras.losses.kl_divergence(y_true, y_pred)[:, None]", "nonfinite-value"),
        ("tf.nn.l2_normalize(y_pred, axis=-1)", "nonfinite-gradient"),
    ],
)
def test_nothing_is_proposed_where_no_pattern_fits(expression: str, family, tmp_path: Path) -> None:
    assert not proposals(tmp_path, one(expression), expression, family)


PAIRWISE = """\
def loss(y_true, y_pred):
    a = tf.reduce_sum(tf.square(y_true), axis=-1)[:, :, None]
    b = tf.reduce_sum(tf.square(y_pred), axis=-1)[:, None, :]
    return tf.reduce_mean(GRAM, axis=[1, 2])
"""


@pytest.mark.parametrize(
    "gram",
    [
        "a + b - 2.0 * tf.matmul(y_true, y_pred, transpose_b=True)",
        "a - 2.0 * tf.matmul(y_true, y_pred, transpose_b=True) + b",
        'a + b - 2.0 * tf.einsum("bnd,bmd->bnm", y_true, y_pred)',
    ],
)
def test_distances_of_all_rows_without_cancellation(tmp_path: Path, gram: str) -> None:
    code, rows = PAIRWISE.replace("GRAM", gram), "float32[B,5,3] real"
    found = proposals(tmp_path, code, gram, "precision-loss", y_true=rows, y_pred=rows)
    squared = "tf.reduce_sum(tf.square(y_true[..., :, None, :] - y_pred[..., None, :, :]), axis=-1)"
    assert any(f"tf.reduce_mean({squared}, axis=[1, 2])" in text for _, text in found)


def test_other_products_are_left(tmp_path: Path) -> None:
    gram = 'a + b - 2.0 * tf.einsum("bdn,bdm->bnm", y_true, y_pred)'
    code, rows = PAIRWISE.replace("GRAM", gram), "float32[B,3,3] real"
    assert not proposals(tmp_path, code, gram, "precision-loss", y_true=rows, y_pred=rows)


def test_all_determinants_of_two_by_two_are_written_out(tmp_path: Path) -> None:
    code = "def loss(y_true, y_pred):\n    return tf.abs(tf.linalg.det(y_pred) - tf.linalg.det(y_true))\n"
    for size, written in ((2, True), (3, False)):
        spec = f"float32[B,{size},{size}] real"
        found = proposals(tmp_path, code, "tf.linalg.det(y_pred)", "nonfinite-gradient", spec, spec)
        texts = [text for _, text in found if "det" not in text]
        assert bool(texts) is written
        assert all(f"({name}[..., 0, 0] * {name}[..., 1, 1]" in texts[0] for name in ("y_true", "y_pred") if written)
