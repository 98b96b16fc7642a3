"""Loading losses, and calling them as they are and as Keras does."""

import os
import py_compile
import subprocess
import sys
import textwrap

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from lossdoctor.findings import UsageError
from lossdoctor.session import SessionError
from lossdoctor.subject import load, subject_of
from lossdoctor.subject.models import losses_of

pytestmark = pytest.mark.real

LOSSES = """
import functools
import keras
import tensorflow as tf
from sibling import square


def decorated(function):
    @functools.wraps(function)
    def wrapper(*arguments):
        return function(*arguments)
    return wrapper


@decorated
def plain(y_true, y_pred):
    return tf.reduce_mean(square(y_true - y_pred), axis=-1)


@tf.function
def compiled(y_true, y_pred):
    return tf.reduce_mean(square(y_true - y_pred), axis=-1)


def factory(gamma=2.0):
    def inner(y_true, y_pred):
        return gamma * tf.reduce_mean(square(y_true - y_pred), axis=-1)
    return inner


def class_factory():
    return Scaled


def weighted(y_true, y_pred, weight):
    return weight * tf.reduce_mean(square(y_true - y_pred), axis=-1)


@keras.saving.register_keras_serializable(package="tests")
class Scaled(keras.losses.Loss):
    def __init__(self, scale=3.0, required=None, name="scaled", **kwargs):
        super().__init__(name=name, **kwargs)
        self.scale = scale
        self.flag = True

    def call(self, y_true, y_pred):
        return self.scale * tf.reduce_mean(square(y_true - y_pred), axis=-1)

    def get_config(self):
        return {**super().get_config(), "scale": self.scale}


class Needs(Scaled):
    def __init__(self, gamma):
        super().__init__(scale=gamma)


class Accuracy(keras.metrics.Metric):
    pass


instance = Scaled(scale=5.0)
short = lambda y_true, y_pred: tf.reduce_mean(square(y_true - y_pred), axis=-1)
bound = functools.partial(weighted, weight=6.0)
number = 3
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "losses.py").write_text(LOSSES, encoding="utf-8")
    (tmp_path / "sibling.py").write_text(
        "import tensorflow as tf\ndef square(x):\n    return tf.square(x)\n", encoding="utf-8"
    )
    return tmp_path


def line_of(text):
    return next(number for number, line in enumerate(LOSSES.split("\n"), 1) if line.strip().startswith(text))


TARGETS = [
    # target, kind, factor of the squared error, definition, numbers it holds
    ("plain", "function", 1, "def plain", ()),
    ("compiled", "function", 1, "def compiled", ()),
    ("short", "function", 1, "short =", ()),
    ("weighted(weight=4.0)", "function", 4, "def weighted", ()),
    ("bound", "function", 6, "def weighted", ()),
    ("factory", "factory", 2, "def inner", ()),
    ("factory(gamma=7.0)", "factory", 7, "def inner", ()),
    ("class_factory", "factory", 3, "class Scaled", ("scale",)),
    ("Scaled", "class", 3, "class Scaled", ("scale",)),
    ("Scaled(scale=6.0)", "class", 6, "class Scaled", ("scale",)),
    ("Needs(8.0)", "class", 8, "class Needs", ("scale",)),
    ("instance", "instance", 5, "class Scaled", ("scale",)),
]


def test_every_form_is_loaded_and_its_loader_brings_it_back_alone(folder):
    y_true, y_pred = np.zeros((2, 1), "float32"), np.array([[1.0], [3.0]], "float32")
    script = "import sys\nimport numpy as np\ny_true = np.zeros((2, 1), 'float32')\n"
    script += "y_pred = np.array([[1.0], [3.0]], 'float32')\nflat = np.zeros(2, 'int64')\n"
    for name, kind, factor, definition, attributes in TARGETS:
        subject = load(f"{folder}/losses.py:{name}")
        loaded = subject.loaded
        assert (loaded.kind, loaded.target) == (kind, f"{folder}/losses.py:{name}")
        assert loaded.name == name.partition("(")[0]
        assert (loaded.path, loaded.line) == (str(folder / "losses.py"), line_of(definition))
        assert loaded.span.text.startswith(definition)
        assert loaded.parameters == ("y_true", "y_pred")
        assert loaded.attributes == attributes
        assert np.asarray(subject.call(y_true, y_pred)).tolist() == [factor, 9 * factor]
        assert float(subject.keras_call(y_true, y_pred)) == pytest.approx(5 * factor)
        assert float(subject.keras_call(y_true, y_pred, np.array([1.0, 0.0]))) == pytest.approx(factor / 2)
        assert callable(subject.make())
        script += f"space = {{}}\nexec({loaded.loader!r}, space)\n"
        script += f"assert np.asarray(space['loss'](y_true, y_pred)).tolist() == [{factor}, {9 * factor}], {name!r}\n"
        script += f"assert abs(float(space['keras_loss'](y_true, y_pred)) - {5 * factor}) < 1e-4, {name!r}\n"
        script += "space['keras_loss'](y_true, y_pred, np.ones(2))\n"
        if kind == "function":  # what `compile` makes of integers of shape (B,)
            script += f"assert abs(float(space['keras_loss'](flat, y_pred)) - {5 * factor}) < 1e-4, {name!r}\n"
    script += "assert not [name for name in sys.modules if name.startswith('lossdoctor')]\n"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd="/", check=False)
    assert run.returncode == 0, run.stderr[-2000:]


def test_registered_losses_are_known(folder):
    assert load(f"{folder}/losses.py:Scaled").loaded.serializable
    assert not load(f"{folder}/losses.py:Needs(2.0)").loaded.serializable
    assert not load(f"{folder}/losses.py:short").loaded.serializable
    assert load("keras.losses:Huber").loaded.serializable


def test_a_fresh_loss_is_another(folder):
    subject = load(f"{folder}/losses.py:instance")
    fresh = subject.make()
    fresh.scale = 1.0
    assert (subject.object.scale, type(fresh)) == (5.0, type(subject.object))
    subject = load(f"{folder}/losses.py:Scaled(scale=2.0)")
    assert subject.make() is not subject.object
    assert subject.make().scale == 2.0


def test_losses_of_keras():
    huber = load("keras.losses:Huber(delta=2.0)")
    assert huber.loaded.kind == "class"
    assert huber.loaded.path.endswith("losses.py")
    assert huber.is_user(huber.loaded.path)
    assert not huber.is_user(np.__file__)
    assert load("keras.losses:huber").loaded.kind == "function"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("losses.py:Needs", r"losses.py:Needs\(gamma=…\)"),
        ("losses.py:Scaled(skale=2)", "no loss|raised TypeError"),
        ("losses.py:factory(1, 2)", "too many positional"),
        ("losses.py:plain(1)", "arguments by name"),
        ("losses.py:instance(1)", "without arguments"),
        ("losses.py:Accuracy", "a Keras metric"),
        ("losses.py:number", "an int"),
        ("losses.py:tf", "a module"),
        ("losses.py:instance.nothing", "Expected a name that 'losses.py' defines"),
        ("losses.py", "Expected one of `losses.py:plain`"),
    ],
)
def test_what_cannot_be_loaded(folder, name, message):
    with pytest.raises((UsageError, SessionError), match=message) as caught:
        load(f"{folder}/{name}")
    assert "\n" not in str(caught.value)


def test_a_function_of_more_than_two_arguments_says_what_it_lacks(folder):
    assert load(f"{folder}/losses.py:weighted").loaded.lacking == ("weight",)
    assert load(f"{folder}/losses.py:weighted(weight=4.0)").loaded.lacking == ()


@pytest.mark.parametrize("target", ["no_such_module_here:f", "keras.losses:Hubber"])
def test_modules_and_names_that_are_not_there(target):
    with pytest.raises(UsageError, match="Invalid value for `target`"):
        load(target)


def test_the_only_loss_of_a_file_needs_no_name(tmp_path):
    (tmp_path / "one.py").write_text("def loss(y_true, y_pred):\n    return y_true - y_pred\n", encoding="utf-8")
    assert load(f"{tmp_path}/one.py").loaded.name == "loss"
    (tmp_path / "none.py").write_text("x = 1\n", encoding="utf-8")
    with pytest.raises(UsageError, match="no loss was found"):
        load(f"{tmp_path}/none.py")


@pytest.mark.parametrize(
    ("text", "type_", "line"),
    [
        ("x = {}\ndef g():\n    return x['é'] + x['k']\ng()\n", "KeyError", 3),
        ("import sys\nsys.exit(3)\n", "SystemExit", 2),
        ("import no_such_module_here\n", "ModuleNotFoundError", 1),
        ("import broken\n", "SyntaxError", 2),
    ],
)
def test_what_importing_raises_is_shown_at_the_user_s_line(tmp_path, text, type_, line):
    (tmp_path / "broken.py").write_text("x = 1\ny = (\n", encoding="utf-8")
    (tmp_path / "bad.py").write_text(text + "def loss(y_true, y_pred):\n    return 1\n", encoding="utf-8")
    with pytest.raises(SessionError, match=type_) as caught:
        load(f"{tmp_path}/bad.py:loss")
    assert caught.value.raised.type == type_
    assert caught.value.raised.calls[-1].line == line
    if type_ == "KeyError":
        span = caught.value.raised.calls[-1]
        assert (span.text, span.column, span.end_column, span.function) == ("x['é']", 12, 18, "g")


def test_siblings_of_the_same_name_in_two_folders(tmp_path):
    for number in (1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "helpers_of_test.py").write_text(f"VALUE = {number}\n", encoding="utf-8")
        (folder / "losses.py").write_text(
            "from helpers_of_test import VALUE\ndef loss(y_true, y_pred):\n    return VALUE\n", encoding="utf-8"
        )
    assert [load(f"{tmp_path}/{number}/losses.py").call(0, 0) for number in (1, 2)] == [1, 2]


def test_relative_imports_and_changed_files(tmp_path):
    package = tmp_path / "package_of_test"
    package.mkdir()
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "constants.py").write_text("VALUE = 4\n", encoding="utf-8")
    (package / "losses.py").write_text(
        "from .constants import VALUE\ndef loss(y_true, y_pred):\n    return VALUE\n", encoding="utf-8"
    )
    assert load(f"{package}/losses.py").call(0, 0) == 4
    (tmp_path / "changing.py").write_text("def loss(y_true, y_pred):\n    return 1\n", encoding="utf-8")
    assert load(f"{tmp_path}/changing.py").call(0, 0) == 1
    (tmp_path / "changing.py").write_text("def loss(y_true, y_pred):\n    return 222\n", encoding="utf-8")
    assert load(f"{tmp_path}/changing.py").call(0, 0) == 222


def test_a_file_counts_as_it_is_and_not_as_older_bytecode(tmp_path, monkeypatch):
    path = tmp_path / "losses.py"
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    path.write_text("def loss(y_true, y_pred):\n    return y_true + y_pred\n", encoding="utf-8")
    py_compile.compile(str(path))
    before = path.stat()
    path.write_text("def loss(y_true, y_pred):\n    return y_true - y_pred\n", encoding="utf-8")
    os.utime(path, (before.st_atime, before.st_mtime))  # within the same second
    assert load(f"{path}:loss").call(1.0, 2.0) == -1.0


def test_live_objects(folder):
    module = load(f"{folder}/losses.py:plain").module
    for value, kind in [(module.plain, "function"), (module.Scaled, "class"), (module.instance, "instance")]:
        subject = subject_of(value)
        assert (subject.loaded.kind, subject.unreproducible) == (kind, "")
        assert subject.loaded.path == str(folder / "losses.py")
    rebuilt = subject_of(module.Scaled(scale=9.0))
    assert "'scale': 9.0" in rebuilt.loaded.loader
    unfaithful = module.Scaled()
    unfaithful.scale_of_today = 2.0
    for value, reason in [(module.factory(2.0), "inside a function"), (unfaithful, "get_config")]:
        subject = subject_of(value)
        assert subject.loaded.loader == ""
        assert reason in subject.unreproducible


def test_the_loss_of_a_compiled_model():
    import keras

    def own(y_true, y_pred):
        return y_true - y_pred

    class Custom(keras.Model):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return 2 * (y - y_pred)

    model = keras.Model()
    with pytest.raises(UsageError, match="a compiled model"):
        subject_of(model)
    model.compile(loss="mse")
    assert subject_of(model).loaded.name
    model.compile(loss=own)
    assert subject_of(model).object is own
    model.compile(loss=[own, "mse"])
    with pytest.raises(UsageError, match="one loss"):
        subject_of(model)
    custom = Custom()
    custom.compile(loss="mse")
    subject = subject_of(custom)
    assert (subject.loaded.kind, subject.loaded.parameters, subject.call(3.0, 1.0)) == ("model", ("y", "y_pred"), 4.0)


MODELS = """
import keras
import tensorflow as tf


