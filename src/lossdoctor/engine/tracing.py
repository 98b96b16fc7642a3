"""One loss at one batch, line by line: what each makes, and where the first NaN or infinity comes from."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from lossdoctor.engine.assigned import Assigned
from lossdoctor.engine.examine import Job
from lossdoctor.engine.place import Places
from lossdoctor.engine.single import Given, begun, heading, in_process, in_worker
from lossdoctor.findings import ErrorItem, UsageError
from lossdoctor.graph.ir import Span
from lossdoctor.probes.draws import pair as drawn
from lossdoctor.probes.draws import sizes
from lossdoctor.readings.lines import Crash, Lines, Tensor
from lossdoctor.readings.trace import Failure, Ranked, Row, TraceResult
from lossdoctor.search.leaves import make_pair, pair_arrays, pair_specs
from lossdoctor.session import Pair, Session, Settings
from lossdoctor.spec import BATCH, Contract

if TYPE_CHECKING:
    from typing import Unpack

_BATCH, _OTHER = 4, 3  # sizes of drawn inputs
_KEPT = 200_000  # elements of an array that is kept for Python
_SINGLES = 4096  # samples that are ranked


def trace(target: str, *, sample: int | None = None, worst: int = 0, **given: Unpack[Given]) -> TraceResult | ErrorItem:
    """Trace a loss in a worker process.

    Args:
        sample: of that sample alone, with its values.
        worst: how many of the samples to rank, the worst first.

    Raises:
        UsageError: unusable arguments.
    """
    _check(sample, worst)
    data = given.get("data")
    source = "" if data is None else str(data)
    return in_worker(target, partial(_traced, source=source, sample=sample, worst=worst), **given)


def trace_object(
    loss: object, y_true: object, y_pred: object, *, settings: Settings, sample: int | None = None, worst: int = 0
) -> TraceResult:
    """Trace a live loss in this process; see `lossdoctor.trace`.

    Raises:
        UsageError: it is no loss, or cannot be traced.
    """
    _check(sample, worst)
    work = partial(_traced, source="the arrays given", sample=sample, worst=worst)
    return in_process(loss, y_true, y_pred, settings, work)


def _check(sample: object, worst: object) -> None:
    for name, value in (("sample", sample), ("worst", worst)):
        whole = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        if not whole and not (name == "sample" and value is None):
            raise UsageError(f"Invalid value for `{name}`. Expected an integer of at least 0. Received: {value!r}")


def _traced(job: Job, session: Session, source: str, sample: int | None, worst: int) -> TraceResult:
    started = time.perf_counter()
    start = begun(job, session)
    contract, loaded = start.contract, start.loaded
    pair = job.pair
    if pair is None:
        pair = drawn(contract, np.random.default_rng(job.settings.seed), sizes(contract, _BATCH, _OTHER))
        source = f"drawn at random, seed {job.settings.seed}"
    batch = _batch(contract, pair)
    if sample is not None and sample >= batch:
        raise UsageError(f"Invalid value for `sample`. Expected an index below {batch}. Received: {sample}")
    job.progress(job.target, "running")
    lines: Lines = session.probe("lines", contract, pair=pair, keep=_KEPT)
    ranked = _ranked(session, contract, pair, batch) if worst and start.traced.traced is not None else []
    places = Places(loaded, job.folder)
    assigned = Assigned()
    rows = tuple(_row(tensor, places, assigned, loaded.parameters) for tensor in lines.tensors)
    blamed, backward, chain = blame(rows, lines.result)
    return TraceResult(
        **heading(job, start, places),
        source=source,
        batch=batch,
        rows=arranged(rows),
        result=lines.result,
        agrees=lines.agrees,
        varies=lines.varies,
        calling=lines.calling,
        blamed=blamed,
        backward=backward,
        chain=chain,
        batched=lines.batched,
        raised=None if lines.crash is None else _raised(lines.crash, places),
        sample=sample,
        worst=tuple(ranked[:worst]),
        ranked=len(ranked),
        files=_files(rows, lines.crash, places),
        seconds=time.perf_counter() - started,
    )


def _files(rows: tuple[Row, ...], crash: Crash | None, places: Places) -> dict[str, str]:
    """The files of what is shown: the path as shown, and the absolute one."""
    found = {row.path: row.tensor.calls[-1].path for row in rows if row.tensor.calls}
    calls = () if crash is None else crash.raised.calls
    return found | {places.path(span.path): span.path for span in calls}


def _row(tensor: Tensor, places: Places, assigned: Assigned, parameters: tuple[str, str]) -> Row:
    if not tensor.calls:
        role, bracket, key = tensor.text.partition("[")
        name = {"y_true": parameters[0], "y_pred": parameters[1]}.get(role, role) + bracket + key
        return Row(tensor, name if tensor.op == "input" else "", "", 0)
    span: Span = tensor.calls[-1]
    name = assigned.name(span)
    if name == "return" and len(tensor.calls) > 1:
        # Of the call, for what a helper returns; else of the helper, since the loss itself returns something too.
        name = assigned.name(tensor.calls[-2]) or (f"{span.function}(…)" if span.function.isidentifier() else name)
    return Row(tensor, name or _of_statement(span.text), places.path(span.path), span.line)


def _raised(crash: Crash, places: Places) -> Failure:
    raised = crash.raised
    path, line, text = "", 0, ""
    if raised.calls:
        span = raised.calls[-1]
        path, line, text = places.path(span.path), span.line, span.text.strip()
    return Failure(
        raised.type, raised.message, path, line, text, crash.given, crash.number, crash.backward, raised.calls
    )


def _of_statement(text: str) -> str:
    """A name for what TensorFlow makes of a whole Python statement: its variables after a loop or branch."""
    keyword, _, rest = " ".join(text.split()).partition(" ")
    left = {"if": "after the if", "elif": "after the if", "for": "after the loop", "while": "after the loop"}
    return left.get(keyword, "") if rest.endswith(":") else ""


def blame(rows: tuple[Row, ...], result: int) -> tuple[Row | None, bool, tuple[Row, ...]]:
    """The row to blame for a NaN or infinity, whether for its backward pass, and the chain from it to the result."""
    by_node = {row.tensor.node: row for row in rows}
    bad = [row for row in rows if not row.tensor.value.finite]
    if bad and not by_node[result].tensor.value.finite if result in by_node else bad:
        first = next((row for row in bad if row.tensor.op != "input"), bad[0])
        chain = tuple(row for row in bad if row.tensor.node >= first.tensor.node and row.tensor.op != "input")
        return first, False, chain
    wrong = [row for row in rows if row.tensor.gradient is not None and not row.tensor.gradient.finite]
    if not wrong:
        return None, False, ()
    last = wrong[-1]
    if last.tensor.inner:
        return _inside(rows, last.tensor.node), True, tuple(reversed(wrong))
    after = [row for row in rows if row.tensor.node > last.tensor.node and row.tensor.gradient is not None]
    users = [row for row in after if last.tensor.node in row.tensor.args]
    first = (users or after or [last])[0]
    return first, True, tuple(reversed(wrong))


def _inside(rows: tuple[Row, ...], node: int) -> Row:
    """The row of a loop or branching whose backward pass is the first to make a non-finite gradient."""
    parts = [row for row in rows if row.tensor.inner and row.tensor.node == node]
    wrong = [
        (one.number, row) for row in parts for one in row.tensor.iterations if one.gradient and not one.gradient.finite
    ]
    latest = max((number for number, _ in wrong), default=None)  # backwards, the last iteration is the first
    last = [row for number, row in wrong if number == latest]
    last = (last or [row for row in parts if row.tensor.gradient is not None and not row.tensor.gradient.finite])[-1]
    return next((row for row in parts if row.tensor.part in last.tensor.feeds), last)


def arranged(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    """The rows of bodies beneath that of their loop or branching, where they stand on other lines than it."""
    found: list[Row] = []
    waiting: list[Row] = []
    for row in rows:
        if row.tensor.inner:
            waiting.append(row)
            continue
        own = [one for one in waiting if one.tensor.node == row.tensor.node or _calls(row, one)]
        beneath = own if any((one.path, one.line) != (row.path, row.line) for one in own) else []
        found += [one for one in waiting if one not in beneath]
        # By the lines that lead there: both branches of an `if` stand in order, whichever was taken first.
        found += [row, *sorted(beneath, key=lambda one: [span.line for span in one.tensor.calls])]
        waiting = []
    return (*found, *waiting)


def _calls(outer: Row, inner: Row) -> bool:
    """Whether one stands on the line that had the other run."""
    own = [span.path for span in outer.tensor.calls[-1:]]
    return any([span.path] == own and span.line == outer.line for span in inner.tensor.calls[:-1])


def _batch(contract: Contract, pair: Pair) -> int:
    for spec, array in zip(pair_specs(contract), pair_arrays(contract, pair), strict=True):
        for axis, dim in enumerate(spec.dims):
            if dim == BATCH:
                return int(array.shape[axis])
    return 1


def _ranked(session: Session, contract: Contract, pair: Pair, batch: int) -> list[Ranked]:
    """Every sample alone, the worst first: non-finite ones, then by loss, then by gradient."""
    specs, parts = pair_specs(contract), pair_arrays(contract, pair)
    singles: list[Pair] = []
    for index in range(min(batch, _SINGLES)):
        cut = [
            array[index : index + 1] if spec.dims[:1] == (BATCH,) else array
            for spec, array in zip(specs, parts, strict=True)
        ]
        singles.append(make_pair(contract, cut))
    found: list[Ranked] = []
    for index, result in enumerate(session.evaluate(singles, "graph")):
        if result.value is None:
            found.append(Ranked(index, float("nan"), float("nan"), 1))
            continue
        gradients = [gradient.astype(np.float64) for gradient in result.gradients if gradient is not None]
        nonfinite = sum(int(np.count_nonzero(~np.isfinite(a))) for a in (result.value, *gradients))
        norm = float(np.sqrt(sum(float(np.sum(g**2)) for g in gradients)))
        found.append(Ranked(index, float(np.mean(result.value.astype(np.float64))), norm, nonfinite))
    return sorted(
        found,
        key=lambda one: (-min(one.nonfinite, 1), -np.nan_to_num(one.loss, nan=np.inf), -np.nan_to_num(one.gradient)),
    )
