"""Reading files as text."""

import ast

import pytest

from lossdoctor.findings import UsageError
from lossdoctor.source.module import SourceModule, read_module

TEXT = '''
import tensorflow as tf
import tensorflow.keras.backend as K
from tensorflow.keras.losses import Loss as Base
from . import helpers
import sys

N = 3
WEIGHTS = [0.5, N * 2]
twice = 1
twice = 2
square = tf.square


@tf.function
def outer(y_true, /, y_pred, scale=1.0, *, mode):
    """Says something."""
    def inner(a):
        return a
    if scale:
        x = 1; y = 2
    return inner(
        y_true
    )


class Thing(Base):
    def call(self, y_true, y_pred):
        return K.mean(y_pred)

    @staticmethod
    def helper(a, b):
        return a


short = lambda a, b: a - b
try:
    import numpy
except ImportError:
    def fallback(): ...
if __name__ == "__main__":
    late = 1
    def script(): ...
'''


@pytest.fixture
def module():
    return SourceModule(TEXT, "some.py")


def test_names_are_resolved_through_imports(module):
    def resolved(text):
        return module.resolve(ast.parse(text, mode="eval").body)

    assert resolved("tf.math.log") == "tensorflow.math.log"
    assert resolved("K.mean") == "keras.backend.mean"
    assert resolved("Base") == "keras.losses.Loss"
    assert resolved("tf.keras.losses.Loss") == "keras.losses.Loss"
    assert resolved("square") == "tensorflow.square"
    assert resolved("helpers.f") == ".helpers.f"
    assert resolved("f()(1)") is None


def test_functions_with_their_parameters(module):
    functions = module.functions
    assert list(functions) == ["outer", "outer.<locals>.inner", "Thing.call", "Thing.helper", "fallback", "short"]
    outer = functions["outer"]
    assert (outer.parameters, outer.required, outer.required_keywords) == (("y_true", "y_pred", "scale"), 2, ("mode",))
    assert TEXT.splitlines()[outer.line - 1].startswith("def outer")
    assert outer.text.startswith("@tf.function\ndef outer")
    assert outer.text.endswith(")")
    assert functions["Thing.call"].parameters == ("y_true", "y_pred")
    assert functions["Thing.helper"].parameters == ("a", "b")
    assert functions["short"].parameters == ("a", "b")
    assert functions["Thing.call"].owner == "Thing"
    assert functions["outer.<locals>.inner"].owner is None


def test_the_statement_of_a_line(module):
    outer = module.functions["outer"]
    line = next(number for number, text in enumerate(TEXT.splitlines(), 1) if text.strip() == "y_true")
    statement = outer.statements[line]
    assert isinstance(statement, ast.Return)
    assert "inner(" in outer.segment(statement)


def test_a_class_knows_its_bases_and_methods(module):
    thing = module.classes["Thing"]
    assert thing.bases == ("keras.losses.Loss",)
    assert set(thing.methods) == {"call", "helper"}


def test_constants_are_names_assigned_once(module):
    assert module.constants == {"N": 3, "WEIGHTS": (0.5, 6)}


def test_what_importing_binds(module):
    assert {"tf", "K", "outer", "Thing", "short", "numpy", "fallback", "twice"} <= module.names
    assert not {"late", "script", "inner", "x"} & module.names
    assert not module.open_ended
    assert SourceModule("from tensorflow import *").open_ended


@pytest.mark.parametrize("text", ["def f(:\n  pass", "x = 1\n  y = 2"])
def test_a_syntax_error_has_its_line(text):
    with pytest.raises(UsageError, match=r"Invalid Python in 'a.py' \(line \d\)"):
        SourceModule(text, "a.py")


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "binary.py").write_bytes(b"\xff\xfe\x00x = 1")
    (tmp_path / "latin.py").write_bytes("# -*- coding: latin-1 -*-\nx = 'é'\n".encode("latin-1"))
    (tmp_path / "null.py").write_bytes(b"x = 1\x00")
    with pytest.raises(UsageError, match="Invalid Python"):
        read_module(tmp_path / "binary.py")
    with pytest.raises(UsageError, match="Invalid Python"):
        read_module(tmp_path / "null.py")
    with pytest.raises(UsageError, match="Cannot read"):
        read_module(tmp_path / "absent.py")
    assert read_module(tmp_path / "latin.py").constants == {"x": "é"}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_segments_are_those_of_ast(end: str) -> None:
    lines = ["größe = 'ä' + f(", "    'ü\f', b)", "def f(x, y=1): return [", "  x,", "\ty]"]
    text = end.join(lines)
    module = SourceModule(text)
    seen = 0
    for node in ast.walk(module.tree):
        if isinstance(node, ast.expr | ast.stmt | ast.arg):
            seen += 1
            assert module.segment(node) == ast.get_source_segment(text, node)
    assert seen > 15
