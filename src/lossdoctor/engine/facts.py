"""What was verified, as sentences, and what kept lossdoctor from knowing more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from lossdoctor.domains.compiled import UnderXla
from lossdoctor.domains.exact_error import Precision
from lossdoctor.domains.intervals import Proof, Ranges
from lossdoctor.engine.blame import NonFinite
from lossdoctor.engine.place import Places
from lossdoctor.engine.readings import Readings
from lossdoctor.engine.witnesses import Witnesses
from lossdoctor.findings import Calling, Fact, Finding, Gap
from lossdoctor.formula.reading import ENOUGH, FormulaCheck
from lossdoctor.probes.batches import Batches, Empty
from lossdoctor.probes.callings import Callings
from lossdoctor.readings import Direction, Executions, GradientCheck
from lossdoctor.search.branches import missed


def facts(readings: Readings, witnesses: Witnesses) -> Iterator[Fact]:
    yield from _finiteness(readings, witnesses)
    yield from _executions(readings)
    yield from _batch(readings)
    yield from _precision(readings)
    gradient = readings.available(GradientCheck)
    if gradient is not None and gradient.consistent:
        precision = "" if gradient.dtype == "as given" else f" in {gradient.dtype}"
        yield Fact(
            "gradient",
            f"the gradient is the derivative of the value, in {gradient.checked} comparisons{precision}",
            "witnessed",
            ("eager",),
        )
    yield from _formula(readings)
    direction = readings.available(Direction)
    if (
        direction is not None
        and direction.comparison is not None
        and direction.comparison.lowest_at_target
        and not direction.gain
    ):
        yield Fact(
            "lowest-at-target",
            f"no wrong prediction has a lower loss than the target, in {direction.comparison.draws} draws",
            "witnessed",
            ("eager",),
        )


def _formula(readings: Readings) -> Iterator[Fact]:
    found = readings.available(FormulaCheck)
    if found is None or found.difference is not None or found.compared < ENOUGH:
        return
    reduced = f", {found.reduction}" if found.reduction else ""
    statement = f"equals the declared formula at {found.compared} inputs{reduced}"
    if found.stabilised:
        share = f" by {found.largest:.1g} of its size at most" if found.largest else ""
        statement += (
            f", up to a small constant that keeps it from singular points (it shows at {found.stabilised}{share})"
        )
    if found.gradients and found.gradient is None:
        statement += f"; its gradient is the derivative, in {found.gradients} comparisons"
    yield Fact("formula", statement, "witnessed", ("eager",))


def proofs(readings: Readings) -> list[Proof]:
    """One proof a stage; empty where a stage could not be read."""
    found = [readings.available(Proof, stage) for stage in readings.stages()]
    return [] if any(proof is None for proof in found) else [proof for proof in found if proof is not None]


def _finiteness(readings: Readings, witnesses: Witnesses) -> Iterator[Fact]:
    proved = proofs(readings)
    when: tuple[Calling, ...] = ("eager", "graph") if len(proved) == 2 else ("eager",)
    ranges = readings.available(Ranges)
    assumed = f" ({'; '.join(ranges.assumptions)})" if ranges is not None and ranges.assumptions else ""
    batches = readings.available(Batches)
    if batches is not None and batches.fails:
        proved = []  # "for every input" would include those that it refuses
    if readings.traced.calling == "keras-compile":
        assumed = f", as `compile` calls the loss{assumed}"
    value = bool(proved) and all(proof.finite_value for proof in proved)
    gradient = bool(proved) and all(proof.finite_gradient for proof in proved)
    asked: tuple[tuple[str, str, bool, NonFinite], ...] = (
        ("finite-value", "value", value, "nonfinite-value"),
        ("finite-gradient", "gradient", gradient, "nonfinite-gradient"),
    )
    for name, what, known, symptom in asked:
        if symptom == "nonfinite-gradient" and not any(
            found is not None for stage in readings.stages() for found in readings.graph(stage).gradients
        ):
            continue
        if known:
            yield Fact(name, f"finite {what} for every input of the spec{assumed}", "proved", when)
        elif witnesses.all_finite("nonfinite-value") and witnesses.all_finite(symptom):
            yield Fact(name, f"finite {what} at all {witnesses.tried()} inputs tried", "witnessed", ("eager", "graph"))
    # A proof follows the operations of the two graphs; XLA may fuse and re-associate them.
    compiled = readings.available(Executions)
    if compiled is not None and compiled.ran and compiled.finite_value:
        what = "value and gradient" if compiled.finite_gradient else "value"
        count = len(compiled.pairs)
        tried = f"finite {what} at all {count} inputs tried under XLA, of which nothing is proved"
        yield Fact("finite-xla", tried, "witnessed", ("xla",))
    if proved and value and all(proof.nonnegative for proof in proved):
        yield Fact("non-negative", "the loss is never negative", "proved", when)


def _executions(readings: Readings) -> Iterator[Fact]:
    """Whether eager, graph and XLA agree, and what was not run under XLA."""
    callings, compiled = readings.available(Callings), readings.available(Executions)
    eager = None if callings is None else callings.get("raw", "eager")
    graph = None if callings is None else callings.get("raw", "graph")
    if eager is None or graph is None or not eager.ok or not graph.ok or eager.value is None or graph.value is None:
        return
    if not _close(eager.value, graph.value) or (compiled is not None and compiled.differences):
        return
    if compiled is not None and compiled.ran:
        yield Fact("executions", "eager, graph and xla give the same loss", "witnessed", ("eager", "graph", "xla"))
    else:
        rest = f" (not examined under XLA: {compiled.limit})" if compiled is not None and compiled.limit else ""
        yield Fact("executions", f"eager and graph give the same loss{rest}", "witnessed", ("eager", "graph"))


def _batch(readings: Readings) -> Iterator[Fact]:
    batches = readings.available(Batches)
    if batches is not None and batches.relation == "per-sample":
        yield Fact(
            "per-sample",
            "each sample's loss is the same alone and in batches of 2, 3 and 5",
            "witnessed",
            ("eager",),
        )
    if batches is not None and batches.empty is not None:
        yield Fact("empty-batch", f"a batch without samples {_of_nothing(batches.empty)}", "witnessed", ("eager",))


def _of_nothing(empty: Empty) -> str:
    if empty.raised is not None:
        return f"raises {empty.raised.type}"
    assert empty.value is not None
    return f"gives {', '.join(f'{one:.6g}' for one in empty.value.flat[:3]) or 'an empty loss'}"


def _precision(readings: Readings) -> Iterator[Fact]:
    found = readings.available(Precision)
    if found is not None and found.compared and not found.limit and not any(not i.minor for i in found.inaccuracies):
        yield Fact(
            "precision",
            f"value and gradient lose no more than rounding explains, at {found.compared} inputs, saturated ones too",
            "witnessed",
            ("eager",),
        )


def _close(a: np.ndarray, b: np.ndarray) -> bool:
    """Equal up to what re-association in float32 explains."""
    if a.shape != b.shape:
        return False
    half = "16" in str(a.dtype)
    left, right = np.asarray(np.real(a), np.float64), np.asarray(np.real(b), np.float64)
    return bool(np.allclose(left, right, rtol=2e-2 if half else 1e-4, atol=1e-6, equal_nan=True))


def gaps(readings: Readings, witnesses: Witnesses, places: Places, findings: Sequence[Finding]) -> Iterator[Gap]:
    """Operations that limited a proof, and readings that could not be made. A line that a finding already accuses
    is no gap: it is known why the proof failed there."""
    accused = {(finding.location.path, finding.location.line) for finding in findings}
    led = {(link.path, link.line) for finding in findings for link in finding.chain}
    seen: set[tuple[str, int, str]] = set()
    for stage in readings.stages():
        proof = readings.available(Proof, stage)
        if proof is None:
            continue
        graph, known = readings.graph(stage), readings.get(Ranges, stage)
        gradients = [gradient for gradient in graph.gradients if gradient is not None]
        for limits, roots in (("finite-value", [graph.value]), ("finite-gradient", gradients)):
            for node in known.limits(*(root for root in roots if not known.finite(root))):
                location, _ = places.locate(graph.calls(node))
                source = graph[node.args[0]] if node.op == "item" else node
                known_why = accused | led if source.op in ("while", "cond") else accused  # a finding stands in a body
                key = (source.op, location.line, limits)
                if key not in seen and (location.path, location.line) not in known_why:
                    seen.add(key)
                    yield Gap(source.op, location.path, location.line, limits)
    if any(not (proof.finite_value and proof.finite_gradient) for proof in proofs(readings)):
        yield from _unvisited(readings, witnesses, places)
    yield from _under_xla(readings, places)
    compared = readings.available(Precision)
    if compared is not None and compared.limit:
        calls = (
            ()
            if compared.limit_node is None
            else readings.graph("traced").calls(readings.graph("traced")[compared.limit_node])
        )
        location, _ = places.locate(calls)
        yield Gap(compared.limit, location.path, location.line, "precision")
    yield from _formula_gap(readings, places)
    for name, problem in readings.failed.items():
        yield Gap(f"{name}: {problem}", places.path(readings.loaded.path), readings.loaded.line, name)


def _under_xla(readings: Readings, places: Places) -> Iterator[Gap]:
    """What is proved of the loss as written, and not of what XLA makes of it."""
    doubt: UnderXla | None = readings.available(UnderXla)
    if doubt is None:
        return
    for name, nodes in doubt.doubts:
        for node in nodes[:1]:
            location, _ = places.locate(doubt.ranges.loss.calls(node))
            yield Gap(f"{node.op}, as XLA rewrites it", location.path, location.line, f"{name} under XLA")


def _formula_gap(readings: Readings, places: Places) -> Iterator[Gap]:
    """A declared formula that could not be compared with the loss must not look like one that agrees."""
    if "formulacheck" not in readings.failed and not _formula_settled(readings):
        found = readings.available(FormulaCheck)
        count = found.compared if found is not None else 0
        what = f"formula: both are finite at {count} inputs, too few to compare"
        yield Gap(what, places.path(readings.loaded.path), readings.loaded.line, "formula")


def _formula_settled(readings: Readings) -> bool:
    """Whether a declared formula, if there is one, was found to differ or to agree."""
    found = readings.available(FormulaCheck)
    return readings.formula is None or (
        found is not None and (found.difference is not None or found.compared >= ENOUGH)
    )


def _unvisited(readings: Readings, witnesses: Witnesses, places: Places) -> Iterator[Gap]:
    """Branches that no input took, so that nothing is known of them. Where a proof covers them nobody asks."""
    graph = readings.graph("traced")
    seen: set[tuple[str, str, str, int]] = set()
    for branch in missed(graph, readings.contract, witnesses.pairs, readings.available(Ranges)):
        node = graph[branch.node]
        location, _ = places.locate(graph.calls(node))
        key = (node.op, branch.side, location.path, location.line)
        if key in seen:
            continue
        seen.add(key)
        yield Gap(f"{node.op}, {branch.side}: not visited", location.path, location.line, "search")


def complete(readings: Readings, witnesses: Witnesses) -> bool:
    """Whether the value, gradient, batch, graph and formula checks all ran, so that silence means health."""
    batches = readings.available(Batches)
    callings = readings.available(Callings)
    return (
        readings.traced.traced is not None
        and any(gradient is not None for gradient in readings.traced.traced.gradients)
        and witnesses.tried() > 0
        and batches is not None
        and callings is not None
        and _formula_settled(readings)
        and not readings.failed
    )