def error(y_true, y_pred):
    return tf.reduce_mean(tf.square(y_true - y_pred), axis=-1)


def build():
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(3)(inputs))
    model.compile("sgd", loss=[error])
    return model


class Own(keras.Model):
    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return 2.0 * error(y, y_pred)


class Reads(keras.Model):
    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return tf.reduce_mean(tf.square(x - y_pred))


class Adds(keras.Model):
    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return super().compute_loss(x, y, y_pred, sample_weight) + 1.0


class Plain(keras.Model):
    pass


built, own = build(), Own()
"""


def test_models_of_a_file_are_brought_back_by_their_loader(tmp_path):
    import tensorflow as tf

    path = tmp_path / "models.py"
    path.write_text(MODELS)
    target, prediction = tf.zeros([2, 3]), tf.ones([2, 3])
    for name, expected in (("build", 1.0), ("built", 1.0), ("own", 2.0), ("Own", 2.0)):
        subject = load(f"{path}:{name}")
        assert subject.loaded.kind == "model"
        again: dict = {}
        exec(subject.loaded.loader, again)
        for call in (subject.call, again["loss"]):
            assert call(target, prediction).numpy() == pytest.approx([expected, expected])
    for name, reason in (
        ("Reads", "reads the inputs `x`"),
        ("Adds", "adds to the loss of `compile`"),
        ("Plain", "without a `compute_loss`"),
    ):
        with pytest.raises(UsageError, match=reason):
            load(f"{path}:{name}")


def test_several_losses_are_told_from_other_lists():
    import keras

    def own(y_true, y_pred):
        return y_true - y_pred

    model = keras.Model()
    model.compile(loss={"a": own, "b": "mse", "c": None})
    found = losses_of(model)
    assert found is not None
    assert list(found) == ["a", "b"] and found["a"] is own and callable(found["b"])
    assert losses_of([own, own]) == {0: own, 1: own}
    model.compile(loss=own)
    for value in (model, own, [1], {}, "mse"):
        assert losses_of(value) is None


@pytest.mark.parametrize("value", [3, None, int, [1]])
def test_live_objects_that_are_no_loss(value):
    with pytest.raises(UsageError, match="Expected a function of"):
        subject_of(value)


def test_reading_a_target_imports_no_tensorflow(folder):
    code = textwrap.dedent(f"""
        import sys
        import lossdoctor.subject, lossdoctor.config, lossdoctor.contract
        lossdoctor.subject.infer("{folder}/losses.py:plain")
        assert not {{"tensorflow", "keras"}} & set(sys.modules)
    """)
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
