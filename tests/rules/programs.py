"""Runs the programs on rule pages: a model with a batch, or a training step."""

from __future__ import annotations

import linecache
import sys
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.rules.pages import Block

from lossdoctor import Report
from lossdoctor.session import Settings


def module_of(code: str, folder: Path) -> ModuleType:
    """The code as an imported file `program.py`."""
    path = folder / "program.py"
    path.write_text(code, encoding="utf-8")
    module = ModuleType("program")
    module.__file__ = str(path)
    sys.modules["program"] = module
    linecache.checkcache(str(path))
    exec(compile(code, str(path), "exec"), module.__dict__)
    return module


def examined(block: Block, folder: Path) -> Report:
    from lossdoctor.engine.models import check_model
    from lossdoctor.engine.steps import check_step

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras warns of some of these faults itself
        module: Any = module_of(block.code, folder)
        if block.subject == "step":
            return Report.of(check_step(module.train_step, module.batch))
        place = (str(folder / "program.py"), 0)
        weight = getattr(module, "sample_weight", None)
        report = check_model(module.model, module.x, module.y, weight, settings=Settings(mends=False), place=place)
    return Report.of(report)
