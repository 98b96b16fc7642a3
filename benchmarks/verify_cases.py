"""Does `verify` refute the buggy loss of every case that has a formula, and accept the fixed one?

    python benchmarks/verify_cases.py FOLDER

FOLDER holds one folder a case, with `case.toml` (target, y_true, y_pred, formula), `buggy.py` and `fixed.py`. Prints a
line for each and exits 1 if a buggy one is accepted or a fixed one refuted.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any

from lossdoctor.config import Config
from lossdoctor.engine import check
from lossdoctor.findings import Report
from lossdoctor.session import Settings
from lossdoctor.worker.remote import WorkerPool


def verified(file: Path, case: dict[str, Any], pool: WorkerPool) -> Report:
    return check(
        [f"{file}:{case['target']}"],
        config=Config(file.parent),
        y_true=case["y_true"],
        y_pred=case["y_pred"],
        formula=case["formula"],
        purpose="verify",
        settings=Settings(),
        pool=pool,
    )


def main(folder: Path) -> int:
    refuted = accepted = count = 0
    with WorkerPool(1, Settings()) as pool:
        for description in sorted(folder.glob("*/case.toml")):
            case = tomllib.loads(description.read_text(encoding="utf-8"))
            if "formula" not in case:
                continue
            count += 1
            buggy, fixed = (verified(description.parent / f"{name}.py", case, pool) for name in ("buggy", "fixed"))
            shown = [f"{finding.rule} line {finding.location.line}" for finding in buggy.findings]
            wrong = any(finding.severity == "error" for finding in buggy.findings)
            right = not fixed.errors and all(loss.verdict == "healthy" for loss in fixed.losses)
            refuted += wrong
            accepted += right
            told = ", ".join(shown) or "; ".join(error.message for error in buggy.errors) or "accepted"
            print(f"{case['id']:32} buggy: {told}; fixed: {'accepted' if right else 'REFUTED'}", flush=True)
    print(f"{refuted} of {count} buggy refuted, {accepted} of {count} fixed accepted")
    return 0 if refuted == accepted == count else 1


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    raise SystemExit(main(Path(sys.argv[1])))
