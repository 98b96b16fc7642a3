"""Is the blame right? 60 faults planted in six programs, one at a time; the healthy programs must blame nobody.

    python -m benchmarks.blame [--only tabular] [--shard 0/3]

Prints a line for each program and the shares of right blames and right places. A place is right if the index of the
sample is, or if the line is within one of the line that was changed (for gradients that go astray, within the step).
Seconds are of this process's CPU, after TensorFlow is imported.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks.blame_programs import FAULTS, PROGRAMS, Fault

from lossdoctor.findings import Blame
from lossdoctor.session import Settings

_NEAR = 1  # lines
SETTINGS = Settings(mends=False)


def examined(text: str, name: str, folder: Path) -> Blame:
    """The blame for a program."""
    from lossdoctor.engine.models import check_model
    from lossdoctor.engine.steps import check_step

    path = folder / f"{name}.py"
    path.write_text(text, encoding="utf-8")
    module: Any = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module
    exec(compile(text, str(path), "exec"), module.__dict__)
    if hasattr(module, "train_step"):
        report = check_step(module.train_step, module.batch, settings=SETTINGS)
    else:
        weight = getattr(module, "sample_weight", None)
        report = check_model(module.model, module.x, module.y, weight, settings=SETTINGS, place=(str(path), 0))
    found = report.losses[0].blame
    assert found is not None
    return found


def planted(fault: Fault) -> tuple[str, int]:
    """The text of the faulty program, and the line that was changed."""
    text = PROGRAMS[fault.program]
    assert text.count(fault.old) == 1, fault.name
    before = text[: text.index(fault.old)].count("\n") + 1
    added = fault.new.startswith(fault.old + "\n")
    return text.replace(fault.old, fault.new), before + added


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="part of the name of a program or fault")
    parser.add_argument("--shard", default="0/1", help="e.g. 1/3: every third fault, from the second")
    options = parser.parse_args()
    first, of = map(int, options.shard.split("/"))
    faults = [fault for fault in FAULTS[first::of] if options.only in fault.name]
    warnings.simplefilter("ignore")
    from lossdoctor.worker.start import start

    start()
    right = places = alarms = 0
    seconds: list[float] = []
    healthy = list(PROGRAMS) if first == 0 else []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name in healthy:
            started = time.process_time()
            found = examined(PROGRAMS[name], f"healthy_{name}", folder)
            seconds.append(time.process_time() - started)
            alarms += found.party != "none"
            print(f"{seconds[-1]:5.1f} s  healthy {name}: {found.party} {found.rule}", flush=True)
        for number, fault in enumerate(faults):
            text, line = planted(fault)
            started = time.process_time()
            try:
                found = examined(text, f"fault_{first}_{number}", folder)
            except Exception as problem:
                print(f"  failed  {fault.name}: {type(problem).__name__}: {problem}", flush=True)
                continue
            seconds.append(time.process_time() - started)
            who = found.party in fault.party.split("|")
            where = abs(found.line - line) <= _NEAR or (bool(fault.index) and found.index[:1] == fault.index[:1])
            right, places = right + who, places + where
            mark = "ok " if who and where else "WHO" if not who else "at "
            said = f"{found.party} {found.rule} line {found.line} (planted {line}) {list(found.index) or ''}"
            print(f"{seconds[-1]:5.1f} s  {mark} {fault.name} -> {said}", flush=True)
    count = max(len(faults), 1)
    shares = f"blame right {right}/{len(faults)} ({right / count:.0%}), place right {places}/{len(faults)}"
    print(f"{shares} ({places / count:.0%})")
    spent = f"largest {max(seconds):.1f}, mean {sum(seconds) / len(seconds):.1f}"
    print(f"false alarms {alarms}/{len(healthy)}; seconds: {spent}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
