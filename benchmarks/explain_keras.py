"""Does `explain` give a formula of every loss of Keras that, evaluated, equals the loss?

    python -m benchmarks.explain_keras [--only TEXT]

The formula is the printed text, parsed again. Prints it for each loss with the number of inputs at which it was
compared with the code, value and gradient, and exits 1 if one differs or has no formula.
"""

from __future__ import annotations

import argparse
import sys

from benchmarks.keras_losses import LOSSES

from lossdoctor.engine import explain
from lossdoctor.findings import ErrorItem
from lossdoctor.session import Settings
from lossdoctor.worker.remote import WorkerPool


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    equal = count = 0
    failed = False
    with WorkerPool(1, Settings()) as pool:
        for name, (y_true, y_pred) in LOSSES:
            if options.only not in name:
                continue
            count += 1
            found = explain(f"keras.losses:{name}", y_true=y_true, y_pred=y_pred, pool=pool)
            if isinstance(found, ErrorItem):
                print(f"{name:46} NOT EXPLAINED: {found.message}", flush=True)
                failed = True
                continue
            if found.agrees:
                equal += 1
                print(f"{name:46} equal at {found.checked:4} inputs: {found.statement.formula}", flush=True)
            else:
                reasons = "; ".join(found.gaps)
                print(f"{name:46} NOT EQUAL: {reasons}", flush=True)
                failed = True
    print(f"{equal} of {count} losses: the formula, evaluated, equals the loss")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
