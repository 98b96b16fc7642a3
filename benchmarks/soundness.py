"""Random losses, examined by lossdoctor and by brute force: is anything proved that is false, or missed that is true?

    python -m benchmarks.soundness [--count 100] [--seed 0] [--xla 5] [--scripts 12] [--proofs]

Run from the repository root. With `--proofs` losses are only traced and proved, not searched: five times as fast, and
nothing is said of misses. Prints every proof that brute force refutes (there must be none), every error whose
reproduction script does not show it (none), every non-finite value or gradient that lossdoctor did not report, and a
table. `--xla N` compiles every Nth loss with XLA as well; proofs are about eager and graph execution, so that what only
XLA shows is listed apart: "told" where lossdoctor says that the proof does not hold for what XLA makes of the loss,
"xla" where it does not. Exits 1 if a proof is refuted or a script does not show its fault.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks.brute_force import SYMPTOMS, Truth, brute_force
from benchmarks.random_losses import RandomLoss, module_source, random_losses

from lossdoctor.engine import check
from lossdoctor.findings import Finding, LossReport
from lossdoctor.session import Settings
from lossdoctor.spec import parse_contract
from lossdoctor.worker.remote import WorkerPool

KINDS_OF_VERDICT = ("refuted", "denormal", "xla", "told", "miss", "later", "weak")
_RUN_SCRIPTS = """
import json, sys
for script in json.load(open(sys.argv[1])):
    try:
        exec(compile(script, "script", "exec"), {"__name__": "__main__"})
        status = 0
    except SystemExit as end:
        status = end.code or 0
    except BaseException as problem:
        status = f"{type(problem).__name__}: {problem}"
    print("STATUS", json.dumps(status), flush=True)
"""


@dataclass
class Outcome:
    loss: RandomLoss
    report: LossReport | None
    error: str = ""
    truth: Truth = field(default_factory=Truth)
    proved: frozenset[str] = frozenset()  # names of facts
    doubted: frozenset[str] = frozenset()  # of these, those that XLA's rewriting leaves open
    seconds: float = 0.0

    def findings(self) -> Iterator[Finding]:
        """All findings, the consequences of others included."""
        stack = list(self.report.findings) if self.report else []
        while stack:
            finding = stack.pop()
            yield finding
            stack += finding.consequences

    def reports(self, *symptoms: str) -> bool:
        return any(finding.family in {f"nonfinite-{symptom}" for symptom in symptoms} for finding in self.findings())


@dataclass(frozen=True)
class Verdict:
    """`kind` is "refuted", "xla", "told" (xla, and lossdoctor doubts it), "denormal" (outside what the proof assumes),
    "miss", "later" (the loss has a non-finite finding, but not of this symptom) or "weak" (brute force missed what
    lossdoctor replayed)."""

    kind: str
    outcome: Outcome
    what: str


def examine(losses: Sequence[RandomLoss], folder: Path, note: Callable[[str], None] = print) -> list[Outcome]:
    """lossdoctor's report on each loss; the files are written to `folder`."""
    settings = Settings()
    outcomes: list[Outcome] = []
    with WorkerPool(1, settings) as pool:
        for number, (specs, group) in enumerate(groupby(sorted(losses, key=_by_specs), key=lambda loss: loss.specs)):
            members = list(group)
            path = folder / f"losses_{number}.py"
            path.write_text(module_source(members), encoding="utf-8")
            for loss in members:
                report = check([f"{path}:{loss.name}"], y_true=specs[0], y_pred=specs[1], settings=settings, pool=pool)
                if report.errors:
                    outcomes.append(Outcome(loss, None, report.errors[0].message))
                    continue
                examined = report.losses[0]
                facts = frozenset(fact.name for fact in examined.facts if fact.evidence == "proved")
                doubted = {gap.limits.split()[0] for gap in examined.gaps if gap.limits.endswith("under XLA")}
                doubted |= {f.family.replace("nonfinite", "finite") for f in examined.findings if f.when == ("xla",)}
                outcomes.append(
                    Outcome(loss, examined, "", Truth(), facts, frozenset(doubted), examined.seconds["total"])
                )
            note(f"examined {len(outcomes)} of {len(losses)}")
    return outcomes


