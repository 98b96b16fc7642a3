"""What a reproduction script does for each symptom: the body of `def fault() -> bool`.

Each function gets what a suspicion says about its fault and returns Python source. The script around it begins
with the loader, which imports tensorflow (tf), binds the user's module (`_module`) and the loss object (`_loss`) and
defines `loss` and `keras_loss`; then it imports numpy (np) and makes `y_true` and `y_pred`. The body prints one line
and returns whether the fault stands; an exception means that nothing was shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import dedent
from typing import Any

from lossdoctor.search.calling import (
    DIFFERENT,
    Arguments,
    Demonstration,
    assignable,
    called,
    compiled,
    evaluated,
    gradient_function,
    source_tensors,
)
from lossdoctor.search.literals import source
from lossdoctor.spec import Contract, leaves


def nonfinite_value(contract: Contract, arguments: Arguments) -> str:
    return evaluated(contract, arguments) + dedent("""\
        value = np.asarray(value, "float64")
        bad = value[~np.isfinite(value)]
        print(f"{bad.size} of {value.size} loss values are not finite", *bad[:1])
        return bad.size > 0
        """)


def nonfinite_gradient(contract: Contract, arguments: Arguments) -> str:
    return evaluated(contract, arguments) + dedent("""\
        value = np.asarray(value, "float64")
        parts = [tf.convert_to_tensor(part) for part in tf.nest.flatten(gradient) if part is not None]
        gradient = np.concatenate([np.zeros(0), *(np.ravel(np.asarray(part, "float64")) for part in parts)])
        bad = gradient[~np.isfinite(gradient)]
        print(f"loss {value.ravel()[:1]}; {bad.size} of {gradient.size} gradient elements are not finite", *bad[:1])
        return bool(np.isfinite(value).all()) and bad.size > 0
        """)


def no_gradient(contract: Contract, arguments: Arguments) -> str:
    return evaluated(contract, arguments) + dedent("""\
        missing = sum(part is None for part in tf.nest.flatten(gradient))
        print(f"the gradient is None for {missing} of {len(tf.nest.flatten(gradient))} inputs of the loss")
        return missing > 0
        """)


_DRAWS = {
    "real": "rng.normal(size={0})",
    "logit": "2 * rng.normal(size={0})",
    "positive": "rng.lognormal(size={0})",
    "unit": "rng.uniform(0.02, 0.98, {0})",
    "probability": "rng.dirichlet(np.ones({0}[-1]), {0}[:-1])",
    "sign": "rng.uniform(-1, 1, {0})",
}

# The sizes of the two ends of a way through the space of predictions.
_WAYS = ((1, 1), (1, 1), (1, 1), (1, 1), (1e-3, 1), (1e-3, 0.1), (1, 100))


def no_term_gradient(contract: Contract, arguments: Arguments) -> str:
    """The change of the loss on a straight way, against what its gradient adds up to along that way.

    A term without gradient (argmax, round, a histogram) moves the value by jumps or steps that the gradient never
    sees. The midpoint rule is exact to second order, and the two resolutions tell how far it can be trusted.
    """
    expression = " ".join(str(arguments.get("expression", "")).split())
    about = f"  # `{expression}` moves the loss, but not through the gradient" if expression else ""
    kinds = [spec.kind for _, spec in leaves(contract.y_pred)]
    draws = ", ".join(_DRAWS.get(kind, "rng.uniform(size={0})").format(f"shapes[{i}]") for i, kind in enumerate(kinds))
    # A threshold may lie far below or above the usual size: some ways begin near zero, or end far out.
    ways = _WAYS if set(kinds) <= {"real", "logit", "positive"} else _WAYS[:4]
    return dedent(f"""\
        rng = np.random.default_rng(0){about}
        parts = tf.nest.flatten(y_pred)
        shapes = [tuple(part.shape) for part in parts]

        def at(ends, share, step=None):
            points = [tf.constant((1 - share) * a + share * b, p.dtype) for a, b, p in zip(*ends, parts)]
            with tf.GradientTape() as tape:
                tape.watch(points)
                value = {called(arguments)}(y_true, tf.nest.pack_sequence_as(y_pred, points))
                total = tf.reduce_sum(tf.cast(value, "float64"))
            slopes = [0.0 if g is None else np.sum(np.asarray(tf.convert_to_tensor(g), "float64") * (b - a))
                      for g, a, b in zip(tape.gradient(total, points), *ends)]
            return float(total), float(sum(slopes))

        worst = (0.0, 0.0, 0.0)
        for low, high in {ways}:
            ends = [[size * draw for draw in ({draws},)] for size in (low, high)]
            change = at(ends, 1.0)[0] - at(ends, 0.0)[0]
            slopes = np.array([at(ends, (i + 0.5) / 96)[1] for i in range(96)])
            coarse = slopes[1::3]  # midpoints of 32 steps
            doubt = 10 * abs(slopes.mean() - coarse.mean()) + 2e-3 * np.abs(slopes).mean() + 1e-5 * abs(change)
            missing = abs(change - slopes.mean())
            if missing > doubt and missing > worst[2]:
                worst = (change, slopes.mean(), missing)
        print(f"the loss changes by {{worst[0]:.6g}}, of which its gradient explains {{worst[1]:.6g}}")
        return worst[2] > 0
        """)


def dead_gradient(contract: Contract, arguments: Arguments) -> str:
    """`better` is a prediction with a lower loss; `entries` are the flat indices of y_pred that are dead (default
    all)."""
    entries = arguments.get("entries")
    chosen = "" if entries is None else f"[{[int(entry) for entry in entries]}]"
    return evaluated(contract, arguments) + dedent(f"""\
        better = {source_tensors(arguments["better"], contract.y_pred)}
        here = float(tf.reduce_mean(value))
        lower = float(tf.reduce_mean({called(arguments)}(y_true, better)))
        parts = [tf.convert_to_tensor(part) for part in tf.nest.flatten(gradient) if part is not None]
        slopes = np.concatenate([np.zeros(0), *(np.ravel(np.asarray(part, "float64")) for part in parts)]){chosen}
        print(f"mean loss {{here:.6g}}, {{lower:.6g}} at a better prediction;",
              f"{{np.count_nonzero(slopes)}} of {{slopes.size}} gradient elements are not zero")
        return lower < here - 4e-6 * abs(here) and slopes.size > 0 and not slopes.any()
        """)


def raises(contract: Contract, arguments: Arguments) -> str:
    execution = str(arguments.get("execution", "eager"))
    gradient = bool(arguments.get("gradient", False))
    run = compiled("value_and_gradient" if gradient else called(arguments), execution, contract)
    return (gradient_function(arguments) if gradient else "") + dedent(f"""\
        try:
            {run}(y_true, y_pred)
        except (Exception, SystemExit) as error:
            print(f"{execution}: {{type(error).__name__}}: {{' '.join(str(error).split())[:200]}}")
            return True
        print("{execution}: it runs")
        return False
        """)


def not_a_tensor(contract: Contract, arguments: Arguments) -> str:
    return dedent(f"""\
        value = {called(arguments)}(y_true, y_pred)
        print("the loss returns", type(value).__name__)
        return not (tf.is_tensor(value) or isinstance(value, (tf.Variable, np.ndarray, np.generic, int, float)))
        """)


def complex_loss(contract: Contract, arguments: Arguments) -> str:
    return dedent(f"""\
        value = tf.convert_to_tensor({called(arguments)}(y_true, y_pred))
        print("the loss is of dtype", value.dtype.name, "and its first number", np.ravel(value)[:1])
        return value.dtype.is_complex
        """)


def dies(contract: Contract, arguments: Arguments) -> str:
    """Value and gradient, eagerly and as a graph, in a process of its own, with limits on the time of each
    (`seconds`) and on memory (`gibibytes` beyond the start).

    `program`, which `script` adds, is the source that makes the loss and its input. The process watches itself, so
    that its own start does not count.
    """
    limit = float(arguments.get("seconds", 60.0))
    memory = float(arguments.get("gibibytes", 8.0))
    stages = (("eager", "value_and_gradient"), ("graph", compiled("value_and_gradient", "graph", contract)))
    call = "\nimport faulthandler\nimport os\n\n" + gradient_function(arguments)
    # On a busy machine a call is given more time: by how many processes want each processor (`worker.patience`).
    call += dedent("""\
        try:
            crowd = min(3.0, max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1)))
        except (AttributeError, OSError):
            crowd = 1.0
        """)
    call += dedent(f"""\
        try:
            import resource
            used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (used + int({memory} * 2**30),) * 2)
        except (ImportError, OSError, ValueError):
            pass
        """)
    for stage, run in stages:
        call += dedent(f"""\
            print("{stage}", flush=True)
            faulthandler.dump_traceback_later({limit} * crowd, exit=True)
            try:
                {run}(y_true, y_pred)
            except (MemoryError, tf.errors.ResourceExhaustedError):
                raise SystemExit("out of memory")
            except (Exception, SystemExit):
                pass  # it raises, and lives
            faulthandler.cancel_dump_traceback_later()
            """)
    call += 'print("the call came back")\n'
    return f"program = {str(arguments['program']) + call!r}\n" + dedent(f"""\
        import subprocess
        import sys

        run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        if run.returncode == 0 and run.stdout.rstrip().endswith("the call came back"):
            print("the call came back")
            return False
        stage = "graph" if "graph" in run.stdout.split() else "eager"
        late = "Timeout (" in run.stderr
        print(f"{{stage}}:", "no answer in {limit:g} s" if late else f"ended with status {{run.returncode}}")
        return True
        """)


_SAMPLES = """\
def sample(value, i):
    return tf.nest.map_structure(lambda part: part[i : i + 1], value)

