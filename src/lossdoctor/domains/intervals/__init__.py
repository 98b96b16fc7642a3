"""Ranges by case split and subdivision: what every node of a loss can be, and proofs that it is finite."""

from lossdoctor.domains.intervals.ranges import BUDGET as BUDGET
from lossdoctor.domains.intervals.ranges import Interval as Interval
from lossdoctor.domains.intervals.ranges import Proof as Proof
from lossdoctor.domains.intervals.ranges import Ranges as Ranges
from lossdoctor.domains.intervals.ranges import bounds as bounds
from lossdoctor.domains.intervals.ranges import prove as prove
from lossdoctor.domains.intervals.ranges import ranges as ranges
