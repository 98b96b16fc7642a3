"""What the behavioural probes report: plain, picklable values that rules read; neither TensorFlow nor user code.

The probes `direction`, `gradient`, `dead`, `save_load` and `frozen` run in the worker and return these. A reading
states what was seen and on how many draws; whether that is a fault is for a rule to say.
"""

from __future__ import annotations

from lossdoctor.readings.gradients import Comparison as Comparison
from lossdoctor.readings.gradients import Counterexample as Counterexample
from lossdoctor.readings.gradients import DeadGradient as DeadGradient
from lossdoctor.readings.gradients import Direction as Direction
from lossdoctor.readings.gradients import Fall as Fall
from lossdoctor.readings.gradients import GradientCheck as GradientCheck
from lossdoctor.readings.gradients import JacobianCheck as JacobianCheck
from lossdoctor.readings.gradients import Mismatch as Mismatch
from lossdoctor.readings.gradients import Ray as Ray
from lossdoctor.readings.gradients import Wrong as Wrong
from lossdoctor.readings.runs import Difference as Difference
from lossdoctor.readings.runs import Dropped as Dropped
from lossdoctor.readings.runs import EagerRun as EagerRun
from lossdoctor.readings.runs import Executions as Executions
from lossdoctor.readings.runs import HalfRounding as HalfRounding
from lossdoctor.readings.runs import NeedlessDouble as NeedlessDouble
from lossdoctor.readings.runs import ReferenceInfo as ReferenceInfo
from lossdoctor.readings.runs import Replicas as Replicas
from lossdoctor.readings.runs import Split as Split
from lossdoctor.readings.runs import SwappedRun as SwappedRun
from lossdoctor.readings.state import Frozen as Frozen
from lossdoctor.readings.state import FrozenDraw as FrozenDraw
from lossdoctor.readings.state import FrozenList as FrozenList
from lossdoctor.readings.state import FrozenState as FrozenState
from lossdoctor.readings.state import Kept as Kept
from lossdoctor.readings.state import SavedArgument as SavedArgument
from lossdoctor.readings.state import SaveLoad as SaveLoad
from lossdoctor.readings.state import SideEffects as SideEffects
