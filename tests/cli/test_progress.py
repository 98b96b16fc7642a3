"""Progress is for a person at a terminal, and for nobody else."""

from __future__ import annotations

import io

import pytest

from lossdoctor.cli.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_terminal_sees_target_and_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr", stream)
    with Progress() as progress:
        progress("losses.py:[/dice]", "trace")
        assert progress.shown == "losses.py:[/dice]  trace"
    assert stream.getvalue()
    assert stream.getvalue().endswith("\x1b[2K")  # the line is cleared


def test_file_sees_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    with Progress() as progress:
        progress("losses.py:dice", "trace")
    assert stream.getvalue() == ""
