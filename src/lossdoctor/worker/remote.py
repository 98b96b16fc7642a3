"""Sessions in worker processes, and the pool that keeps those processes warm.

Nothing here imports TensorFlow or the user's code.
"""

from __future__ import annotations

import atexit
import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from lossdoctor.graph.ir import Stage
from lossdoctor.session import (
    Begun,
    Evaluation,
    Execution,
    Loaded,
    Observed,
    Pair,
    Replay,
    SessionError,
    Settings,
    Traced,
)
from lossdoctor.spec import Contract
from lossdoctor.worker.child import Worker

_RESET_LIMIT = 30.0  # seconds
_EXPERIMENTS = 4  # times the limit of one request


class RemoteSession:
    """One loss under examination in a worker process; see `WorkerPool.session`.

    If a request ends the process, it raises `SessionError` with `died`, and the next request goes to a fresh
    process, which loads and traces the loss again first.
    """

    def __init__(self, pool: WorkerPool, target: str | None = None, time_limit: float | None = None) -> None:
        self._pool = pool
        self._limit = pool.settings.time_limit if time_limit is None else time_limit
        self._worker: Worker | None = None
        self._target = target
        self._contract: Contract | None = None
        self._closed = False

    def load(self, target: str) -> Loaded:
        self._target = self._contract = None
        loaded: Loaded = self._ask("load", target)
        self._target = target
        return loaded

    def trace(self, contract: Contract) -> Traced:
        self._contract = None
        traced: Traced = self._ask("trace", contract)
        self._contract = contract
        return traced

    def evaluate(self, pairs: Sequence[Pair], execution: Execution) -> list[Evaluation]:
        return self._ask("evaluate", list(pairs), execution)

    def observe(self, pair: Pair, stage: Stage) -> Observed:
        return self._ask("observe", pair, stage)

    def probe(self, name: str, contract: Contract, **arguments: Any) -> Any:
        found = self._ask("probe", name, contract, **arguments)
        if name == "experiments.take":
            self._target = None  # a fresh process would load the whole loss
        return found

    def begin(self, method: Begun, *arguments: Any, **keywords: Any) -> Callable[[], Any]:
        """As `Session.begin`: the process does it while the caller does something else."""
        return self._begin(method, *arguments, **keywords)

    def optimise(self) -> None:
        self._begin("optimise")

    def compile(self, pair: Pair) -> None:
        self._begin("compile", pair)

    def _begin(self, method: str, *arguments: Any, **keywords: Any) -> Callable[[], Any]:
        with self._watching():
            worker = self._ready(method)
            answer = worker.begin(method, *arguments, limit=self._limit, **keywords)

        def wait() -> Any:
            with self._watching():
                return worker.wait(answer)

        return wait

    def program(self, target: str | None, saved: str | None, data: str | None, worst: int = 0) -> Any:
        """As `LocalSession.program`, with time for all its experiments."""
        return self._ask("program", target, saved, data, worst, limit=_EXPERIMENTS * self._limit)

    def replay(self, script: str, *, limit: float | None = None) -> Replay:
        return self._ask("replay", script, limit=limit)

    def versions(self) -> Mapping[str, str]:
        return self._ask("versions")

    def close(self) -> None:
        """Give the process back to the pool."""
        self._closed = True
        worker, self._worker = self._worker, None
        if worker is not None:
            self._pool.release(worker)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, method: str, *arguments: Any, limit: float | None = None, **keywords: Any) -> Any:
        with self._watching():
            return self._ready(method).ask(method, *arguments, limit=limit or self._limit, **keywords)

    def _ready(self, method: str) -> Worker:
        """A process that knows what a request of this method needs."""
        if self._closed:
            raise SessionError("the session is closed")
        if self._worker is None:
            self._worker = self._pool.acquire()
            if self._target is not None:
                self._worker.ask("load", self._target, limit=self._limit)
            if self._contract is not None and method in ("evaluate", "observe"):
                self._worker.ask("trace", self._contract, limit=self._limit)
        return self._worker

    @contextlib.contextmanager
    def _watching(self) -> Iterator[None]:
        """Whatever ends the process meanwhile, an interrupt included: the pool gets it back."""
        try:
            yield
        finally:
            if self._worker is not None and not self._worker.alive:
                worker, self._worker = self._worker, None
                self._pool.release(worker)


class WorkerPool:
    """Warm worker processes, each used for one target after another.

    The first process starts with the pool, so that TensorFlow is imported while the caller does something else.

    Args:
        size: how many sessions can be open at once; a further one waits until a process is free.
        settings: limits and seed of the workers.
        verbose: pass on to stderr what TensorFlow and the user's code write.
    """

    def __init__(self, size: int = 1, settings: Settings | None = None, *, verbose: bool = False) -> None:
        if size < 1:
            raise ValueError(f"Invalid value for `size`. Expected at least 1. Received: {size}")
        self.settings = settings or Settings()
        self._size = size
        self._verbose = verbose
        self._free = threading.Condition()
        self._lent: set[Worker] = set()
        self._closed = False
        self._idle: list[Worker] = [self._new()]
        atexit.register(self.close)

    def _new(self) -> Worker:
        return Worker(self.settings, verbose=self._verbose)

    def session(self, target: str | None = None, *, time_limit: float | None = None) -> RemoteSession:
        """A session for one target; use it as a context manager.

        A process is taken at its first request, and `target` is loaded then, unless that request is `load`.

        Args:
            time_limit: seconds for one request, instead of the limit of the settings.
        """
        return RemoteSession(self, target, time_limit)

    def acquire(self) -> Worker:
        """A worker that knows nothing of earlier targets; waits while all are lent."""
        with self._free:
            self._free.wait_for(lambda: self._closed or len(self._lent) < self._size)
            if self._closed:
                raise SessionError("the worker pool is closed")
            worker = self._idle.pop() if self._idle else self._new()
            self._lent.add(worker)
        try:
            if not worker.used or worker.ask("reset", limit=_RESET_LIMIT):
                return worker
        except SessionError:
            pass
        except BaseException:
            self._retire(worker)
            raise
        fresh = self._new()
        with self._free:
            self._lent.add(fresh)
        self._retire(worker)
        return fresh

    def release(self, worker: Worker) -> None:
        """Take a worker back. In the place of one that died another is started at once."""
        alive = worker.alive
        if not alive:
            worker.kill()
        with self._free:
            self._lent.discard(worker)
            if not self._closed:
                self._idle.append(worker if alive else self._new())
                self._free.notify()
                return
        worker.kill()

    def _retire(self, worker: Worker) -> None:
        worker.kill()
        with self._free:
            self._lent.discard(worker)
            self._free.notify()

    def close(self) -> None:
        """End all processes, those in use too: their sessions, perhaps in other threads, raise `SessionError`."""
        with self._free:
            self._closed = True
            idle, lent = list(self._idle), list(self._lent)
            self._idle.clear()
            self._free.notify_all()
        for worker in lent:
            worker.end()
        for worker in idle:
            worker.stop()
        atexit.unregister(self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
