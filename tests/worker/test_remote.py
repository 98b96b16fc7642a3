"""Sessions in a worker process: what they answer, and how they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from lossdoctor.findings import UsageError
from lossdoctor.session import Died, Pair, Raised, SessionError, Settings
from lossdoctor.spec import Contract, Spec
from lossdoctor.worker.remote import RemoteSession, WorkerPool

pytestmark = pytest.mark.real


def pairs(count: int, dtype: str = "float32") -> list[Pair]:
    rng = np.random.default_rng(0)
    return [
        Pair(rng.normal(size=(n % 3 + 1, 3)).astype(dtype), rng.normal(size=(n % 3 + 1, 3)).astype("float32"))
        for n in range(count)
    ]


def works(pool: WorkerPool, losses: str) -> bool:
    """Whether the next target is examined as if nothing had happened."""
    with pool.session() as session:
        session.load(f"{losses}:good")
        one = pairs(1)[0]
        (found,) = session.evaluate([one], "eager")
        assert found.value is not None
        return np.allclose(found.value, np.mean((one.y_true - one.y_pred) ** 2, axis=-1), rtol=1e-5)


def test_session_answers_every_request(pool: WorkerPool, losses: str, contract: Contract) -> None:
    with pool.session() as session:
        loaded = session.load(f"{losses}:good")
        assert (loaded.name, loaded.kind, loaded.path) == ("good", "function", losses)
        traced = session.trace(contract)
        assert traced.calling == "raw"
        assert traced.traced is not None
        some = pairs(2)
        for execution in ("eager", "graph", "xla", "unoptimised"):
            for one, found in zip(some, session.evaluate(some, execution), strict=True):
                difference = one.y_pred - one.y_true
                assert found.raised is None
                np.testing.assert_allclose(np.asarray(found.value), np.mean(difference**2, axis=-1), rtol=1e-5)
                np.testing.assert_allclose(np.asarray(found.gradients[0]), 2 * difference / 3, rtol=1e-5)
        observed = session.observe(some[0], "traced")
        assert traced.traced.value in observed.stats
        assert session.probe("batches", contract).relation == "per-sample"
        assert set(session.versions()) == {"lossdoctor", "tensorflow", "keras"}


def test_many_pairs_are_fast(pool: WorkerPool, losses: str, contract: Contract) -> None:
    with pool.session() as session:
        session.load(f"{losses}:good")
        session.trace(contract)
        session.evaluate(pairs(3), "graph")
        started = time.perf_counter()
        found = session.evaluate(pairs(500), "graph")
        seconds = time.perf_counter() - started
    assert len(found) == 500
    # The goal is half a second on an idle machine; the margin is for a busy one.
    assert seconds < 2.0


def test_loss_that_is_refused_raw_is_examined_as_keras_calls_it(pool: WorkerPool, losses: str) -> None:
    specs = Contract(Spec("int64", ("B", 3), "binary"), Spec("float32", ("B", 3)))
    with pool.session() as session:
        session.load(f"{losses}:integer")
        traced = session.trace(specs)
        assert traced.calling == "keras-compile"
        assert traced.traced is not None
        assert traced.raised is not None
        assert traced.raised.calls[-1].line == 14
        one = pairs(1, "int64")[0]
        (found,) = session.evaluate([one], "graph")
        np.testing.assert_allclose(
            np.asarray(found.value), np.mean(one.y_true * one.y_pred, axis=-1), rtol=1e-5, atol=1e-6
        )


def test_exceptions_are_data(pool: WorkerPool, losses: str, contract: Contract) -> None:
    with pool.session() as session:
        session.load(f"{losses}:raises")
        traced = session.trace(contract)
        assert traced.traced is None
        assert traced.raised is not None
        for execution in ("eager", "graph"):
            first, second = session.evaluate(pairs(2), execution)
            assert first.raised is not None
            assert (first.raised.type, first.raised.message) == ("RuntimeError", "not today")
            assert first.raised.calls[-1].line == 46
            assert second.raised is not None
        session.load(f"{losses}:half")
        traced = session.trace(contract)
        assert traced.raised is not None
        assert traced.raised.calls[-1].line == 18
        assert session.evaluate(pairs(1), "eager")[0].raised is None


@pytest.mark.parametrize(("name", "word"), [("nothing", "None"), ("text", "string")])
def test_returns_no_tensor(pool: WorkerPool, losses: str, contract: Contract, name: str, word: str) -> None:
    with pool.session() as session:
        session.load(f"{losses}:{name}")
        assert session.trace(contract).raised is not None
        (found,) = session.evaluate(pairs(1), "eager")
        assert found.raised is not None
        assert found.raised.type == "TypeError"
        assert word in found.raised.message


def test_tuple_and_exit_are_reported(pool: WorkerPool, losses: str, contract: Contract) -> None:
    with pool.session() as session:
        session.load(f"{losses}:pair")
        outcome = session.probe("callings", contract).get("raw", "eager")
        assert outcome.returned == "tuple"
        session.load(f"{losses}:exits")
        (found,) = session.evaluate(pairs(1), "eager")
        assert found.raised is not None
        assert found.raised.type == "SystemExit"


def test_prints_do_not_reach_the_parent(
    pool: WorkerPool, losses: str, contract: Contract, capfd: pytest.CaptureFixture[str]
) -> None:
    with pool.session() as session:
        session.load(f"{losses}:prints")
        session.trace(contract)
        session.evaluate(pairs(3), "eager")
        assert session.probe("callings", contract).get("raw", "eager").prints == 1
    assert capfd.readouterr() == ("", "")


def test_hanging_loss_is_stopped_at_its_line(pool: WorkerPool, losses: str, contract: Contract) -> None:
    with pool.session(time_limit=2.0) as session:
        session.load(f"{losses}:hangs")
        with pytest.raises(SessionError, match="no answer in 2 s") as caught:
            session.trace(contract)
        assert caught.value.died == Died("time", "no answer in 2 s")
        assert caught.value.raised is not None
        assert caught.value.raised.calls[-1].function == "hangs"
        assert caught.value.raised.calls[-1].line in (24, 25)
    assert works(pool, losses)


@pytest.mark.parametrize(
    ("name", "reason", "detail"),
    [
        ("leaves", "exit", "exit status 3"),
        pytest.param(
            "crashes", "signal", "signal 11 (SIGSEGV)", marks=pytest.mark.skipif(os.name != "posix", reason="signals")
        ),
    ],
)
def test_death_is_told_and_the_session_goes_on(
    pool: WorkerPool, losses: str, contract: Contract, name: str, reason: str, detail: str
) -> None:
    with pool.session() as session:
        session.load(f"{losses}:{name}")
        with pytest.raises(SessionError) as caught:
            session.evaluate(pairs(1), "eager")
        assert caught.value.died == Died(reason, detail)  # type: ignore[arg-type]  # the literals of the table
        # A fresh process has loaded the loss again.
        assert session.replay("print(6 * 7)").output == "42\n"
    assert works(pool, losses)


@pytest.mark.skipif(sys.platform != "linux", reason="the memory limit is Linux's")
def test_allocation_fails_alone(pool: WorkerPool, losses: str, contract: Contract) -> None:
    with pool.session() as session:
        session.load(f"{losses}:greedy")
        traced = session.trace(contract)
        assert traced.raised is not None
        assert traced.raised.type == "MemoryError"
        assert traced.raised.calls[-1].line == 42
        # What fits into the machine and not into the limit.
        replay = session.replay("import numpy as np\nnp.ones(2**28).sum()")
        assert replay.status == 2
        assert "MemoryError" in replay.output
    assert works(pool, losses)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the memory limit is Linux's")
def test_allocation_by_tensorflow_is_tried_once(pool: WorkerPool, losses: str, contract: Contract) -> None:
    with pool.session() as session:
        session.load(f"{losses}:greedy_tensor")
        started = time.perf_counter()
        traced = session.trace(contract)
        assert traced.raised is not None
        assert traced.raised.type == "ResourceExhaustedError"
        assert traced.raised.calls[-1].function == "greedy_tensor"
        callings = session.probe("callings", contract)
        assert not callings.works
        assert session.probe("batches", contract).works == ()
        for found in session.evaluate(pairs(9), "eager"):
            assert found.raised is not None
            assert found.raised.calls[-1].function == "greedy_tensor"
        # TensorFlow retries for ten seconds each time.
        assert time.perf_counter() - started < 20.0


def test_replay_is_like_a_fresh_process(pool: WorkerPool, losses: str) -> None:
    folder = Path(losses).parent
    (folder / "settings.py").write_text("LIMIT = 1\n")
    with pool.session() as session:
        loaded = session.load(f"{losses}:good")
        assert session.replay("import sys\nsys.exit(1)").status == 1
        assert session.replay("import sys\nsys.exit('no')").output == "no\n"
        failed = session.replay("1 / 0")
        assert failed.status == 2
        assert "ZeroDivisionError" in failed.output
        found = session.replay(
            f"{loaded.loader}\nimport os\nimport sys\nassert __name__ == '__main__'\n"
            "value = loss(tf.constant([[1.0]]), tf.constant([[3.0]]))\nprint(float(value[0]), os.getcwd())\n"
        )
        assert (found.status, found.output) == (0, f"4.0 {folder}\n")
        start = "import sys\nsys.path.insert(0, '.')\nimport settings\nimport keras\n"
        session.replay(f"{start}settings.LIMIT = 2\nkeras.config.set_floatx('float64')")
        again = session.replay(f"{start}print(settings.LIMIT, keras.config.floatx())")
        assert again.output == "1 float32\n"


def test_replay_does_not_see_what_the_target_changed(pool: WorkerPool, tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("CALLS = 0\n")
    (tmp_path / "losses.py").write_text(
        "import helper\n\ndef loss(y_true, y_pred):\n    helper.CALLS += 1\n    return y_pred * helper.CALLS\n"
    )
    with pool.session() as session:
        loader = session.load(f"{tmp_path / 'losses.py'}:loss").loader
        session.evaluate(pairs(3), "eager")
        replay = session.replay(f"{loader}\nprint(float(loss(None, 1.0)))")
        assert (replay.status, replay.output) == (0, "1.0\n")
        one = pairs(1)[0]
        np.testing.assert_allclose(np.asarray(session.evaluate([one], "eager")[0].value), 4 * one.y_pred, rtol=1e-6)


def test_targets_do_not_see_each_other(pool: WorkerPool, tmp_path: Path) -> None:
    source = """\
