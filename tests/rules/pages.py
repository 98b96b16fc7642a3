"""Reads the rule pages: their headings, and their code blocks with the findings they announce."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from lossdoctor.rules.registry import all_rules

_BLOCK = re.compile(r"^```python (?P<kind>bad|good)(?P<info>[^\n]*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
_MARK = re.compile(r"#\s*(LD\d{3}(?:,\s*LD\d{3})*)\s*$")


@dataclass(frozen=True)
class Block:
    """An example on a page. Of a loss the specs stand in the info string, `y_true="…" y_pred="…"`; a program has
    `subject=model` (it defines `model`, `x`, `y` and perhaps `sample_weight`) or `subject=step` (`train_step` and
    `batch`)."""

    page: Path
    kind: str
    subject: str
    y_true: str
    y_pred: str
    code: str
    line: int

    @property
    def name(self) -> str:
        return f"{self.page.stem}-{self.kind}-{self.line}"

    @property
    def expected(self) -> set[tuple[int, str]]:
        """(line, code) as the comments at the ends of the lines announce them."""
        found: set[tuple[int, str]] = set()
        for number, text in enumerate(self.code.splitlines(), start=1):
            mark = _MARK.search(text)
            if mark is not None:
                found.update((number, code.strip()) for code in mark[1].split(","))
        return found


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found: list[Block] = []
    for match in _BLOCK.finditer(text):
        info = dict(part.split("=", 1) for part in shlex.split(match["info"]))
        line = text.count("\n", 0, match.start()) + 1
        subject = info.get("subject", "loss")
        specs = (info["y_true"], info["y_pred"]) if subject == "loss" else ("", "")
        found.append(Block(page, match["kind"], subject, *specs, match["code"], line))
    return found


def pages() -> list[Path]:
    return [rule.page for rule in all_rules()]
