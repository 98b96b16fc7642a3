"""Are programs such as public threads on "No gradients provided" and "loss is nan" ask about solved?

    python -m benchmarks.thread_programs [--only TEXT]

`thread_programs.txt` holds them in our own words: a name, the thread as `owner/repository#number` or the address of a
page (or that it is a common question, written without a thread at hand), who is to blame, and the program, in which
"#@" ends a line at which a good tool points. A program is solved if the blame is right, and its line is one
that is marked (±1).
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

from benchmarks.blame import examined

from lossdoctor.findings import Blame

MARK = "  #@"
HEAD = """\
import keras
import numpy as np
import tensorflow as tf
from keras import layers

keras.utils.set_random_seed(1)
rng = np.random.default_rng(1)
"""


@dataclass(frozen=True)
class Program:
    """`lines` are those that are marked, `parties` those of which one is to blame."""

    name: str
    source: str
    text: str
    parties: tuple[str, ...]
    lines: tuple[int, ...]

    def solved(self, found: Blame) -> bool:
        return found.party in self.parties and any(abs(found.line - line) <= 1 for line in self.lines)


def programs() -> list[Program]:
    found: list[Program] = []
    blocks = re.split(r"^=== ", Path(__file__).with_suffix(".txt").read_text(encoding="utf-8"), flags=re.MULTILINE)
    for block in blocks[1:]:
        entries, program = block.split("\n---\n", 1)
        name, *facts = entries.splitlines()
        known = dict(fact.split(" = ", 1) for fact in facts)
        text = HEAD + program
        marked = tuple(number for number, line in enumerate(text.splitlines(), 1) if line.endswith(MARK))
        found.append(Program(name, known["source"], text.replace(MARK, ""), tuple(known["party"].split("|")), marked))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="part of the name of a program")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    from lossdoctor.worker.start import start

    start()
    solved: list[bool] = []
    with tempfile.TemporaryDirectory() as place:
        for number, program in enumerate(programs()):
            if options.only not in program.name:
                continue
            started = time.process_time()
            try:
                found = examined(program.text, f"thread_{number}", Path(place))
            except Exception as problem:
                print(f"  failed  {program.name}: {type(problem).__name__}: {problem}", flush=True)
                solved.append(False)
                continue
            solved.append(program.solved(found))
            spent, mark = time.process_time() - started, "ok " if solved[-1] else "NOT"
            said = f"{found.party} {found.rule} line {found.line} of {list(program.lines)}"
            print(f"{spent:5.1f} s  {mark} {program.name}: {said}", flush=True)
            if not solved[-1]:
                print(f"           {found.reason}", flush=True)
    print(f"solved {sum(solved)}/{len(solved)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
