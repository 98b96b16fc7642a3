"""`lossdoctor rules`."""

from __future__ import annotations

import argparse
import sys

from lossdoctor.cli.parser import SUCCESS, Command


def rules(options: argparse.Namespace) -> int:
    """List the rules, or explain one.

    With the CODE or the name of a rule (LD301, log-of-zero) its page is printed: what it finds, why
    it matters, bad and good code, how it is decided, and when it is wrong.
    """
    from lossdoctor.cli.output import view_of, write_out
    from lossdoctor.cli.selection import unknown
    from lossdoctor.findings import UsageError
    from lossdoctor.rules.registry import all_rules
    from lossdoctor.runtime.detectors.detector import all_detectors

    known = sorted((*all_rules(), *(detector.entry() for detector in all_detectors())), key=lambda rule: rule.code)
    view = view_of(sys.stdout, no_color=options.no_color)
    if options.rule is None:
        from lossdoctor.report.parts.listing import listing

        write_out(listing(known, view))
        return SUCCESS
    wanted = options.rule.lower()
    rule = next((rule for rule in known if wanted in (rule.code.lower(), rule.name)), None)
    if rule is None:
        raise UsageError(f"{unknown(options.rule, 'rule')}\nTry: lossdoctor rules")
    from lossdoctor.report.parts.manual import page

    write_out(page(rule.page.read_text(encoding="utf-8"), view))
    return SUCCESS


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("rule", nargs="?", metavar="CODE", help="code or name of a rule")
    parser.add_argument("--no-color", action="store_true", help="no colours, as with NO_COLOR=1")


COMMAND = Command("rules", rules, _arguments)
