"""The mutation operators do what they say, and brute force knows a broken mutant from a healthy one.

The full run is `python -m benchmarks.mutants`.
"""

from __future__ import annotations

import ast
from functools import cache

import pytest
from benchmarks.api_judge import ApiJudge
from benchmarks.edge_grid import make_grid
from benchmarks.float_judge import Judge
from benchmarks.mutants import healthy_losses, mutants_of
from benchmarks.mutation import OPERATORS, downstream, standalone

from lossdoctor.spec import parse_contract

# Operator, expression, what it becomes.
EXAMPLES = [
    ("drop-epsilon", "a / (p + 1e-7)", "a / p"),
    ("drop-epsilon", "tf.math.log(p + K.epsilon())", "tf.math.log(p)"),
    ("absorb-epsilon", "tf.math.log(1.0 - p + 1e-07)", "tf.math.log(1.0 - p + 1e-12)"),
    ("epsilon-outside", "tf.sqrt(p + 1e-06)", "tf.sqrt(p) + 1e-06"),
    ("epsilon-outside", "a / (p + 1e-06)", "a / p + 1e-06"),
    ("drop-clip", "tf.clip_by_value(p, 0.1, 0.9)", "p"),
    ("drop-bound", "ops.maximum(p, 1e-07)", "p"),
    ("drop-where", "tf.math.log(tf.where(p > 0, p, 1.0))", "tf.math.log(p)"),
    ("log-of-softmax", "tf.nn.log_softmax(p)", "tf.math.log(tf.nn.softmax(p, axis=-1))"),
    ("log-of-sigmoid", "tf.math.log_sigmoid(p)", "tf.math.log(tf.sigmoid(p))"),
    ("softmax-by-hand", "ops.softmax(p)", "tf.exp(p) / tf.reduce_sum(tf.exp(p), axis=-1, keepdims=True)"),
    ("plain-division", "tf.math.divide_no_nan(t, p)", "t / p"),
    ("log-of-one-plus", "tf.math.log1p(p)", "tf.math.log(1.0 + p)"),
    ("exp-minus-one", "tf.math.expm1(p)", "tf.exp(p) - 1.0"),
    ("softplus-by-hand", "tf.nn.softplus(p)", "tf.math.log(1.0 + tf.exp(p))"),
    ("drop-max-subtraction", "tf.exp(p - tf.reduce_max(p))", "tf.exp(p)"),
    ("product-with-log", "tf.math.xlogy(t, p)", "t * tf.math.log(p)"),
    ("drop-abs", "tf.sqrt(tf.abs(p))", "tf.sqrt(p)"),
    ("root-of-square", "tf.abs(p)", "tf.sqrt(tf.square(p))"),
    ("normalise-by-hand", "tf.math.l2_normalize(p, axis=1)", "p / tf.norm(p, axis=1, keepdims=True)"),
    ("one-minus-sigmoid", "tf.sigmoid(-p)", "1.0 - tf.sigmoid(p)"),
]  # fmt: skip