import keras
import helper

keras.config.set_floatx("float64")


@keras.saving.register_keras_serializable(package="user")
def loss(y_true, y_pred):
    return y_pred * helper.FACTOR
"""
    for factor in (2.0, 3.0):
        folder = tmp_path / str(factor)
        folder.mkdir()
        (folder / "helper.py").write_text(f"FACTOR = {factor}\n")
        (folder / "losses.py").write_text(source)
        with pool.session() as session:
            before = session.replay(
                "import keras\nprint(keras.config.floatx(), sorted(keras.saving.get_custom_objects()))"
            )
            assert before.output == "float32 []\n"
            session.load(f"{folder / 'losses.py'}:loss")
            one = pairs(1)[0]
            np.testing.assert_allclose(
                np.asarray(session.evaluate([one], "eager")[0].value), one.y_pred * factor, rtol=1e-6
            )


def test_bad_targets_and_requests(pool: WorkerPool, losses: str, contract: Contract) -> None:
    with pool.session() as session:
        with pytest.raises(UsageError, match="Invalid value for `target`"):
            session.load(f"{losses}:missing")
        with pytest.raises(SessionError, match="no loss is loaded"):
            session.trace(contract)
        session.load(f"{losses}:good")
        with pytest.raises(SessionError, match="there is no probe 'nonsense'"):
            session.probe("nonsense", contract)
        with pytest.raises(SessionError, match=r"there is no probe '\.\./batches'"):
            session.probe("../batches", contract)
        with pytest.raises(SessionError, match="this is a bug in lossdoctor") as caught:
            session.probe("batches", contract, no_such_argument=1)
        assert "Traceback" in caught.value.debug
        assert session.probe("batches", contract).relation == "per-sample"


def test_file_that_kills_the_process_when_it_is_imported(pool: WorkerPool, losses: str, tmp_path: Path) -> None:
    path = tmp_path / "deadly.py"
    path.write_text("import os\nos._exit(7)\n\ndef loss(y_true, y_pred):\n    return y_pred\n")
    with pool.session() as session, pytest.raises(SessionError) as caught:
        session.load(f"{path}:loss")
    assert caught.value.died == Died("exit", "exit status 7")
    assert works(pool, losses)


def test_session_for_a_target_loads_it(pool: WorkerPool, losses: str, contract: Contract) -> None:
    with pool.session(f"{losses}:good") as session:
        assert session.trace(contract).traced is not None
    with pytest.raises(SessionError, match="closed"):
        session.versions()


def test_session_error_survives_pickling() -> None:
    import pickle

    error = pickle.loads(pickle.dumps(SessionError("m", Died("time", "d"), Raised("T", "x"), "trace")))
    assert (str(error), error.died, error.raised, error.debug) == ("m", Died("time", "d"), Raised("T", "x"), "trace")


LEAKS = """\
import os, signal, sys, time
from lossdoctor.session import Settings
from lossdoctor.worker.remote import WorkerPool

