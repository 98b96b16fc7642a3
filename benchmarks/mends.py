"""How often a numerical finding comes with a mend, and how often the mend stands.

    python benchmarks/mends.py [FOLDER ...] [--only TEXT[,TEXT]] [--shard I/N]

The losses are the bad blocks of the rule pages and `buggy.py` of every case in the folders. For every finding LD3xx
it is counted whether a mend is offered. All mends of a loss are then applied, and the result is judged by random and
edge inputs that are drawn here (nothing is shared with the search): value and gradient are finite, eagerly and as a
function, wherever the original was, and everywhere if all its findings have a mend; and the value is that of the
original where that was finite, in doubles too or as the fixed twin of the case has it, within 1e-3, at ordinary inputs
only if the mend says that it changes values.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import json
import re
import shlex
import statistics
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

import lossdoctor.rules
from lossdoctor.engine import check
from lossdoctor.findings import Finding
from lossdoctor.worker.remote import WorkerPool

_BLOCK = re.compile(r"^```python bad (?P<info>[^\n]*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
_ANSWER = "verdict: "
_DRAWS = 120
_RANGE = 1e4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="*")
    parser.add_argument("--only", default="")
    parser.add_argument("--shard", default="0/1", help="every N-th loss from the I-th on")
    parser.add_argument("--judge", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.judge:
        for line in sys.stdin:
            print(_ANSWER + json.dumps(judged(json.loads(line))), flush=True)
        return
    texts, (first, step) = options.only.split(","), map(int, options.shard.split("/"))
    every = [*from_pages(), *from_cases(options.folders)]
    losses = [loss for loss in every if any(text in loss["name"] for text in texts)][first::step]
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder, WorkerPool(1) as pool, Judge() as judge:
        for number, loss in enumerate(losses):
            examined(number, loss, Path(folder), pool, judge, tally)
            print(tally, flush=True)


@dataclass
class Tally:
    """What is known so far; a run that is cut off has said it all."""

    total: int = 0  # top-level findings LD3xx
    offered: int = 0  # of these with a mend
    late: int = 0
    numeric: list[bool] = field(default_factory=list[bool])  # whether the mended loss stands
    other: list[bool] = field(default_factory=list[bool])
    seconds: list[float] = field(default_factory=list[float])

    def __str__(self) -> str:
        every = self.numeric + self.other
        median, worst = statistics.median(self.seconds or [0]), max(self.seconds, default=0)
        return (
            f"  so far: mends offered for {self.offered} of {self.total} findings LD3xx; "
            f"the time ran out for {self.late} findings of all; "
            f"{sum(self.numeric)} of {len(self.numeric)} mended losses with LD3xx stand; "
            f"{sum(every)} of {len(every)} of all; seconds a mend: median {median:.2f}, worst {worst:.2f}"
        )


def examined(number: int, loss: dict[str, Any], folder: Path, pool: WorkerPool, judge: Judge, tally: Tally) -> None:
    path = folder / f"loss{number}.py"
    path.write_text(loss["code"], encoding="utf-8")
    target = f"{path}:{loss['target']}" if loss["target"] else str(path)
    report = check([target], y_true=loss["y_true"], y_pred=loss["y_pred"], pool=pool)
    for item in report.losses:
        findings = [f for f in flat(item.findings) if f.severity != "info"]
        numeric = [f for f in findings if f.rule.startswith("LD3")]
        mended = [f for f in findings if mended_by(f)]
        causes = [f for f in item.findings if f.rule.startswith("LD3")]
        tally.total += len(causes)
        tally.offered += sum(mended_by(f) for f in causes)
        tally.late += sum(gap.limits == "mends" for gap in item.gaps)
        for finding in findings:
            shown = finding.fix.title if finding.fix is not None and finding.fix.edits else "-"
            print(f"{loss['name'][:34]:34} {finding.rule} line {finding.location.line:3}  {shown[:110]}")
        if not mended:
            continue
        tally.seconds.append(item.seconds.get("mend", 0.0) / len(mended))
        new = folder / f"mended{number}.py"
        new.write_text(applied(path.read_text(encoding="utf-8"), mended), encoding="utf-8")
        rules = sorted({f.rule for f in mended})
        verdict = judge.asked(
            loss
            | {"old": str(path), "new": str(new), "target": item.target.rpartition(":")[2], "rules": rules}
            | {"whole": bool(numeric) and all(mended_by(f) for f in item.findings)}
            | {"changes": any(f.fix is not None and f.fix.changes_values for f in mended)}
        )
        (tally.numeric if any(rule.startswith("LD3") for rule in rules) else tally.other).append(not verdict)
        if verdict:
            print(f"FALLS  {loss['name']} {rules}: {verdict}")
    for error in report.errors:
        print(f"{loss['name']}: {error.message}")


def mended_by(finding: Finding) -> bool:
    """Whether there is a fix, not only advice."""
    return finding.fix is not None and bool(finding.fix.edits)


def from_pages() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for page in sorted(Path(lossdoctor.rules.__path__[0]).glob("*/*.md")):
        text = page.read_text(encoding="utf-8")
        for number, match in enumerate(_BLOCK.finditer(text)):
            info = dict(part.split("=", 1) for part in shlex.split(match["info"]))
            found.append({"name": f"{page.stem}-{number}", "code": match["code"], "target": ""} | info)
    return [loss for loss in found if "os._exit" not in loss["code"]]


def from_cases(folders: list[Path]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for path in (path for folder in folders for path in sorted(folder.glob("*/case.toml"))):
        case = tomllib.loads(path.read_text(encoding="utf-8"))
        code = path.with_name("buggy.py").read_text(encoding="utf-8")
        specs = {"y_true": case["y_true"], "y_pred": case["y_pred"], "fixed": str(path.with_name("fixed.py"))}
        found.append({"name": path.parent.name, "code": code, "target": case["target"]} | specs)
    return found


def flat(findings: tuple[Finding, ...]) -> list[Finding]:
    return [item for finding in findings for item in (finding, *flat(finding.consequences))]


def applied(text: str, findings: list[Finding]) -> str:
    """The text with the edits of all fixes; the same edit, and one that overlaps an earlier one, is made once."""
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    edits = dict.fromkeys(
        (starts[edit.start[0] - 1] + edit.start[1] - 1, starts[edit.end[0] - 1] + edit.end[1] - 1, edit.text)
        for finding in findings
        if finding.fix is not None
        for edit in finding.fix.edits
    )
    kept: list[tuple[int, int, str]] = []
    for edit in edits:
        if not any(edit[0] < other[1] and other[0] < edit[1] for other in kept):
            kept.append(edit)
    for start, end, new in sorted(kept, reverse=True):
        text = text[:start] + new + text[end:]
    return text


class Judge:
    """A process that imports TensorFlow and nothing of the search: an item a line, a verdict a line."""

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--judge"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()

    def asked(self, item: dict[str, Any]) -> str:
        """What is wrong with a mended loss, empty if it stands."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(item) + "\n")
        self.process.stdin.flush()
        while line := self.process.stdout.readline():
            if line.startswith(_ANSWER):
                return json.loads(line.removeprefix(_ANSWER))
        raise SystemExit("the judge ended")


