"""Settle suspicions: find the input, replay it in TensorFlow, and only then call it a finding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from lossdoctor.engine.blame import Blame, NonFinite
from lossdoctor.engine.bodies import holds_bodies, placed
from lossdoctor.engine.lone import severity_alone
from lossdoctor.engine.place import Places
from lossdoctor.engine.readings import Readings
from lossdoctor.engine.threshold import threshold
from lossdoctor.engine.witnesses import Witnesses, shows
from lossdoctor.findings import Calling, Evidence, Finding, Severity, Witness
from lossdoctor.readings.lines import Lines
from lossdoctor.rules.low_precision.mechanisms import half_dtype, mechanism
from lossdoctor.rules.registry import Suspicion, Symptom, all_rules
from lossdoctor.search.literals import witness_value
from lossdoctor.search.reproduce import ordinary, plainest, script
from lossdoctor.session import Evaluation, Execution, Pair, SessionError
from lossdoctor.spec.ragged import shown_gradient, shown_rows

_EXECUTIONS: tuple[Execution, ...] = ("eager", "graph", "xla")
_CALLINGS: dict[Execution, Calling] = {"eager": "eager", "graph": "graph", "xla": "xla"}
_SHRUNK_AT_MOST = 6  # non-finite findings of one loss that are shrunk and replayed; the rest would repeat them
_TERM_TRIED = 3  # further inputs at which a term without gradient may show that it moves the loss
_RAISED_AT_MOST = 3  # inputs that are replayed for one operation that raises


@dataclass
class Settler:
    """Turns the suspicions about one loss into findings."""

    readings: Readings
    witnesses: Witnesses
    places: Places
    notes: list[str] = field(default_factory=list[str])  # what went wrong in lossdoctor itself
    replayed: dict[str, int] = field(default_factory=dict[str, int])  # the exit status of each script
    told: set[tuple[str, Any]] = field(default_factory=set[tuple[str, Any]])  # faults of half precision

    def settle(self, suspicions: Iterable[Suspicion]) -> list[Finding]:
        pending = list(suspicions)
        numeric = [s for s in pending if s.symptom in ("nonfinite-value", "nonfinite-gradient") and s.node is not None]
        raising: dict[tuple[str, Any], Finding] = {}
        for suspicion in pending:
            key = (suspicion.rule.code, suspicion.calls[-1:])
            if suspicion.symptom == "raises-at" and key not in raising:
                found = self._raised(suspicion)
                if found is not None:
                    raising[key] = found
        findings = [*raising.values(), *self._numeric(numeric, set(raising))]
        seen: set[tuple[str, Any]] = set()
        for suspicion in pending:
            key = (suspicion.rule.code, suspicion.calls[-1:] or suspicion.message)
            if suspicion in numeric or suspicion.symptom == "raises-at" or key in seen:
                continue
            finding = self._plain(suspicion)
            if finding is not None:
                seen.add(key)
                findings.append(finding)
        return findings

    # ---- non-finite values and gradients: found by search ------------------------------------------------

    def _numeric(self, suspicions: Sequence[Suspicion], spoken: set[tuple[str, Any]]) -> Iterable[Finding]:
        """One finding for each blamed place; the most specific rule (the lowest code) speaks for it.

        A rule that blames another line of the user's (a guard that guards nothing) speaks beside it.
        """
        matched: dict[tuple[str, str, Any], tuple[Suspicion, Blame]] = {}
        for suspicion in sorted(suspicions, key=lambda s: (s.rule.code.endswith("9"), s.rule.code)):  # 9: all the rest
            assert suspicion.node is not None
            name = self.readings.graph(suspicion.stage)[suspicion.node].name
            symptom: NonFinite = "nonfinite-value" if suspicion.symptom == "nonfinite-value" else "nonfinite-gradient"
            blame = self.witnesses.found.get((name, symptom))
            if blame is None or blame.stage != suspicion.stage:
                continue
            matched.setdefault((name, symptom, suspicion.calls[-1:]), (suspicion, blame))
        shrunk: dict[tuple[str, str], Blame] = {}
        for suspicion, blame in _by_order(matched.values()):
            key = (suspicion.rule.code, suspicion.calls[-1:])
            if key in spoken or len(spoken) >= _SHRUNK_AT_MOST:
                continue
            place = (blame.name, blame.symptom)
            if place not in shrunk:
                shrunk[place] = self.witnesses.shrunk(blame)
            finding = self._witnessed(suspicion, shrunk[place])
            if finding is not None:
                spoken.add(key)
                yield finding

    def _witnessed(self, suspicion: Suspicion, blame: Blame) -> Finding | None:
        suspicion = _within(suspicion, blame.pair)
        shown = self._executions(blame.pair, blame.symptom)
        if not shown:
            return None
        execution = next(iter(shown))
        rule, message = suspicion.rule, suspicion.message
        if self._healthy_in_single(blame):
            graph = self.readings.graph(blame.stage)
            code, message, calls = mechanism(graph, graph[blame.node], backward=blame.backward)
            rule = next(each for each in all_rules() if each.code == code)
            if (code, calls) in self.told:
                return None
            self.told.add((code, calls))
            suspicion = replace(suspicion, calls=calls, family=None)
        if rule.name in ("exp-overflow", "half-overflow"):
            message += self._from_size(blame)
        code = self._script(blame.symptom, blame.pair, execution=execution)
        if self._replay(code) != 1:
            return None
        graph = self.readings.graph(blame.stage)
        when: tuple[Calling, ...] = tuple(_CALLINGS[each] for each in shown)
        alone = severity_alone(self.readings, self.witnesses, blame, execution)
        if alone is not None and suspicion.severity != "info":
            suspicion = replace(suspicion, severity=alone)
            message = f"{message}, in a batch of one"
            when = (*when, "batch-of-one")
        finding = self._finding(
            replace(suspicion, rule=rule, message=message),
            evidence="witnessed",
            when=when,
            witness=self._witness(blame.pair, shown[execution]),
            reproduce=code,
            chain=self.places.chain(graph, blame.chain),
        )
        return self._in_body(finding, blame) if holds_bodies(graph, suspicion.calls) else finding

    def _in_body(self, finding: Finding, blame: Blame) -> Finding:
        """Of a finding that is about a loop or branching as a whole: at the line of its body that breaks."""
        try:
            lines: Lines = self.readings.session.probe("lines", self.readings.contract, pair=blame.pair)
        except SessionError as problem:
            if problem.died is not None:
                raise
            return finding
        except Exception:  # the loss is the user's: what was found stands without its line
            return finding
        return placed(finding, lines, self.places)

    def _executions(self, pair: Pair, symptom: NonFinite) -> dict[Execution, Evaluation]:
        """The executions in which an input shows the symptom, and what they gave."""
        shown: dict[Execution, Evaluation] = {}
        for execution in _EXECUTIONS:
            try:
                result = self.readings.session.evaluate([pair], execution)[0]
            except SessionError as problem:
                if problem.died is not None:
                    raise
                continue
            if shows(result, symptom):
                shown[execution] = result
        return shown

    def _from_size(self, blame: Blame) -> str:
        def fails(pairs: Sequence[Pair]) -> list[bool]:
            return [shows(result, blame.symptom) for result in self.readings.session.evaluate(pairs, "graph")]

        limit = threshold(blame.pair, fails)
        return "" if limit is None else f", here from |y_pred| > {abs(limit):g}"

    def _healthy_in_single(self, blame: Blame) -> bool:
        """Whether the same code is fine on the same input in float32, so that the precision is to blame."""
        if half_dtype(self.readings.graph(blame.stage)) is None:
            return False
        result: Evaluation = self.readings.session.probe("half", self.readings.contract, pairs=[blame.pair])[0]
        return result.raised is None and result.finite_value and result.finite_gradient

    def _raised(self, suspicion: Suspicion) -> Finding | None:
        """An operation that raises at some inputs of the search and computes at others: the plainest such input."""
        results = self.witnesses.results.get(suspicion.stage, [])
        if all(result.raised for result in results):
            return None
        tried = [
            pair
            for pair, result in zip(self.witnesses.pairs, results, strict=True)
            if result.raised is not None and result.raised.calls and result.raised.calls[-1:] == suspicion.calls[-1:]
        ]
        for pair in sorted(tried, key=lambda pair: largest(pair) > suspicion.at_most)[:_RAISED_AT_MOST]:
            code = self._script("raises-at", pair, execution="eager", gradient=True, **suspicion.arguments)
            if self._replay(code) != 1:
                continue
            told = _within(suspicion, pair)
            return self._finding(told, "witnessed", ("eager", "graph"), self._witness(pair, None), code)
        return None

    # ---- everything else: the suspicion brings its own input, or is a fact of the graph ---------------------

    def _plain(self, suspicion: Suspicion) -> Finding | None:
        severity = suspicion.severity or suspicion.rule.severity
        if suspicion.symptom is None:
            if severity == "error":
                raise AssertionError(f"{suspicion.rule.code} claims an error that nothing can replay")
            return self._finding(suspicion, suspicion.evidence, suspicion.when)
        for pair, arguments in self._inputs(suspicion):
            code = self._script(suspicion.symptom, pair, **arguments)
            if self._replay(code) == 1:
                break
        else:
            stands = suspicion.replay == "welcome" and severity != "error"
            return self._finding(suspicion, suspicion.evidence, suspicion.when) if stands else None
        evidence: Evidence = "proved" if suspicion.evidence == "proved" else "witnessed"
        shown: Witness | None = None
        if pair is not None:
            alone = suspicion.arguments.get("execution") == "xla"
            orders: tuple[Execution, ...] = ("xla",) if alone else ("eager", "graph")
            result = None if suspicion.symptom == "raises" else self._evaluated(pair, orders)
            shown = self._witness(pair, result)
        return self._finding(suspicion, evidence, suspicion.when, shown, code)

    def _inputs(self, suspicion: Suspicion) -> Iterator[tuple[Pair | None, dict[str, Any]]]:
        """The inputs to replay a suspicion with, the plainest first, and the arguments of its script."""
        arguments = dict(suspicion.arguments)
        size = arguments.pop("batch", None)
        pair = suspicion.pair
        if suspicion.symptom == "raises":
            # Its numbers rarely matter; if they do, the next input shows it.
            yield plainest(self.readings.contract, size or 1), arguments
        if pair is None and suspicion.symptom != "save-load":
            pair = ordinary(self.readings.contract, size or 2)
        yield pair, arguments
        if suspicion.symptom == "no-term-gradient" and suspicion.pair is None:
            # A term may be silent for one y_true (all labels alike), and count for another.
            yield from ((other, arguments) for other in reversed(self.witnesses.pairs[-_TERM_TRIED:]))

    def _evaluated(self, pair: Pair, executions: Sequence[Execution]) -> Evaluation | None:
        for execution in executions:
            try:
                result = self.readings.session.evaluate([pair], execution)[0]
            except SessionError as problem:
                if problem.died is not None:
                    raise
                continue
            if result.raised is None:
                return result
        return None

    def _both(self) -> tuple[Calling, ...]:
        """Where a fault stands that no rule limits: wherever the loss runs."""
        return ("eager", "graph") if self.readings.traced.traced is not None else ("eager",)

    def _script(self, symptom: Symptom, pair: Pair | None, **arguments: Any) -> str:
        arguments.setdefault("calling", self.readings.traced.calling)
        return script(self.readings.loaded, symptom, pair, self.readings.contract, **arguments)

    def _replay(self, code: str) -> int:
        """Run a reproduction script: 1 while the fault stands. Anything but 0 and 1 is our own bug, and noted."""
        if code not in self.replayed:  # several suspicions may come to the same call
            replayed = self.readings.session.replay(code)
            self.replayed[code] = replayed.status
            if replayed.status not in (0, 1):
                last = replayed.output.strip().splitlines()[-1:] or ["no output"]
                self.notes.append(f"a reproduction script failed ({last[0]}); this is a bug in lossdoctor")
        return self.replayed[code]

    def _witness(self, pair: Pair, result: Evaluation | None) -> Witness:
        gradients = result.gradients if result else ()
        gradient = gradients[0] if len(gradients) == 1 else None
        contract = self.readings.contract
        y_true, y_pred = shown_rows(contract, pair.y_true, pair.y_pred)
        return Witness(
            y_true=witness_value(y_true),
            y_pred=witness_value(y_pred),
            value=None if result is None or result.value is None else witness_value(result.value),
            gradient=witness_value(shown_gradient(contract, pair.y_true, gradient)),
        )

    def _finding(
        self,
        suspicion: Suspicion,
        evidence: Evidence,
        when: tuple[Calling, ...],
        witness: Witness | None = None,
        reproduce: str = "",
        chain: tuple[Any, ...] = (),
    ) -> Finding:
        rule = suspicion.rule
        severity: Severity = suspicion.severity or rule.severity
        location, function = self.places.locate(suspicion.calls)
        return Finding(
            rule=rule.code,
            name=rule.name,
            family=suspicion.family or rule.family,
            severity=severity,
            evidence=evidence,
            when=when or self._both(),
            message=suspicion.message,
            location=location,
            function=function,
            witness=witness,
            reproduce=reproduce,
            chain=chain,
            fix=suspicion.fix,
            url=f"https://lossdoctor.readthedocs.io/rules/{rule.code}",
        )


def leaves(value: Any) -> list[np.ndarray[Any, Any]]:
    """The arrays of a structured value, in order."""
    if isinstance(value, dict):
        return [leaf for part in value.values() for leaf in leaves(part)]
    if isinstance(value, (tuple, list)):
        return [leaf for part in value for leaf in leaves(part)]
    return [np.asarray(value)]


def largest(pair: Pair) -> float:
    """The largest magnitude among the finite numbers of an input."""
    numbers = [np.abs(array.astype(np.float64)) for value in (pair.y_true, pair.y_pred) for array in leaves(value)]
    return max((float(np.max(array[np.isfinite(array)], initial=0.0)) for array in numbers), default=0.0)


def _within(suspicion: Suspicion, pair: Pair) -> Suspicion:
    """The suspicion; no more than an info where only larger numbers show it than its rule finds telling."""
    size = largest(pair)
    if size <= suspicion.at_most:
        return suspicion
    message = f"{suspicion.message}; here only by rounding, for numbers as large as {size:g}"
    return replace(suspicion, message=message, severity="info")


def _by_order(matched: Iterable[tuple[Suspicion, Blame]]) -> list[tuple[Suspicion, Blame]]:
    """Values before gradients, then in the order of the program."""
    return sorted(matched, key=lambda item: (item[1].symptom != "nonfinite-value", item[1].node))