"""


def batch_mismatch(contract: Contract, arguments: Arguments) -> str:
    tolerance = float(arguments.get("tolerance", 1e-3))
    return dedent(f"""\
        {{samples}}
        size = tf.nest.flatten(y_pred)[0].shape[0]
        together = np.asarray({called(arguments)}(y_true, y_pred), "float64")
        alone = [np.asarray({called(arguments)}(sample(y_true, i), sample(y_pred, i)), "float64") for i in range(size)]
        if together.ndim and together.shape[0] == size and all(one.shape[:1] == (1,) for one in alone):
            expected = np.concatenate(alone)
        else:  # a loss reduced to a number: the mean over the samples
            expected = np.mean([one.mean() for one in alone])
        if together.shape != expected.shape:
            print(f"the batch gives shape {{together.shape}}, its samples {{expected.shape}}")
            return True
        print(f"loss of the batch {{together.ravel()[:3]}}, of its samples one by one {{expected.ravel()[:3]}}")
        return {DIFFERENT.format("together", "expected", tolerance)}
        """).replace("{samples}\n", _SAMPLES)


def scales_with_batch(contract: Contract, arguments: Arguments) -> str:
    times = int(arguments.get("times", 4))
    grows = f"abs(more) > {1 + (times - 1) / 4} * abs(once) > 0"
    verdict = f"0 < abs(more) < abs(once) / {1 + (times - 1) / 4}" if arguments.get("shrinks") else grows
    return dedent(f"""\
        def repeated(value, times):
            return tf.nest.map_structure(lambda part: tf.concat([part] * times, 0), value)

        once = float(tf.reduce_mean({called(arguments)}(y_true, y_pred)))
        more = float(tf.reduce_mean({called(arguments)}(repeated(y_true, {times}), repeated(y_pred, {times}))))
        print(f"mean loss {{once:.6g}}, and {{more:.6g}} for the same batch {times} times over")
        return {verdict}
        """)


def execution_mismatch(contract: Contract, arguments: Arguments) -> str:
    names: Any = arguments.get("executions", ("eager", "graph"))
    tolerance = float(arguments.get("tolerance", 1e-3))
    first, second = (compiled(called(arguments), str(name), contract) for name in names[:2])
    return dedent(f"""\
        def result(run):
            try:
                return np.asarray(run(y_true, y_pred), "float64")
            except Exception as error:
                return f"{{type(error).__name__}}: {{' '.join(str(error).split())[:100]}}"

        first = result({first})
        second = result({second})
        print("{names[0]}:", np.ravel(first)[:3], " {names[1]}:", np.ravel(second)[:3])
        if isinstance(first, str) or isinstance(second, str):
            return isinstance(first, str) != isinstance(second, str)
        return first.shape != second.shape or {DIFFERENT.format("first", "second", tolerance)}
        """)


def decreases_away(contract: Contract, arguments: Arguments) -> str:
    """The pair holds the wrong prediction; `target` is the right one."""
    return dedent(f"""\
        target = {source_tensors(arguments["target"], contract.y_pred)}
        at_target = float(tf.reduce_mean({called(arguments)}(y_true, target)))
        elsewhere = float(tf.reduce_mean({called(arguments)}(y_true, y_pred)))
        print(f"mean loss {{at_target:.6g}} at the target, {{elsewhere:.6g}} at the wrong prediction")
        return elsewhere < at_target - 2e-6 * abs(at_target)
        """)


def unbounded(contract: Contract, arguments: Arguments) -> str:
    """The pair holds the farthest point of a ray that begins at `base` and is walked by `factors`."""
    factors = [float(factor) for factor in arguments["factors"]]
    return dedent(f"""\
        base = {source_tensors(arguments["base"], contract.y_pred)}
        losses = []
        for k in {factors}:
            point = tf.nest.map_structure(
                lambda a, b: tf.cast(a + k / {factors[-1]} * (tf.cast(b, "float64") - a), b.dtype),
                tf.nest.map_structure(lambda a: tf.cast(a, "float64"), base), y_pred)
            losses.append(float(tf.reduce_mean({called(arguments)}(y_true, point))))
        print("mean loss along the ray:", *(f"{{one:.6g}}" for one in losses))
        finite = [one for one in losses if np.isfinite(one)]
        if np.isnan(losses).any() or np.inf in losses or len(finite) < 3:
            return False
        return finite[-3] > finite[-2] > finite[-1] and finite[-2] - finite[-1] > 1.5 * (finite[-3] - finite[-2])
        """)


def wrong_gradient(contract: Contract, arguments: Arguments) -> str:
    """Derivative of sum(upstream * loss) along a direction: by the tape, and by central differences."""
    along = arguments.get("along")
    upstream = arguments.get("upstream")
    dtype = arguments.get("dtype")
    cast = ""
    if dtype == "float64":
        cast = dedent("""\
            def double(value):
                return tf.nest.map_structure(lambda x: tf.cast(x, "float64") if x.dtype.is_floating else x, value)

            true, start = double(y_true), double(y_pred)
            """)
    else:
        cast = "true, start = y_true, y_pred\n"
    step = 1e-5 if dtype == "float64" else 5e-3
    direction = source(list(along)) if along is not None else "[np.ones(part.shape) for part in tf.nest.flatten(start)]"
    weights = source(upstream) if upstream is not None else "1.0"
    return cast + dedent(f"""\
        along = {direction}
        upstream = {weights}

        def at(step):
            points = [part + tf.cast(step * d, part.dtype) for part, d in zip(tf.nest.flatten(start), along)]
            with tf.GradientTape() as tape:
                tape.watch(points)
                value = {called(arguments)}(true, tf.nest.pack_sequence_as(start, points))
                total = tf.reduce_sum(tf.cast(value, "float64") * upstream)
            return float(total), tape.gradient(total, points)

        gradients = at(0.0)[1]
        pairs = [(tf.convert_to_tensor(g), d) for g, d in zip(gradients, along) if g is not None]
        used = sum(float(np.sum(np.asarray(g, "float64") * d)) for g, d in pairs)
        wide, narrow = ((at(h)[0] - at(-h)[0]) / (2 * h) for h in ({step}, {step / 2}))
        print(f"derivative by the gradient {{used:.6g}}, of the value {{narrow:.6g}}")
        doubt = 0.02 * max(abs(used), abs(narrow)) + 4 * abs(wide - narrow)
        return abs(used - narrow) > doubt
        """)


def save_load(contract: Contract, arguments: Arguments) -> str:
    """get_config and from_config, then Keras's own serialisation, with one constructor argument changed."""
    name = arguments.get("argument")
    make = f"type(_loss)({name}={arguments.get('value')!r})" if name else "_loss"
    call = "" if name == "reduction" else ".call"  # Keras reduces in `__call__`
    return dedent(f"""\
        def raises(error):
            print(f"loading raises {{type(error).__name__}}: {{' '.join(str(error).split())[:200]}}")
            return True

        saved = {make}
        try:
            again = type(saved).from_config(saved.get_config())
        except Exception as error:
            return raises(error)
        before = float(tf.reduce_mean(saved{call}(y_true, y_pred)))
        try:
            after = float(tf.reduce_mean(again{call}(y_true, y_pred)))
        except Exception as error:
            return raises(error)
        print(f"loss {{before:.6g}} before saving, {{after:.6g}} once loaded")
        return {DIFFERENT.format("before", "after", 1e-5)}
        """)


