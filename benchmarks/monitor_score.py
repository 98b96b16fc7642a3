"""How well the detectors judge logs whose fault is known."""

from __future__ import annotations

import argparse
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import numpy as np
from benchmarks.run import Run

from lossdoctor.runtime.detectors.alert import Alert
from lossdoctor.runtime.detectors.bank import DetectorBank


@dataclass(frozen=True)
class Outcome:
    run: Run
    alerts: tuple[Alert, ...]
    onset: int | None  # as a step

    @property
    def early(self) -> bool:
        return self.onset is not None and any(alert.step < self.onset for alert in self.alerts)

    @property
    def right(self) -> bool:
        return bool(self.alerts) and self.alerts[0].kind in (self.run.kind, *self.run.also)

    @property
    def any_right(self) -> bool:
        return any(alert.kind in (self.run.kind, *self.run.also) for alert in self.alerts)

    @property
    def delay(self) -> float:
        return self.alerts[0].step - (self.onset or 0) if self.alerts else math.inf

    @property
    def dated(self) -> bool:
        """Whether `since` names the onset within a twentieth of the run, or five rows."""
        steps = self.run.columns[self.run.unit]
        room = max((steps[-1] - steps[0]) / 20, 5 * (steps[-1] - steps[0]) / max(len(steps) - 1, 1))
        return bool(self.alerts) and abs(self.alerts[0].since - (self.onset or 0)) <= room


def judge(run: Run) -> Outcome:
    """Feed a log to the detectors row by row, as `lossdoctor monitor` does."""
    bank = DetectorBank.for_unit(run.unit)
    steps = run.columns[run.unit].astype(int)
    series = {name: values for name, values in run.columns.items() if name != run.unit}
    alerts: list[Alert] = []
    for row, step in enumerate(steps):
        values = {n: float(v[row]) for n, v in series.items() if n != "val_loss" or not np.isnan(v[row])}
        alerts += bank.update(int(step), values)
    alerts += bank.finish()
    onset = None if run.onset is None else int(steps[run.onset])
    return Outcome(run, tuple(alerts), onset)


def table(outcomes: Iterable[Outcome]) -> str:
    """Figures of all, and a line for each family."""
    outcomes = list(outcomes)
    faulty = [o for o in outcomes if o.onset is not None]
    healthy = [o for o in outcomes if o.onset is None]
    alarmed = [o for o in faulty if o.alerts]
    lines: list[str] = []
    families: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        families[outcome.run.family].append(outcome)
    for family in sorted(families):
        own = families[family]
        kinds = Counter(o.alerts[0].kind if o.alerts else "-" for o in own)
        delays = [o.delay for o in own if o.alerts and o.onset is not None]
        median = f"{np.median(delays):7.0f}" if delays else "       "
        early = sum(o.early for o in own)
        shown = ", ".join(f"{kind} {count}" for kind, count in kinds.most_common())
        lines.append(f"{family:<28} {len(own):4} {median} {'early ' + str(early) if early else '':8} {shown}")
    if faulty:
        delays = [o.delay for o in alarmed]
        lines.append(
            f"faulty {len(faulty)}: alarmed {len(alarmed) / len(faulty):.1%}, first kind right "
            f"{sum(o.right for o in faulty) / len(faulty):.1%}, "
            f"any kind right {sum(o.any_right for o in faulty) / len(faulty):.1%}, early "
            f"{sum(o.early for o in faulty)}, "
            f"median delay {np.median(delays):.0f}, since right {sum(o.dated for o in alarmed) / len(alarmed):.1%}"
        )
    if healthy:
        false = sum(bool(o.alerts) for o in healthy)
        lines.append(f"healthy {len(healthy)}: alarmed {false} ({false / len(healthy):.1%})")
    return "\n".join(lines)


def listing(outcomes: Iterable[Outcome]) -> str:
    """The runs that were judged wrongly, one to a line."""
    lines: list[str] = []
    for one in outcomes:
        faulty = one.onset is not None
        said = "; ".join(f"{a.kind} of {a.series} at {a.step} since {a.since}" for a in one.alerts[:3])
        wanted = " or ".join((one.run.kind, *one.run.also))
        fault = (
            "false"
            if not faulty and one.alerts
            else ""
            if not faulty
            else "early"
            if one.early
            else "missed"
            if not one.alerts
            else ""
            if one.right
            else "wrong kind"
        )
        if fault:
            lines.append(f"{fault:10} {one.run.family}: {wanted} from {one.onset}; said {said or 'nothing'}")
    return "\n".join(sorted(lines))


def report(of_seed: Callable[[int], Iterator[Run]], seeds: int, description: str) -> int:
    """The command of a benchmark: its runs of each seed, of which parameters are chosen on the even ones."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path, metavar="DIR", help="write the logs as CSV files and stop")
    parser.add_argument(
        "--half", type=int, choices=(0, 1), help="only the half with parameters chosen (0), or the other"
    )
    parser.add_argument("--seeds", type=int, default=seeds, help="runs of each kind, of both halves together")
    parser.add_argument("--jobs", type=int, default=1, help="processes, each with seeds of its own")
    options = parser.parse_args()
    for half in (0, 1) if options.half is None else (options.half,):
        chosen = range(half, options.seeds, 2)
        if options.write is not None:
            for number, run in enumerate(run for seed in chosen for run in of_seed(seed)):
                _write(options.write / f"{half}-{number:03}-{run.kind}.csv", run)
            continue
        if options.jobs > 1:
            with ProcessPoolExecutor(options.jobs) as pool:
                judged = list(pool.map(_judged, repeat(of_seed), chosen))
        else:
            judged = [_judged(of_seed, seed) for seed in chosen]
        outcomes = [outcome for own in judged for outcome in own]
        print(
            ("chosen on" if half == 0 else "reported on")
            + f": {len(outcomes)} runs, {len({one.run.family for one in outcomes})} kinds"
        )
        print(table(outcomes))
    return 0


def _judged(of_seed: Callable[[int], Iterator[Run]], seed: int) -> list[Outcome]:
    return [judge(run) for run in of_seed(seed)]


def _write(path: Path, run: Run) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    names = list(run.columns)
    rows = zip(*run.columns.values(), strict=True)
    lines = [
        ",".join("" if name == "val_loss" and np.isnan(v) else f"{v:.9g}" for name, v in zip(names, row, strict=True))
        for row in rows
    ]
    path.write_text("\n".join([",".join(names), *lines]) + "\n", encoding="utf-8")
