"""`lossdoctor monitor`."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from lossdoctor.cli.parser import FOUND, SUCCESS, Command, listed
from lossdoctor.cli.single import add_result, deliver
from lossdoctor.findings import SEVERITIES, UsageError

_SETTING = re.compile(r"(?P<detector>[\w-]+)\.(?P<name>\w+)=(?P<value>\S+)")


def monitor(options: argparse.Namespace) -> int:
    """Look for trouble in the log of a training run that exists.

    LOG is a folder of TensorBoard event files, a CSV (as of Keras's CSVLogger), a JSON history of Keras,
    a trainer_state.json, or JSON lines; what wrote it does not matter. Columns: step or epoch, loss, and
    where there are any grad_norm, learning_rate, val_loss; others are further series, and those that
    add up to the loss are its terms.

      lossdoctor monitor history.csv
      lossdoctor monitor runs/x --select non-finite,LD702
      lossdoctor monitor history.csv --set spike.factor=4 --format json
      lossdoctor monitor results.csv --column loss=train/box_loss --column val_loss=val/box_loss

    The log is read from the front only: each alert stands at the step where training could have known.
    """
    from lossdoctor.cli.output import check_writable
    from lossdoctor.findings import at_or_above
    from lossdoctor.report.parts.monitoring import as_json, render
    from lossdoctor.runtime.logs.monitor import monitor as run

    if options.output is not None:
        check_writable(options.output)
    try:
        runs = run(
            options.log,
            parameters=_settings(options.set or []),
            detectors=_chosen(options),
            columns=_columns(options.column or []),
        )
    except UsageError as problem:  # there it has the name that it has in Python
        raise UsageError(str(problem).replace("value for `parameters`", "value for `set`")) from None
    deliver(options, lambda view: render(runs, view), lambda: as_json(runs))
    alerts = [alert for one in runs for alert in one.alerts]
    told = options.fail_on != "never" and any(at_or_above(alert.severity, options.fail_on) for alert in alerts)
    return FOUND if told else SUCCESS


def _chosen(options: argparse.Namespace) -> set[str]:
    from lossdoctor.runtime.detectors.detector import codes

    select, ignore = listed(options.select), listed(options.ignore)
    chosen = codes(select if select is not None else ["ALL"], "select")
    return chosen - codes(ignore or [], "ignore")


def _columns(given: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in given:
        series, equals, column = text.partition("=")
        if not (series.strip() and equals and column.strip()):
            raise UsageError(
                f"Invalid value for `column`. Expected SERIES=COLUMN, as loss=train/loss. Received: {text}"
            )
        found[series.strip()] = column.strip()
    return found


def _settings(given: list[str]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for text in given:
        match = _SETTING.fullmatch(text.strip())
        try:
            if match is None:
                raise ValueError
            found.setdefault(match["detector"], {})[match["name"]] = float(match["value"])
        except ValueError:
            raise UsageError(f"Invalid value for `set`. Expected DETECTOR.PARAMETER=NUMBER. Received: {text}") from None
    return found


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("log", type=Path, metavar="LOG", help="folder of event files, .csv, .json or .jsonl")
    parser.add_argument(
        "--column", action="append", metavar="S=COLUMN", help="the column of a series, as loss=train/box_loss"
    )
    chosen = parser.add_argument_group("detectors")
    chosen.add_argument("--select", action="append", metavar="CODES", help="codes or names of detectors (all)")
    chosen.add_argument("--ignore", action="append", metavar="CODES", help="codes or names not to look for")
    chosen.add_argument("--set", action="append", metavar="D.P=X", help="a parameter of a detector")
    result = parser.add_argument_group("result")
    result.add_argument("--format", choices=("text", "json"), default="text", help="text unless said otherwise")
    result.add_argument(
        "--fail-on",
        choices=(*reversed(SEVERITIES), "never"),
        default="warning",
        help="least severity that gives exit status 1 (warning)",
    )
    add_result(result)


COMMAND = Command("monitor", monitor, _arguments)
