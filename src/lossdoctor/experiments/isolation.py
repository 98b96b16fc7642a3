"""The worker's side of `isolate`: the term, the operation and the smallest input that still show a symptom.

Delta debugging over the graph: terms are dropped until one shows the symptom alone, then what follows the guilty
operation is bypassed, then the input is shrunk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from lossdoctor.domains.dependence import Dependence, cuts, dependence
from lossdoctor.domains.interpret import Reading
from lossdoctor.experiments.additive import Additive
from lossdoctor.experiments.measure import Meter, accepted_sizes, drawn
from lossdoctor.experiments.reading import Culprit
from lossdoctor.experiments.reduced import shows
from lossdoctor.experiments.scripts import leading_away_script, script_of
from lossdoctor.experiments.signs import backwards, way_of
from lossdoctor.experiments.symptoms import Symptom
from lossdoctor.experiments.terms import terms_of
from lossdoctor.graph.frontend_tf import Live
from lossdoctor.graph.ir import Node
from lossdoctor.probes.observe import observe
from lossdoctor.search.shrink import shrink
from lossdoctor.session import Observed, Pair, SessionError
from lossdoctor.spec import Contract

_TRIED = 120  # inputs of each style
_BUDGET = 240  # inputs that shrinking tries
_ORDER: tuple[Symptom, ...] = ("no-gradient", "nonfinite-value", "nonfinite-gradient", "dead-gradient", "wrong-sign")


def probe(
    subject: Any,
    contract: Contract,
    *,
    live: Live | None,
    pair: Pair | None = None,
    symptom: Symptom | None = None,
    seed: int = 0,
) -> Culprit | None:
    """Find what is to blame; None where nothing shows a symptom.

    Args:
        pair: the input; drawn where there is none.
        symptom: what to look for; the first that shows otherwise.

    Raises:
        SessionError: the loss was not traced.
    """
    if live is None:
        raise SessionError("the loss could not be traced")
    found, way = terms_of(live, subject.loaded.name)
    search = Search(live, contract, Meter(live, found, way), found, pair, seed)
    for wanted in (symptom,) if symptom is not None else _ORDER:
        culprit = search.of(wanted)
        if culprit is not None:
            return culprit
    # Every exponential overflows at 1e4, so large inputs come last.
    if pair is None and search.enlarge():
        for wanted in ("nonfinite-value", "nonfinite-gradient"):
            if symptom in (None, wanted) and (culprit := search.of(wanted)) is not None:
                return culprit
    return None


class Search:
    """The terms of one traced loss, and what of them shows a symptom."""

    def __init__(
        self, live: Live, contract: Contract, meter: Meter, found: Additive, pair: Pair | None, seed: int
    ) -> None:
        self.live, self.contract, self.meter, self.given = live, contract, meter, pair
        self.parts, self.expanded = found.parts, found.expanded
        self.graph = live.traced.graph
        self.values: Reading[Dependence] = dependence(live.traced)
        self.seed = seed
        self.known = accepted_sizes(meter, contract) if pair is None else {}
        self._runs: list[tuple[Pair, Any]] | None = None

    def runs(self) -> list[tuple[Pair, Any]]:
        """The given input, or draws: realistic ones, edges, predictions equal to their targets, large ones."""
        if self._runs is None:
            if self.given is not None:
                pairs = [self.given]
            else:
                rng = np.random.default_rng(self.seed)
                pairs = [
                    one
                    for style in ("realistic", "mixed", "target")
                    for one in drawn(self.contract, rng, self.known, style, _TRIED)
                ]
            self._runs = [(one, self.meter.run(one)) for one in pairs]
        return self._runs

    def enlarge(self) -> bool:
        """Go on with large inputs."""
        rng = np.random.default_rng(self.seed)
        self._runs = [(one, self.meter.run(one)) for one in drawn(self.contract, rng, self.known, "large", _TRIED)]
        return True

    def of(self, symptom: Symptom) -> Culprit | None:
        finders: dict[Symptom, Callable[[], Culprit | None]] = {
            "no-gradient": self.none,
            "dead-gradient": self.dead,
            "nonfinite-value": lambda: self.nonfinite("nonfinite-value"),
            "nonfinite-gradient": lambda: self.nonfinite("nonfinite-gradient"),
            "wrong-sign": self.sign,
        }
        finder = finders.get(symptom)  # others are found elsewhere
        return finder() if finder is not None else None

    # ---- symptoms that the graph shows

    def none(self) -> Culprit | None:
        for number, part in enumerate(self.parts):
            if not part.depends or self.meter.connected(number) or self.values[part.node].link == "stopped":
                continue
            own = self.graph.ancestors(part.node)
            ends = [cut for cut in cuts(self.live.traced, self.values) if cut.node in own and cut.reason == "none"]
            place = ends[-1].node if ends else part.node
            return self.culprit("no-gradient", number, place, self.first())
        return None

    def dead(self) -> Culprit | None:
        for number, part in enumerate(self.parts):
            if not part.depends or not self.meter.connected(number):
                continue
            alive = [(pair, run) for pair, run in self.runs() if run.finite_value[number]]
            usual = alive[: max(_TRIED, 1)] if self.given is None else alive
            if usual and all(run.products[number, number] == 0 for _, run in usual):
                place = self.flat(part.node, usual[0][0])
                return self.culprit("dead-gradient", number, place, self.small(usual[0][0], number, "dead-gradient"))
        return None

    def flat(self, term: int, pair: Pair) -> int:
        """The forward node at which the gradient becomes zero."""
        own = self.graph.ancestors(term)
        ends = [
            node.id
            for node in self.graph.nodes
            if node.id in own
            and self.values[node.id].dead
            and any(self.values[arg].link == "live" for arg in node.args)
        ]
        if ends:
            return ends[-1]
        seen = observe(self.live, pair, "traced")
        for node in self.graph.nodes:
            if node.role != "gradient" or node.forward not in own or node.id not in seen.stats:
                continue
            upstream = [arg for arg in node.args if self.graph[arg].role == "gradient" and arg in seen.stats]
            if _zero(seen, node.id) and upstream and any(not _zero(seen, arg) for arg in upstream):
                return node.forward
        return term

    # ---- symptoms that an input shows

    def nonfinite(self, symptom: Symptom) -> Culprit | None:
        best: Culprit | None = None
        for number, part in enumerate(self.parts):
            bad = [pair for pair, run in self.runs() if self.shown(run, number, symptom)]
            if not bad or not part.depends:
                continue
            pair = self.small(bad[0], number, symptom)
            place = self.first_bad(part.node, pair, symptom)
            return self.culprit(symptom, number, place, pair)
        return best

    def shown(self, run: Any, number: int, symptom: Symptom) -> bool:
        if symptom == "nonfinite-value":
            return not run.finite_value[number]
        if symptom == "nonfinite-gradient":
            return bool(run.finite_value[number] and not run.finite_gradient[number])
        return bool(run.finite_value[number] and run.finite_gradient[number] and run.products[number, number] == 0)

    def small(self, pair: Pair, number: int, symptom: Symptom) -> Pair:
        """The smallest input found at which the term still shows the symptom."""

        def still(pairs: list[Pair]) -> list[bool]:
            answers: list[bool] = []
            for one in pairs:
                try:
                    answers.append(self.shown(self.meter.run(one), number, symptom))
                except Exception:  # the loss is the user's
                    answers.append(False)
            return answers

        return shrink(pair, self.contract, still, _BUDGET)

    def first_bad(self, term: int, pair: Pair, symptom: Symptom) -> int:
        """The forward node that makes the first bad number, or whose derivative does."""
        own = self.graph.ancestors(term)
        seen = observe(self.live, pair, "traced")
        for node in self.graph.nodes:
            if node.id not in seen.stats or not _bad(seen, node.id):
                continue
            if any(arg in seen.stats and _bad(seen, arg) for arg in node.args):
                continue
            if symptom == "nonfinite-value" and node.role == "forward" and node.id in own:
                return node.id
            if symptom == "nonfinite-gradient" and node.role == "gradient" and node.forward in own:
                return self.behind(node)
        return term

    def behind(self, node: Node) -> int:
        """The forward node of a gradient node, the last of a chain."""
        place = node
        while place.forward is not None:
            place = self.graph[place.forward]
        return place.id

    def sign(self) -> Culprit | None:
        if self.given is not None and len(self.parts) < 1:
            return None
        pairs = [self.given] if self.given is not None else [pair for pair, _ in self.runs()[:12]]
        number = backwards(self.meter, self.contract, pairs)
        if number is None:
            return None
        place = self.turned(self.parts[number].node)
        return self.culprit("wrong-sign", number, place, self.first())

    def turned(self, term: int) -> int:
        """Where the sign of a term is turned: on its way to the value, else in itself, else the term."""
        weight = self.meter.weights(self.first())[[part.node for part in self.parts].index(term)]
        way = [place for place in self.expanded if self.graph[place].op in ("subtract", "negative", "multiply")]
        if weight < 0:
            above = [place for place in way if term in self.graph.ancestors(place)]
            if above:
                return min(above)
        return term

    def first(self) -> Pair:
        if self.given is not None:
            return self.given
        return next(
            iter(drawn(self.contract, np.random.default_rng(self.seed), {**self.known, "B": 2}, "realistic", 1))
        )

    # ---- the result

    def culprit(self, symptom: Symptom, number: int, place: int, pair: Pair) -> Culprit:
        """The result for one term and the node to blame, reduced as far as the symptom shows."""
        root, script = self.reduce(symptom, place, number, pair)
        return self.told(symptom, (number,), place, root, pair, script)

    def told(
        self, symptom: Symptom, numbers: tuple[int, ...], place: int, root: int, pair: Pair, script: str
    ) -> Culprit:
        """The result in the user's terms.

        Args:
            numbers: the terms to blame.
            place: the node to blame.
            root: the node that the script computes.
        """
        parts = [self.parts[number] for number in numbers]
        node = self.graph[place]
        while not node.calls and node.args:
            node = self.graph[node.args[0]]
        own = frozenset[int]().union(*(self.graph.ancestors(part.node) for part in parts))
        forward = [one for one in self.graph.nodes if one.role == "forward"]
        return Culprit(
            symptom,
            " + ".join(part.name for part in parts),
            tuple(one.name for one in self.parts),
            node.calls,
            parts[0].span,
            " ".join(node.call.split()),
            self.operands(place, pair, own),
            pair,
            script,
            (len(forward), len([k for k in self.graph.ancestors(root) if self.graph[k].role == "forward"])),
            len(numbers),
        )

    def reduce(self, symptom: Symptom, place: int, number: int, pair: Pair) -> tuple[int, str]:
        """The lowest node that still shows the symptom alone, from the guilty one up to the term, and its script."""
        term = self.parts[number].node
        if symptom == "wrong-sign":
            way = way_of(self.contract, pair)
            return term, leading_away_script(self.live, self.meter.contributions[number], pair, way)
        for root in self.upwards(place, term):
            if shows(self.live, root, pair, symptom):
                return root, script_of(self.live, self.live.staged.tensors[root], pair, symptom)
        return term, ""

    def upwards(self, place: int, term: int) -> Iterator[int]:
        """The nodes from one up to the term, each fed by the one before."""
        own = self.graph.ancestors(term)
        users = self.graph.users()
        for _ in range(64):
            yield place
            if place == term:
                return
            above = [user for user in users[place] if user in own and self.graph[user].role == "forward"]
            if not above:
                yield term
                return
            place = above[0]

    def operands(self, place: int, pair: Pair, own: frozenset[int]) -> str:
        """What goes into the guilty operation, in words."""
        seen = observe(self.live, pair, "traced")
        words: list[str] = []
        for arg in self.graph[place].args:
            stats = seen.stats.get(arg)
            if stats is None or arg not in own or self.graph[arg].op == "constant":
                continue
            bad = f"{stats.nan + stats.inf} of {stats.size} not finite" if stats.nan + stats.inf else ""
            span = f"{stats.low:g}" if stats.low == stats.high else f"{stats.low:g} to {stats.high:g}"
            words.append(bad or span)
        return ", ".join(words)


def _bad(seen: Observed, node: int) -> bool:
    return seen.stats[node].nan + seen.stats[node].inf > 0


def _zero(seen: Observed, node: int) -> bool:
    return seen.stats[node].low == seen.stats[node].high == 0.0 and not _bad(seen, node)