# What a shell starts in the background ignores Ctrl-C, and so does all that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
pool = WorkerPool(settings=Settings(time_limit=60.0))
session = pool.session()
session.versions()
assert not {"tensorflow", "keras"} & set(sys.modules), "the parent imported TensorFlow"
print(session._worker.pid, flush=True)
if sys.argv[1] == "wait":
    time.sleep(600)
elif sys.argv[1] == "hang":
    session.replay("while True: pass")
"""


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("how", ["end", "kill", "interrupt"])
def test_nothing_is_left_behind(how: str) -> None:
    """The parent ends without closing the pool, is killed while the user's code loops, or gets a Ctrl-C."""
    mode = {"end": "end", "kill": "hang", "interrupt": "hang"}[how]
    parent = subprocess.Popen(
        [sys.executable, "-c", LEAKS, mode], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    line = parent.stdout.readline()
    assert line, parent.communicate()[1]
    worker = int(line)
    if how != "end":
        time.sleep(0.5)
        parent.send_signal(signal.SIGKILL if how == "kill" else signal.SIGINT)
    _, errors = parent.communicate(timeout=30)
    if how == "interrupt":
        assert "KeyboardInterrupt" in errors
    else:
        assert errors == ""
    end = time.monotonic() + 10
    while time.monotonic() < end and _alive(worker):
        time.sleep(0.05)
    assert not _alive(worker)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")  # an orphan that nobody reaps yet is dead all the same
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")


def test_pool_refuses_a_size_of_zero() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        WorkerPool(0, Settings())


def test_closing_the_pool_ends_what_other_threads_wait_for() -> None:
    made = WorkerPool(settings=Settings(time_limit=60.0))
    session = made.session()
    session.versions()
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(session.replay, "while True: pass")
        time.sleep(0.3)
        started = time.perf_counter()
        made.close()
        with pytest.raises(SessionError, match="died"):
            waiting.result(timeout=30)
    assert time.perf_counter() - started < 20.0


def test_closed_pool_lends_nothing() -> None:
    made = WorkerPool()
    made.close()
    with pytest.raises(SessionError, match="closed"):
        RemoteSession(made).versions()


def test_what_is_begun_is_done_in_order(pool: WorkerPool, losses: str, contract: Contract) -> None:
    some = pairs(3)
    with pool.session() as session:
        session.load(f"{losses}:good")
        session.trace(contract)
        session.optimise()
        session.compile(some[1])
        waits = [session.begin("evaluate", [one], "eager") for one in some]
        batches = session.begin("probe", "batches", contract)
        compiled = session.evaluate(some, "xla")  # those before it are answered first
        assert batches().relation == "per-sample"
        for one, wait, found in reversed(list(zip(some, waits, compiled, strict=True))):
            expected = np.mean((one.y_true - one.y_pred) ** 2, axis=-1)
            for each in (*wait(), found):
                np.testing.assert_allclose(np.asarray(each.value), expected, rtol=1e-5)
        wrong = session.begin("probe", "nonsense", contract)
        assert session.versions()
        with pytest.raises(SessionError, match="there is no probe 'nonsense'"):
            wrong()
    assert works(pool, losses)


def test_a_death_is_told_to_all_that_wait(losses: str, contract: Contract) -> None:
    one = pairs(1)
    with WorkerPool(settings=Settings(time_limit=60.0)) as pool, pool.session() as session:
        session.load(f"{losses}:leaves")
        waits = [session.begin("evaluate", one, "eager") for _ in range(2)]
        for wait in (*reversed(waits), waits[0]):
            with pytest.raises(SessionError) as caught:
                wait()
            assert caught.value.died == Died("exit", "exit status 3")
        assert works(pool, losses)


def test_what_is_begun_has_the_time_limit_of_every_request(losses: str, contract: Contract) -> None:
    one = pairs(1)
    with WorkerPool(settings=Settings(time_limit=60.0)) as pool:
        with pool.session(time_limit=2.0) as session:
            session.load(f"{losses}:hangs")
            waits = [session.begin("evaluate", one, "eager") for _ in range(2)]
            started = time.perf_counter()
            for wait in waits:
                with pytest.raises(SessionError) as caught:
                    wait()
                assert caught.value.died is not None
                assert caught.value.died.reason == "time"
                assert caught.value.raised is not None
            assert time.perf_counter() - started < 2 * 2.0 * 3  # once; three times as long on a busy machine
        assert works(pool, losses)


def test_a_session_that_closes_early_leaves_nothing_to_the_next(
    pool: WorkerPool, losses: str, contract: Contract
) -> None:
    with pool.session() as session:
        session.load(f"{losses}:prints")
        session.trace(contract)
        session.compile(pairs(1)[0])
        session.begin("probe", "batches", contract)
        session.begin("evaluate", pairs(2), "graph")
    assert works(pool, losses)
