"""The mutation operators do what they say, and brute force knows a broken mutant from a healthy one.

The full run is `python -m benchmarks.mutants`.
"""

from __future__ import annotations

import ast

import pytest
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


def mutations(name: str, expression: str) -> list[str]:
    tree = ast.parse(f"def loss(t, p):\n    a = t\n    return {expression}")
    found = list(OPERATORS["numerics"][name](tree))
    assert all(mutation.line == 3 for mutation in found)
    return [ast.unparse(mutation.tree).splitlines()[2].removeprefix("    return ") for mutation in found]


@pytest.mark.parametrize(("name", "before", "after"), EXAMPLES)
def test_an_operator(name: str, before: str, after: str) -> None:
    assert after in mutations(name, before)


@pytest.mark.parametrize("name", list(OPERATORS["numerics"]))
def test_an_operator_leaves_plain_code_alone(name: str) -> None:
    assert not mutations(name, "tf.reduce_mean(tf.square(t - p) / 2.0, axis=-1)")


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


def test_there_are_enough_mutants() -> None:
    mutants = [mutant for loss in healthy_losses([]) for mutant in mutants_of(loss, ["numerics"])]
    assert len(mutants) >= 400
    assert len({mutant.operator for mutant in mutants}) >= 24


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
