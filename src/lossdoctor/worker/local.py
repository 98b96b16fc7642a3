"""A session in this process: it runs TensorFlow and the user's code and answers the requests of `session`."""

from __future__ import annotations

import copy
import functools
import importlib
import inspect
import linecache
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType, ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from lossdoctor.findings import UsageError
from lossdoctor.graph.ir import Span, Stage
from lossdoctor.probes.capture import captured
from lossdoctor.probes.side_effects import Cell, cells
from lossdoctor.session import (
    Begun,
    Evaluation,
    Execution,
    Loaded,
    Observed,
    Pair,
    Raised,
    Replay,
    SessionError,
    Settings,
    Traced,
)
from lossdoctor.spec import Contract, Spec
from lossdoctor.worker.start import start, versions

if TYPE_CHECKING:
    from lossdoctor.subject import Subject
    from lossdoctor.trials.program import Program

T = TypeVar("T")


class LocalSession:
    """One loss under examination in this process.

    Args:
        subject: a loss that is loaded already (a live object); else `load` finds one.
        settings: `seed` is used; the limits are those of a worker process and have no effect here.

    What the user's code prints is captured.
    """

    def __init__(self, subject: Subject | None = None, *, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        start(self.settings.seed)
        self._modules = dict(sys.modules)
        self._subject = subject
        self._live = None
        self._rows: tuple[Any, Subject] | None = None
        self._forget()

    def _forget(self) -> None:
        if self._live is not None:
            self._live.settle()
        self._contract: Contract | None = None
        self._live: Any = None
        self._raw = False  # whether that is of the raw call
        self._evaluator: Any = None
        self._cells: list[Cell] | None = None

    def load(self, target: str) -> Loaded:
        """Find and load a target.

        Raises:
            UsageError: if the target does not name a loss.
            SessionError: if the user's file raises.
        """
        from lossdoctor.subject import load
        from lossdoctor.targets import parse_target

        self._forget()
        self._subject = None
        subject = self._quietly(lambda: load(parse_target(target)))
        self._subject = subject
        return subject.loaded

    def trace(self, contract: Contract) -> Traced:
        """Trace the raw call; where it raises, the call as Keras `compile` makes it."""
        from lossdoctor.graph.frontend_tf import trace
        from lossdoctor.graph.spans import raised
        from lossdoctor.probes.callings import keras_arguments
        from lossdoctor.search.evaluate import Evaluator

        subject = self._called(contract)
        kept = cells(subject) if self._cells is None else self._cells
        self._forget()
        self._contract, self._cells = contract, kept
        self._evaluator = Evaluator(subject.call, subject.is_user, contract)
        started = time.perf_counter()

        def attempt(call: Callable[[Any, Any], Any]) -> tuple[Any, Raised | None]:
            try:
                with captured() as sink:
                    live = trace(call, contract, is_user=subject.is_user)
                live.prints = sink.lines
                return live, None
            except UsageError:
                raise
            except (Exception, SystemExit) as problem:
                return None, raised(problem, subject.is_user)

        def both() -> Traced:
            exhausted = _memory_error(subject, contract)
            if exhausted is not None:
                # Tracing and probing would run the loss many times, and TensorFlow waits ten seconds each time.
                self._subject = failing = _raising(subject, exhausted)
                self._evaluator = Evaluator(failing.call, subject.is_user, contract)
                return Traced(None, None, "raw", raised(exhausted, subject.is_user), time.perf_counter() - started)
            self._live, problem = attempt(subject.call)
            self._raw = problem is None
            if problem is None:
                return self._traced("raw", None, started)
            # Keras hands a structured output to a loss leaf by leaf: there is no such call to try.
            if isinstance(contract.y_true, Spec) and isinstance(contract.y_pred, Spec):
                call = keras_arguments(subject)
                self._live, again = attempt(call)
                if again is None:
                    self._evaluator = Evaluator(call, subject.is_user, contract)
                    return self._traced("keras-compile", problem, started)
            return Traced(None, None, "raw", problem, time.perf_counter() - started)

        return self._quietly(both)

    def _traced(self, calling: Any, problem: Raised | None, started: float) -> Traced:
        live = self._live
        return Traced(
            live.traced, live.optimised, calling, problem, time.perf_counter() - started, guards=live.guards()
        )

    def evaluate(self, pairs: Sequence[Pair], execution: Execution) -> list[Evaluation]:
        """Value and gradient at each pair, in the calling that `trace` found to work (raw without a trace)."""
        from lossdoctor.search.evaluate import Evaluator

        subject = self._called(self._contract)
        if self._evaluator is None:
            self._evaluator = Evaluator(subject.call, subject.is_user, self._contract)
        evaluator = self._evaluator

        def run() -> list[Evaluation]:
            # The traced graph is there already; a pair that departs from the contract needs another trace.
            if execution != "eager" and self._live is not None and all(map(evaluator.fits, pairs)):
                return self._live.run(pairs, execution)
            return evaluator(pairs, execution)

        return self._quietly(run)

    def observe(self, pair: Pair, stage: Stage) -> Observed:
        """What every float node held at a pair.

        Raises:
            SessionError: if that graph does not exist, or running it raises.
        """
        import tensorflow as tf

        from lossdoctor.graph.spans import raised
        from lossdoctor.probes.observe import observe

        subject = self._loaded()
        if self._live is None or (stage == "optimised" and self._live.optimised is None):
            raise SessionError(f"there is no {stage} graph to observe")
        try:
            return self._quietly(lambda: observe(self._live, pair, stage))
        except tf.errors.OpError as problem:
            report = raised(problem, subject.is_user)
            raise SessionError(f"running the graph raised {report.type}: {report.message}", raised=report) from None

    def probe(self, name: str, contract: Contract, **arguments: Any) -> Any:
        """What `probes/<name>.py` has to say: its function `probe(subject, contract, **arguments)`.

        "experiments.<name>" is that of `experiments/<name>.py`, which is given the traced loss as `live` too.
        """
        subject = self._called(contract)
        package, _, own = name.rpartition(".")
        module = f"lossdoctor.{package or 'probes'}.{own}"
        if not own.isidentifier() or package not in ("", "experiments"):
            raise SessionError(f"there is no probe {name!r}")
        if package:
            arguments["live"] = self._live
        try:
            function = importlib.import_module(module).probe
        except (ModuleNotFoundError, AttributeError) as problem:
            if isinstance(problem, ModuleNotFoundError) and problem.name != module:
                raise
            raise SessionError(f"there is no probe {name!r}") from None
        if "live" in inspect.signature(function).parameters:
            arguments["live"] = self._live_under(contract)
        found = self._quietly(lambda: function(subject, contract, **arguments))
        if package and hasattr(found, "keras_call"):  # a term, which is the loss from now on
            self._forget()
            self._subject = found
            return found.loaded
        return found

    def _live_under(self, contract: Contract) -> Any:
        """The traced graph of the raw call, if it was traced under this contract."""
        return self._live if self._raw and contract == self._contract else None

    def begin(self, method: Begun, *arguments: Any, **keywords: Any) -> Callable[[], Any]:
        """As `Session.begin`. There is no other process: it is done when it is waited for."""
        return functools.partial(getattr(self, method), *arguments, **keywords)

    def optimise(self) -> None:
        if self._live is not None:
            self._live.optimise()

    def compile(self, pair: Pair) -> None:
        if self._live is not None and self._evaluator.fits(pair):
            self._live.compile(pair)

    def program(self, target: str | None, saved: str | None, data: str | None, worst: int = 0) -> Program:
        """Run a model or a training step on a batch; arguments as `trials.program.run_program`."""
        from lossdoctor.trials.program import run_program

        return self._quietly(lambda: run_program(target, saved, data, self.settings.seed, worst))

    def replay(self, script: str, *, limit: float | None = None) -> Replay:
        """Run a reproduction script as a fresh process would: nothing of the user's is loaded yet.

        A live loss that no fresh process can import is what the script calls `loss`. `limit` has no effect here.
        """
        from lossdoctor.worker.state import State, user_modules

        folder = str(Path(self._subject.loaded.path).parent) if self._subject is not None else None
        state = State()
        hidden = {name: sys.modules.pop(name) for name in user_modules(self._modules)}
        name = "<reproduction>"
        # Registered lines let AutoGraph and tracebacks see the source.
        linecache.cache[name] = (len(script), None, script.splitlines(keepends=True), name)
        main = ModuleType("__main__")
        if self._subject is not None and not self._subject.loaded.loader:
            live = self._subject
            main.__dict__.update(_loss=live.object, loss=live.call, keras_loss=live.keras_call)
        sys.modules["__main__"] = main
        sys.argv[:] = [name]
        writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # it would be read where the file changes soon
        with captured() as sink:
            try:
                state.change_folder(folder)
                exec(compile(script, name, "exec"), main.__dict__)
                status = 0
            except SystemExit as end:
                status = _status(end, sink.write)
            except Exception:
                status = 2
                sink.write(traceback.format_exc())
            finally:
                state.restore()
                sys.dont_write_bytecode = writes
                sys.modules.update(hidden)
                linecache.cache.pop(name, None)
        return Replay(status, sink.text)

    def where(self, frame: FrameType | None) -> tuple[Span, ...]:
        """The user's frames among those of a running thread, outermost first."""
        from lossdoctor.graph.spans import frames, is_user

        return frames(frame, None, self._subject.is_user if self._subject is not None else is_user, {})

    def versions(self) -> Mapping[str, str]:
        return versions()

    def close(self) -> None:
        """Forget the loss."""
        self._forget()
        self._subject = None

    def _loaded(self) -> Subject:
        if self._subject is None:
            raise SessionError("no loss is loaded")
        return self._subject

    def _called(self, contract: Contract | None) -> Subject:
        """The loss as a contract has it called: of padded rows, where its arguments are ragged."""
        from lossdoctor.probes.ragged import of_rows

        subject = self._loaded()
        ragged = None if contract is None else contract.ragged
        if ragged is None or hasattr(subject, "padded"):
            return subject
        if self._rows is None or self._rows[0] != ragged or getattr(self._rows[1], "inner", None) is not subject:
            self._rows = (ragged, of_rows(subject, ragged))
        return self._rows[1]

    def _quietly(self, work: Callable[[], T]) -> T:
        """Do it with the user's output captured; a `sys.exit` in the user's code becomes a SessionError."""
        with captured():
            try:
                return work()
            except SystemExit as end:
                raise SessionError(
                    "the user's code called sys.exit", raised=Raised("SystemExit", f"sys.exit({end.code!r})")
                ) from None
            finally:
                # What the loss kept of a trace would make the next eager call raise.
                for cell in self._cells or ():
                    if cell.symbolic():
                        cell.restore()


def _memory_error(subject: Subject, contract: Contract) -> Exception | None:
    """What the loss raises for one ordinary sample, if it is that there is too little memory."""
    import tensorflow as tf

    from lossdoctor.graph.state_tf import unchanged_by
    from lossdoctor.probes.draws import pair, sizes
    from lossdoctor.search.evaluate import leaves, rebuilt

    sample = pair(contract, np.random.default_rng(0), sizes(contract, 1, 2))
    y_true, y_pred = (
        rebuilt(value, [tf.cast(leaf, spec.dtype) for leaf, spec in zip(leaves(value), leaves(structure), strict=True)])
        for value, structure in ((sample.y_true, contract.y_true), (sample.y_pred, contract.y_pred))
    )
    try:
        with unchanged_by(subject.object):
            subject.call(y_true, y_pred)
    except (MemoryError, tf.errors.ResourceExhaustedError) as problem:
        return problem
    except (Exception, SystemExit):
        return None  # tracing has its own to say
    return None


def _raising(subject: Subject, problem: Exception) -> Subject:
    """The subject with a call that raises at once what it has raised."""
    frames = problem.__traceback__

    def call(y_true: Any, y_pred: Any) -> Any:
        raise problem.with_traceback(frames)

    failing: Any = copy.copy(subject)
    failing.call = call
    return failing


def _status(end: SystemExit, write: Callable[[str], object]) -> int:
    """The exit status that Python makes of `SystemExit.code`."""
    if end.code is None:
        return 0
    if isinstance(end.code, int):
        return end.code
    write(f"{end.code}\n")
    return 1
