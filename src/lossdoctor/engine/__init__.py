"""load → trace → read → rules → settle → Report."""

from lossdoctor.engine.comparing import compare, compare_object
from lossdoctor.engine.decomposing import decompose, decompose_object
from lossdoctor.engine.experimenting import experiment, experiment_object
from lossdoctor.engine.explaining import explain, explain_object
from lossdoctor.engine.isolating import isolate, isolate_object
from lossdoctor.engine.programs import check_programs, programs_of
from lossdoctor.engine.replaying import replay, replay_object
from lossdoctor.engine.run import check, check_object
from lossdoctor.engine.tracing import trace, trace_object

__all__ = [
    "check", "check_object", "check_programs", "compare", "compare_object", "decompose", "decompose_object",
    "experiment", "experiment_object", "explain", "explain_object", "isolate", "isolate_object", "programs_of",
    "replay", "replay_object", "trace", "trace_object",
]  # fmt: skip
