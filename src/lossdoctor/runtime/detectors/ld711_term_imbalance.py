"""LD711: one term of the loss takes over."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lossdoctor.runtime.detectors.alert import Alert
from lossdoctor.runtime.detectors.detector import Detector
from lossdoctor.runtime.detectors.log import TERM, Log
from lossdoctor.runtime.detectors.series import Array, Series, median, scale_of_noise


@dataclass
class TermImbalance(Detector):
    """Parameters.

    minor: largest early share of a term that can take over. major: share that it then has. growth: factor by which
    the term itself has to grow.
    alone: share of a term that leaves nothing to the others from the start on. rows: of such a share without any term
    improving. starved: share of a term that is next to nothing, if it is measured on the batch and stays where it is
    while the others improve. moves: change of its level that is none, as a share of it.
    """

    code, name, family, severity = "LD711", "term-imbalance", "term-imbalance", "warning"

    minor: float = 0.5
    major: float = 0.6
    growth: float = 3.0
    alone: float = 0.98
    rows: int = 100
    starved: float = 1e-3
    moves: float = 0.1

    def look(self, log: Log) -> Alert | None:
        if log.loss is None or log.row < 8 or not (log.due or log.row == self.rows):
            return None
        terms = [term for term in log.terms() if term.name in log.fresh]
        if len(terms) < 2:
            return None
        n = min(term.n for term in terms)
        table = np.abs(np.stack([term.values[-n:] for term in terms]))
        if n < 8:
            return None
        recent = np.median(table[:, -5:], axis=1)
        total = float(recent.sum())
        if not total > 0:
            return None
        place = int(np.argmax(recent))
        share = float(recent[place]) / total
        if share >= self.major:
            found = self._takeover(log, terms[place], table, place, share)
            if found is not None:
                return found
        if share >= self.alone and (n == self.rows or (log.ended and n >= 12)):
            found = self._dominates(log, terms[place], table, place, share)
            if found is not None:
                return found
        return self._starves(log, terms, table) if share >= self.alone and n >= self.rows else None

    def _takeover(self, log: Log, term: Series, table: Array, place: int, share: float) -> Alert | None:
        shares = table[place] / np.maximum(table.sum(axis=0), 1e-300)
        early = float(np.median(shares[: max(len(shares) // 10, 5)]))
        own = table[place]
        low = float(np.min([np.median(part) for part in np.array_split(own, max(min(len(own) // 5, 40), 1))]))
        now = median(own[-5:])
        if early > self.minor or now < self.growth * max(low, 1e-300) or own[-5:].mean() <= own[-10:-5].mean():
            return None
        since = int(np.flatnonzero(own <= 1.3 * low + 1e-300)[-1])
        text = (
            f"The term `{_plain(term.name)}` has grown from {low:.3g} to {now:.3g} and is {share:.0%} of the loss, "
            f"{early:.0%} at first: the others no longer count. Lower its "
            "weight, or bound it; `lossdoctor decompose` shows the terms' gradients."
        )
        return self.alert(log, term.name, term.steps[-len(own) :][since], share / self.major, text)

    def _dominates(self, log: Log, term: Series, table: Array, place: int, share: float) -> Alert | None:
        half = table.shape[1] // 2
        before, after = np.median(table[:, :half], axis=1), np.median(table[:, half:], axis=1)
        if np.any(after < 0.95 * before):
            return None
        text = (
            f"The term `{_plain(term.name)}` is {share:.1%} of the loss from the start and no term improves. The "
            "others' gradients drown in it: scale the terms to "
            "comparable size; `lossdoctor decompose` measures them."
        )
        return self.alert(log, term.name, term.steps[0], share / self.alone, text)

    def _starves(self, log: Log, terms: list[Series], table: Array) -> Alert | None:
        """A term of the data that is next to nothing of the loss and is not learned, while the others are."""
        parts = np.array_split(table, 4, axis=1)
        total = table.sum(axis=0)
        for place, term in enumerate(terms):
            own = table[place]
            rest = [median(part.sum(axis=0) - part[place]) for part in parts]
            if float(np.max(own / np.maximum(total, 1e-300))) > self.starved or rest[-1] > 0.8 * rest[0]:
                continue
            # A penalty on the weights moves from row to row by as little as they do, and what is annealed on a line.
            level, noise = median(own), scale_of_noise(own)
            levels = [median(part[place]) for part in parts]
            room = max(self.moves * level, 4 * noise / math.sqrt(len(own) / 4))
            if noise < 0.02 * level or max(levels) - min(levels) > room:
                continue
            text = (
                f"The term `{_plain(term.name)}` is {level / median(total):.1g} of the loss and has stayed at "
                f"{level:.3g} while the others improved: its gradient drowns in theirs. Scale the terms to comparable "
                "size; `lossdoctor decompose` measures them."
            )
            return self.alert(log, term.name, term.steps[-len(own)], self.starved * median(total) / level, text)
        return None


def _plain(name: str) -> str:
    return name.removeprefix(TERM)


def taken_over(log: Log, row: int) -> bool:
    """Whether a term that was the smaller part at that row of the loss makes up most of its rise since."""
    loss = log.loss
    terms = [term for term in log.terms() if term.name in log.fresh and term.n == (loss.n if loss else 0)]
    if loss is None or len(terms) < 2 or loss.n - row < 5:
        return False
    then = slice(max(row - 2, 0), row + 3)
    rise = median(loss.values[-5:]) - median(loss.values[then])
    for term in terms:
        early = median(term.values[:8]) / max(abs(median(loss.values[:8])), 1e-300)
        if median(term.values[-5:]) - median(term.values[then]) > 0.8 * rise > 0 and early < 0.5:
            return True
    return False
