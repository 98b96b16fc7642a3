"""The worker process: `python -m lossdoctor.worker.process`, started by `worker.child`.

It connects to the parent, imports TensorFlow meanwhile, and then answers one request after another. A request is
`(method, arguments, keywords)` for `LocalSession`, or "reset" between two targets; an answer is `("ok", value)`,
`("raise", exception)` or `("bug", message, traceback)`. The request "where" is answered at once, while another is
under way, with the user's frames of the moment. When the parent goes away, so does this process, whatever the
user's code is at.
"""

from __future__ import annotations

import gc
import json
import os
import queue
import signal
import sys
import threading
import traceback
from multiprocessing.connection import Client, Connection
from multiprocessing.reduction import ForkingPickler
from typing import Any

from lossdoctor.findings import LossdoctorError, UsageError
from lossdoctor.graph.ir import Span
from lossdoctor.session import Died, SessionError, Settings
from lossdoctor.worker import memory

VARIABLE = "LOSSDOCTOR_WORKER"  # how the parent says where it listens, with the key
METHODS = frozenset(
    {"load", "trace", "evaluate", "optimise", "compile", "observe", "probe", "program", "replay", "versions"}
    | {"close", "reset"}
)
_ROOM = 0.5  # share of the memory limit that may be in use when another target begins


def main() -> None:
    start = json.loads(os.environ.pop(VARIABLE))
    if hasattr(signal, "SIGINT"):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent
    line = Line(start["address"], start["key"])
    threading.Thread(target=line.read, daemon=True).start()
    settings = Settings(seed=start["seed"], memory_limit=start["memory"])
    try:
        worker: Worker | Exception = Worker(settings)
    except ImportError as problem:
        worker = problem
    if isinstance(worker, Exception):
        advice = "Try: pip install tensorflow"
        line.send(("raise", SessionError(f"TensorFlow cannot be imported: {worker}. {advice}")))
        return
    line.worker = worker
    line.send(("ok", None))
    while True:
        method, arguments, keywords = line.requests.get()
        _answer(line, worker, method, arguments, keywords)


class Line:
    """The connection to the parent. One thread reads it always, so that the parent's end is noticed."""

    def __init__(self, address: Any, key: str) -> None:
        self.requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.worker: Worker | None = None
        self._address = tuple(address) if isinstance(address, list) else address
        self._key = bytes.fromhex(key)
        self._connected = threading.Event()
        self._sending = threading.Lock()
        self._main = threading.get_ident()

    def read(self) -> None:
        """Queue the parent's requests; when the parent is gone, so is this process."""
        try:
            self._connection: Connection = Client(self._address, authkey=self._key)
            self._connected.set()
            while True:
                request = self._connection.recv()
                if request[0] == "where":
                    self.send(("where", self._where()))
                else:
                    self.requests.put(request)
        except (EOFError, OSError):
            os._exit(0)

    def send(self, answer: tuple[Any, ...]) -> None:
        """Raises what pickling raises; without a parent the process ends."""
        self._connected.wait()
        message = ForkingPickler.dumps(answer)
        try:
            with self._sending:
                self._connection.send_bytes(message)
        except OSError:
            os._exit(0)

    def _where(self) -> tuple[Span, ...]:
        if self.worker is None:
            return ()
        try:
            return self.worker.session.where(sys._current_frames().get(self._main))
        except Exception:  # the frames change while they are read
            return ()


class Worker:
    """TensorFlow, set up once, and the session of the target of the moment."""

    def __init__(self, settings: Settings) -> None:
        from lossdoctor.worker.local import LocalSession
        from lossdoctor.worker.state import State

        self._settings = settings
        self.session = LocalSession(settings=settings)
        self._warm()
        # TensorFlow's half a million objects stay: a collection that walks them takes a tenth of a second.
        gc.collect()
        gc.freeze()
        self._state = State()
        self._used = memory.in_use()
        self._limited = memory.limit(settings.memory_limit)

    @staticmethod
    def _warm() -> None:
        """Start what TensorFlow and the tracing start at first use, so that the first target does not wait."""
        import tensorflow as tf

        function: Any = tf.function(lambda x: tf.reduce_sum(tf.square(x)), autograph=False)
        function(tf.zeros([2]))

    def reset(self) -> bool:
        """Forget the target and all that its code changed; False if this process is fit for no other."""
        import keras

        from lossdoctor.worker.local import LocalSession

        self.session.close()
        self.session = LocalSession(settings=self._settings)
        keras.backend.clear_session(free_memory=False)  # collected below, once
        clean = self._state.clean()
        self._state.restore()
        keras.utils.set_random_seed(self._settings.seed)
        gc.collect()
        used = memory.in_use()
        grown = 0 if used is None or self._used is None else used - self._used
        return clean and grown <= _ROOM * self._settings.memory_limit * 2**30


def _answer(line: Line, worker: Worker, method: str, arguments: Any, keywords: Any) -> None:
    try:
        if method not in METHODS:
            raise ValueError(f"no request {method!r}")
        function = worker.reset if method == "reset" else getattr(worker.session, method)
        answer: tuple[Any, ...] = ("ok", function(*arguments, **keywords))
    except (SessionError, UsageError) as problem:
        # Where tblib is at work, an exception is pickled with all that led to it: of TensorFlow, of the user's modules.
        problem.__cause__ = problem.__context__ = None
        answer = ("raise", problem.with_traceback(None))
    except LossdoctorError as problem:
        answer = ("raise", SessionError(str(problem)))
    except MemoryError:
        gc.collect()
        limit = f"more than {worker._settings.memory_limit:g} GiB"
        answer = ("raise", SessionError(f"it ran out of memory: it needs {limit}", Died("memory", limit)))
    except Exception as problem:
        answer = _bug(method, problem, worker)
    except BaseException as problem:  # Ctrl-C does not reach this process
        answer = ("raise", SessionError(f"the user's code raised {type(problem).__name__}"))
    try:
        line.send(answer)
    except Exception as problem:  # an answer that cannot be pickled
        line.send(_bug(method, problem, worker))


def _bug(method: str, problem: BaseException, worker: Worker) -> tuple[Any, ...]:
    replaced = worker._state.replaced()
    if replaced:  # then any part of lossdoctor may fail
        names = ", ".join(f"`{name}`" for name in replaced[:3])
        return ("raise", SessionError(f"the user's code replaces {names}, without which it cannot be examined"))
    kind = type(problem).__name__
    first = next(iter(str(problem).splitlines()), "")
    return ("bug", f"{method}: {kind}: {first} (this is a bug in lossdoctor)", traceback.format_exc())


if __name__ == "__main__":
    main()
    sys.exit(0)
