"""A session in this process, as `lossdoctor.check(loss)` uses it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from lossdoctor.session import Pair, SessionError
from lossdoctor.spec import Contract
from lossdoctor.worker.state import preserved

pytestmark = pytest.mark.real


@pytest.fixture
def ones() -> Pair:
    return Pair(np.zeros((2, 3), "float32"), np.ones((2, 3), "float32"))


def test_live_object_is_examined(contract: Contract, ones: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    import tensorflow as tf

    from lossdoctor.subject import subject_of
    from lossdoctor.worker.local import LocalSession

    def loss(y_true, y_pred):  # type: ignore[no-untyped-def]  # a user's loss
        print("inside")
        return tf.reduce_sum(y_pred - y_true, axis=-1)

    session = LocalSession(subject_of(loss))
    assert session.trace(contract).traced is not None
    for execution in ("eager", "graph", "xla", "unoptimised"):
        (found,) = session.evaluate([ones], execution)
        np.testing.assert_allclose(np.asarray(found.value), [3.0, 3.0])
        np.testing.assert_allclose(np.asarray(found.gradients[0]), ones.y_pred)
    assert session.probe("batches", contract).relation == "per-sample"
    assert capsys.readouterr() == ("", "")


def test_pair_that_departs_from_the_contract_is_evaluated(losses: str, contract: Contract) -> None:
    from lossdoctor.worker.local import LocalSession

    session = LocalSession()
    session.load(f"{losses}:good")
    session.trace(contract)
    wide = Pair(np.zeros((2, 7), "float64"), np.ones((2, 7), "float64"))
    for execution in ("graph", "unoptimised"):
        (found,) = session.evaluate([wide], execution)
        assert found.raised is None
        assert found.value is not None
        assert (found.value.shape, found.value.dtype) == ((2,), np.float64)


def test_replay_leaves_the_process_as_it_was(tmp_path: Path) -> None:
    import keras

    from lossdoctor.worker.local import LocalSession

    session = LocalSession()
    (tmp_path / "thing.py").write_text("X = 1\n")
    modules, path, folder = set(sys.modules), list(sys.path), os.getcwd()
    main, random = sys.modules["__main__"], np.random.get_state()[1].copy()  # type: ignore[index]  # a tuple
    script = f"""\
import os, sys
import numpy as np
import keras
sys.path.insert(0, {str(tmp_path)!r})
import thing
os.chdir({str(tmp_path)!r})
os.environ["LOSSDOCTOR_TEST"] = "1"
np.random.seed(5)
keras.config.set_floatx("float16")
keras.saving.get_custom_objects()["x"] = 1
sys.exit(thing.X)
"""
    assert session.replay(script).status == 1
    assert "thing" not in set(sys.modules) - modules
    assert (sys.path, os.getcwd(), sys.modules["__main__"]) == (path, folder, main)
    assert "LOSSDOCTOR_TEST" not in os.environ
    assert keras.config.floatx() == "float32"
    assert "x" not in keras.saving.get_custom_objects()
    np.testing.assert_array_equal(np.random.get_state()[1], random)  # type: ignore[index]  # a tuple


def test_name_scope_that_stays_open_is_closed() -> None:
    import keras

    with preserved():
        keras.name_scope("left").__enter__()
    assert "left" not in keras.Variable(0.0, name="alone").path


def test_observe_needs_a_graph(losses: str, contract: Contract, ones: Pair) -> None:
    from lossdoctor.worker.local import LocalSession

    session = LocalSession()
    session.load(f"{losses}:raises")
    session.trace(contract)
    with pytest.raises(SessionError, match="there is no traced graph"):
        session.observe(ones, "traced")


def test_captured_output_is_bounded() -> None:
    from lossdoctor.probes.capture import KEPT, captured

    with captured() as sink:
        for _ in range(3):
            print("x" * KEPT)
    assert len(sink.text) == KEPT
    assert sink.lines == 3
