"""How long to wait for an answer on a machine that has other work as well."""

from __future__ import annotations

import os

_MOST = 3.0


def patience() -> float:
    """By what to multiply a time limit: how many processes want each CPU, from 1 to 3.

    A limit is meant in seconds of a CPU that the examination has to itself. On a machine that runs a training or other
    tests, the same work takes longer, and is no loss that hangs.
    """
    try:
        load = os.getloadavg()[0]
    except (AttributeError, OSError):  # not on this system
        return 1.0
    return min(max(load / (os.cpu_count() or 1), 1.0), _MOST)
