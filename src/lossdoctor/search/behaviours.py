"""Demonstrations that a loss reacts as it should not, or not as it should, when one thing of its input is changed.

As those of `search.demonstrations`, each gives the body of `def fault() -> bool`. They illustrate facts of the graph:
where the input at hand does not show one, the script says so and the fault stands all the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from textwrap import dedent

from lossdoctor.search.calling import (
    Arguments,
    Demonstration,
    called,
    gradient_function,
    source_tensors,
)
from lossdoctor.spec import Contract

_KEEPS = 0.02  # share of its gradient from which a sample of weight 0 counts as not weighted away


def weight_ignored(contract: Contract, arguments: Arguments) -> str:
    """The gradient of the last sample, through Keras, with weight 1 and with weight 0 beside weights of 1."""
    return dedent(f"""\
        size = tf.nest.flatten(y_pred)[0].shape[0]

        def last(weights):
            with tf.GradientTape() as tape:
                tape.watch(y_pred)
                value = keras_loss(y_true, y_pred, tf.constant(weights))
            parts = [g for g in tf.nest.flatten(tape.gradient(value, y_pred)) if g is not None]
            return float(sum(np.abs(np.asarray(tf.convert_to_tensor(g), "float64")[-1]).sum() for g in parts))

        try:
            kept, full = last([1.0] * (size - 1) + [0.0]), last([1.0] * size)
        except (ValueError, tf.errors.InvalidArgumentError) as error:
            print(f"a weight for each sample raises {{type(error).__name__}}: {{' '.join(str(error).split())[:160]}}")
            return True
        print(f"gradient of the last sample: {{full:.6g}} with weight 1, {{kept:.6g}} with weight 0")
        return kept > {_KEEPS} * full > 0
        """)


def lowest_number(contract: Contract, arguments: Arguments) -> str:
    """The loss beside the largest finite number of its dtype."""
    return dedent(f"""\
        value = tf.convert_to_tensor({called(arguments)}(y_true, y_pred))
        value, largest = np.asarray(tf.cast(value, "float64")), float(value.dtype.max)
        print(f"loss {{value.ravel()[:3]}}, where the largest number is {{largest:.6g}}")
        return bool(np.any(np.isfinite(value) & (np.abs(value) > 1e-3 * largest)))
        """)


def rank_of_one(contract: Contract, arguments: Arguments) -> str:
    """The rank of the loss of a batch, and of its first sample."""
    return dedent(f"""\
        def first(value):
            return tf.nest.map_structure(lambda part: part[:1], value)

        together = np.shape({called(arguments)}(y_true, y_pred))
        try:
            alone = np.shape({called(arguments)}(first(y_true), first(y_pred)))
        except Exception as error:
            print(f"a batch of one raises {{type(error).__name__}}: {{' '.join(str(error).split())[:200]}}")
            return True
        print(f"shape {{together}} for the batch, {{alone}} for a batch of one")
        return len(together) != len(alone)
        """)


def order_matters(contract: Contract, arguments: Arguments) -> str:
    """The loss, and the loss with its two arguments exchanged."""
    return dedent(f"""\
        given = np.asarray({called(arguments)}(y_true, y_pred), "float64")
        other = np.asarray({called(arguments)}(y_pred, y_true), "float64")
        print(f"as Keras passes them {{given.ravel()[:3]}}, the other way round {{other.ravel()[:3]}}")
        return given.shape != other.shape or not np.allclose(given, other, rtol=1e-4, atol=1e-6, equal_nan=True)
        """)


def scores_exchanged(contract: Contract, arguments: Arguments) -> str:
    """The loss does not change when the scores of the classes are handed over in reverse."""
    return dedent(f"""\
        given = np.asarray({called(arguments)}(y_true, y_pred), "float64")
        other = np.asarray({called(arguments)}(y_true, tf.reverse(y_pred, [-1])), "float64")
        print(f"loss {{given.ravel()[:3]}}, with the scores of the classes reversed {{other.ravel()[:3]}}")
        moved = not np.allclose(np.asarray(y_pred), np.asarray(y_pred)[..., ::-1])
        return moved and given.shape == other.shape and np.allclose(given, other, rtol=1e-4, atol=1e-6)
        """)


def not_shift_invariant(contract: Contract, arguments: Arguments) -> str:
    """A softmax over the classes does not notice a number added to all scores of one place."""
    return dedent(f"""\
        shape = y_pred.shape[:-1] + (1,)
        shift = tf.cast(np.random.default_rng(0).normal(size=shape), y_pred.dtype)
        given = np.asarray({called(arguments)}(y_true, y_pred), "float64")
        other = np.asarray({called(arguments)}(y_true, y_pred + shift), "float64")
        print(f"loss {{given.ravel()[:3]}}, with all scores of a place moved alike {{other.ravel()[:3]}}")
        return not np.allclose(given, other, rtol=1e-3, atol=1e-5)
        """)


def label_without_gradient(contract: Contract, arguments: Arguments) -> str:
    """Entries of y_pred whose label is `label` have (next to) no gradient, while others have one."""
    label = float(arguments["label"])
    return gradient_function(arguments) + dedent(f"""\
        value, gradient = value_and_gradient(y_true, y_pred)
        slopes = np.abs(np.asarray(tf.convert_to_tensor(gradient), "float64"))
        labels = np.broadcast_to(np.asarray(y_true, "float64"), slopes.shape)
        here, rest = slopes[labels == {label}], slopes[labels != {label}]
        print(f"largest gradient where y_true is {label:g}: {{here.max(initial=0):.3g}}, elsewhere "
              f"{{rest.max(initial=0):.3g}}")
        return here.size > 0 and here.max() <= 1e-3 * max(rest.max(initial=0), 1e-3)
        """)


def fractions_alike(contract: Contract, arguments: Arguments) -> str:
    """Targets with a fraction give the loss that the same targets rounded down give."""
    return dedent(f"""\
        lower = tf.floor(y_true)
        given = np.asarray({called(arguments)}(y_true, y_pred), "float64")
        other = np.asarray({called(arguments)}(lower, y_pred), "float64")
        print(f"loss {{given.ravel()[:3]}}, with y_true rounded down {{other.ravel()[:3]}}")
        return bool(np.any(np.asarray(lower) != np.asarray(y_true))) and np.allclose(given, other, 1e-6, 1e-9)
        """)


def perfect_costs(contract: Contract, arguments: Arguments) -> str:
    """The loss of the best prediction there is: y_true itself or, with `logits`, scores far out that say the same.
    It counts as large beside that of y_pred (`beside`), or above 0.1."""
    scores = "\n        best = 40.0 * best - 20.0" if arguments.get("logits") else ""
    return dedent(f"""\
        best = tf.cast(y_true, y_pred.dtype)
        if y_pred.shape != best.shape:
            best = tf.one_hot(tf.cast(tf.reshape(y_true, y_pred.shape[:-1]), "int32"), y_pred.shape[-1]){scores}
        value = float(tf.reduce_mean({called(arguments)}(y_true, best)))
        other = float(tf.reduce_mean({called(arguments)}(y_true, y_pred)))
        print(f"mean loss {{value:.6g}} at the best prediction there is, {{other:.6g}} at another")
        return {"value > 0.2 * other > 0" if arguments.get("beside") else "value > 0.1"}
        """)


def grows_squared(contract: Contract, arguments: Arguments) -> str:
    """The largest tensor of the traced loss, for two sizes of the batch."""
    return dedent(f"""\
        def largest(size):
            def grown(value):
                return tf.nest.map_structure(lambda p: tf.TensorSpec((size, *p.shape[1:]), p.dtype), value)

            traced = tf.function({called(arguments)}, autograph=False)
            graph = traced.get_concrete_function(grown(y_true), grown(y_pred)).graph
            shapes = [out.shape for op in graph.get_operations() for out in op.outputs]
            return max(shape.num_elements() or 0 for shape in shapes if shape.rank is not None)

        small, large = largest(512), largest(1024)
        print(f"largest tensor: {{small}} elements for a batch of 512, {{large}} for 1024")
        return large >= 3.5 * small
        """)


def factory_called(contract: Contract, arguments: Arguments) -> str:
    """What the factory `name` gives when it is called as a loss is."""
    name = str(arguments["name"])
    return dedent(f"""\
        try:
            value = _module.{name}(y_true, y_pred)
        except Exception as error:
            print(f"{name}(y_true, y_pred) raises {{type(error).__name__}}: {{' '.join(str(error).split())[:200]}}")
            return True
        print("{name}(y_true, y_pred) returns", type(value).__name__)
        return callable(value)
        """)


def vector_through_keras(contract: Contract, arguments: Arguments) -> str:
    """What Keras hands to the optimizer is a number for each sample; of the loss that the call `make` makes, if it is
    given and still written in the file."""
    begin = "value = keras_loss(y_true, y_pred)\n"
    if "make" in arguments:
        make = str(arguments["make"])
        begin = dedent(f"""\
            import ast
            import inspect

            calls = [node for node in ast.walk(ast.parse(inspect.getsource(_module))) if isinstance(node, ast.Call)]
            if {make!r} not in map(ast.unparse, calls):
                print("the file makes no such loss any more:", {make!r})
                return False
            model = keras.Model()
            model.compile(loss=_module.{make})
            value = model.compute_loss(y=y_true, y_pred=y_pred)
            """)
    return begin + dedent("""\
        print("Keras gives the optimizer a loss of shape", tuple(value.shape))
        return len(value.shape) > 0
        """)


def mask_not_applied(contract: Contract, arguments: Arguments) -> str:
    """A mask leaves the last time step out, whose prediction is then changed."""
    return dedent("""\
        mask = np.ones(y_pred.shape[:2], bool)
        mask[:, -1] = False

        def masked(prediction):
            prediction._keras_mask = tf.constant(mask)
            return float(tf.reduce_mean(keras_loss(y_true, prediction)))

        moved = np.array(y_pred)
        moved[:, -1] += 0.5
        try:
            before, after = masked(tf.identity(y_pred)), masked(tf.constant(moved))
        except (ValueError, tf.errors.InvalidArgumentError) as error:
            print(f"with a mask it raises {type(error).__name__}: {' '.join(str(error).split())[:160]}")
            return True
        print(f"loss {before:.6g}, and {after:.6g} with another prediction for the masked time step")
        return abs(after - before) > 1e-5 * abs(before)
        """)


def padding_counts(contract: Contract, arguments: Arguments) -> str:
    """The first half of the entries along an axis, beside themselves once more, and beside padding."""
    value, true, predicted = float(arguments["value"]), int(arguments["axes"][0]), int(arguments["axes"][1])
    other = value - 1.0 if value > 0.0 else value + 1.0
    padding, counted = ("np.nan", "0.5") if math.isnan(value) else (f"{value:g}", f"{other:g}")
    return dedent(f"""\
        true, given = np.array(y_true), np.array(y_pred)
        true[np.isnan(true) if np.isnan({padding}) else true == {padding}] = {counted}
        size = true.shape[{true}]
        half = (size + 1) // 2
        places = np.arange(size) % half
        true, given = np.take(true, places, {true}), np.take(given, places, {predicted})
        padded = true.copy()
        padded[(slice(None),) * {true} + (slice(half, None),)] = {padding}

        def mean(labels):
            labels = tf.constant(labels, y_true.dtype)
            return float(tf.reduce_mean({called(arguments)}(labels, tf.constant(given, y_pred.dtype))))

        full, beside = mean(true), mean(padded)
        print(f"mean loss {{full:.6g}}; {{beside:.6g}} where {{size - half}} of {{size}} entries are padding")
        return size > half and abs(full) > 1e-6 and abs(beside / full - half / size) < 0.25 * (1.0 - half / size)
        """)


def constant(contract: Contract, arguments: Arguments) -> str:
    """The loss and its gradient at predictions of very different kinds (`others`); the gradient may differ from zero
    with `slopes`."""
    others = "".join(f"    {source_tensors(other, contract.y_pred)},\n" for other in arguments["others"])
    dead = "" if arguments.get("slopes") else " and not any(map(np.any, slopes))"
    return (
        gradient_function(arguments)
        + f"others = [\n{others}]\n"
        + dedent(f"""\
        rows = [value_and_gradient(y_true, each) for each in (y_pred, *others)]
        values = np.stack([np.asarray(value, "float64") for value, _ in rows])
        parts = [part for _, found in rows for part in tf.nest.flatten(found) if part is not None]
        slopes = [np.asarray(tf.convert_to_tensor(part)) for part in parts]
        print(f"the loss of {{len(rows)}} predictions is {{values.min():.6g}} to {{values.max():.6g}};",
              f"{{sum(map(np.count_nonzero, slopes))}} gradient elements are not zero")
        return bool(np.allclose(values, values[0], rtol=4e-6, atol=0)){dead}
        """)
    )


_COUPLING = """\
def total(*places):
    moved = np.array(y_pred)
    for place in places:
        index = [0] * moved.ndim
        index[AXIS] = place
        CHANGE
    return float(np.sum(np.asarray(LOSS(y_true, tf.constant(moved)), "float64")))

