"""What the pages show as real output is what the command above prints today."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from check_docs import ROOT

MARKER = "<!-- real output of the command above -->"
PAGES = [path for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))) if MARKER in path.read_text()]


def shown(path: Path, folder: Path) -> list[tuple[list[str], str]]:
    """Writes the files of a page (blocks whose first line is `# name.py`); the commands, each with what it prints."""
    found: list[tuple[list[str], str]] = []
    commands: list[str] = []
    expected = False
    for token in MarkdownIt("commonmark").parse(path.read_text(encoding="utf-8")):
        if token.type == "html_block" and token.content.strip() == MARKER:
            expected = True
        elif token.type == "fence" and expected:
            found.append((commands, token.content))
            expected = False
        elif token.type == "fence" and token.info == "python" and token.content.startswith("# "):
            name, _, text = token.content[2:].partition("\n")
            if name.endswith(".py"):
                # The comment stands for the name of the file, and is its first line.
                (folder / name).write_text(f"# {name}\n{text}", encoding="utf-8")
        elif token.type == "fence" and token.info == "sh":
            commands = token.content.strip().splitlines()
    return found


def test_there_are_such_pages() -> None:
    assert {path.name for path in PAGES} >= {"README.md", "trace.md", "experiments.md"}


@pytest.mark.real
@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_shown_output_is_real(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COLUMNS", "FORCE_COLOR", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for commands, text in shown(path, tmp_path):
        printed = ""
        for line in commands:
            words = shlex.split(line, comments=True)
            start = {"lossdoctor": ["-m", "lossdoctor"], "python": []}[words[0]]
            run = [sys.executable, *start, *words[1:]]
            printed = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=False).stdout
        whole = [line.rstrip() for line in printed.splitlines()]
        wanted = [line.rstrip() for line in text.splitlines()]
        places = [k for k in range(len(whole)) if whole[k : k + len(wanted)] == wanted]
        assert places, f"{path.name} shows what `{commands[-1]}` does not print:\n{printed}"