def _by_specs(loss: RandomLoss) -> tuple[str, str]:
    return loss.specs


def prove(losses: Sequence[RandomLoss], folder: Path, note: Callable[[str], None] = print) -> list[Outcome]:
    """What is proved of each loss, traced in this process: what holds in both stages of the graph."""
    from lossdoctor.domains.compiled import under_xla
    from lossdoctor.domains.intervals import ranges
    from lossdoctor.graph.frontend_tf import trace

    module = _imported(losses, folder)
    outcomes: list[Outcome] = []
    for loss in losses:
        started = time.perf_counter()
        contract = parse_contract(*loss.specs)
        live = trace(getattr(module, loss.name), contract)
        proofs = [
            ranges(staged.loss, contract).proof()
            for staged in (live.staged, live.staged_optimised)
            if staged is not None
        ]
        held = {
            "finite-value": all(proof.finite_value for proof in proofs),
            "finite-gradient": all(proof.finite_gradient for proof in proofs),
            "non-negative": all(proof.nonnegative for proof in proofs),
        }
        facts = frozenset(name for name, holds in held.items() if holds and proofs)
        doubt = under_xla(live.staged.loss, contract, contract.magnitude, proofs[0])
        doubted = frozenset(name for name, _ in doubt.doubts) if doubt is not None else frozenset[str]()
        outcomes.append(Outcome(loss, None, "", Truth(), facts, doubted, time.perf_counter() - started))
        if len(outcomes) % 50 == 0:
            note(f"proved {len(outcomes)} of {len(losses)}")
    return outcomes


