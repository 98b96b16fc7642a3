"""For how many seeds does a wrong gradient pass the gradient check, and for how many is a right one accused?

    python benchmarks/gradient_seeds.py [--seeds 200] [--only NAME]

The losses are those of `wrong_gradients.py`. A wrong one passes where the check calls the gradient consistent; a
healthy one is accused where a mismatch is reported. Prints what failed, and exits 1 if more than one wrong run in a
thousand passes, or any healthy one is accused.
"""

from __future__ import annotations

import argparse
import sys
import time

from lossdoctor.probes.gradient import probe_seeds
from lossdoctor.readings import GradientCheck
from lossdoctor.spec import parse_contract
from lossdoctor.subject import subject_of
from wrong_gradients import HEALTHY, WRONG, Loss

SPEC = "float32[B,4] real"
PASSING = 1e-3


def checks(loss: Loss, seeds: range) -> list[GradientCheck]:
    return probe_seeds(subject_of(loss), parse_contract(SPEC, SPEC), seeds)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    started = time.monotonic()
    runs = passed = healthy = accused = unjudged = 0
    for name, loss in WRONG.items():
        if options.only in name:
            found = checks(loss, range(options.seeds))
            through = [seed for seed, one in enumerate(found) if not one.mismatches]
            runs, passed = runs + len(found), passed + len(through)
            if through:
                print(f"wrong {name}: passes for seeds {through[:10]} ({len(through)} of {len(found)})", flush=True)
    for name, loss in HEALTHY.items():
        if options.only in name:
            found = checks(loss, range(options.seeds))
            wrong = [seed for seed, one in enumerate(found) if one.mismatches]
            healthy, accused = healthy + len(found), accused + len(wrong)
            unjudged += sum(one.checked < 4 for one in found)
            if wrong:
                print(f"healthy {name}: accused for seeds {wrong[:10]} ({len(wrong)} of {len(found)})", flush=True)
    share = passed / max(runs, 1)
    print(
        f"{len(WRONG)} wrong gradients, {options.seeds} seeds: {passed} of {runs} pass ({share:.2%}); "
        f"{len(HEALTHY)} healthy losses: {accused} of {healthy} accused, {unjudged} not judged; "
        f"{time.monotonic() - started:.0f} s"
    )
    return 0 if share <= PASSING and not accused else 1


if __name__ == "__main__":
    sys.exit(main())
