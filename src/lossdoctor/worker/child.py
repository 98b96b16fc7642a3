"""The parent's end of a worker process: start it, ask it, and bury it."""

from __future__ import annotations

import collections
import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener
from typing import Any

from lossdoctor.graph.ir import Span
from lossdoctor.session import Died, Raised, SessionError, Settings
from lossdoctor.worker.patience import patience as of_a_busy_machine
from lossdoctor.worker.process import VARIABLE

START_LIMIT = 300.0  # seconds; importing TensorFlow from a cold disk can take a minute
_WHERE_LIMIT = 2.0  # seconds
_TAIL = 64  # lines of the worker's output that are kept
_OUT_OF_MEMORY = ("bad_alloc", "out of memory", "Cannot allocate memory", "MemoryError", "OOM when allocating")


@dataclass(eq=False)
class Answer:
    """What a request is answered with; nothing before the answer has `come`."""

    limit: float  # seconds to wait for it, once those before it have come
    come: bool = False
    value: Any = None
    problem: Exception | None = None


class Worker:
    """One worker process. It starts at once and imports TensorFlow while the caller does something else."""

    def __init__(self, settings: Settings, *, verbose: bool = False) -> None:
        self.used = False
        self._ended = False  # by us
        self._verbose = verbose
        self._key = secrets.token_bytes(32)
        try:
            self._listener = Listener(authkey=self._key)
        except OSError:  # the folder for temporary files has too long a name for a socket
            self._listener = Listener(("localhost", 0), authkey=self._key)
        self._connection: Connection | None = None
        self._awaited: collections.deque[Answer] = collections.deque()  # in the order of the requests
        self._connected = threading.Event()
        self._ready = False
        self._tail: collections.deque[str] = collections.deque(maxlen=_TAIL)
        self._process = self._start(settings)
        threading.Thread(target=self._accept, daemon=True).start()
        self._drain = threading.Thread(target=self._collect, daemon=True)
        self._drain.start()

    def _start(self, settings: Settings) -> subprocess.Popen[bytes]:
        environment = dict(os.environ)
        environment[VARIABLE] = json.dumps(
            {
                "address": self._listener.address,
                "key": self._key.hex(),
                "seed": settings.seed,
                "memory": settings.memory_limit,
            }
        )
        environment["KERAS_BACKEND"] = "tensorflow"
        # The examination runs on the CPU and leaves the user's GPU to what runs there.
        environment["CUDA_VISIBLE_DEVICES"] = "-1"
        if not self._verbose:
            environment["TF_CPP_MIN_LOG_LEVEL"] = "3"
        # -P: a file of the user's that is named like a module of the standard library must not be imported.
        command = [sys.executable, "-P", "-u", "-m", "lossdoctor.worker.process"]
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            # A group of its own: Ctrl-C does not reach it, and what the user's code starts dies with it.
            start_new_session=os.name == "posix",
        )

    def _accept(self) -> None:
        with contextlib.suppress(OSError, EOFError):
            while self._connection is None:
                with contextlib.suppress(AuthenticationError):
                    self._connection = self._listener.accept()
        self._connected.set()

    def _collect(self) -> None:
        assert self._process.stdout is not None
        with contextlib.suppress(OSError, ValueError):
            while line := self._process.stdout.readline(8192):
                text = line.decode(errors="replace")
                self._tail.append(text)
                if self._verbose:
                    sys.stderr.write(text)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def output(self) -> str:
        """The last lines that the process wrote, of TensorFlow and of the user's code."""
        return "".join(self._tail)

    def wait_until_ready(self) -> None:
        """Wait until TensorFlow is imported.

        Raises:
            SessionError: if it is not installed, or the process ended.
        """
        if self._ready:
            return
        end = time.monotonic() + START_LIMIT
        try:
            while not self._connected.wait(0.2):
                if not self.alive:
                    raise self._obituary("it could not be started")
                if time.monotonic() > end:
                    raise self._too_late(START_LIMIT)
            self._receive(max(end - time.monotonic(), 1.0))
            self._ready = True
        except BaseException:
            self.kill()
            raise

    def ask(self, method: str, *arguments: Any, limit: float, **keywords: Any) -> Any:
        """Send a request and wait for the answer; raises as `wait`."""
        return self.wait(self.begin(method, *arguments, limit=limit, **keywords))

    def begin(self, method: str, *arguments: Any, limit: float, **keywords: Any) -> Answer:
        """Send a request. The process works at one after another, in the order in which they are sent.

        Raises:
            SessionError: the process has ended.
        """
        self.wait_until_ready()
        self.used = True
        assert self._connection is not None
        answer = Answer(limit)
        try:
            self._connection.send((method, arguments, keywords))
        except OSError:
            raise self._obituary("it ended") from None
        except BaseException:  # Ctrl-C: half a request may be on its way
            self.kill()
            raise
        self._awaited.append(answer)
        return answer

    def wait(self, answer: Answer) -> Any:
        """The answer to a request, once it has come.

        Raises:
            SessionError: as the worker says, or with `died` if this request or one before it took too long or ended
                the process; then the process is gone, and so are all answers that were awaited.
        """
        try:
            while not answer.come:
                self._next()
        except BaseException:  # Ctrl-C while waiting: an answer may be half read
            self.kill()
            raise
        if answer.problem is not None:
            raise answer.problem
        return answer.value

    def _next(self) -> None:
        """Wait for the answer to the first of the requests."""
        first = self._awaited[0]
        try:
            first.value = self._receive(first.limit, of_a_busy_machine())
        except Exception as problem:
            first.problem = problem
            if isinstance(problem, SessionError) and problem.died is not None:
                if problem.died.reason == "time":
                    self.kill()
                for other in self._awaited:
                    other.problem, other.come = problem, True
                self._awaited.clear()
                return
        first.come = True
        self._awaited.popleft()

    def _receive(self, limit: float, patience: float = 1.0) -> Any:
        assert self._connection is not None
        try:
            if not self._connection.poll(limit * patience):
                raise self._too_late(limit)
            kind, *content = self._connection.recv()
        except (EOFError, OSError):
            raise self._obituary("it ended") from None
        if kind == "raise":
            raise content[0]
        if kind == "bug":
            raise SessionError(content[0], debug=content[1])
        return content[0]

    def _too_late(self, limit: float) -> SessionError:
        """The request takes too long; `raised` has the user's frames that it is in, if any."""
        detail = f"no answer in {limit:g} s"
        calls: tuple[Span, ...] = ()
        with contextlib.suppress(OSError, EOFError):
            if self._ready and self._connection is not None:
                self._connection.send(("where",))
                if self._connection.poll(_WHERE_LIMIT):
                    kind, *content = self._connection.recv()
                    calls = content[0] if kind == "where" else ()
        return SessionError(
            f"the examination was stopped: {detail}",
            Died("time", detail),
            raised=Raised("TimeoutError", detail, calls) if calls else None,
        )

    def _obituary(self, what: str) -> SessionError:
        """How the process ended."""
        try:
            code = self._process.wait(5.0)
        except subprocess.TimeoutExpired:
            self.kill()
            code = self._process.returncode
        self._drain.join(1.0)
        out_of_memory = any(text in self.output for text in _OUT_OF_MEMORY)
        if code >= 0:
            died = Died("exit", f"exit status {code}")
        elif out_of_memory or (code == -9 and not self._ended):  # the system kills for want of memory
            died = Died("memory", f"signal {-code}, out of memory")
        else:
            died = Died("signal", f"signal {-code} ({_signal_name(-code)})")
        return SessionError(f"the process that runs the loss died: {what} with {died.detail}", died, debug=self.output)

    def stop(self) -> None:
        """End the process; it is given a moment to do so by itself."""
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(1.0)
        self.kill()

    def end(self) -> None:
        """End the process and what it started, at once. A thread that waits for its answer learns that it died."""
        if self.alive:
            self._ended = True
            with contextlib.suppress(OSError):
                if os.name == "posix":
                    os.killpg(self._process.pid, signal.SIGKILL)
                else:
                    self._process.kill()
        self._process.wait()

    def kill(self) -> None:
        """End the process as `end` does, and release what belongs to it."""
        self.end()
        if not self._connected.is_set():
            # The thread that accepts is let go by a connection of our own, without the key: if that thread has just
            # ended, nobody would answer the challenge.
            with contextlib.suppress(OSError):
                Client(self._listener.address).close()
            self._connected.wait(1.0)
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.close()
        with contextlib.suppress(OSError):
            self._listener.close()
        self._drain.join(1.0)
        if self._process.stdout is not None and not self._drain.is_alive():
            self._process.stdout.close()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"
