"""Recall and false alarms on a folder of cases (`buggy.py`, `fixed.py`, `case.toml` each).

    python benchmarks/cases.py FOLDER [--only TEXT[,TEXT]] [--jobs 2] [--no-mends]

A case is hit if, among the first three findings for `buggy.py`, one of severity error or warning has the case's
family (or one of `also`) within one line of the case's lines. `fixed.py` should have no error and no warning.
Specs come from one configuration file, as a user would write it. Printed as well: of how many fixed twins finite value
and finite gradient are proved for every input of the spec, and of how many neither a proof nor an input tells anything.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import tomllib
from pathlib import Path

from lossdoctor.config import load_config
from lossdoctor.engine import check
from lossdoctor.findings import Finding, LossReport, at_or_above
from lossdoctor.session import Settings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--no-mends", action="store_true", help="findings only: look for no mends")
    options = parser.parse_args()
    cases = [
        (path.parent, tomllib.loads(path.read_text(encoding="utf-8")))
        for path in sorted(options.folder.resolve().glob("*/case.toml"))
        if any(text in path.parent.name for text in options.only.split(","))
    ]
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "lossdoctor.toml")
        config.write_text(configuration(cases), encoding="utf-8")
        loaded = load_config(config, Path(folder))
        settings = Settings(mends=not options.no_mends)
        report = check([entry.target for entry in loaded.losses], config=loaded, settings=settings, jobs=options.jobs)
    results = {loss.target: loss for loss in report.losses}
    for error in report.errors:
        print(f"not examined  {error.target}: {error.message}")
    hits = silent = 0
    for path, case in cases:
        buggy, fixed = (results.get(target(path, case, name)) for name in ("buggy", "fixed"))
        rank = hit(case, buggy)
        alarms = [f for f in fixed.findings if at_or_above(f.severity, "warning")] if fixed else []
        hits += rank > 0
        silent += fixed is not None and not alarms
        print(f"{'hit ' + str(rank) if rank else 'MISS ':6} {case['family']:19} {path.name}")
        if not rank and buggy is not None:
            for finding in buggy.findings[:4]:
                print("         found", brief(finding), "wanted", case["lines"])
        for finding in alarms:
            print("         FALSE", brief(finding))
    seconds = [loss.seconds.get("total", 0.0) for loss in report.losses]
    print(f"hits {hits}/{len(cases)}, fixed silent {silent}/{len(cases)}", end=", ")
    print(f"seconds a loss: median {statistics.median(seconds):.2f}, worst {max(seconds):.2f}")
    fixed = [results[name] for name in (target(path, case, "fixed") for path, case in cases) if name in results]
    known = [{fact.name: fact.evidence for fact in loss.facts} for loss in fixed]
    both = [(facts.get("finite-value"), facts.get("finite-gradient")) for facts in known]
    proved, unknown = both.count(("proved", "proved")), sum(None in evidence for evidence in both)
    print(f"fixed twins with finite value and gradient: proved {proved}/{len(both)}, unknown {unknown}/{len(both)}")


def target(path: Path, case: dict[str, str], name: str) -> str:
    return f"{path / name}.py:{case['target']}"


def configuration(cases: list[tuple[Path, dict[str, str]]]) -> str:
    """One configuration for all cases; a formula is part of what the user states."""
    lines = ["[tool.lossdoctor]", ""]
    for path, case in cases:
        for name in ("buggy", "fixed"):
            lines += [f'[tool.lossdoctor.losses."{target(path, case, name)}"]']
            lines += [f"{key} = '{case[key]}'" for key in ("y_true", "y_pred", "formula") if key in case] + [""]
    return "\n".join(lines)


def hit(case: dict[str, object], loss: LossReport | None) -> int:
    """The rank of the finding that hits, 0 for a miss."""
    families, lines = [case["family"], *case["also"]], case["lines"]  # type: ignore[misc]
    for rank, finding in enumerate(loss.findings[:3] if loss else (), start=1):
        near = any(abs(finding.location.line - line) <= 1 for line in lines)  # type: ignore[union-attr]
        if at_or_above(finding.severity, "warning") and finding.family in families and near:
            return rank
    return 0


def brief(finding: Finding) -> str:
    return f"{finding.severity} {finding.rule} {finding.family} line {finding.location.line}: {finding.message[:90]}"


if __name__ == "__main__":
    main()