API_EXAMPLES = [
    ("axis-to-zero", "tf.reduce_mean(p, axis=-1)", "tf.reduce_mean(p, axis=0)"),
    ("axis-shifted", "ops.sum(p, axis=[1, 2])", "ops.sum(p, axis=[0, 1])"),
    ("axis-dropped", "tf.reduce_mean(p, axis=-1)", "tf.reduce_mean(p)"),
    ("flattened-first", "tf.reduce_sum(p, axis=1)", "tf.reduce_sum(tf.reshape(p, [-1]), axis=-1)"),
    ("keepdims-dropped", "tf.reduce_sum(p, axis=1, keepdims=True)", "tf.reduce_sum(p, axis=1)"),
    ("keepdims-added", "K.mean(p, axis=-1)", "K.mean(p, axis=-1, keepdims=True)"),
    ("unreduced", "tf.reduce_mean(t - p, axis=-1)", "t - p"),
    ("sum-for-mean", "tf.reduce_mean(p, axis=-1)", "tf.reduce_sum(p, axis=-1)"),
    ("divided-by-batch", "tf.reduce_mean(p, axis=-1)", "tf.reduce_sum(p) / 32.0"),
    ("slice-for-range", "p[:, 0:1]", "p[:, 0]"),
    ("range-for-slice", "p[:, 2]", "p[:, 2:3]"),
    ("expand-dims-dropped", "tf.expand_dims(p, -1)", "p"),
    ("cast-dropped", "tf.cast(t, tf.float32)", "t"),
    ("constant-batch-size", "tf.reshape(p, [tf.shape(p)[0], -1])", "tf.reshape(p, [4, -1])"),
    ("static-batch-size", "tf.range(tf.shape(p)[0])", "tf.range(p.shape[0])"),
    ("call-arguments-swapped", "keras.losses.poisson(t, p)", "keras.losses.poisson(p, t)"),
    ("numpy-function", "tf.exp(p)", "np.exp(p)"),
    ("python-function", "tf.abs(p)", "tf.py_function(tf.abs, [p], tf.float32)"),
    ("map-over-batch", "tf.abs(p)", "tf.map_fn(tf.abs, p)"),
    ("python-loop-over-batch", "tf.reduce_sum(p, axis=-1)", "tf.stack([tf.reduce_sum(row, axis=-1) for row in p])"),
    ("product-then-diagonal", "tf.reduce_sum(t * p, -1)", "tf.linalg.diag_part(tf.matmul(t, p, transpose_b=True))"),
    ("python-if", "tf.where(t > 0, t, p)", "t if tf.reduce_all(t > 0) else p"),
    ("python-number", "tf.reduce_mean(p)", "float(tf.reduce_mean(p))"),
    ("batch-dims-dropped", "tf.gather(p, t, batch_dims=1)", "tf.gather(p, t)"),
    ("from-logits-flipped", "K.entropy(t, p, from_logits=True)", "K.entropy(t, p, from_logits=False)"),
    ("prediction-to-integer", "t - p", "t - tf.cast(tf.cast(p, tf.int32), tf.float32)"),
    ("stop-gradient", "t - p", "t - tf.stop_gradient(p)"),
    ("sign-flipped", "1.0 - p", "p"),
    ("term-sign-flipped", "t + p", "t - p"),
    ("returned-wrong", "t - p", "(t - p, 0.0)"),
]  # fmt: skip


def mutations(name: str, expression: str) -> list[str]:
    tree = ast.parse(f"def loss(t, p):\n    a = t\n    return {expression}")
    group = next(group for group, operators in OPERATORS.items() if name in operators)
    found = list(OPERATORS[group][name](tree))
    assert all(mutation.line == 3 for mutation in found)
    return [ast.unparse(mutation.tree).splitlines()[2].removeprefix("    return ") for mutation in found]


@pytest.mark.parametrize(("name", "before", "after"), [*EXAMPLES, *API_EXAMPLES])
def test_an_operator(name: str, before: str, after: str) -> None:
    assert after in mutations(name, before)


@pytest.mark.parametrize("name", list(OPERATORS["numerics"]))
def test_an_operator_leaves_plain_code_alone(name: str) -> None:
    assert not mutations(name, "tf.reduce_mean(tf.square(t - p) / 2.0, axis=-1)")


KERAS_LOSS = """\
class Scaled(keras.losses.Loss):

    def __init__(self, scale=2.0, **kwargs):
        super().__init__(**kwargs)
        self.scale = scale

    def call(self, y_true, y_pred):
        return tf.reduce_mean(self.scale * tf.abs(y_true - y_pred), axis=-1)

    def get_config(self):
        return {**super().get_config(), 'scale': self.scale}"""


@pytest.mark.parametrize(
    ("name", "line", "gone", "come"),
    [
        ("parameters-swapped", 7, "self, y_true, y_pred", "self, y_pred, y_true"),
        ("super-init-dropped", 1, "super().__init__(**kwargs)", "self.scale = scale"),
        ("super-options-lost", 3, "super().__init__(**kwargs)", "super().__init__()"),
        ("config-dropped", 1, "get_config", "self.scale = scale"),
        ("config-entry", 10, "'scale': self.scale", "**super().get_config()"),
        ("flattened-at-the-start", 9, "none of it", "y_true = tf.reshape(y_true, [-1])"),
    ],
)
def test_an_operator_on_a_class(name: str, line: int, gone: str, come: str) -> None:
    mutation = next(OPERATORS["api"][name](ast.parse(KERAS_LOSS)))
    source = ast.unparse(mutation.tree)
    assert mutation.line == line
    assert gone not in source
    assert come in source


