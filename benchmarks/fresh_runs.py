"""Trainings made by somebody who had not read the detectors: other tasks, optimizers and faults than `keras_runs.py`.

    python -m benchmarks.fresh_runs --half 1 --seeds 2
    python -m benchmarks.fresh_runs --cache DIR      # keeps the logs, and judges those it finds there

Each kind says what is right to answer, and from which row on, before a detector has seen it. A kind is in one half or
the other by its name. At first sight 74 % of the faulty runs of half 0 were alarmed and 81 % of half 1; since then
detectors were mended by what half 0 showed, and one by half 1, so that neither is unseen any more. Some logs are by
step, of a loop of its own, others the history of `fit`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import keras
from benchmarks import fresh_faulty, fresh_healthy
from benchmarks.monitor_score import judge, listing, table
from benchmarks.run import Run, half_of, kept


def runs(half: int, seeds: int, cache: Path | None = None, only: str = "") -> Iterator[Run]:
    for name, made in (fresh_faulty.kinds() | fresh_healthy.kinds()).items():
        if half_of(name) == half and only in name:
            for seed in range(seeds):
                yield kept(name, seed, cache, partial(_trained, made, name, seed))


def _trained(made: Callable[[str, int], Run], name: str, seed: int) -> Run:
    keras.backend.clear_session()
    run = made(name, seed)
    print(f"trained {name}, seed {seed}", file=sys.stderr, flush=True)
    return run


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--half", type=int, choices=(0, 1))
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--cache", type=Path, metavar="DIR")
    parser.add_argument("--only", default="", help="kinds whose name holds this")
    parser.add_argument("--train", action="store_true", help="train only")
    options = parser.parse_args()
    for half in (0, 1) if options.half is None else (options.half,):
        found = runs(half, options.seeds, options.cache, options.only)
        if options.train:
            print(f"half {half}: {len(list(found))} runs")
            continue
        outcomes = [judge(run) for run in found]
        print(f"half {half}: {len(outcomes)} runs, {len({one.run.family for one in outcomes})} kinds")
        print(table(outcomes))
        print(listing(outcomes))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
