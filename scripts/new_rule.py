"""Make the two files of a new rule: `python scripts/new_rule.py LD999 name-of-the-fault family`."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import get_args

from check_docs import HEADINGS
from lossdoctor.findings import Family
from lossdoctor.rules.registry import all_rules

CHECK = '''\
"""{code}: say in one line what is wrong with the loss."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.graph.ir import LossGraph
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="{code}", name="{name}", family="{family}", severity="error")


@RULE.check
def {function}(graph: LossGraph) -> Iterator[Suspicion]:
    for node in graph.where("name-of-an-op", role="forward"):
        yield RULE.at(node, f"`{{node.call}}` does what this rule is about", stage=graph.stage)
'''


def files(code: str, name: str, family: str, rules: Path) -> dict[Path, str]:
    """The contents of the two files, by path under the folder `rules`. Raises ValueError for what cannot be a rule."""
    if not re.fullmatch(r"LD\d{3}", code):
        raise ValueError(f"Invalid value for `code`. Expected LD and three digits. Received: {code}")
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
        raise ValueError(f"Invalid value for `name`. Expected lower-case words with hyphens. Received: {name}")
    if family not in get_args(Family):
        raise ValueError(f"Invalid value for `family`. Expected {', '.join(get_args(Family))}. Received: {family}")
    for rule in all_rules():
        if code == rule.code or name == rule.name:
            raise ValueError(f"Invalid value. Expected a code and a name that are free. Received: those of {rule.code}")
    function = name.replace("-", "_")
    stem = rules / family.replace("-", "_") / f"{code.lower()}_{function}"
    page = f"# {code} {name}\n" + "".join(f"\n## {heading}\n\n{_body(heading, code)}" for heading in HEADINGS)
    return {
        stem.with_suffix(".py"): CHECK.format(code=code, name=name, family=family, function=function),
        stem.with_suffix(".md"): page,
        stem.parent / "__init__.py": "",
    }


def _body(heading: str, code: str) -> str:
    """An example where code belongs; nothing else, so that the docs check asks for the text."""
    if heading not in ("Bad", "Good"):
        return ""
    mark = f"  # {code}" if heading == "Bad" else ""
    info = f'{heading.lower()} y_true="float32[B,3] real" y_pred="float32[B,3] real"'
    return f"```python {info}\ndef loss(y_true, y_pred):\n    return y_true - y_pred{mark}\n```\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    for argument in ("code", "name", "family"):
        parser.add_argument(argument)
    options = parser.parse_args()
    rules = Path(__file__).resolve().parent.parent / "src" / "lossdoctor" / "rules"
    try:
        made = files(options.code, options.name, options.family, rules)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    for path, text in made.items():
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(path)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
