"""Hand-made reports that several tests render, and the worker that examines the losses of all tests."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from lossdoctor.findings import (
    Edit,
    ErrorItem,
    Fact,
    Finding,
    Fix,
    Gap,
    Link,
    Location,
    LossReport,
    Report,
    Witness,
)
from lossdoctor.session import Settings
from lossdoctor.worker.remote import WorkerPool
from lossdoctor.worker.state import name_scopes

# Tests write a file again within the second by which bytecode is told from older one.
sys.dont_write_bytecode = True

# Time limits of a single example say how busy the machine is, not whether the code is right.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")

FOCAL = '''\
"""A focal loss."""

from keras import ops


def focal_loss(y_true, y_pred):
    """Down-weights easy examples."""
    modulator = (1.0 - y_pred) ** 2
    cross_entropy = -y_true * ops.log(y_pred)
    return ops.mean(
        modulator * cross_entropy,
        axis=-1,
    )
'''


@pytest.fixture(autouse=True)
def no_name_scope_stays_open() -> Iterator[None]:
    """A name scope of Keras that a test leaves open renames the variables of the next ones: told of, and closed."""
    yield
    if "keras" not in sys.modules:
        return
    scopes = name_scopes()
    if scopes:
        left = [scope.name for scope in scopes]
        scopes.clear()
        warnings.warn(f"name scopes left open: {left}", stacklevel=1)


@pytest.fixture(scope="session")
def pool() -> Iterator[WorkerPool]:
    """One warm worker for every test that examines a loss: TensorFlow is imported once for each process of pytest."""
    with WorkerPool(1, Settings(time_limit=120.0)) as workers:
        yield workers


@pytest.fixture
def focal(tmp_path: Path) -> Path:
    """A folder with the source that `finding` points into."""
    (tmp_path / "focal.py").write_text(FOCAL)
    return tmp_path


@pytest.fixture
def finding() -> Finding:
    """An error with everything that a finding can have."""
    consequence = Finding(
        rule="LD311",
        name="infinite-gradient",
        family="nonfinite-gradient",
        severity="error",
        evidence="witnessed",
        when=("eager", "graph"),
        message="the gradient is -inf",
        location=Location("focal.py", 9, 31, 9, 46),
        function="focal_loss",
    )
    return Finding(
        rule="LD301",
        name="log-of-zero",
        family="nonfinite-value",
        severity="error",
        evidence="witnessed",
        when=("eager", "graph"),
        message="`ops.log(y_pred)` receives [0, 1]; log(0) is -inf",
        location=Location("focal.py", 9, 31, 9, 46),
        function="focal_loss",
        witness=Witness([[1.0]], [[0.0]], ["inf"], [["-inf"]]),
        reproduce="import sys\n\nsys.exit(1)\n",
        chain=(Link("focal.py", 9, "ops.log(y_pred)"), Link("focal.py", 10, "ops.mean(…)")),
        consequences=(consequence,),
        fix=Fix(
            "keep the argument of the logarithm above zero",
            (Edit("focal.py", (9, 31), (9, 46), "ops.log(ops.clip(y_pred, 1e-7, 1.0))"),),
            verified=True,
        ),
        url="https://example.org/rules/LD301",
    )


@pytest.fixture
def make_report(finding: Finding) -> Callable[..., Report]:
    """A report of one broken loss with these findings, one healthy loss and one target that was not found."""

    def build(*findings: Finding, **changes: object) -> Report:
        broken = LossReport(
            target="focal.py:focal_loss",
            path="focal.py",
            line=6,
            y_true="float32[B,3] onehot",
            y_pred="float32[B,3] probability",
            origin="inferred",
            assumptions=("`y_pred` is a probability, because the loss takes its logarithm",),
            verdict="broken",
            findings=findings or (finding,),
            facts=(),
            gaps=(),
            seconds={"trace": 0.4, "rules": 0.3},
        )
        healthy = replace(
            broken,
            target="focal.py:mse",
            y_true="float32[B,3] real",
            y_pred="float32[B,3] real",
            origin="given",
            assumptions=(),
            verdict="healthy",
            findings=(),
            facts=(
                Fact("finite-value", "finite value for every y_pred in [-1e4, 1e4]", "proved", ("eager", "graph")),
                Fact("gradient", "the gradient reaches every element of y_pred", "witnessed", ("graph",)),
            ),
            gaps=(
                Gap("tf.Bessel", "focal.py", 3, "finite-gradient"),
                Gap("tf.Bessel", "focal.py", 4, "finite-gradient"),
            ),
        )
        values: dict[str, object] = {
            "versions": {"lossdoctor": "0.1.0", "tensorflow": "2.21.0", "keras": "3.15.0"},
            "seed": 0,
            "losses": (broken, healthy),
            "errors": (ErrorItem("nope.py", "Invalid value for `target`. Expected a file. Received: nope.py"),),
        }
        return Report(**{**values, **changes})  # type: ignore[arg-type]  # a test's own table of fields

    return build