def frozen(contract: Contract, arguments: Arguments) -> str:
    """Python state (`name`, `holder`, `values`) that a compiled loss reads once; or a draw, made once."""
    call = called(arguments)
    holder, name = str(arguments.get("holder", "attribute")), str(arguments.get("name", ""))
    first = second = ""
    if holder != "draw" and not arguments.get("in_call"):
        values: Any = arguments["values"]
        target = assignable(holder, name)
        first, second = (f"{target} = {value!r}" for value in values)
        first += "\n"
        second += "\n"
    return (
        first
        + dedent(f"""\
        def mean(run):
            return float(tf.reduce_mean(run(y_true, y_pred)))

        def eager(*given):
            tf.config.run_functions_eagerly(True)  # what is decorated with tf.function as well
            try:
                return {call}(*given)
            finally:
                tf.config.run_functions_eagerly(False)

        compiled = {compiled(call, "graph", contract)}
        before = mean(eager), mean(compiled)
        """)
        + second
        + dedent(f"""\
        after = mean(eager), mean(compiled)
        print(f"eager {{before[0]:.6g}} -> {{after[0]:.6g}}, compiled {{before[1]:.6g}} -> {{after[1]:.6g}}")
        return {DIFFERENT.format("before[0]", "after[0]", 1e-6)} and before[1] == after[1]
        """)
    )