def _imported(losses: Sequence[RandomLoss], folder: Path) -> ModuleType:
    path = folder / "all_losses.py"
    path.write_text(module_source(list(losses)), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("all_losses", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def try_out(
    outcomes: Sequence[Outcome], folder: Path, seed: int, xla: int, note: Callable[[str], None] = print
) -> None:
    """Brute force on each loss, in this process."""
    module = _imported([outcome.loss for outcome in outcomes], folder)
    for number, outcome in enumerate(outcomes):
        loss = outcome.loss
        compiled = bool(xla) and number % xla == 0
        kinds = (loss.y_true, loss.y_pred)
        function = getattr(module, loss.name)
        outcome.truth = brute_force(function, kinds, loss.size, loss.source, loss.by_rows, seed, compiled)
        for verdict in verdicts(outcome):
            note(f"{verdict.kind}: {loss.name} {verdict.what}")
        if number % 50 == 49:
            note(f"tried {number + 1} of {len(outcomes)}")


def verdicts(outcome: Outcome) -> Iterator[Verdict]:
    """Where lossdoctor and brute force disagree."""
    truth = outcome.truth
    for symptom in SYMPTOMS:
        proved = f"finite-{symptom}" in outcome.proved
        inside, any_input = (truth.shows(symptom, "eager", "graph", denormals=flag) for flag in (False, True))
        compiled = truth.shows(symptom, "xla")
        if proved and inside:
            yield Verdict("refuted", outcome, f"finite-{symptom}: {inside}")
        elif proved and any_input:
            yield Verdict("denormal", outcome, f"finite-{symptom}: {any_input}")
        elif proved and compiled:
            kind = "told" if f"finite-{symptom}" in outcome.doubted else "xla"
            yield Verdict(kind, outcome, f"finite-{symptom}: {compiled}")
        elif outcome.report is None:
            continue  # not searched
        elif outcome.reports(symptom) and not any_input and not compiled:
            yield Verdict("weak", outcome, f"{symptom}: brute force tried no such input")
        elif inside and not outcome.reports(symptom):
            # A gradient that goes wrong after a value that went wrong for another reason is a lesser miss.
            yield Verdict("later" if outcome.reports(*SYMPTOMS) else "miss", outcome, f"{symptom}: {inside}")
    if "non-negative" in outcome.proved and truth.lowest < 0.0:
        yield Verdict("refuted", outcome, f"non-negative: {truth.lowest} at {truth.lowest_at}")


def scripts_that_fail(outcomes: Sequence[Outcome], most: int) -> tuple[int, list[tuple[Outcome, Finding, Any]]]:
    """Runs a sample of the reproduction scripts in another process: how many, and those that do not exit 1."""
    errors = [
        (outcome, finding) for outcome in outcomes for finding in outcome.findings() if finding.severity == "error"
    ]
    bare: list[tuple[Outcome, Finding, Any]] = [(o, f, "no script") for o, f in errors if not f.reproduce]
    errors = [pair for pair in errors if pair[1].reproduce]
    chosen = errors[:: max(1, len(errors) // most)][:most] if most else []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scripts.json"
        path.write_text(json.dumps([finding.reproduce for _, finding in chosen]), encoding="utf-8")
        command = [sys.executable, "-c", _RUN_SCRIPTS, str(path)]
        ran = subprocess.run(command, capture_output=True, text=True).stdout if chosen else ""
    status = [json.loads(line[7:]) for line in ran.splitlines() if line.startswith("STATUS ")]
    status += ["did not run"] * (len(chosen) - len(status))
    wrong = [(*pair, given) for pair, given in zip(chosen, status, strict=True) if given != 1]
    return len(chosen), bare + wrong


def table(outcomes: Sequence[Outcome], found: Sequence[Verdict]) -> Iterator[str]:
    examined = [outcome for outcome in outcomes if not outcome.error]
    count = max(1, len(examined))
    searched = any(outcome.report for outcome in examined)
    yield f"losses {len(outcomes)}, not examined {len(outcomes) - len(examined)}"
    for symptom in SYMPTOMS:
        rows: Counter[str] = Counter()
        for outcome in examined:
            proved = f"finite-{symptom}" in outcome.proved
            rows["proved" if proved else "shown" if outcome.reports(*SYMPTOMS) else "unknown"] += 1
        names = ("proved", "shown", "unknown") if searched else ("proved", "unknown")
        shares = ", ".join(f"{name} {rows[name]} ({rows[name] / count:.0%})" for name in names)
        wrong = sum(outcome.truth.shows(symptom, "eager", "graph") is not None for outcome in examined)
        yield f"finite {symptom}: {shares}; brute force refutes {wrong}"
    never = sum(outcome.truth.lowest >= 0.0 for outcome in examined)
    nonnegative = sum("non-negative" in outcome.proved for outcome in examined)
    yield f"non-negative: proved {nonnegative}; never below zero by brute force {never}"
    kinds = Counter(verdict.kind for verdict in found)
    yield "disagreements: " + ", ".join(f"{name} {kinds[name]}" for name in KINDS_OF_VERDICT)
    times = [outcome.seconds for outcome in examined]
    if times:
        yield f"seconds a loss: median {statistics.median(times):.2f}, worst {max(times):.2f}, all {sum(times):.0f}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--xla", type=int, default=5, help="compile every Nth loss; 0: none")
    parser.add_argument("--scripts", type=int, default=12, help="reproduction scripts to run")
    parser.add_argument("--proofs", action="store_true", help="trace and prove only")
    parser.add_argument("--only", type=str, default="", help="names of losses, comma-separated")
    options = parser.parse_args()
    losses = random_losses(options.count, options.seed)
    if options.only:
        losses = [loss for loss in losses if loss.name in options.only.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        outcomes = (prove if options.proofs else examine)(losses, Path(folder))
        number, failed = scripts_that_fail(outcomes, options.scripts)
        try_out(outcomes, Path(folder), options.seed, options.xla)
    found = [verdict for outcome in outcomes for verdict in verdicts(outcome)]
    for verdict in found:
        loss = verdict.outcome.loss
        print(f"\n{verdict.kind.upper()} {loss.name} {loss.specs} {verdict.what}\n{loss.source}")
        print("   reported:", [(f.rule, f.family) for f in verdict.outcome.findings()])
    for outcome, finding, status in failed:
        print(f"\nSCRIPT {outcome.loss.name} {finding.rule} exits {status}\n{outcome.loss.source}")
    for outcome in outcomes:
        if outcome.error or outcome.truth.raised:
            print(f"\nRAISED {outcome.loss.name} {outcome.error or outcome.truth.raised}")
    print()
    print("\n".join(table(outcomes, found)))
    print(f"reproduction scripts: {number} ran, {len(failed)} do not show their fault")
    return int(bool(failed) or any(verdict.kind == "refuted" for verdict in found))


if __name__ == "__main__":
    raise SystemExit(main())
