"""Scripts stand alone: status 1 while the fault stands, 0 once it is mended, 2 if nothing was shown."""

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lossdoctor.graph.ir import Span
from lossdoctor.search.reproduce import ALL, ordinary, relative, script
from lossdoctor.session import Loaded, Pair
from lossdoctor.spec import Contract, parse_contract

F = np.float32


def loaded(path: Path, name: str) -> Loaded:
    from lossdoctor.subject import load

    return load(f"{path}:{name}").loaded


def fake(path: str) -> Loaded:
    loader = (
        "import os, sys, importlib.util\nimport tensorflow as tf\n"
        f"sys.path.insert(0, {str(Path(path).parent)!r})\n"
        f"_spec = importlib.util.spec_from_file_location('m', {path!r})\n"
        "def loss(y_true, y_pred): return y_pred\nkeras_loss = _loss = loss\n_module = os\n"
    )
    return Loaded("m.py:loss", "loss", "function", path, 1, ("y_true", "y_pred"), Span(path, 1, 1, 1, 2), loader)


ARGUMENTS: dict[str, dict[str, Any]] = {
    "dead-gradient": {"better": np.zeros((1, 3), F)},
    "decreases-away": {"target": np.zeros((1, 3), F)},
    "unbounded": {"base": np.zeros((1, 3), F), "factors": (1.0, 10.0, 100.0)},
    "frozen": {"name": "STATE['epoch']", "holder": "item", "values": (0, 5), "in_call": False},
    "expected": {"expected": np.zeros(1)},
    "constant": {"others": (np.zeros((1, 3), F),), "slopes": False},
    "label-without-gradient": {"label": 0.0},
    "factory-called": {"name": "focal"},
    "padding-counts": {"value": 0.0, "axes": (1, 1)},
    "places-coupled": {"axis": 1},
    "classes-alike": {"first": 0, "second": 1},
    "operation-on-shapes": {"types": ("Mean",), "shapes": (("B", 3),)},
    "operations-left": {"types": ("While",), "count": 1},
    "cast-to-integer": {"count": 1},
    "setting-unused": {"makes": ("focal(1.0)", "focal(2.0)")},
    "setting-lost": {"argument": "reduction", "value": "sum"},
    "drawn-at-import": {"function": "loss"},
    "list-grows": {"name": "self.past", "holder": "attribute"},
}


@pytest.mark.parametrize("symptom", ALL)
@pytest.mark.parametrize("execution", ["eager", "xla"])
def test_every_symptom_gives_python(symptom: str, execution: str, tmp_path: Path) -> None:
    contract = parse_contract("float32[B,3] real", "float32[B,3] real")
    arguments = {"execution": execution, **ARGUMENTS.get(symptom, {})}
    code = script(fake(str(tmp_path / "m.py")), symptom, None, contract, **arguments)
    tree = ast.parse(code)
    assert any(isinstance(node, ast.FunctionDef) and node.name == "fault" for node in tree.body)
    assert "SystemExit" in code and "lossdoctor" not in code


def test_state_of_another_object_is_found_in_the_module(tmp_path: Path) -> None:
    contract = parse_contract("float32[B,3] real", "float32[B,3] real")
    held = {"holder": "attribute", "values": (1.0, 2.0), "in_call": False}
    of_module = script(fake(str(tmp_path / "m.py")), "frozen", None, contract, name="schedule.alpha", **held)
    own = script(fake(str(tmp_path / "m.py")), "frozen", None, contract, name="self.alpha", **held)
    assert "_module.schedule.alpha = 2.0" in of_module
    assert "_loss.alpha = 2.0" in own


def test_every_declared_symptom_has_a_demonstration() -> None:
    from typing import get_args

    from lossdoctor.rules.registry import Symptom

    assert set(get_args(Symptom)) <= set(ALL)


def test_the_file_is_named_from_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "src" / "m.py")
    loader = fake(path).loader
    monkeypatch.chdir(tmp_path)
    short = relative(loader, path)
    assert str(tmp_path) not in short and "'src/m.py'" in short
    (tmp_path / "beside").mkdir()
    monkeypatch.chdir(tmp_path / "beside")
    assert relative(loader, path) == loader