def judged(item: dict[str, Any]) -> str:
    """What is wrong with a mended loss, empty if nothing."""
    try:
        old, new = (load(item[which], item["target"]) for which in ("old", "new"))
        good = load(item["fixed"], item["target"]) if "fixed" in item else None
    except Exception as problem:
        return f"it cannot be loaded: {type(problem).__name__}: {problem}"
    reductions = not any(rule.startswith("LD3") for rule in item["rules"])
    rng = np.random.default_rng(7)
    for number in range(_DRAWS):
        ordinary = number % 2 == 0
        sizes = {"B": 1 if reductions else 1 + number % 3}
        pair = [drawn(item[side], rng, sizes, ordinary) for side in ("y_true", "y_pred")]
        before, slope = run(old, *pair)
        after, new_slope = run(new, *pair)
        shown = f"at {np.asarray(pair[0]).tolist()}, {np.asarray(pair[1]).tolist()}"[:300]
        healthy = before is not None and finite(before) and finite(slope)
        if (healthy or (item["whole"] and not reductions)) and not (finite(after) and finite(new_slope)):
            return f"value {after}, gradient {new_slope} {shown}"
        if reductions or not healthy or before is None or after is None:
            continue
        if (ordinary or not item["changes"]) and not near(before, after):
            twins = [np.asarray(part, np.float64) if part.dtype.kind == "f" else part for part in pair]
            exact, mended = run(old, *twins)[0], run(new, *twins)[0]
            if exact is not None and mended is not None and near(exact, mended):
                continue
            meant = None if good is None else run(good, *pair)[0]  # casts in the code leave doubles in half precision
            if meant is None or not near(meant, after):
                return f"{before} becomes {after} {shown}"
    return ""


