"""Troubleshoots custom loss functions in TensorFlow and Keras 3."""

from typing import TYPE_CHECKING

from lossdoctor.contract import contract as contract
from lossdoctor.findings import LossdoctorError as LossdoctorError
from lossdoctor.findings import UsageError as UsageError

if TYPE_CHECKING:
    from lossdoctor import testing as testing
    from lossdoctor.api import check as check
    from lossdoctor.api import check_step as check_step
    from lossdoctor.api import compare as compare
    from lossdoctor.api import explain as explain
    from lossdoctor.api import rank_samples as rank_samples
    from lossdoctor.api import replay as replay
    from lossdoctor.api import trace as trace
    from lossdoctor.api import verify as verify
    from lossdoctor.controlled import decompose as decompose
    from lossdoctor.controlled import experiment as experiment
    from lossdoctor.controlled import isolate as isolate
    from lossdoctor.results import Comparison as Comparison
    from lossdoctor.results import Decomposition as Decomposition
    from lossdoctor.results import Experiment as Experiment
    from lossdoctor.results import Explanation as Explanation
    from lossdoctor.results import Isolation as Isolation
    from lossdoctor.results import Report as Report
    from lossdoctor.results import Trace as Trace
    from lossdoctor.runtime.monitor import Monitor as Monitor
    from lossdoctor.runtime.monitor import watch_step as watch_step
    from lossdoctor.runtime.watch import watch as watch

# Imported when they are first asked for, so that `import lossdoctor` costs a training script nothing.
_LATER = {
    **dict.fromkeys(
        ("check", "check_step", "verify", "compare", "explain", "rank_samples", "replay", "trace"), "lossdoctor.api"
    ),
    **dict.fromkeys(("decompose", "isolate", "experiment"), "lossdoctor.controlled"),
    **dict.fromkeys(
        ("Comparison", "Decomposition", "Experiment", "Explanation", "Isolation", "Report", "Trace"),
        "lossdoctor.results",
    ),
    "watch": "lossdoctor.runtime.watch",
    **dict.fromkeys(("Monitor", "watch_step"), "lossdoctor.runtime.monitor"),
    "testing": "",
}

__all__ = [
    "Comparison", "Decomposition", "Experiment", "Explanation", "Isolation", "LossdoctorError", "Monitor", "Report",
    "Trace", "UsageError", "check", "check_step", "compare", "contract", "decompose", "experiment", "explain",
    "isolate", "rank_samples", "replay", "testing", "trace", "verify", "watch", "watch_step",
]  # fmt: skip


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module = _LATER[name]
    return getattr(import_module(module), name) if module else import_module(f"{__name__}.{name}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