def test_ordinary_inputs_are_plain_and_fit_the_contract() -> None:
    pair = ordinary(parse_contract("float32[B,4] probability", '{"a": "float32[B,2] real", "b": "int32[B] label(3)"}'))
    assert pair.y_true.shape == (2, 4) and np.allclose(pair.y_true.sum(-1), 1)
    assert np.array_equal(np.round(pair.y_pred["a"], 2), pair.y_pred["a"])


SOURCE = """
import tensorflow as tf
import keras

EPOCH = 0


def log_loss(y_true, y_pred):
    return -tf.reduce_sum(y_true * tf.math.log(y_pred), axis=-1)


def norm(y_true, y_pred):
    return tf.norm(y_true - y_pred, axis=-1)


def accuracy(y_true, y_pred):
    return tf.cast(tf.argmax(y_true, -1) != tf.argmax(y_pred, -1), tf.float32)


def mse(y_true, y_pred):
    return tf.reduce_mean(tf.square(y_true - y_pred), axis=-1)


def mse_and_miss(y_true, y_pred):
    return mse(y_true, y_pred) + accuracy(y_true, y_pred)


def logsumexp(y_true, y_pred):
    return tf.reduce_logsumexp(y_pred, axis=-1) - tf.reduce_sum(y_true * y_pred, axis=-1)


def total(y_true, y_pred):
    return tf.reduce_sum(tf.square(y_true - y_pred))


def crossed(y_true, y_pred):
    return tf.reduce_mean(tf.square(y_true - tf.reduce_mean(y_pred, 0)), axis=-1)


def branching(y_true, y_pred):
    if tf.reduce_sum(y_pred) > 0:
        return mse(y_true, y_pred)
    return mse(y_true, y_pred)


def score(y_true, y_pred):
    return -mse(y_true, y_pred)


def stopped(y_true, y_pred):
    return mse(y_true, y_pred) + tf.reduce_mean(tf.stop_gradient(tf.square(y_pred)), axis=-1)


def annealed(y_true, y_pred):
    return (1.0 + EPOCH) * mse(y_true, y_pred)


def failing(y_true, y_pred):
    raise RuntimeError("always")


def pair_of(y_true, y_pred):
    return mse(y_true, y_pred), accuracy(y_true, y_pred)


def leaving(y_true, y_pred):
    import os

    os._exit(0)


def batch_of_two(y_true, y_pred):
    return tf.reshape(y_pred, (2, 3))[:, 0]


def capped(y_true, y_pred):
    return tf.reduce_mean(tf.minimum(tf.abs(y_true - y_pred), 1.0), -1)


@keras.saving.register_keras_serializable(package="t")
class Weighted(keras.losses.Loss):
    def __init__(self, weight=1.0, name="weighted", **kwargs):
        super().__init__(name=name, **kwargs)
        self.weight = weight

    def call(self, y_true, y_pred):
        return self.weight * mse(y_true, y_pred)
"""