def load(path: str, name: str) -> Any:
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    loss = getattr(module, name)
    return loss().call if isinstance(loss, type) else loss


@functools.cache
def calls(loss: Any) -> tuple[Any, Any]:
    """What gives value and gradient, eagerly and as a function, which is traced once a shape."""
    import tensorflow as tf

    def both(y_true: Any, y_pred: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(y_pred)
            value = tf.convert_to_tensor(loss(y_true, y_pred))
        return value, tape.gradient(value, y_pred)

    return both, tf.function(both, autograph=False)


def run(loss: Any, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Value and gradient, eagerly and as a function: the worse of the two; None for an exception."""
    import tensorflow as tf

    worst: tuple[Any, Any] = (None, None)
    for call in calls(loss):
        try:
            value, slope = call(tf.constant(y_true), tf.constant(y_pred))
        except Exception:
            return None, None
        worst = (value.numpy(), None if slope is None else slope.numpy())
        if not finite(worst[0]) or not finite(worst[1]):
            return worst
    return worst


def finite(array: Any) -> bool:
    return array is None or bool(np.all(np.isfinite(np.asarray(array, np.float64))))


def near(before: Any, after: Any) -> bool:
    b, a = np.asarray(before, np.float64), np.asarray(after, np.float64)
    loose = 2e-2 if before.dtype.itemsize == 2 else 1e-3
    return b.shape == a.shape and bool(np.all(np.abs(a - b) <= loose * np.maximum(1.0, np.abs(b))))


def drawn(text: str, rng: np.random.Generator, sizes: dict[str, int], ordinary: bool) -> Any:
    """An array for a spec string: realistic values, or every element one of the edges of its kind."""
    head, _, kind = text.partition("]")
    dtype, _, dims = head.partition("[")
    shape = [int(dim) if dim.strip().isdigit() else sizes.setdefault(dim.strip(), 3) for dim in dims.split(",")]
    kind = kind.strip() or "real"
    if kind.startswith("label"):
        return rng.integers(0, int(kind[6:-1]) if ordinary or rng.random() < 0.5 else 1, shape).astype(dtype)
    if kind == "binary":
        return (rng.random(shape) < (0.5 if ordinary else rng.choice([0.0, 0.5, 1.0]))).astype(dtype)
    if kind == "sign":
        return np.where(rng.random(shape) < 0.5, -1, 1).astype(dtype)
    if kind == "onehot" or (kind == "probability" and not ordinary and rng.random() < 0.5):
        return np.eye(shape[-1])[rng.integers(0, shape[-1], shape[:-1])].astype(dtype)
    if kind == "probability":
        return rng.dirichlet(np.ones(shape[-1]), shape[:-1]).astype(dtype)
    if kind == "unit":
        edges = rng.choice([0.0, 1e-30, 1e-8, 0.5, 1.0 - 1e-7, 1.0], shape)
        return (rng.uniform(0.05, 0.95, shape) if ordinary else edges).astype(dtype)
    values = rng.normal(0.0, 1.0, shape)
    if not ordinary:
        points = [0.0, 1e-20, -1e-8, 1.0, -1.0, 20.0, -88.0, 90.0, -110.0, _RANGE, -_RANGE]
        values = rng.choice(points, shape) if rng.random() < 0.6 else np.full(shape, rng.choice(points))
    if "missing" in kind:
        values = np.where(rng.random(shape) < 0.2, np.nan, values)
    if kind.startswith("positive"):
        values = np.maximum(np.abs(values), 1.0 / _RANGE)  # where the spec begins
    return values.astype(dtype)


if __name__ == "__main__":
    main()
