"""Does `verify` refute the buggy loss of every case that says what is meant, and accept the fixed one?

    python benchmarks/verify_cases.py FOLDER
    python benchmarks/unseen.py FOLDER --of verify_pairs.txt && python benchmarks/verify_cases.py FOLDER

FOLDER holds one folder a case, with `buggy.py`, `fixed.py` and `case.toml`: target, y_true, y_pred, and what is
meant: `formula` (Python, LaTeX or SymPy), `gradient`, `reference`, or `docstring = true` where the file itself says it.
`lines` are those at fault, `relation` a part of what should be said to hold instead. Prints a line for each and exits 1
if a buggy one is accepted, a fixed one refuted, or another line blamed.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any

from lossdoctor.config import Config
from lossdoctor.engine import check
from lossdoctor.findings import Finding, Report
from lossdoctor.session import Settings
from lossdoctor.worker.remote import WorkerPool

MEANT = ("formula", "gradient", "reference", "docstring")


def verified(file: Path, case: dict[str, Any], pool: WorkerPool) -> Report:
    reference = case.get("reference")
    return check(
        [f"{file}:{case['target']}"],
        config=Config(file.parent),
        y_true=case["y_true"],
        y_pred=case["y_pred"],
        formula=case.get("formula"),
        gradient=case.get("gradient"),
        reference=None if reference is None else reference.replace("FOLDER", str(file.parent)),
        purpose="verify",
        settings=Settings(),
        pool=pool,
    )


def placed(finding: Finding, lines: list[int]) -> bool:
    return any(abs(finding.location.line - line) <= 1 for line in lines)


def main(folder: Path) -> int:
    refuted = accepted = right_line = told = asked = count = 0
    with WorkerPool(1, Settings()) as pool:
        for description in sorted(folder.resolve().glob("*/case.toml")):
            case = tomllib.loads(description.read_text(encoding="utf-8"))
            if not any(key in case for key in MEANT):
                continue
            count += 1
            buggy, fixed = (verified(description.parent / f"{name}.py", case, pool) for name in ("buggy", "fixed"))
            errors = [finding for finding in buggy.findings if finding.severity == "error"]
            refuted += bool(errors)
            right = not fixed.errors and all(loss.verdict == "healthy" for loss in fixed.losses)
            accepted += right
            right_line += any(placed(finding, case["lines"]) for finding in errors)
            asked += "relation" in case
            told += "relation" in case and any(case["relation"] in finding.message for finding in errors)
            print(f"{case['id']:32} fixed: {'accepted' if right else 'REFUTED'}; wanted line {case['lines']}")
            for finding in errors:
                print(f"    {finding.rule} line {finding.location.line}: {finding.message}")
            if not errors:
                print("    ACCEPTED", *(error.message for error in buggy.errors))
            for problem in (*fixed.errors, *fixed.findings):
                print(f"    fixed: {problem.message}", flush=True)
    print(
        f"{refuted} of {count} buggy refuted, {accepted} of {count} fixed accepted; "
        f"right line {right_line} of {count}, relation told {told} of {asked}"
    )
    return 0 if refuted == accepted == right_line == count and told == asked else 1


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    raise SystemExit(main(Path(sys.argv[1])))
