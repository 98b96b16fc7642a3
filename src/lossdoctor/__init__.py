"""Troubleshoots custom loss functions in TensorFlow and Keras 3."""

from typing import TYPE_CHECKING

from lossdoctor.contract import contract as contract
from lossdoctor.findings import LossdoctorError as LossdoctorError
from lossdoctor.findings import UsageError as UsageError

if TYPE_CHECKING:
    from lossdoctor import testing as testing
    from lossdoctor.api import Comparison as Comparison
    from lossdoctor.api import Decomposition as Decomposition
    from lossdoctor.api import Explanation as Explanation
    from lossdoctor.api import Report as Report
    from lossdoctor.api import Trace as Trace
    from lossdoctor.api import check as check
    from lossdoctor.api import check_step as check_step
    from lossdoctor.api import compare as compare
    from lossdoctor.api import decompose as decompose
    from lossdoctor.api import explain as explain
    from lossdoctor.api import rank_samples as rank_samples
    from lossdoctor.api import replay as replay
    from lossdoctor.api import trace as trace
    from lossdoctor.api import verify as verify
    from lossdoctor.blame import Experiment as Experiment
    from lossdoctor.blame import Isolation as Isolation
    from lossdoctor.blame import experiment as experiment
    from lossdoctor.blame import isolate as isolate
    from lossdoctor.runtime.monitor import Monitor as Monitor
    from lossdoctor.runtime.monitor import watch_step as watch_step
    from lossdoctor.runtime.watch import watch as watch

# Imported when they are first asked for, so that `import lossdoctor` costs a training script nothing.
_LATER = {
    **dict.fromkeys(("check", "verify", "compare", "explain", "Report", "Comparison", "Explanation"), "lossdoctor.api"),
    **dict.fromkeys(("check_step", "decompose", "Decomposition", "trace", "Trace"), "lossdoctor.api"),
    "replay": "lossdoctor.api",
    **dict.fromkeys(("isolate", "Isolation", "experiment", "Experiment"), "lossdoctor.blame"),
    "rank_samples": "lossdoctor.api",
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