alone, both = total(0) + total(1) - total(), total(0, 1)
"""


def _coupling(axis: int, arguments: Arguments, change: str = "moved[tuple(index)] *= 0.5") -> str:
    """Source of what two places along an axis cost if each stands for itself (`alone`), and together (`both`)."""
    return _COUPLING.replace("AXIS", str(axis)).replace("LOSS", called(arguments)).replace("CHANGE", change)


def pixels_exchanged(contract: Contract, arguments: Arguments) -> str:
    """A ratio over all places of a sample does not depend on their order (alike in y_true and y_pred), and is not a
    sum of what each place costs, where the classes are exchanged at two of them."""
    return _coupling(-2, arguments, "moved[tuple(index[:-1])] = moved[tuple(index[:-1])][::-1]") + dedent(f"""\
        places = int(np.prod(y_pred.shape[1:-1]))
        order = np.random.default_rng(0).permutation(places)

        def exchanged(value):
            flat = tf.reshape(value, (value.shape[0], places, -1))
            return tf.reshape(tf.gather(flat, order, axis=1), value.shape)

        given = np.asarray({called(arguments)}(y_true, y_pred), "float64").mean()
        other = np.asarray({called(arguments)}(exchanged(y_true), exchanged(y_pred)), "float64").mean()
        print(f"mean loss {{given:.6g}}, and {{other:.6g}} with the {{places}} places of a sample in another order;",
              f"two places cost {{both:.6g}}, {{alone:.6g}} if each stood for itself")
        summed = y_pred.shape[-1] > 1 and abs(both - alone) < 2e-6 * abs(both)
        return summed or abs(other - given) > 1e-4 * abs(given)
        """)


def targets_exchanged(contract: Contract, arguments: Arguments) -> str:
    """The mean loss, with y_true as it is and with the samples of y_true in another order."""
    return dedent(f"""\
        size = tf.nest.flatten(y_true)[0].shape[0]
        moved = [tf.nest.map_structure(lambda part: tf.roll(part, step, 0), y_true) for step in range(1, size)]
        means = [np.asarray({called(arguments)}(each, y_pred), "float64").mean() for each in (y_true, *moved)]
        print(f"mean loss {{means[0]:.6g}}, with other targets {{min(means[1:]):.6g}} to {{max(means[1:]):.6g}}")
        return np.allclose(means, means[0], rtol=1e-5, atol=1e-7)
        """)


def places_coupled(contract: Contract, arguments: Arguments) -> str:
    """Two places of one `axis` are changed, each alone and both: what they cost adds up if each stands for itself."""
    axis = int(arguments["axis"])
    return _coupling(axis, arguments) + dedent(f"""\
        print(f"two places of axis {axis} cost {{both:.6g}} together, {{alone:.6g}} if each stood for itself")
        return abs(both - alone) > 1e-5 * abs(both)
        """)


def clipped_scores(contract: Contract, arguments: Arguments) -> str:
    """Scores outside of [0, 1] are moved further out."""
    return dedent(f"""\
        scores = tf.where(y_pred < 0.5, y_pred - 1.5, y_pred + 1.5)
        further = tf.where(y_pred < 0.5, y_pred - 4.0, y_pred + 4.0)
        given = np.asarray({called(arguments)}(y_true, scores), "float64")
        other = np.asarray({called(arguments)}(y_true, further), "float64")
        print(f"loss {{given.ravel()[:3]}}, with all scores 2.5 further from 0 and 1 {{other.ravel()[:3]}}")
        return bool(np.allclose(given, other, rtol=1e-6, atol=1e-9))
        """)


def classes_alike(contract: Contract, arguments: Arguments) -> str:
    """All labels are the class `first`, or all are `second`."""
    first, second = int(arguments["first"]), int(arguments["second"])
    return dedent(f"""\
        def of_class(label):
            labels = tf.fill(y_true.shape, tf.cast(label, y_true.dtype))
            return np.asarray({called(arguments)}(labels, y_pred), "float64")

        one = of_class({first})
        try:
            other = of_class({second})
        except Exception as error:
            print(f"class {second} raises {{type(error).__name__}}: {{' '.join(str(error).split())[:160]}}")
            return True
        print(f"loss {{one.ravel()[:3]}} where the class is {first}, {{other.ravel()[:3]}} where it is {second}")
        return bool(np.all(one == other))
        """)


# By symptom, as `DEMONSTRATIONS`.
BEHAVIOURS: Mapping[str, tuple[str, Demonstration]] = {
    "constant": ("no prediction changes the loss", constant),
    "weight-ignored": ("a sample of weight 0 still counts", weight_ignored),
    "lowest-number": ("the loss is the largest or lowest number there is", lowest_number),
    "rank-of-one": ("a batch of one has a loss of another rank", rank_of_one),
    "order-matters": ("the loss is not symmetric in its arguments", order_matters),
    "scores-exchanged": ("which score belongs to the class does not matter", scores_exchanged),
    "not-shift-invariant": ("the softmax is not over the classes", not_shift_invariant),
    "label-without-gradient": ("nothing is learned where the label is", label_without_gradient),
    "fractions-alike": ("the fractions of the targets are lost", fractions_alike),
    "padding-counts": ("masked entries are counted by the mean", padding_counts),
    "pixels-exchanged": ("the order of the places matters", pixels_exchanged),
    "targets-exchanged": ("which sample has which target does not matter", targets_exchanged),
    "places-coupled": ("what a place costs depends on the others", places_coupled),
    "clipped-scores": ("scores are cut off at 0 and 1", clipped_scores),
    "classes-alike": ("two classes are taken for one", classes_alike),
    "perfect-costs": ("a perfect prediction has a loss", perfect_costs),
    "grows-squared": ("memory grows with the square of the batch", grows_squared),
    "vector-through-keras": ("Keras does not reduce the loss", vector_through_keras),
    "mask-not-applied": ("masked time steps count, or the mask fails", mask_not_applied),
    "factory-called": ("the factory gives a function instead of a number", factory_called),
}
