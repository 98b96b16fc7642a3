"""Targets that misbehave, through the command line: each gets its message or finding, and the others are examined."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lossdoctor.cli.main import main
from lossdoctor.cli.parser import FAILED

LOSSES = """\
import ctypes
import os
import sys
import threading
import time

import numpy as np
import tensorflow as tf


def _error(y_true, y_pred):
    return tf.reduce_mean(tf.square(y_true - y_pred), axis=-1)


def raising_loss(y_true, y_pred):
    value = _error(y_true, y_pred)
    raise ValueError("not like this\\nsecond line")
    return value


def hanging_loss(y_true, y_pred):
    while True:
        time.sleep(0.01)


def segfault_loss(y_true, y_pred):
    ctypes.string_at(0)
    return _error(y_true, y_pred)


def memory_loss(y_true, y_pred):
    return _error(y_true, y_pred) * np.ones((100, 2**27))[0, 0]


def sys_exit_loss(y_true, y_pred):
    sys.exit(4)


def interrupting_loss(y_true, y_pred):
    value = _error(y_true, y_pred)
    raise KeyboardInterrupt
    return value


def none_loss(y_true, y_pred):
    _error(y_true, y_pred)


def string_loss(y_true, y_pred):
    return "0.5"


def tuple_loss(y_true, y_pred):
    return _error(y_true, y_pred), tf.reduce_mean(y_pred, axis=-1)


def dict_loss(y_true, y_pred):
    return {"loss": _error(y_true, y_pred)}


def number_loss(y_true, y_pred):
    return 0.5


def array_loss(y_true, y_pred):
    return np.ones(3, np.float32)


def recursive_loss(y_true, y_pred):
    return recursive_loss(y_true, y_pred)


def printing_loss(y_true, y_pred):
    for number in range(5000):
        print("printed", number)
    os.write(1, b"printed by the system\\n" * 5000)
    return _error(y_true, y_pred)


def moving_loss(y_true, y_pred):
    os.chdir("/")
    return _error(y_true, y_pred)


def threaded_loss(y_true, y_pred):
    threading.Thread(target=time.sleep, args=(600,)).start()
    return _error(y_true, y_pred)


def patching_loss(y_true, y_pred):
    np.asarray = None
    return tf.square(y_true - y_pred)


def last_loss(y_true, y_pred):
    return _error(y_true, y_pred)
"""
FILES = {
    "losses.py": LOSSES,
    "raises.py": "raise RuntimeError('when it is imported')\ndef a_loss(y_true, y_pred):\n    return y_true - y_pred\n",
    "loops.py": "while True:\n    pass\ndef a_loss(y_true, y_pred):\n    return y_true - y_pred\n",
    "leaves.py": "import sys\nsys.exit(5)\ndef a_loss(y_true, y_pred):\n    return y_true - y_pred\n",
    "syntax.py": "def a_loss(y_true, y_pred)\n    return 1\n",
    "nothing.py": "x = 1\n",
}
TARGETS = [
    *("missing.py", "folder", "syntax.py", "nothing.py", "losses.py:lost_loss", "no_such_module:loss"),
    *("raises.py", "loops.py", "leaves.py", "losses.py"),
]
GIVEN = ["--y-true", "float32[B,3] real", "--y-pred", "float32[B,3] real"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The outcome of each target of one run: a loss of the JSON document, or the message of an error."""
    folder = tmp_path_factory.mktemp("targets")
    for name, text in FILES.items():
        (folder / name).write_text(text)
    (folder / "folder").mkdir()
    command = [sys.executable, "-m", "lossdoctor", "check", *TARGETS, *GIVEN, "--time-limit", "8", "--jobs", "2"]
    command += ["--format", "json"]
    started = time.monotonic()
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=280)
    document = json.loads(result.stdout)  # what the losses print is not in it
    outcomes: dict[str, Any] = {loss["target"]: loss for loss in document["losses"]}
    outcomes.update({item["target"]: item["message"] for item in document["errors"]})
    outcomes.update({"status": result.returncode, "stderr": result.stderr, "seconds": time.monotonic() - started})
    return outcomes


