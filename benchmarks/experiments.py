"""Losses that train well and losses that train wrongly, told apart over many seeds.

    python -m benchmarks.experiments [--seeds 20] [--shard 0/4] [--only NAME]

The losses are those of tests/experiments/training_losses.py. Each seed has data, models and batches of its own.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from lossdoctor.experiments import plan
from lossdoctor.experiments.judge import Charge, charges
from lossdoctor.spec import Contract, parse_contract
from lossdoctor.worker.local import LocalSession

PATH = Path(__file__).resolve().parents[1] / "tests" / "experiments" / "training_losses.py"


def tried(session: LocalSession, contract: Contract, seed: int) -> list[Charge]:
    """What the quick form finds, as the engine runs it."""
    firsts, outcomes = session.probe(
        "experiments.trial", contract, first=plan.seeds_of(seed)[:2], runs=plan.quick(seed)
    )
    found, _ = charges(firsts, outcomes)
    if any(charge.kind in ("worse", "non-finite", "still", "diverges") for charge in found):
        outcomes += session.probe("experiments.trial", contract, runs=plan.again(seed))[1]
        found, _ = charges(firsts, outcomes)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--shard", default="0/1")
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    part, parts = map(int, options.shard.split("/"))
    sys.path.insert(0, str(PATH.parents[2]))
    from tests.experiments.training_losses import BAD, GOOD

    session = LocalSession()
    blamed = missed = good = bad = 0
    slowest = 0.0
    entries = [(name, specs, False) for name, specs in GOOD.items()] + [
        (name, specs, True) for name, specs in BAD.items()
    ]
    for number, (name, specs, wrong) in enumerate(entries):
        if number % parts != part or options.only not in name:
            continue
        session.load(f"{PATH}:{name}")
        contract = parse_contract(*specs)
        failed: list[int] = []
        for seed in range(options.seeds):
            started = time.process_time()
            found = tried(session, contract, seed)
            slowest = max(slowest, time.process_time() - started)
            if bool(found) != wrong:
                failed.append(seed)
        good, bad = good + (not wrong) * options.seeds, bad + wrong * options.seeds
        blamed, missed = blamed + (not wrong) * len(failed), missed + wrong * len(failed)
        print(
            f"{'bad ' if wrong else 'good'} {name:24s} wrong verdicts {len(failed)}/{options.seeds} {failed}",
            flush=True,
        )
    print(f"bad found {bad - missed}/{bad}, good blamed {blamed}/{good}, slowest {slowest:.1f} s of processor time")
    return 0


if __name__ == "__main__":
    sys.exit(main())
