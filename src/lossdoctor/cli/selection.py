"""Which rules the user wants: codes, beginnings of codes, names and families, as rule codes."""

from __future__ import annotations

import re
from collections.abc import Iterable

from lossdoctor.cli.parser import did_you_mean
from lossdoctor.findings import UsageError
from lossdoctor.rules.registry import Rule, all_rules

_PREFIX = re.compile(r"LD\d{0,3}", re.IGNORECASE)


def codes(selectors: Iterable[str], option: str) -> tuple[str, ...]:
    """The codes of the rules that the selectors name, each once. Raises `UsageError` for one that names none."""
    found: dict[str, None] = {}
    for selector in selectors:
        matching = [rule.code for rule in all_rules() if _matches(rule, selector)]
        if not matching:
            raise UsageError(unknown(selector, option))
        found.update(dict.fromkeys(matching))
    return tuple(found)


def _matches(rule: Rule, selector: str) -> bool:
    if selector.upper() == "ALL" or selector.lower() in (rule.name, rule.family):
        return True
    return bool(_PREFIX.fullmatch(selector)) and rule.code.startswith(selector.upper())


def unknown(given: str, option: str) -> str:
    """What to say of a selector that names no rule."""
    known = [name for rule in all_rules() for name in (rule.code, rule.name, rule.family)]
    hint = did_you_mean(given if not _PREFIX.match(given) else given.upper(), known)
    return f"Invalid value for `{option}`. Expected the code or name of a rule. Received: {given}.{hint}"
