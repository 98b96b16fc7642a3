"""What is certain to be asked of a loss is asked at once: the worker does it while the engine reads the graph.

The order is always the same, so that a loss that remembers its calls meets them in the same order each time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lossdoctor.engine.executions import to_compile
from lossdoctor.engine.readings import Readings, needs
from lossdoctor.engine.witnesses import Witnesses
from lossdoctor.probes.batches import Batches
from lossdoctor.probes.callings import Callings
from lossdoctor.readings import DeadGradient, Direction, EagerRun, Frozen, GradientCheck, SaveLoad, SideEffects
from lossdoctor.rules.registry import Rule, all_rules

_TRACED: tuple[Any, ...] = (Batches, Callings)
# In the order in which the rules ask for them.
_SEARCHED: tuple[Any, ...] = (EagerRun, DeadGradient, GradientCheck, Frozen, SideEffects, SaveLoad, Direction)
_ALWAYS: tuple[Any, ...] = (Batches, Callings, GradientCheck, Direction)  # by the facts, whatever the rules


def begin_traced(readings: Readings, selected: Callable[[Rule, str], bool]) -> None:
    """What needs the trace alone."""
    if readings.stages():
        readings.session.optimise()
        readings.begin(_wanted(_TRACED, selected))


def begin_searched(readings: Readings, witnesses: Witnesses, selected: Callable[[Rule, str], bool]) -> None:
    """What needs the inputs of the search, or answers to what was begun before."""
    if readings.stages():
        pair = to_compile(readings.contract, readings.traced, witnesses)
        if pair is not None:
            readings.session.compile(pair)
        readings.begin(_wanted(_SEARCHED, selected))


def _wanted(kinds: tuple[Any, ...], selected: Callable[[Rule, str], bool]) -> list[Any]:
    checks = [check for rule in all_rules() if selected(rule, "") for check in rule.checks]
    asked = [kind for check in checks for kind in needs(check).values()]
    return [kind for kind in kinds if kind in _ALWAYS or kind in asked]
