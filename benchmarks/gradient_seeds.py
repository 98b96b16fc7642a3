"""For how many seeds does a wrong gradient pass the gradient check, and for how many is a right one accused?

    python benchmarks/gradient_seeds.py [--seeds 200] [--only NAME] [--shard 1/4]

The losses are those of `wrong_gradients.py` and of `keras.losses`. A wrong one passes where the check calls the
gradient consistent; a healthy one is accused where a mismatch is reported. Prints what failed, and exits 1 if more than
one wrong run in a thousand passes, or any healthy one is accused.

The check itself is the probe's. What it would ask of the loss is known from the draws alone, so all seeds are asked at
once, in one vectorised call of the traced loss, and the probe then reads the answers.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_losses import LOSSES
from lossdoctor.probes.custom_gradients import custom_gradients
from lossdoctor.probes.gradient import DRAWS, compare, prepared
from lossdoctor.probes.weighted import Point, Weighted
from lossdoctor.readings import GradientCheck
from lossdoctor.session import Array, Pair
from lossdoctor.spec import parse_contract
from lossdoctor.subject import subject_of
from wrong_gradients import HEALTHY, WRONG

SPEC = "float32[B,4] real"
PASSING = 1e-3
FIELDS = ("call", "function", "graph", "dtype", "epsilon", "connected", "source")


def standard() -> dict[str, tuple[Any, tuple[str, str]]]:
    """The losses of `keras.losses`, functions and classes, also for logits where they take them; with specs."""
    found: dict[str, tuple[Any, tuple[str, str]]] = {}
    for name, specs in LOSSES:
        word, options = named(name)
        made: Any = getattr(keras.losses, word)
        if word == "CTC":
            found.update(alignments(made))
            continue
        if not inspect.isfunction(made):
            found[f"keras {name}"] = made(**options), specs
            continue
        found[f"keras {name}"] = partial(made, **options) if options else made, specs
        if "from_logits" in inspect.signature(made).parameters:
            scores = specs[0], specs[1].replace("unit", "logit").replace("probability", "logit")
            found[f"keras {word}(from_logits=True)"] = partial(made, from_logits=True), scores
    return found


def alignments(made: Any) -> dict[str, tuple[Any, tuple[str, str]]]:
    """The CTC loss, as function and class, of labels without the blank: of others its gradient is not defined."""
    specs = "int32[B,4] label(5)", "float32[B,9,6] logit"
    return {
        "keras ctc": (lambda t, p: keras.losses.ctc(1 + t, p), specs),
        "keras CTC": (lambda t, p: made(reduction="none")(1 + t, p), specs),
    }


def named(text: str) -> tuple[str, dict[str, Any]]:
    """`Huber(delta=2)` as a name and its options."""
    tree = ast.parse(text, mode="eval").body
    if isinstance(tree, ast.Call):
        return ast.unparse(tree.func), {str(one.arg): ast.literal_eval(one.value) for one in tree.keywords}
    return text, {}


@dataclass(frozen=True)
class Recording(Weighted):
    """Takes questions down, and answers with nothing."""

    asked: list[tuple[Pair, Array]] = field(default_factory=list[tuple[Pair, Array]])

    def at(self, pair: Pair) -> Point:
        self.asked.append((pair, self.upstream))
        return Point(0.0, 1.0, [np.zeros(np.shape(pair.y_pred))])


@dataclass(frozen=True)
class Answered(Weighted):
    """Reads the answers to questions that were taken down; others are asked of the loss."""

    known: dict[bytes, Point] = field(default_factory=dict[bytes, Point])

    def at(self, pair: Pair) -> Point:
        found = self.known.get(key(pair, self.upstream))
        return super().at(pair) if found is None else found


def key(pair: Pair, upstream: Array) -> bytes:
    return b"|".join(np.asarray(one, np.float64).tobytes() for one in (pair.y_true, pair.y_pred, upstream))


# Draws depend on the shapes and the seeds only: what was asked of one loss is asked of all like it.
_QUESTIONS: dict[tuple[object, ...], tuple[list[bytes], list[Array]]] = {}


def checks(loss: Any, seeds: range, specs: tuple[str, str] = (SPEC, SPEC)) -> list[GradientCheck]:
    contract, subject = parse_contract(*specs), subject_of(loss)
    made = prepared(subject, contract, np.random.default_rng(seeds[0]))
    if isinstance(made, GradientCheck):
        return [made] * len(seeds)
    call, weighted = made
    # What a stop_gradient does to training takes many more questions, and no part in this.
    found = replace(custom_gradients(weighted.graph, subject, weighted.predictions), stop_spans=())
    fields = {name: getattr(weighted, name) for name in FIELDS}
    like = (specs, seeds, tuple(call.sizes.items()), weighted.upstream.shape, weighted.dtype)
    if like not in _QUESTIONS:
        asked: list[tuple[Pair, Array]] = []
        for seed in seeds:
            rng = np.random.default_rng(seed)
            asking = Recording(**fields, upstream=weighted.drawn(rng).upstream, asked=asked)
            compare(call, asking, contract, rng, found, enough=DRAWS + 1)
        whole = np.asarray(asked[0][0].y_true).dtype.kind in "iu"
        stacks = [
            np.stack([np.asarray(pair.y_true, np.int32 if whole else np.float64) for pair, _ in asked]),
            np.stack([np.asarray(pair.y_pred, np.float64) for pair, _ in asked]),
            np.stack([upstream for _, upstream in asked]),
        ]
        _QUESTIONS[like] = [key(pair, upstream) for pair, upstream in asked], stacks
    known = answers(weighted, *_QUESTIONS[like])
    results: list[GradientCheck] = []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        answered = Answered(**fields, upstream=weighted.drawn(rng).upstream, known=known)
        results.append(compare(call, answered, contract, rng, found))
    return results


def answers(weighted: Weighted, keys: Sequence[bytes], stacks: Sequence[Array]) -> dict[bytes, Point]:
    """All questions in one call; nothing of a loss that cannot be vectorised, which then is asked one by one."""
    dtypes = (weighted.dtype or "float32", weighted.dtype or "float32", "float64")
    given = [
        tf.constant(stack, "int32" if stack.dtype.kind == "i" else dtype)
        for stack, dtype in zip(stacks, dtypes, strict=True)
    ]
    run = tf.function(lambda *parts: tf.vectorized_map(lambda one: weighted.source(*one), parts), autograph=False)
    try:
        totals, sizes, (gradients,) = run(*given)
    except (AttributeError, ValueError):  # a loop, of which TensorFlow's vectorisation knows too little
        return {}
    rows = zip(keys, totals.numpy(), sizes.numpy(), np.asarray(gradients, np.float64), strict=True)
    return {one: Point(float(total), float(size), [gradient]) for one, total, size, gradient in rows}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--only", default="")
    parser.add_argument("--shard", default="1/1", help="every n-th loss only, from the k-th on: k/n")
    options = parser.parse_args()
    turn, shards = (int(part) for part in options.shard.split("/"))
    wrong_ones = {name: loss for name, loss in list(WRONG.items())[turn - 1 :: shards] if options.only in name}
    healthy_ones = {name: (loss, (SPEC, SPEC)) for name, loss in HEALTHY.items()} | standard()
    right_ones = {name: one for name, one in list(healthy_ones.items())[turn - 1 :: shards] if options.only in name}
    started = time.monotonic()
    runs = passed = healthy = accused = unjudged = 0
    for name, loss in wrong_ones.items():
        found = checks(loss, range(options.seeds))
        print(f"wrong {name}", file=sys.stderr, flush=True)
        through = [seed for seed, one in enumerate(found) if not one.mismatches]
        runs, passed = runs + len(found), passed + len(through)
        if through:
            print(f"wrong {name}: passes for seeds {through[:10]} ({len(through)} of {len(found)})", flush=True)
    for name, (loss, specs) in right_ones.items():
        before = time.process_time()
        found = checks(loss, range(options.seeds), specs)
        print(f"healthy {name}: {time.process_time() - before:.0f} s", file=sys.stderr, flush=True)
        wrong = [seed for seed, one in enumerate(found) if one.mismatches]
        healthy, accused = healthy + len(found), accused + len(wrong)
        unjudged += sum(one.checked < 4 for one in found)
        if wrong:
            print(f"healthy {name}: accused for seeds {wrong[:10]} ({len(wrong)} of {len(found)})", flush=True)
    share = passed / max(runs, 1)
    print(
        f"{len(wrong_ones)} wrong gradients, {options.seeds} seeds: {passed} of {runs} pass ({share:.2%}); "
        f"{len(right_ones)} healthy losses: {accused} of {healthy} accused, {unjudged} not judged; "
        f"{time.monotonic() - started:.0f} s"
    )
    return 0 if share <= PASSING and not accused else 1


if __name__ == "__main__":
    sys.exit(main())
