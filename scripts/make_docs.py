"""Make the pages of the documentation: `python scripts/make_docs.py OUT`.

Copies `docs/` and adds a page for each rule (its own, from `src/lossdoctor/rules/` and
`src/lossdoctor/runtime/detectors/`) and the list of all rules, so
that no text about a rule is written twice.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from lossdoctor.rules.registry import Rule, all_rules
from lossdoctor.runtime.detectors.detector import Entry, all_detectors

DOCS = Path(__file__).resolve().parent.parent / "docs"

INTRODUCTION = """\
# Rules

Each rule has a code that never changes and a name; both can be given to `--select`, `--ignore` and
`lossdoctor rules`. The severity is the usual one: a finding may have another where the rule's page says so.
"""


def build(out: Path) -> None:
    """Fill the folder `out` (made if it is not there; its Markdown is replaced)."""
    rules = out / "rules"
    shutil.rmtree(rules, ignore_errors=True)
    shutil.copytree(DOCS, out, dirs_exist_ok=True)
    rules.mkdir(parents=True, exist_ok=True)
    for rule in everything():
        if rule.page.exists():
            shutil.copyfile(rule.page, rules / f"{rule.code}.md")
    (rules / "index.md").write_text(index(everything()), encoding="utf-8")


def everything() -> tuple[Rule | Entry, ...]:
    """All rules, and all detectors of the monitor."""
    return (*all_rules(), *(detector.entry() for detector in all_detectors()))


def index(rules: tuple[Rule | Entry, ...]) -> str:
    """The list of rules as a Markdown table."""
    rows = [
        f"| [{rule.code}]({rule.code}.md) | {rule.name} | {rule.family} | {rule.severity} |"
        for rule in rules
        if rule.page.exists()
    ]
    return "\n".join([INTRODUCTION, "| code | name | family | severity |", "| --- | --- | --- | --- |", *rows, ""])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    build(parser.parse_args().out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
