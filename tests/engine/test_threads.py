"""Programs such as public threads ask about: who is to blame, and where."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import pytest
from benchmarks.blame import examined
from benchmarks.thread_programs import Program, programs

PROGRAMS = programs()
THREAD = re.compile(r"^([\w.-]+/[\w.-]+#\d+|https?://\S+)( \(.*\))?$")


def test_each_program_has_a_place_and_someone_to_blame() -> None:
    assert len({program.name for program in PROGRAMS}) == len(PROGRAMS) >= 20
    assert all(program.lines and program.parties for program in PROGRAMS)


def test_most_programs_name_the_thread_that_describes_them() -> None:
    named = [program for program in PROGRAMS if THREAD.match(program.source)]
    assert len(named) >= 24
    assert all(program in named or program.source.startswith("a common question") for program in PROGRAMS)


@pytest.mark.real
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_the_blame(program: Program, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras and NumPy warn of some of these faults themselves
        found = examined(program.text, program.name.replace("-", "_"), tmp_path)
    assert program.solved(found), found