HARD = Pair(np.array([[1, 0, 0]], F), np.array([[0, 1, 0]], F))
EQUAL = Pair(np.ones((1, 3), F), np.ones((1, 3), F))
ZERO = np.zeros((1, 3), F)
FAR = Pair(ZERO, np.full((1, 3), 2, F))
CASES: list[tuple[str, str, Pair | None, dict[str, Any], int]] = [
    ("nonfinite-value", "log_loss", HARD, {"execution": "eager"}, 1),
    ("nonfinite-value", "log_loss", HARD, {"execution": "graph"}, 1),
    ("nonfinite-value", "log_loss", HARD, {"execution": "xla"}, 1),
    ("nonfinite-value", "log_loss", HARD, {"calling": "keras-compile"}, 1),
    ("nonfinite-value", "mse", HARD, {}, 0),
    ("nonfinite-gradient", "norm", EQUAL, {"execution": "graph"}, 1),
    ("nonfinite-gradient", "mse", EQUAL, {}, 0),
    ("nonfinite-gradient", "log_loss", HARD, {}, 0),  # its value is not finite: another symptom
    ("no-gradient", "accuracy", None, {}, 1),
    ("no-gradient", "mse", None, {}, 0),
    ("no-term-gradient", "mse_and_miss", None, {"expression": "tf.argmax(y_pred, -1)"}, 1),
    ("no-term-gradient", "stopped", None, {}, 1),
    ("no-term-gradient", "logsumexp", None, {}, 0),
    ("no-term-gradient", "mse", None, {}, 0),
    ("dead-gradient", "capped", FAR, {"better": ZERO}, 1),
    ("dead-gradient", "capped", FAR, {"better": ZERO, "entries": (1,)}, 1),
    ("dead-gradient", "capped", FAR, {"better": FAR.y_pred}, 0),  # nothing is better
    ("dead-gradient", "mse", FAR, {"better": ZERO}, 0),
    ("raises", "branching", None, {"execution": "graph"}, 1),
    ("raises", "branching", None, {"execution": "eager"}, 0),
    ("batch-mismatch", "crossed", None, {}, 1),
    ("batch-mismatch", "mse", None, {}, 0),
    ("scales-with-batch", "total", None, {}, 1),
    ("scales-with-batch", "mse", None, {}, 0),
    ("execution-mismatch", "branching", None, {"executions": ("eager", "graph")}, 1),
    ("execution-mismatch", "mse", None, {"executions": ("eager", "xla")}, 0),
    ("decreases-away", "score", HARD, {"target": HARD.y_true}, 1),
    ("decreases-away", "mse", HARD, {"target": HARD.y_true}, 0),
    ("unbounded", "score", Pair(ZERO, np.full((1, 3), 1e4, F)), {"base": ZERO, "factors": (1.0, 1e2, 1e4)}, 1),
    ("unbounded", "mse", Pair(ZERO, np.full((1, 3), 1e4, F)), {"base": ZERO, "factors": (1.0, 1e2, 1e4)}, 0),
    ("wrong-gradient", "stopped", HARD, {"dtype": "float64"}, 1),
    ("wrong-gradient", "mse", None, {}, 0),
    ("frozen", "annealed", None, {"name": "EPOCH", "holder": "global", "values": (0, 5)}, 1),
    ("frozen", "mse", None, {"name": "EPOCH", "holder": "global", "values": (0, 5)}, 0),
    ("frozen", "Weighted", None, {"name": "self.weight", "holder": "attribute", "values": (1.0, 2.0)}, 1),
    ("save-load", "Weighted", None, {"argument": "weight", "value": 3.0}, 1),
    ("save-load", "Weighted", None, {"argument": "weight", "value": 1.0}, 0),
    ("expected", "mse", EQUAL, {"expected": np.array([0.5])}, 1),
    ("expected", "mse", EQUAL, {"expected": np.array([0.0])}, 0),
    ("nonfinite-value", "failing", EQUAL, {}, 2),
    ("not-a-tensor", "pair_of", None, {}, 1),
    ("not-a-tensor", "mse", None, {}, 0),
    ("dies", "leaving", None, {}, 1),
    ("dies", "failing", None, {}, 0),
    ("raises", "batch_of_two", None, {"batch": 3}, 1),
    ("raises", "batch_of_two", None, {"batch": 2}, 0),
]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("user") / "faults.py"
    path.write_text(SOURCE)
    return path


@pytest.fixture(scope="module")
def contract() -> Contract:
    return parse_contract("float32[B,3] real", "float32[B,3] real")


@pytest.mark.real
@pytest.mark.parametrize(("symptom", "name", "pair", "arguments", "status"), CASES)
def test_scripts_show_faults_and_only_faults(
    symptom: str, name: str, pair: Pair | None, arguments: dict[str, Any], status: int, file: Path, contract: Contract
) -> None:
    from lossdoctor.worker.local import LocalSession

    session = LocalSession()
    code = script(session.load(f"{file}:{name}"), symptom, pair, contract, **arguments)
    replay = session.replay(code)
    assert replay.status == status, replay.output


@pytest.mark.real
def test_a_script_runs_in_a_fresh_process(file: Path, contract: Contract, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(file.parent.parent)
    code = script(loaded(file, "log_loss"), "nonfinite-value", HARD, contract, execution="graph")
    assert str(file.parent.parent) not in code
    for folder in (file.parent.parent, file.parent):
        run = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=120)
        assert run.returncode == 1, run.stderr
        assert run.stdout.strip() == "1 of 1 loss values are not finite nan"