def retrace_raises(contract: Contract, arguments: Arguments) -> str:
    """The same compiled function for two sizes of the batch, as in an epoch with a last partial batch."""
    return dedent(f"""\
        def repeated(value):
            return tf.nest.map_structure(lambda part: tf.concat([part, part], 0), value)

        compiled = tf.function({called(arguments)}, autograph=False)
        compiled(repeated(y_true), repeated(y_pred))
        try:
            compiled(y_true, y_pred)
        except Exception as error:
            print(f"the second batch size raises {{type(error).__name__}}: {{' '.join(str(error).split())[:200]}}")
            return True
        print("two batch sizes run")
        return False
        """)


def expected_value(contract: Contract, arguments: Arguments) -> str:
    """The loss, or with `gradient` the gradient of that y_pred input, against numbers that are known to be right
    (`expected`, relative and absolute `tolerance`). With `axes` the loss is averaged over all but its first axes."""
    tolerance = float(arguments.get("tolerance", 1e-3))
    if "gradient" in arguments:
        what = "gradient"
        number = int(arguments["gradient"])
        shown = evaluated(contract, arguments) + f'value = np.asarray(tf.nest.flatten(gradient)[{number}], "float64")\n'
    else:
        what = "loss"
        run = compiled(called(arguments), str(arguments.get("execution", "eager")), contract)
        shown = f'value = np.asarray({run}(y_true, y_pred), "float64")\n'
        if "axes" in arguments:
            shown += f"value = value.mean(axis=tuple(range({int(arguments['axes'])}, value.ndim)))\n"
    return shown + dedent(f"""\
        expected = {source(arguments["expected"])}
        print(f"{what} {{value.ravel()[:3]}}, expected {{expected.ravel()[:3]}}")
        return value.shape != expected.shape or {DIFFERENT.format("value", "expected", tolerance)}
        """)


