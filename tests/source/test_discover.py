"""Which names of a file are losses."""

import textwrap

import pytest

from lossdoctor.source.discover import losses_of, passed_by
from lossdoctor.source.module import SourceModule

HEAD = """
import functools
import tensorflow as tf
from tensorflow import keras
from keras import ops
from tensorflow.keras import losses as L
"""


def found(text):
    module = SourceModule(HEAD + textwrap.dedent(text))
    return [(item.name, item.kind) for item in losses_of(module)]


@pytest.mark.parametrize(
    ("head", "is_loss"),
    [
        ("tversky_loss(targets, inputs, alpha=0.3)", True),
        ("centre_loss(labels, embeddings)", True),
        ("tversky(targets, inputs)", False),  # nothing says that it is a loss
        ("loss_on_batch(labels, model)", False),
        ("loss_with(targets, inputs, scale)", False),  # more is required than a loss is given
        ("stacked_loss(inputs, embeddings)", False),
    ],
)
def test_a_name_makes_up_for_an_argument_that_says_nothing(head, is_loss):
    listed = [(head.partition("(")[0], "function")] if is_loss else []
    assert found(f"def {head}:\n    return tf.reduce_mean(0.0)") == listed


@pytest.mark.parametrize(
    "parameters",
    [
        "y_true, y_pred",
        "y_pred, y_true",
        "labels, logits",
        "target, output",
        "gt, prediction",
        "y, y_hat",
        "yTrue, yPred",
        "t, p",
    ],
)
def test_arguments_make_a_loss(parameters):
    assert found(f"def f({parameters}, scale=1.0):\n    return tf.reduce_mean(scale)") == [("f", "function")]


@pytest.mark.parametrize(
    "text",
    [
        "def f(x, y):\n    return x",  # no prediction
        "def f(real_output, fake_output):\n    return real_output",
        "def f(y_true, y_pred, weights):\n    return weights",  # one more than Keras gives
        "def f(y_true, y_pred, *, weights):\n    return weights",
        "def f(y_true, y_pred):\n    print(y_true)",  # gives nothing
        "def plot_loss(y_true, y_pred):\n    return 1",
        "def accuracy(y_true, y_pred):\n    return 1",
        "def dice_coef(y_true, y_pred):\n    return 1",
        "def f1_score(y_true, y_pred):\n    return 1",
        "def _private(y_true, y_pred):\n    return 1",
        "class M:\n    def loss(self, y_true, y_pred):\n        return 1",
        "def train():\n    def loss(y_true, y_pred):\n        return 1\n    loss(1, 2)",
        "if __name__ == '__main__':\n    def loss(y_true, y_pred):\n        return 1",
        "class M(keras.metrics.Metric):\n    def call(self, y_true, y_pred):\n        return 1",
        "m = keras.metrics.Mean()",
        "class Net(keras.Model):\n    def call(self, y_true, y_pred):\n        return 1",
        "class C(torch.nn.MSELoss):\n    def call(self, y_true, y_pred):\n        return 1",
    ],
)
def test_what_is_no_loss(text):
    assert found(text) == []


def test_a_name_with_loss_in_it_is_one_whatever_else_it_says():
    assert found("def soft_f1_loss(y_true, y_pred):\n    return 1")
    assert found("def display_space_loss(y_true, y_pred):\n    return 1")


def test_use_in_compile_counts_more_than_names():
    text = """
    def rmse(a, b):
        return tf.sqrt(tf.reduce_mean((a - b) ** 2))
    def _hidden(y_true, y_pred):
        return 1
    def reported(y_true, y_pred):
        return 1
    def train(model):
        model.compile("adam", {"x": rmse, "y": _hidden}, metrics=[reported])
    """
    assert found(text) == [("rmse", "function"), ("_hidden", "function")]


