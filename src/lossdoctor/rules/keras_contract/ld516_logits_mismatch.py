"""LD516: a cross entropy from logits gets probabilities, or one from probabilities gets logits."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from lossdoctor.domains.dependence import Dependence
from lossdoctor.domains.interpret import Reading
from lossdoctor.domains.intervals import Ranges
from lossdoctor.graph.ir import LossGraph, Node
from lossdoctor.readings import DeadGradient
from lossdoctor.rules.efficiency.counted import counted
from lossdoctor.rules.registry import Rule, Suspicion, Symptom
from lossdoctor.rules.tracing import input_behind, source_of
from lossdoctor.session import Loaded
from lossdoctor.source.names import argument_role
from lossdoctor.spec import Contract, Kind, Spec, leaves

RULE = Rule(code="LD516", name="logits-mismatch", family="keras-contract", severity="warning")


@RULE.check
def logits_mismatch(graph: LossGraph, contract: Contract) -> Iterator[Suspicion]:
    if graph.stage != "traced":
        return
    kinds, single = _declared(graph, contract), isinstance(contract.y_pred, Spec)
    told: set[object] = set()
    for node in graph.where(role="forward"):
        twice = _from_logits(graph, node, kinds)
        message, symptom = (twice, "perfect-costs") if twice else _from_probabilities(graph, node, kinds)
        if message and node.span not in told:
            told.add(node.span)
            yield RULE.at(
                node,
                message + _third(node),
                evidence="proved",
                symptom=symptom if single and (not twice or _certain(contract)) else None,
                arguments={"logits": _declares_logits(contract)},
                replay="welcome",
            )


def _third(node: Node) -> str:
    """That something else was passed where a cross entropy of Keras has from_logits."""
    try:
        call = ast.parse(node.span.text, mode="eval").body if node.span is not None else None
    except SyntaxError:
        return ""
    if not isinstance(call, ast.Call) or len(call.args) < 3 or not ast.unparse(call.func).endswith("_crossentropy"):
        return ""
    given = call.args[2]
    if isinstance(given, ast.Constant | ast.Starred) and not isinstance(getattr(given, "value", None), float):
        return ""
    text = ast.unparse(given)
    return "" if "logits" in text else f"; `{text}` is passed for `from_logits`, the third parameter"


@RULE.check
def of_targets(graph: LossGraph, contract: Contract, loaded: Loaded) -> Iterator[Suspicion]:
    """A softmax or sigmoid of targets that are classes or probabilities already."""
    target = contract.y_true
    if graph.stage != "traced" or not isinstance(target, Spec) or contract.origin == "inferred":
        return
    if argument_role(loaded.parameters[0]) == "y_pred":
        return  # LD517: it is meant for the prediction
    for node in graph.where("softmax", "log_softmax", "sigmoid", role="forward"):
        kinds = ("binary", "onehot", "probability", "unit") if node.op == "sigmoid" else ("onehot", "probability")
        if target.kind in kinds and source_of(graph, node.args[0]) in graph.y_true:
            yield RULE.at(
                node,
                f"`{node.call}` is applied to targets of kind {target.kind}: what they say of the classes is blurred, "
                "and the loss is least for a prediction that is as unsure",
                evidence="proved",
                symptom="perfect-costs" if isinstance(contract.y_pred, Spec) else None,
                arguments={"logits": _declares_logits(contract), "beside": True},
                replay="welcome",
            )


@RULE.check
def of_predictions(graph: LossGraph, contract: Contract, loaded: Loaded) -> Iterator[Suspicion]:
    """A softmax or sigmoid of predictions that are probabilities already, in a loss that is no cross entropy from
    logits: what it compares with the targets cannot come near them."""
    if graph.stage != "traced" or "y_true" in map(argument_role, loaded.parameters[1:2]) or not _aligned(contract):
        return
    kinds = _declared(graph, contract) if isinstance(contract.y_pred, Spec) else {}
    for node in graph.where("softmax", "log_softmax", "sigmoid", role="forward"):
        kind = kinds.get(source_of(graph, node.args[0]))
        if kind not in ("probability", "unit"):
            continue
        if any(source_of(graph, other.args[0]) in graph.y_true for other in graph.where(node.op, role="forward")):
            continue  # scores of both are compared, as ranking losses do
        yield RULE.at(
            node,
            f"`{node.call}` is applied to y_pred, which is of kind {kind} already: what comes out stays far "
            "from 0 and 1, whatever the model says",
            evidence="proved",
            symptom="perfect-costs",
            arguments={"beside": True},
        )


def _aligned(contract: Contract) -> bool:
    """Whether y_true says what y_pred should be, place by place; the labels of a sequence (CTC) do not."""
    true, pred = contract.y_true, contract.y_pred
    if not isinstance(true, Spec) or not isinstance(pred, Spec):
        return False
    given, *wanted = ([dim for dim in dims if dim != 1] for dims in (true.dims, pred.dims, pred.dims[:-1]))
    return given in wanted


@RULE.check
def of_one_score(graph: LossGraph, dependence: Reading[Dependence], dead: DeadGradient) -> Iterator[Suspicion]:
    """A softmax over an axis of length one, in a loss that has another part which moves; LD111 tells the others."""
    if graph.stage != "traced" or dead.constant:
        return
    for node in graph.where("softmax", "log_softmax", role="forward"):
        shape = graph[node.args[0]].shape
        if shape and shape[-1] == 1 and dependence[node.args[0]].connected:
            yield RULE.at(
                node,
                f"`{node.call}` runs over an axis of length one, where it is {int(node.op == 'softmax')} whatever "
                "y_pred is: a sigmoid is meant, or another axis",
                evidence="proved",
                symptom="operations-left",
                arguments=counted(graph, "softmax", "log_softmax")["arguments"],
                replay="welcome",
            )
            return


@RULE.check
def of_scores(graph: LossGraph, ranges: Ranges, contract: Contract) -> Iterator[Suspicion]:
    """A cross entropy from probabilities, whose argument the loss computes and which can be negative."""
    if graph.stage != "traced" or contract.origin == "inferred":
        return
    for node in graph.where("log", role="forward"):
        through = frozenset({"astype", "maximum", "minimum", "clip"})
        share = graph[source_of(graph, _without_epsilon(graph, node.args[0]), through)]
        if share.op != "divide":
            continue
        total, score = graph[source_of(graph, share.args[1])], graph[share.args[0]]
        if total.op != "sum" or total.args[0] != score.id or score.op == "input" or ranges[score.id].low >= 0.0:
            continue
        yield RULE.at(
            node,
            f"`{node.call}` expects probabilities, and what it gets is in {ranges[score.id]}: a softmax is missing, or "
            "from_logits=True",
            evidence="proved",
        )


def _declared(graph: LossGraph, contract: Contract) -> dict[int, Kind]:
    """The kinds of the predictions, by their inputs in the graph; none where this very code suggested them, which
    cannot be held against it."""
    if contract.origin == "inferred" and not any("last layer" in text for text in contract.assumptions):
        return {}
    return {place: spec.kind for place, (_, spec) in zip(graph.y_pred, leaves(contract.y_pred), strict=False)}


def _declares_logits(contract: Contract) -> bool:
    return isinstance(contract.y_pred, Spec) and contract.y_pred.kind not in ("probability", "unit")


def _certain(contract: Contract) -> bool:
    """Whether y_true names one class, so that a cross entropy has a prediction that costs nothing."""
    return isinstance(contract.y_true, Spec) and contract.y_true.kind in ("onehot", "binary", "label")


def _from_logits(graph: LossGraph, node: Node, declared: Mapping[int, Kind]) -> str:
    """An operation that applies the softmax or sigmoid itself, to what has been through one."""
    if node.op in ("softmax_cross_entropy", "sparse_softmax_cross_entropy"):
        logits, function, kinds = node.args[0], "softmax", ("probability",)
    elif (found := _logistic_argument(graph, node)) is not None:
        logits, function, kinds = found, "sigmoid", ("probability", "unit")
    else:
        return ""
    source = graph[source_of(graph, logits)]
    if source.op == function:
        return f"`{node.call}` applies the {function} to the result of `{source.call}`: it is applied twice"
    if (kind := declared.get(source.id)) in kinds:
        return f"`{node.call}` expects logits, and y_pred is of kind {kind}: the {function} is applied twice"
    return ""


def _logistic_argument(graph: LossGraph, node: Node) -> int | None:
    """x of log1p(exp(-|x|)), the part of sigmoid_cross_entropy_with_logits that no other loss has."""
    if node.op != "log1p" or graph[node.args[0]].op != "exp":
        return None
    negative = graph[graph[node.args[0]].args[0]]
    if negative.op == "negative" and graph[negative.args[0]].op == "abs":
        return graph[negative.args[0]].args[0]
    if negative.op == "where" and len(negative.args) == 3:  # TensorFlow writes -|x| as where(x >= 0, -x, x)
        first, second = graph[negative.args[1]], negative.args[2]
        if first.op == "negative" and first.args[0] == second:
            return second
    return None


def _from_probabilities(graph: LossGraph, node: Node, declared: Mapping[int, Kind]) -> tuple[str, Symptom | None]:
    """Logits that are clipped to [0, 1], or divided by their sum, before a logarithm; and what shows it."""
    if node.op != "log":
        return "", None
    argument = _without_epsilon(graph, node.args[0])
    clipped = graph[source_of(graph, argument, frozenset({"astype", "maximum", "minimum", "clip"}))]
    bounded = graph[argument].op in ("maximum", "minimum", "clip")
    if bounded and declared.get(clipped.id) == "logit" and _below_one(graph, graph[argument]):
        return (
            f"`{node.call}` expects probabilities, and y_pred is of kind logit: a sigmoid is missing",
            "clipped-scores",
        )
    if clipped.op == "divide" and _logits(graph, clipped.args[0], declared):
        total = graph[source_of(graph, clipped.args[1])]
        if total.op == "sum" and _logits(graph, total.args[0], declared):
            missing = f"`{node.call}` expects probabilities, and y_pred is of kind logit: a softmax is missing"
            return missing, "not-shift-invariant"
    return "", None


def _logits(graph: LossGraph, place: int, declared: Mapping[int, Kind]) -> bool:
    source = input_behind(graph, place)
    return source is not None and declared.get(source) == "logit"


def _without_epsilon(graph: LossGraph, place: int) -> int:
    """x of x + constant: Keras's backend adds an epsilon to what it has clipped."""
    node = graph[place]
    if node.op == "add":
        for x, constant in (node.args, node.args[::-1]):
            if graph[constant].constant is not None and graph[x].constant is None:
                return x
    return place


def _below_one(graph: LossGraph, node: Node) -> bool:
    """Whether a chain of clips has an upper bound of at most 1, which only probabilities need."""
    while node.op in ("maximum", "minimum", "clip", "astype", "identity"):
        for arg in node.args[1:]:
            bound = _number(graph, arg)
            if node.op != "maximum" and bound is not None and 0.5 < bound <= 1.0:
                return True
        node = graph[node.args[0]]
    return False


def _number(graph: LossGraph, place: int) -> float | None:
    """The one number that a node is, also where it is the difference of two, as in `1 - epsilon`."""
    node = graph[place]
    if node.op == "subtract":
        one, other = (_number(graph, arg) for arg in node.args)
        return None if one is None or other is None else one - other
    value = node.constant
    return float(value.flat[0]) if value is not None and value.size == 1 else None