DEMONSTRATIONS: Mapping[str, tuple[str, Demonstration]] = {
    "nonfinite-value": ("the loss is NaN or infinite", nonfinite_value),
    "nonfinite-gradient": ("the loss is finite, its gradient is not", nonfinite_gradient),
    "no-gradient": ("the gradient of the loss is None", no_gradient),
    "no-term-gradient": ("a part of the loss has no gradient", no_term_gradient),
    "dead-gradient": ("the gradient is exactly zero where the loss could still fall", dead_gradient),
    "raises": ("the call raises", raises),
    "raises-at": ("the loss or its gradient raises at this input", raises),
    "batch-mismatch": ("the loss of a batch is not that of its samples", batch_mismatch),
    "scales-with-batch": ("the mean loss changes with the size of the batch", scales_with_batch),
    "execution-mismatch": ("two executions of the loss differ", execution_mismatch),
    "decreases-away": ("the loss is lower at a wrong prediction than at the target", decreases_away),
    "unbounded": ("the loss falls without end", unbounded),
    "wrong-gradient": ("the gradient is not the derivative of the value", wrong_gradient),
    "save-load": ("the loss changes by saving and loading", save_load),
    "frozen": ("a compiled loss keeps what it read when it was traced", frozen),
    "retrace-raises": ("the loss runs for the first batch size only", retrace_raises),
    "complex-loss": ("the loss is a complex number", complex_loss),
    "not-a-tensor": ("the loss returns no tensor", not_a_tensor),
    "dies": ("calling the loss ends or hangs the process", dies),
    "expected": ("the value is not what it should be", expected_value),
}


def describe(contract: Contract) -> str:
    return "y_true {}, y_pred {}".format(*contract.shown)