def test_helpers_of_other_losses_are_not_targets():
    text = """
    def overlap(y_true, y_pred):
        return tf.reduce_sum(y_true * y_pred)
    def through(y_true, y_pred):
        return overlap(y_true, y_pred)
    def dice_loss(y_true, y_pred):
        return 1 - through(y_true, y_pred)
    def total(y_true, y_pred):
        return dice_loss(y_true, y_pred)
    """
    assert found(text) == [("dice_loss", "function"), ("total", "function")]


def test_classes():
    text = """
    class Base(keras.losses.Loss):
        def call(self, y_true, y_pred):
            raise NotImplementedError
    class Direct(tf.keras.losses.Loss):
        def call(self, y_true, y_pred):
            return 1
    class Local(Base):
        def call(self, y_true, y_pred):
            return 1
    class Stock(L.Huber):
        pass
    class Foreign(somewhere.BaseLoss):
        def call(self, y_true, y_pred):
            return 1
    class Needs(Base):
        def __init__(self, gamma, *, beta):
            super().__init__()
        def call(self, y_true, y_pred):
            return 1
    """
    assert found(text) == [(name, "class") for name in ("Direct", "Local", "Stock", "Foreign", "Needs")]
    module = SourceModule(HEAD + textwrap.dedent(text))
    assert {item.name: item.required for item in losses_of(module)}["Needs"] == ("gamma", "beta")


def test_arguments_come_from_the_file_where_they_are_required():
    text = """
    GAMMA = 3
    class Needs(keras.losses.Loss):
        def __init__(self, gamma):
            super().__init__()
        def call(self, y_true, y_pred):
            return 1
    def weighted(weights):
        def inner(y_true, y_pred):
            return weights
        return inner
    def train(model):
        model.compile(loss=[Needs(GAMMA), weighted(weights=[1, 2])])
    """
    assert found(text) == [("Needs(3)", "class"), ("weighted(weights=(1, 2))", "factory")]


def test_factories():
    text = """
    def focal(gamma=2.0):
        @tf.function
        def loss(y_true, y_pred):
            return gamma
        return loss
    def wrapped(gamma=2.0):
        def loss(y_true, y_pred):
            return gamma
        return tf.function(loss)
    def short(gamma=2.0):
        return lambda y_true, y_pred: gamma
    def make_loss(delta=1.0):
        return L.Huber(delta)
    def build_model():
        def layer(x):
            return x
        return layer
    """
    assert found(text) == [(name, "factory") for name in ("focal", "wrapped", "short", "make_loss")]


def test_instances():
    text = """
    class Focal(keras.losses.Loss):
        def __init__(self, gamma=2.0):
            super().__init__()
        def call(self, y_true, y_pred):
            return 1
    same = Focal()
    other = Focal(gamma=3.0)
    stock = L.Huber(0.5)
    used = L.MeanSquaredError()
    def with_stock(y_true, y_pred):
        return used(y_true, y_pred)
    def weighted(y_true, y_pred, w):
        return w
    bound = functools.partial(weighted, w=2.0)
    short = lambda y_true, y_pred: 1
    """
    assert found(text) == [
        ("Focal", "class"),
        ("other", "instance"),
        ("stock", "instance"),
        ("with_stock", "function"),
        ("bound", "instance"),
        ("short", "function"),
    ]


def test_what_has_the_name_of_a_loss_and_is_none_is_told(tmp_path):
    path = tmp_path / "losses.py"
    path.write_text(
        HEAD
        + textwrap.dedent("""
            def vae_loss(x, outputs):
                return tf.reduce_mean(x - outputs)

            def nll_gaussian(y, params):
                return inner_loss(y, params)

            def inner_loss(a, b):
                return a - b

            def dice_loss(y_true, y_pred):
                return y_true - y_pred

            def kl_divergence(mu, log_var, weight):
                return mu

            def dice_score(a, b):
                return a

            def area(a, b):
                return a
            """)
    )
    assert [(name, "`x` and `outputs`" in why) for name, _, why in passed_by(path)] == [
        ("vae_loss", True),
        ("nll_gaussian", False),
    ]
