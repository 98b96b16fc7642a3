"""A memory limit for this process, so that a loss that asks for 100 GB fails alone."""

from __future__ import annotations

import contextlib
from pathlib import Path


def in_use() -> int | None:
    """Bytes of private data mapped by this process; None where the system does not say."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmData:"):
                return int(line.split()[1]) * 1024
    return None


def limit(gibibytes: float) -> bool:
    """Allow this process `gibibytes` above what it uses now; False where the system has no such limit.

    RLIMIT_DATA counts private writable memory (Linux ≥ 4.7). RLIMIT_AS would count the address space that
    TensorFlow and its compilers reserve and never touch. If the machine runs out of memory nonetheless, this
    process is the one to die.
    """
    used = in_use()
    if used is None:
        return False
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    try:
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        wanted = used + int(gibibytes * 2**30)
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
    except (ImportError, OSError, ValueError):
        return False
    return True