@pytest.mark.real
@pytest.mark.slow
def test_status_and_noise(run: dict[str, Any]) -> None:
    assert run["status"] == FAILED
    assert run["stderr"] == ""
    assert all("Traceback" not in str(value) and "bug in lossdoctor" not in str(value) for value in run.values())


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("missing.py", "an existing Python file"),
        ("folder", "(a folder)"),
        ("syntax.py", "(line 1): expected ':'"),
        ("nothing.py", "defines no loss that lossdoctor recognises; name it: nothing.py:NAME"),
        ("losses.py:lost_loss", "Expected a name that 'losses.py' defines"),
        ("no_such_module:loss", "No module named 'no_such_module'"),
        ("raises.py:a_loss", "raised RuntimeError: when it is imported (line 1 of raises.py)"),
        ("loops.py:a_loss", "does not come back (no answer in 8 s, at line"),
        ("leaves.py:a_loss", "raised SystemExit: 5 (line 2 of leaves.py)"),
        ("losses.py:interrupting_loss", "the user's code raised KeyboardInterrupt"),
    ],
)
def test_what_cannot_be_examined_is_said_in_a_line(run: dict[str, Any], target: str, text: str) -> None:
    message = run[target]
    assert isinstance(message, str)
    assert text in message
    assert len(message) < 200
    assert "\n" not in message


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "rule", "code", "text"),
    [
        ("raising", "LD491", 'raise ValueError("not like this\\nsecond line")', "raises ValueError for every input"),
        ("hanging", "LD492", "time.sleep(0.01)", "does not come back (no answer in 8 s)"),
        ("segfault", "LD492", "def segfault_loss(y_true, y_pred):", "kills the process (signal 11 (SIGSEGV))"),
        ("memory", "LD491", "np.ones((100, 2**27))", "MemoryError"),
        ("sys_exit", "LD491", "sys.exit(4)", "raises SystemExit"),
        ("none", "LD512", "def none_loss(y_true, y_pred):", "returns None (is a `return` missing?)"),
        ("string", "LD512", 'return "0.5"', "returns a string"),
        ("tuple", "LD512", "return _error(y_true, y_pred), tf.reduce_mean(y_pred, axis=-1)", "returns several losses"),
        ("dict", "LD512", 'return {"loss": _error(y_true, y_pred)}', "returns a dict"),
        ("number", "LD102", "def number_loss(y_true, y_pred):", "does not depend on y_pred"),
        ("array", "LD102", "def array_loss(y_true, y_pred):", "does not depend on y_pred"),
        ("recursive", "LD491", "recursive_loss(y_true, y_pred)", "raises RecursionError"),
    ],
)
def test_what_a_loss_does_wrong_is_a_finding(run: dict[str, Any], name: str, rule: str, code: str, text: str) -> None:
    loss = run[f"losses.py:{name}_loss"]
    assert loss["verdict"] == "broken"
    finding = loss["findings"][0]
    assert (finding["rule"], finding["path"]) == (rule, "losses.py")
    assert text in finding["message"]
    assert code in LOSSES.splitlines()[finding["line"] - 1]
    assert finding["reproduce"]


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.parametrize("name", ["printing", "moving", "threaded", "last"])
def test_harmless_habits_change_nothing(run: dict[str, Any], name: str) -> None:
    assert run[f"losses.py:{name}_loss"]["verdict"] == "healthy"


@pytest.mark.real
@pytest.mark.slow
def test_a_changed_library_is_named(run: dict[str, Any]) -> None:
    assert "the user's code replaces `numpy.asarray`" in run["losses.py:patching_loss"]


@pytest.mark.real
@pytest.mark.slow
def test_the_run_ends_in_reasonable_time(run: dict[str, Any]) -> None:
    hangs = ("losses.py:hanging_loss", "loops.py:a_loss")
    assert all(target in run for target in hangs)
    # Twice the limit for each; the rest is starts of processes on a busy machine, and what is examined.
    assert run["seconds"] < 2 * 8 * len(hangs) + 150


ENTRIES = """
[tool.lossdoctor.losses."losses.py:last_loss"]
y_true = "float32[B,3 real"
y_pred = "float32[B,3] real"

[tool.lossdoctor.losses."losses.py:lost_loss"]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "losses.py").write_text(LOSSES)
    (tmp_path / "entries.toml").write_text(ENTRIES)
    (tmp_path / "key.toml").write_text("[tool.lossdoctor]\nrnage = 3\n")
    ones = np.ones((4, 3), "float32")
    np.savez(tmp_path / "keys.npz", a=ones)
    np.savez(tmp_path / "shapes.npz", y_true=ones, y_pred=ones[:3])
    np.savez(tmp_path / "text.npz", y_true=np.array(["a"]), y_pred=np.array(["b"]))
    np.save(tmp_path / "one.npy", ones)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            ["--y-true", "float33[B,3]", "--y-pred", "float32[B,3]"],
            "(did you mean `float32`?)",
        ),
        (["--y-true", "float32[B,3]"], "Invalid value for `y_pred`. Expected a spec beside the other one"),
        (["--data", "missing.npz"], "Received: 'missing.npz' (no such file)"),
        (["--data", "keys.npz"], "Expected an entry `y_true` in 'keys.npz'. Received entries: a"),
        (["--data", "shapes.npz"], "Received: y_true (4, 3), y_pred (3, 3)"),
        (["--data", "text.npz"], "Expected an array of numbers"),
        (["--data", "one.npy"], "an .npy file holds one array: use np.savez"),
        (["--output", "no/folder/x.json"], "which does not exist"),
        (["--output", "."], "a folder"),
        (["--config", "key.toml"], "Unknown key `rnage`"),
        (["--range", "0.5"], "Invalid value for `range`. Expected a number above 1. Received: 0.5"),
    ],
)
def test_mistakes_are_told_before_anything_starts(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], text: str
) -> None:
    assert main(["check", "losses.py:last_loss", *arguments]) == FAILED
    out, err = capsys.readouterr()
    assert out == ""
    assert text in err
    assert len(err.strip().splitlines()) <= 2


@pytest.mark.real
def test_an_invalid_entry_does_not_keep_the_others(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = '[tool.lossdoctor.losses."losses.py:number_loss"]\ny_true = "float32[B,3]"\ny_pred = "float32[B,3]"\n'
    (folder / "entries.toml").write_text(ENTRIES + good)
    assert main(["check", "--config", "entries.toml", "--format", "json"]) == FAILED
    document = json.loads(capsys.readouterr().out)
    assert [loss["target"] for loss in document["losses"]] == ["losses.py:number_loss"]
    assert [item["target"] for item in document["errors"]] == ["losses.py:last_loss", "losses.py:lost_loss"]


@pytest.mark.real
def test_a_spec_that_the_loss_does_not_accept(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--y-true", "float32[B,3] real", "--y-pred", "float32[B,4] real"]
    assert main(["check", "losses.py:last_loss", *given]) == 1
    assert "Incompatible" in capsys.readouterr().out
