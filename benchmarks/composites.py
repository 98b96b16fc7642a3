"""Composite losses taken apart: the names and weights of their terms, and whether the terms add up to the loss.

    python -m benchmarks.composites [--draws 1000] [--only NAME]

The losses are those of tests/experiments/composites.py, which say what their terms are.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from lossdoctor.spec import Contract, parse_contract
from lossdoctor.worker.local import LocalSession

PATH = Path(__file__).resolve().parents[1] / "tests" / "experiments" / "composites.py"
ROUNDING = 1e-6  # relative; float32 sums of some hundred numbers


def contract_of(y_true: Any, y_pred: Any) -> Contract:
    """The contract of two specs, a table of specs given as a table."""
    texts = [json.dumps(spec) if isinstance(spec, dict) else spec for spec in (y_true, y_pred)]
    return parse_contract(*texts)


def taken_apart(session: LocalSession, name: str, entry: Any, draws: int) -> tuple[dict[str, float | None], float]:
    """The terms that were found, with weights, and the residual."""
    contract = contract_of(*entry[:2])
    session.load(f"{PATH}:{name}")
    traced = session.trace(contract)
    if traced.traced is None:
        raise RuntimeError(f"{name} cannot be traced: {traced.raised}")
    found = session.probe("experiments.terms", contract, draws=draws)
    weights = {
        part.name: measure.weight for part, measure in zip(found.additive.parts, found.measures.terms, strict=True)
    }
    return weights, found.measures.residual


def same(found: dict[str, float | None], expected: dict[str, float | None]) -> bool:
    """The same names in any order, and the weights that are numbers."""
    if set(found) != set(expected):
        return False
    return all(
        weight is None or (one is not None and abs(one - weight) <= 1e-4 * abs(weight))
        for name, weight in expected.items()
        for one in [found[name]]
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    sys.path.insert(0, str(PATH.parents[2]))
    from tests.experiments.composites import COMPOSITES

    session = LocalSession()
    right, sound, chosen = 0, 0, {name: entry for name, entry in COMPOSITES.items() if options.only in name}
    for name, entry in chosen.items():
        started = time.process_time()
        found, residual = taken_apart(session, name, entry, options.draws)
        good = same(found, entry[2])
        right += good
        sound += residual <= ROUNDING
        print(f"{'ok  ' if good else 'MISS'} {name:24s} residual {residual:.1e}  {time.process_time() - started:.1f} s")
        if not good:
            print(f"       found    {found}\n       expected {entry[2]}")
    print(f"names and weights {right}/{len(chosen)}, sum equals the loss {sound}/{len(chosen)}")
    return 0 if right == sound == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
