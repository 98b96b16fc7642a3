"""What must not be imported, each in a fresh process."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"tensorflow", "keras", "sympy", "matplotlib"}


def imported(statement: str) -> set[str]:
    """The top-level modules that a fresh process has imported after `statement`, whose output is dropped."""
    code = f"""
import io, sys
from contextlib import redirect_stderr, redirect_stdout, suppress
with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()), suppress(SystemExit):
    {statement}
print(*sorted({{name.partition(".")[0] for name in sys.modules}}))
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return set(result.stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import lossdoctor",
        "from lossdoctor.cli.main import main; main(['--help'])",
        "from lossdoctor.cli.main import main; assert main(['rules']) == 0",
        "from lossdoctor.cli.main import main; assert main(['rules', 'LD301']) == 0",
        "import lossdoctor.engine",
    ],
)
def test_nothing_heavy(statement: str) -> None:
    assert imported(statement) & HEAVY == set()


def test_help_needs_next_to_nothing() -> None:
    modules = imported("from lossdoctor.cli.main import main; main(['check', '--help'])")
    assert modules & (HEAVY | {"numpy", "rich"}) == set()
