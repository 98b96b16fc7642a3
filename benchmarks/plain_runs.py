"""Trainings in plain NumPy, written with their labels before a detector had been read: another hand, another library.

    python -m benchmarks.plain_runs
    python -m benchmarks.plain_runs --half 1 --cache DIR      # keeps the logs, and judges those it finds there

Small models with gradients written by hand; each kind says what is right to answer and from which row on. A kind is in
one half or the other by its name.

At first sight, with the detectors of d6e22d4, 74.4 % of the faulty runs of half 0 were alarmed, all rightly, and 4.5 %
of its healthy; of half 1 93.1 %, 91.7 % rightly, and 16.7 % of the healthy. Both together: 83.1 %, 82.5 % and 11.5 %,
one alarm early, median delays of 47 and 11 steps. After detectors were mended by half 0 alone: 87.8 %, all rightly, and
none of its healthy (50 steps); of half 1, judged once, 90.3 %, 88.9 % rightly, and 13.3 % (11 steps). Then half 1 was
looked at too, and two detectors were mended by it: neither half is unseen any more.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks import plain_broken, plain_fitted, plain_healthy, plain_stuck  # noqa: F401  (they enter their kinds)
from benchmarks.monitor_score import judge, listing, table
from benchmarks.plain_kinds import KINDS
from benchmarks.run import Run, half_of, kept


def runs(half: int, seeds: int, cache: Path | None = None, only: str = "") -> Iterator[Run]:
    for name, made in KINDS.items():
        if half_of(name) == half and only in name:
            for seed in range(seeds):
                yield kept(name, seed, cache, partial(made, seed))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--half", type=int, choices=(0, 1))
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--cache", type=Path, metavar="DIR")
    parser.add_argument("--only", default="", help="kinds whose name holds this")
    parser.add_argument("--figures", action="store_true", help="without the runs that were judged wrongly")
    options = parser.parse_args()
    for half in (0, 1) if options.half is None else (options.half,):
        outcomes = [judge(run) for run in runs(half, options.seeds, options.cache, options.only)]
        print(f"half {half}: {len(outcomes)} runs, {len({one.run.family for one in outcomes})} kinds")
        print(table(outcomes).splitlines()[-2:] if options.figures else table(outcomes))
        if not options.figures:
            print(listing(outcomes))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
