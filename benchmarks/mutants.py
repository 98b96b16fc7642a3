"""Mutants of healthy losses: does lossdoctor find those that really went wrong, and leave the originals in peace?

    python -m benchmarks.mutants [FOLDER ...] [--shard 1/4] [--only TEXT] [--per-loss 6] [--all] [--list]

Run from the repository root. Healthy losses are those of `benchmarks/reexpressed.py`, `tests/healthy` and the fixed
twins of `tests/cases`, and of further folders of cases that are named. Each operator of `benchmarks/*_mutations.py` is
applied at every place where it fits; the judge of its group says by brute force which mutants really go wrong.
Those, and the originals, are given to lossdoctor. A mutant is found if a warning or error has a family that the judge
saw, at the line of the mutation (±1) or at a line that uses what it spoilt; how many are at the line itself is
printed apart; only the first three findings count. `--all` examines the mutants that brute force clears as well, and
lists what is said of them.
"""

from __future__ import annotations

import argparse
import ast
import multiprocessing
import tempfile
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import benchmarks.api_mutations
import benchmarks.api_tree_mutations
import benchmarks.numeric_mutations  # noqa: F401  (these register their operators)
from benchmarks.api_judge import ApiJudge
from benchmarks.edge_grid import NAMED_WINDOW, make_grid
from benchmarks.float_judge import Judge, Verdict
from benchmarks.mutation import OPERATORS, downstream, standalone

from lossdoctor.config import load_config
from lossdoctor.engine import check
from lossdoctor.findings import Finding, at_or_above
from lossdoctor.session import Settings
from lossdoctor.spec import Contract, leaves, parse_contract
from lossdoctor.worker.remote import WorkerPool

ROOT = Path(__file__).parent.parent
TOLD = 3  # findings that a person reads
JUDGES: dict[str, Callable[[str, str, Contract], Any]] = {}


def judge(group: str) -> Callable[[Callable[[str, str, Contract], Any]], Callable[[str, str, Contract], Any]]:
    """Register what makes the judge of a group: from source, target and contract of an original, an object with
    `judge(source of a mutant) -> Verdict`."""

    def register(make: Callable[[str, str, Contract], Any]) -> Callable[[str, str, Contract], Any]:
        JUDGES[group] = make
        return make

    return register


@judge("numerics")
def numerics(source: str, target: str, contract: Contract) -> Judge:
    narrow = Judge(source, target, make_grid(contract))
    if narrow.judge(source).raised:  # windows need more than three pixels
        return Judge(source, target, make_grid(contract, named=NAMED_WINDOW))
    return narrow


@judge("api")
def api(source: str, target: str, contract: Contract) -> ApiJudge:
    return ApiJudge(source, target, contract)


_known: dict[tuple[str, str, str], Any] = {}


def judged(group: str, source: str, target: str, contract: Contract, mutant: str) -> Verdict:
    """What the judge of an original says of a mutant; runs in the process of the jury."""
    key = (group, source, target)
    if key not in _known:
        _known[key] = JUDGES[group](source, target, contract)
    return _known[key].judge(mutant)


class Jury:
    """Judges in a process of their own, since a mutant may end it: some kernels check their sizes by aborting."""

    def __init__(self) -> None:
        self._pool = self._new()

    def ask(self, mutant: Mutant) -> Verdict:
        loss = mutant.original
        asked = (mutant.group, loss.source, loss.target, loss.contract, mutant.source)
        try:
            return self._pool.submit(judged, *asked).result()
        except BrokenProcessPool:
            self._pool = self._new()
            return Verdict(raised="it ends the process")

    @staticmethod
    def _new() -> ProcessPoolExecutor:
        return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))


@dataclass(frozen=True)
class Healthy:
    """A healthy loss: its module (only what the loss needs), and what it is given."""

    name: str
    source: str
    target: str
    y_true: Any
    y_pred: Any
    contract: Contract


@dataclass
class Mutant:
    original: Healthy
    operator: str
    group: str
    source: str
    line: int
    near: frozenset[int]  # lines that use what the mutation spoilt
    families: tuple[str, ...]
    verdict: Verdict = field(default_factory=Verdict)
    findings: tuple[Finding, ...] = ()
    error: str = ""

    @property
    def name(self) -> str:
        return f"{self.original.name} {self.operator} line {self.line}"

    def hit(self, *, at_line: bool = False) -> bool:
        lines = {self.line} if at_line else self.near
        return any(
            at_or_above(finding.severity, "warning")
            and finding.family in self.verdict.families
            and any(abs(finding.location.line - line) <= 1 for line in lines)
            for finding in self.findings[:TOLD]
        )