def test_the_original_is_not_changed() -> None:
    tree = ast.parse("def loss(t, p):\n    return tf.math.log(p + 1e-7)")
    before = ast.dump(tree)
    assert [mutation.line for mutation in OPERATORS["numerics"]["drop-epsilon"](tree)] == [2]
    assert ast.dump(tree) == before


def test_only_what_the_loss_needs_is_kept() -> None:
    helper, other = "def h(x):\n  return x + E\n", "def g(t, p):\n  return F\n"
    source = f"from keras import ops\nE = 1\nF = 2\n{helper}{other}def f(t, p):\n  return h(p)"
    kept = standalone(source, "f")
    assert kept.startswith("import tensorflow as tf\nfrom keras import ops\nE = 1")
    assert "def h" in kept
    assert "def g" not in kept
    assert "F = 2" not in kept


def test_what_uses_a_spoilt_value() -> None:
    tree = ast.parse("def f(t, p):\n    q = p\n    r = t\n    s = tf.math.log(q)\n    return s + 1")
    assert downstream(tree, 2) == {2, 4, 5}
    assert downstream(tree, 3) == {3}


@pytest.mark.slow
def test_there_are_enough_mutants() -> None:
    losses = list(healthy_losses([]))
    mutants = [mutant for loss in losses for mutant in mutants_of(loss, ["numerics"])]
    assert len(mutants) >= 400
    assert len({mutant.operator for mutant in mutants}) >= 24
    mutants = [mutant for loss in losses[::40] for mutant in mutants_of(loss, ["api"])]
    assert len(mutants) >= 200
    assert len(OPERATORS["api"]) >= 40


@cache
def api_judge(original: str) -> ApiJudge:
    return ApiJudge(original, "f", parse_contract("float32[B,3] real", "float32[B,3] real"))


@pytest.mark.real
class TestBruteForce:
    ORIGINAL = "import tensorflow as tf\ndef f(t, p):\n    return -tf.reduce_mean(t * tf.math.log(p + 1e-7), axis=-1)"

    @pytest.mark.parametrize(
        ("replace", "by", "families"),
        [
            ("p + 1e-7", "p", {"nonfinite-value"}),
            ("p + 1e-7", "1e-7 + p", set()),
            ("tf.math.log(p + 1e-7)", "tf.sqrt(p)", {"nonfinite-gradient"}),
            ("p + 1e-7", "(p + 1e5) - 1e5 + 1e-7", {"precision-loss"}),
        ],
    )
    def test_verdict(self, replace: str, by: str, families: set[str]) -> None:
        contract = parse_contract("float32[B,3] binary", "float32[B,3] unit")
        judge = Judge(self.ORIGINAL, "f", make_grid(contract))
        verdict = judge.judge(self.ORIGINAL.replace(replace, by))
        assert not verdict.raised
        assert set(verdict.families) == families

    API = "import tensorflow as tf\ndef f(t, p):\n    return tf.reduce_mean(tf.abs(t - p), axis=-1)"

    @pytest.mark.parametrize(
        ("replace", "by", "family"),
        [
            ("axis=-1", "axis=1", ""),
            (", axis=-1", "", "reduction"),
            ("t - p)", "t - tf.reduce_sum(p, axis=-1))", "broadcast"),
            ("t - p)", "t - tf.reshape(p, [4, 3]))", "shape"),
            ("t - p)", "tf.cast(t, tf.int32) - p)", "dtype"),
            ("t - p)", "t - tf.round(p))", "no-gradient"),
            ("t - p)", "t - tf.map_fn(tf.identity, p))", "efficiency"),
            ("    return", "    if tf.reduce_any(p > 9.0):\n        p = p * 1.0\n    return", "graph-mode"),
            ("return tf", "return -tf", "wrong-direction"),
            ("(t, p)", "(t, p, scale)", "keras-contract"),
        ],
    )
    def test_verdict_of_the_api_side(self, replace: str, by: str, family: str) -> None:
        verdict = api_judge(self.API).judge(self.API.replace(replace, by, 1))
        assert not verdict.raised
        assert family in verdict.families if family else not verdict.families
