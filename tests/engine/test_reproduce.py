"""The reproduction scripts of findings, each alone in a fresh process: 1 on the page's bad block, 0 on its good one."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.rules.pages import Block, blocks

from lossdoctor.engine import check
from lossdoctor.rules.registry import all_rules
from lossdoctor.search.demonstrations import DEMONSTRATIONS
from lossdoctor.session import Settings
from lossdoctor.worker.remote import WorkerPool

SETTINGS = Settings(time_limit=10.0)
# A page for each symptom that a script can show.
RULES = {
    "log-of-zero": "nonfinite-value",
    "infinite-slope": "nonfinite-gradient",
    "prediction-unused": "no-gradient",
    "fails-in-graph": "raises",
    "raises": "raises",
    "sum-over-batch": "scales-with-batch",
    "implicit-broadcast": "batch-mismatch",
    "wrong-gradient": "wrong-gradient",
    "wrong-direction": "decreases-away",
    "unbounded-below": "unbounded",
    "not-a-tensor": "not-a-tensor",
    "frozen-state": "frozen",
    "config-lost": "save-load",
    "kills-process": "dies",
}


def first_pair(name: str) -> tuple[Block, str]:
    """The first bad block of a page, and the code of a good one that the same script can run ("" without)."""
    page = next(rule.page for rule in all_rules() if rule.name == name)
    bad = next(block for block in blocks(page) if block.kind == "bad")
    for block in blocks(page):
        if block.kind == "good" and _interface(block) == _interface(bad):
            # Good code may have a name of its own; the script asks for that of the bad.
            return bad, re.sub(rf"\b{_target(block).name}\b", _target(bad).name, block.code)
    return bad, ""


def _target(block: Block) -> ast.FunctionDef | ast.ClassDef:
    """The last function or `Loss` class of a block."""
    return [
        item
        for item in ast.parse(block.code).body
        if isinstance(item, ast.FunctionDef)
        or (isinstance(item, ast.ClassDef) and any("Loss" in ast.unparse(base) for base in item.bases))
    ][-1]


def _interface(block: Block) -> tuple[object, ...]:
    """Specs, and what the target is and takes, a class with the attributes that it sets."""
    node = _target(block)
    if isinstance(node, ast.FunctionDef):
        return block.y_true, block.y_pred, ast.unparse(node.args)
    attributes = {
        item.attr
        for item in ast.walk(node)
        if isinstance(getattr(item, "ctx", None), ast.Store) and isinstance(item, ast.Attribute)
    }
    return block.y_true, block.y_pred, frozenset(attributes)


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    command = [sys.executable, "reproduce.py"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.parametrize("name", RULES)
def test_script(name: str, pool: WorkerPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = first_pair(name)
    monkeypatch.chdir(tmp_path)
    Path("losses.py").write_text(bad.code, encoding="utf-8")
    report = check(["losses.py"], y_true=bad.y_true, y_pred=bad.y_pred, settings=SETTINGS, pool=pool)
    script = next(finding.reproduce for finding in report.findings if finding.name == name)
    title = DEMONSTRATIONS[RULES[name]][0]
    assert script.startswith(f"# {title[:1].upper()}{title[1:]}: ")
    assert "lossdoctor" not in script
    assert str(tmp_path) not in script  # it can be sent to somebody else beside the file
    Path("reproduce.py").write_text(script, encoding="utf-8")
    shown = run(tmp_path)
    assert shown.returncode == 1, shown.stdout + shown.stderr
    assert shown.stdout.strip()
    if good:
        Path("losses.py").write_text(good, encoding="utf-8")
        mended = run(tmp_path)
        assert mended.returncode == 0, mended.stdout + mended.stderr