def healthy_losses(folders: Sequence[Path]) -> Iterator[Healthy]:
    for path in (ROOT / "benchmarks" / "reexpressed.toml", ROOT / "tests" / "healthy" / "specs.toml"):
        text = tomllib.loads(path.read_text(encoding="utf-8"))
        stated = text["tool"]["lossdoctor"]["losses"]
        for entry in load_config(path).losses:
            file, _, target = entry.target.partition(":")
            specs = stated[entry.target]
            yield from _healthy(f"{Path(file).stem}:{target}", path.parent / file, target, specs)
    for folder in (ROOT / "tests" / "cases", *folders):
        for path in sorted(folder.glob("*/case.toml")):
            case = tomllib.loads(path.read_text(encoding="utf-8"))
            yield from _healthy(path.parent.name, path.parent / "fixed.py", case["target"], case)


def _healthy(name: str, path: Path, target: str, specs: dict[str, Any]) -> Iterator[Healthy]:
    contract = parse_contract(specs["y_true"], specs["y_pred"])
    given = [spec for part in (contract.y_true, contract.y_pred) for _, spec in leaves(part)]
    if any(spec.dtype in ("float16", "bfloat16", "float64") for spec in given):
        return
    source = standalone(path.read_text(encoding="utf-8"), target)
    if "import numpy as np" not in source:  # some mutations use it
        source = f"import numpy as np\n{source}"
    yield Healthy(name, source, target, specs["y_true"], specs["y_pred"], contract)


def mutants_of(loss: Healthy, groups: Sequence[str]) -> list[Mutant]:
    """Every mutant once, in the order of the operators."""
    found: dict[str, Mutant] = {}
    tree = ast.parse(loss.source)
    plain = ast.unparse(tree)
    for group in groups:
        for name, operator in OPERATORS[group].items():
            for mutation in operator(tree):
                source = ast.unparse(mutation.tree)
                near = downstream(mutation.tree, mutation.line)
                if source != plain:
                    mutant = Mutant(loss, name, group, source, mutation.line, near, mutation.families)
                    found.setdefault(source, mutant)
    return list(found.values())


def spread(mutants: list[Mutant], most: int) -> list[Mutant]:
    """At most so many, of as many operators as there are."""
    turn: Counter[str] = Counter()
    ranked: list[tuple[int, int, Mutant]] = []
    for index, mutant in enumerate(mutants):
        ranked.append((turn[mutant.operator], index, mutant))
        turn[mutant.operator] += 1
    return [mutant for _, _, mutant in sorted(ranked, key=lambda each: each[:2])[:most]]


def thinned(mutants: list[Mutant], most: int) -> list[Mutant]:
    """At most so many of each operator, evenly over the losses."""
    kept: set[int] = set()
    for name in {mutant.operator for mutant in mutants}:
        places = [index for index, mutant in enumerate(mutants) if mutant.operator == name]
        step = max(1.0, len(places) / most)
        kept |= {places[int(turn * step)] for turn in range(min(most, len(places)))}
    return [mutant for index, mutant in enumerate(mutants) if index in kept]


def examine(source: str, loss: Healthy, folder: Path, pool: WorkerPool, settings: Settings) -> Any:
    """The findings of one source, or why there are none."""
    path = folder / f"loss_{len(list(folder.iterdir()))}.py"  # a module of its own each time
    path.write_text(source + "\n", encoding="utf-8")
    target = f"{path}:{loss.target}"
    report = check([target], y_true=loss.y_true, y_pred=loss.y_pred, settings=settings, pool=pool)
    return report.errors[0].message if report.errors else report.losses[0].findings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--shard", default="1/1", help="i/n: every n-th healthy loss, beginning with the i-th")
    parser.add_argument("--only", default="", help="mutants whose name contains one of these, comma-separated")
    parser.add_argument("--group", default="", help="operators of this group only")
    parser.add_argument("--per-loss", type=int, default=6, help="mutants of a loss, of as many operators as there are")
    parser.add_argument("--per-operator", type=int, default=25, help="mutants of an operator, spread over the losses")
    parser.add_argument("--all", action="store_true", help="examine the mutants that brute force clears as well")
    parser.add_argument("--list", action="store_true", help="list the mutants, judge and examine nothing")
    parser.add_argument("--no-originals", action="store_true")
    parser.add_argument("--skip", type=int, default=0, help="leave out the first so many mutants")
    options = parser.parse_args()
    shard, shards = (int(part) for part in options.shard.split("/"))
    groups = [options.group] if options.group else list(OPERATORS)
    mutants: list[Mutant] = []
    for loss in healthy_losses(options.folders):
        mutants += spread(mutants_of(loss, groups), options.per_loss)
    if options.only:
        mutants = [mutant for mutant in mutants if any(part in mutant.name for part in options.only.split(","))]
    else:
        mutants = thinned(mutants, options.per_operator)
    names = list(dict.fromkeys(mutant.original.name for mutant in mutants))[shard - 1 :: shards]
    chosen = [mutant for mutant in mutants if mutant.original.name in names]
    if options.list:
        for mutant in chosen:
            print(mutant.name)
        print(len(chosen), Counter(mutant.operator for mutant in chosen))
        return
    run(chosen[options.skip :], options.all, originals=not options.no_originals)


