"""What a loss is given, as its code shows it."""

import textwrap

import pytest

from lossdoctor.source.module import SourceModule
from lossdoctor.spec import parse_contract, parse_structure
from lossdoctor.subject.inference import NATURAL, infer, loss_function

HEAD = """import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import backend as K
from keras import ops
"""


def guessed(tmp_path, text, name=None):
    path = tmp_path / "losses.py"
    path.write_text(HEAD + textwrap.dedent(text), encoding="utf-8")
    name = name or "f"
    return infer(f"{path}:{name}")


CASES = {
    # what is passed to losses of TensorFlow and Keras
    "sigmoid_ce": (
        """
        def f(y_true, y_pred):
            return tf.nn.sigmoid_cross_entropy_with_logits(labels=y_true, logits=y_pred)
        """,
        "float32[B,4] binary",
        "float32[B,4] logit",
    ),
    "sparse_ce": (
        """
        def f(y_true, y_pred):
            return tf.nn.sparse_softmax_cross_entropy_with_logits(y_true, y_pred)
        """,
        "int32[B] label(4)",
        "float32[B,4] logit",
    ),
    "from_logits": (
        """
        def f(y_true, y_pred):
            return keras.losses.categorical_crossentropy(y_true, y_pred, from_logits=True)
        """,
        "float32[B,4] onehot",
        "float32[B,4] logit",
    ),
    "not_from_logits": (
        """
        def f(y_true, y_pred):
            return keras.losses.binary_crossentropy(y_true, y_pred)
        """,
        "float32[B,4] binary",
        "float32[B,4] unit",
    ),
    "instance_of_the_module": (
        """
        bce = keras.losses.BinaryCrossentropy(from_logits=True)
        def f(y_true, y_pred):
            return 2 * bce(y_true, y_pred)
        """,
        "float32[B,4] binary",
        "float32[B,4] logit",
    ),
    "instance_made_in_place": (
        """
        def f(y_true, y_pred):
            return keras.losses.KLDivergence()(y_true, y_pred)
        """,
        "float32[B,4] probability",
        "float32[B,4] probability",
    ),
    # what is done to the arguments
    "one_hot": (
        """
        N = 7
        def f(y_true, y_pred):
            t = tf.one_hot(tf.cast(y_true, tf.int32), N)
            return tf.reduce_sum(t * tf.nn.log_softmax(y_pred), axis=-1)
        """,
        "int32[B] label(7)",
        "float32[B,7] logit",
    ),
    "one_hot_of_a_column": (
        """
        def f(y_true, y_pred):
            t = tf.one_hot(tf.squeeze(y_true, -1), 3)
            return tf.reduce_sum(t * y_pred, -1)
        """,
        "int32[B,1] label(3)",
        "float32[B,3] logit",
    ),
    "sigmoid_in_a_helper": (
        """
        def g(x):
            return tf.sigmoid(x)
        def f(y_true, y_pred):
            p = g(y_pred)
            return y_true * p + (1 - y_true) * (1 - p)
        """,
        "float32[B,4] binary",
        "float32[B,4] logit",
    ),
    "softmax_by_hand": (
        """
        def f(y_true, y_pred):
            e = tf.exp(y_pred)
            p = e / tf.reduce_sum(e, axis=-1, keepdims=True)
            return -tf.reduce_sum(y_true * tf.math.log(p), axis=-1)
        """,
        "float32[B,4] onehot",
        "float32[B,4] logit",
    ),
    "log_on_both_sides": (
        """
        def f(y_true, y_pred):
            y_pred = K.clip(y_pred, K.epsilon(), 1 - K.epsilon())
            return -(y_true * K.log(y_pred) + (1 - y_true) * K.log(1 - y_pred))
        """,
        "float32[B,4] binary",
        "float32[B,4] unit",
    ),
    "log_of_probabilities": (
        """
        W = [0.2, 0.3, 0.5]
        def f(y_true, y_pred):
            return -K.sum(y_true * K.log(y_pred + 1e-7) * tf.constant(W), axis=-1)
        """,
        "float32[B,3] onehot",
        "float32[B,3] probability",
    ),
    "hinge": (
        """
        def f(y_true, y_pred):
            return ops.mean(ops.maximum(1 - y_true * y_pred, 0.0), axis=-1)
        """,
        "float32[B,4] sign",
        "float32[B,4] real",
    ),
    "logistic": (
        """
        def f(y_true, y_pred):
            return tf.reduce_mean(tf.math.softplus(-y_true * y_pred), axis=-1)
        """,
        "float32[B,4] sign",
        "float32[B,4] real",
    ),
    "argmax": (
        """
        def f(y_true, y_pred):
            return tf.argmax(y_true, -1) - tf.argmax(y_pred, -1)
        """,
        "float32[B,4] onehot",
        "float32[B,4] probability",
    ),
    "missing": (
        """
        def f(y_true, y_pred):
            return tf.where(tf.math.is_nan(y_true), 0.0, y_true - y_pred)
        """,
        "float32[B,4] real missing",
        "float32[B,4] real",
    ),
    "msle": (
        """
        def f(y_true, y_pred):
            return tf.math.log1p(y_true) - tf.math.log1p(y_pred)
        """,
        "float32[B,4] positive",
        "float32[B,4] positive",
    ),
    "log_of_one_more": (
        """
        def f(y_true, y_pred):
            low = K.maximum(y_pred, K.epsilon())
            return K.square(K.log(low + 1.0) - K.log(1 + y_true))
        """,
        "float32[B,4] positive",
        "float32[B,4] positive",
    ),
    "log_of_a_distance": (
        """
        def f(y_true, y_pred):
            return tf.math.log(1.0 + tf.square(y_true - y_pred))
        """,
        "float32[B,4] real",
        "float32[B,4] real",
    ),
    # ranks and sizes
    "image_axes": (
        """
        def f(y_true, y_pred):
            return tf.reduce_mean(tf.square(y_true - y_pred), axis=[1, 2, 3])
        """,
        "float32[B,8,8,3] unit",
        "float32[B,8,8,3] unit",
    ),
    "ssim": (
        """
        def f(y_true, y_pred):
            return 1 - tf.image.ssim(y_true, y_pred, 1.0)
        """,
        "float32[B,32,32,3] unit",
        "float32[B,32,32,3] unit",
    ),
    "columns": (
        """
        def f(y_true, y_pred):
            mu, s = y_pred[:, :1], y_pred[:, 1:]
            return (y_true - mu) ** 2 * tf.exp(-s) + s
        """,
        "float32[B,1] real",
        "float32[B,2] real",
    ),
    "reshape": (
        """
        G = 3
        def f(y_true, y_pred):
            shape = [-1, G, G, 5]
            return tf.reshape(y_true, shape) - tf.reshape(y_pred, shape)
        """,
        "float32[B,45] real",
        "float32[B,45] real",
    ),
    "split": (
        """
        def f(y_true, y_pred):
            a, b = tf.unstack(y_pred, 2, axis=-1)
            return a - b
        """,
        "float32[B,2] real",
        "float32[B,2] real",
    ),
    "labels_of_a_sequence": (
        """
        def f(y_true, y_pred):
            ce = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y_true, logits=y_pred)
            return tf.reduce_mean(ce, axis=-1)
        """,
        "int32[B,6] label(4)",
        "float32[B,6,4] logit",
    ),
    # the model, the docstring, the names
    "model": (
        """
        def f(y_true, y_pred):
            return tf.abs(y_true - y_pred)
        def build():
            m = keras.Sequential([keras.layers.Dense(9), keras.layers.Dense(5, activation='softmax')])
            m.compile('adam', loss=f)
        """,
        "float32[B,5] onehot",
        "float32[B,5] probability",
    ),
    "docstring": (
        '''
        def f(y_true, y_pred):
            """y_true: (batch, 1); y_pred: embeddings, shape (batch, 2, dim)."""
            return y_true * y_pred[:, 0]
        ''',
        "float32[B,1] real",
        "float32[B,2,8] real",
    ),
    "swapped_names": (
        """
        def f(y_pred, y_true):
            return tf.nn.sigmoid_cross_entropy_with_logits(labels=y_true, logits=y_pred)
        """,
        "float32[B,4] binary",
        "float32[B,4] logit",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_code_tells(tmp_path, case):
    text, y_true, y_pred = CASES[case]
    first = guessed(tmp_path, text)[0]
    assert (str(first.y_true), str(first.y_pred)) == (y_true, y_pred)
    assert first.origin == "inferred"


@pytest.mark.parametrize(
    ("name", "y_true", "y_pred"),
    [
        ("dice_loss", "float32[B,4] binary", "float32[B,4] unit"),
        ("poisson_loss", "float32[B,4] positive", "float32[B,4] positive"),
        ("my_categorical_loss", "float32[B,4] onehot", "float32[B,4] probability"),
        ("contrastive", "float32[B,1] binary", "float32[B,1] positive"),
    ],
)
def test_a_name_tells_where_the_code_does_not(tmp_path, name, y_true, y_pred):
    first = guessed(tmp_path, f"def {name}(y_true, y_pred):\n    return y_true - y_pred", name)[0]
    assert (str(first.y_true), str(first.y_pred)) == (y_true, y_pred)


def test_a_name_does_not_make_classes_of_parameters_nor_masks_of_boxes(tmp_path):
    likelihood = """
    def gaussian_nll(y_true, y_pred):
        mean, spread = y_pred[:, 0], y_pred[:, 1]
        return tf.math.log(spread) + tf.square((y_true - mean) / spread)
    """
    first = guessed(tmp_path, likelihood, "gaussian_nll")[0]
    assert (str(first.y_true), str(first.y_pred)) == ("float32[B] real", "float32[B,2] real")
    parts = """
    def nll(y_true, y_pred):
        mean, log_spread = tf.split(y_pred, 2, axis=-1)
        return tf.exp(-log_spread) * tf.square(y_true - mean) + log_spread
    """
    halves = guessed(tmp_path, parts, "nll")[0]
    assert (str(halves.y_true), str(halves.y_pred)) == ("float32[B,2] real", "float32[B,4] real")
    overlap = """
    def iou(y_true, y_pred):
        width = tf.minimum(y_true[..., 2], y_pred[..., 2]) - tf.maximum(y_true[..., 0], y_pred[..., 0])
        height = tf.minimum(y_true[..., 3], y_pred[..., 3]) - tf.maximum(y_true[..., 1], y_pred[..., 1])
        return -width * height
    """
    boxes = guessed(tmp_path, overlap, "iou")[0]
    assert (str(boxes.y_true), str(boxes.y_pred)) == ("float32[B,4] real", "float32[B,4] real")
    first_class = guessed(tmp_path, "def iou(y_true, y_pred):\n    return -y_true[..., 0] * y_pred[..., 0]", "iou")[0]
    assert str(first_class.y_true).endswith("binary") and str(first_class.y_pred).endswith("unit")


def test_each_contract_says_what_it_assumes_and_where_it_is_seen(tmp_path):
    text = "def f(y_true, y_pred):\n    return tf.nn.sigmoid_cross_entropy_with_logits(labels=y_true, logits=y_pred)"
    contracts = guessed(tmp_path, text)
    expected = "y_pred is taken as logits since it is passed to `sigmoid_cross_entropy_with_logits` (line 6)"
    assert expected in contracts[0].assumptions
    assert all(contract.assumptions for contract in contracts)


def test_without_evidence_the_natural_contracts_are_tried(tmp_path):
    contracts = guessed(tmp_path, "def f(y_true, y_pred):\n    return y_true - y_pred")
    assert [(str(item.y_true), str(item.y_pred)) for item in contracts] == list(NATURAL)


def test_variants_of_labels_come_before_the_natural_contracts(tmp_path):
    contracts = guessed(tmp_path, "def f(y_true, y_pred):\n    return tf.one_hot(y_true, 3) * y_pred")
    shown = [str(item.y_true) for item in contracts[:4]]
    assert shown == ["int32[B] label(3)", "int32[B,1] label(3)", "float32[B] label(3)", "float32[B,1] label(3)"]
    assert len({(str(item.y_true), str(item.y_pred)) for item in contracts}) == len(contracts)


def test_the_natural_contracts_are_specs():
    for y_true, y_pred in NATURAL:
        assert str(parse_contract(y_true, y_pred).y_true) == y_true


def test_the_decorator_is_what_counts(tmp_path):
    text = """
    import lossdoctor as ld
    @ld.contract(y_true="int32[B] label(3)", y_pred={"a": "float32[B,3] logit"})
    def f(y_true, y_pred):
        return tf.sigmoid(y_pred)
    """
    (only,) = guessed(tmp_path, text)
    assert only.origin == "contract"
    assert only.y_pred == parse_structure({"a": "float32[B,3] logit"})


def test_classes_factories_and_instances_are_read(tmp_path):
    text = """
    class Base(keras.losses.Loss):
        def call(self, y_true, y_pred):
            return self.inner(y_pred)
        def inner(self, x):
            return tf.nn.softmax(x)
    class Heir(Base):
        def __init__(self, gamma):
            super().__init__()
    def factory(gamma=1.0):
        def loss(y_true, y_pred):
            return gamma * tf.sigmoid(y_pred)
        return loss
    made = factory(2.0)
    thing = Heir(1)
    """
    for name, y_pred in [("Heir(2)", "onehot"), ("factory(3.0)", "binary"), ("made", "binary"), ("thing", "onehot")]:
        first = guessed(tmp_path, text, name)[0]
        assert (first.y_true.kind, first.y_pred.kind) == (y_pred, "logit")


def test_a_loss_of_a_module_is_found_through_what_it_reexports(tmp_path):
    package = tmp_path / "some_package"
    package.mkdir()
    (package / "__init__.py").write_text("from some_package.inner import renamed as f\n", encoding="utf-8")
    (package / "inner.py").write_text(
        "import tensorflow as tf\ndef renamed(y_true, y_pred):\n    return tf.nn.softmax(y_pred)\n", encoding="utf-8"
    )
    assert infer("some_package:f", tmp_path)[0].y_pred.kind == "logit"


def test_the_line_counts_more_than_the_name():
    text = (
        "def a(y_true, y_pred):\n    return 1\ndef b():\n    def a(y_true, y_pred):\n        return 2\n    return a\n"
    )
    module = SourceModule(text)
    assert loss_function(module, "a", 4).qualname == "b.<locals>.a"
    assert loss_function(module, "b").qualname == "b.<locals>.a"
    assert loss_function(module, "nothing") is None


@pytest.mark.parametrize(
    "body",
    [
        "return y_true[..., None] - y_pred[:, None]",
        "for a in range(3):\n        y_pred += a\n    return y_pred",
        "a, (b, *c) = y_pred, (1, 2, 3)\n    return a",
        "return (lambda z: z)(y_pred)",
        "return f(y_true, y_pred)",  # without end, if it were run
        "return [y_pred[i] for i in range(2)]",
        "y_pred[0:1, ...].x = 3\n    return {**{}}",
        "return tf.reshape(y_pred, (-1, *y_true.shape)) if y_true else tf.one_hot(*y_pred)",
        "return tf.nn.sigmoid_cross_entropy_with_logits(*y_true, **y_pred)",
        "return keras.losses.binary_crossentropy()",
        "return tf.transpose(y_pred)[0][1:2][::2]",
        "with tf.name_scope('a') as s:\n        try:\n            return s\n        finally:\n            pass",
        "global q\n    return await_(y_pred) @ y_true",
    ],
)
def test_unusual_code_is_read_without_failing(tmp_path, body):
    assert len(guessed(tmp_path, f"def f(y_true, y_pred):\n    {body}")) >= len(NATURAL)


def test_a_mask_leaves_the_kind_of_what_it_multiplies(tmp_path):
    source = """
        from tensorflow.keras import backend as K

        def masked(y_true, y_pred):
            mask = K.cast(K.not_equal(y_true, -1.0), "float32")
            return K.binary_crossentropy(y_true * mask, y_pred * mask)[:, 0]
    """
    path = tmp_path / "losses.py"
    path.write_text(textwrap.dedent(source))
    first = infer(f"{path}:masked")[0]
    assert (str(first.y_true), str(first.y_pred)) == ("float32[B,4] binary", "float32[B,4] unit")


def test_slices_that_leave_out_both_ends_need_something_between(tmp_path):
    path = tmp_path / "losses.py"
    part = "tf.reduce_sum(y_true[:, :, 1:-4] - y_pred[:, :, 1:-4], axis=[1, 2])"
    path.write_text(f"{HEAD}\ndef boxes(y_true, y_pred):\n    return {part}\n")
    assert infer(f"{path}:boxes")[0].y_pred.dims[-1] == 6


def test_kinds_that_the_code_shows_are_tried_in_other_shapes_before_real_numbers(tmp_path):
    path = tmp_path / "losses.py"
    path.write_text("import keras\n\ndef loss(y_true, y_pred):\n    return keras.losses.poisson(y_true, y_pred)\n")
    kinds = [(item.y_true.kind, item.y_pred.kind) for item in infer(f"{path}:loss")]
    last = max(index for index, kind in enumerate(kinds) if kind == ("positive", "positive"))
    assert last >= 5
    assert ("real", "real") not in kinds[:last]