def run(mutants: list[Mutant], everything: bool, originals: bool) -> None:
    """Judge and examine one mutant after the other, and each original before the first of its own."""
    jury, seen = Jury(), set[str]()
    settings = Settings(mends=False, time_limit=120.0)
    families = {family for mutant in mutants for family in mutant.families}
    examined = alarms = 0
    with tempfile.TemporaryDirectory() as name, WorkerPool(1, settings) as pool:
        for number, mutant in enumerate(mutants, start=1):
            loss = mutant.original
            if originals and loss.name not in seen:
                seen.add(loss.name)
                examined += 1
                alarms += _alarm(loss, examine(loss.source, loss, Path(name), pool, settings), families)
            mutant.verdict = jury.ask(mutant)
            if mutant.verdict.raised:
                print(f"not judged   {mutant.name}: {mutant.verdict.raised}", flush=True)
            elif mutant.verdict.families or everything:
                found = examine(mutant.source, loss, Path(name), pool, settings)
                mutant.error, mutant.findings = (found, ()) if isinstance(found, str) else ("", found)
                _tell(mutant)
            if number % 25 == 0:
                wrong = [each for each in mutants[:number] if each.verdict.families]
                found = sum(each.hit() for each in wrong)
                print(f"{number} of {len(mutants)}: found {found} of {len(wrong)} that go wrong", flush=True)
    summary(mutants)
    if originals:
        print(f"originals {examined}, with an alarm {alarms}")


def _alarm(loss: Healthy, found: Any, families: set[str]) -> bool:
    """Whether a healthy loss is said to have what the mutations bring in."""
    if isinstance(found, str):
        print(f"not examined {loss.name}: {found}", flush=True)
        return False
    told = [each for each in found if at_or_above(each.severity, "warning") and each.family in families]
    for finding in told:
        print(f"ALARM        {loss.name}: {brief(finding)}", flush=True)
    return bool(told)


def _tell(mutant: Mutant) -> None:
    if mutant.verdict.families and not mutant.hit():
        print(f"MISS         {mutant.name} {dict(mutant.verdict.families)} {mutant.error}", flush=True)
        print(f"             {mutant.source.splitlines()[mutant.line - 1].strip()}")
    elif not mutant.verdict.families:
        if not any(at_or_above(finding.severity, "warning") for finding in mutant.findings):
            return
        print(f"not refuted  {mutant.name}", flush=True)
    else:
        return
    for finding in mutant.findings[:4]:
        print(f"             found {brief(finding)}")


def brief(finding: Finding) -> str:
    return f"{finding.severity} {finding.rule} {finding.family} line {finding.location.line}: {finding.message[:100]}"


def summary(mutants: Sequence[Mutant]) -> None:
    """One row an operator, and the total: mutants, really wrong, found, at the line itself."""
    rows: dict[str, Counter[str]] = {}
    for mutant in mutants:
        for name in (mutant.operator, "all"):
            row = rows.setdefault(name, Counter())
            row["mutants"] += 1
            row["wrong"] += bool(mutant.verdict.families)
            row["found"] += bool(mutant.verdict.families) and mutant.hit()
            row["line"] += bool(mutant.verdict.families) and mutant.hit(at_line=True)
    print(f"{'operator':32} mutants  wrong  found  at the line")
    for name, row in sorted(rows.items(), key=lambda item: (item[0] == "all", item[0])):
        print(f"{name:32} {row['mutants']:7} {row['wrong']:6} {row['found']:6} {row['line']:12}")
    total = rows.get("all", Counter())
    if total["wrong"]:
        print(f"found {total['found']} of {total['wrong']} mutants that really go wrong: "
              f"{total['found'] / total['wrong']:.1%}")  # fmt: skip


if __name__ == "__main__":
    main()
