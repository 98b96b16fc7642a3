"""Start-up time of `lossdoctor --help` (goal: at most 0.3 s), and as a ratio to `python -c pass`."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

GOAL = 0.3
RUNS = 15


def seconds(*arguments: str) -> float:
    """The wall time of one Python process, from start to end."""
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> int:
    commands = {
        "python -c pass": ("-c", "pass"),
        "lossdoctor --help": ("-m", "lossdoctor", "--help"),
        "lossdoctor rules": ("-m", "lossdoctor", "rules"),
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(RUNS):  # interleaved, so that a busy moment of the machine meets all of them
        for name, arguments in commands.items():
            times[name].append(seconds(*arguments))
    base = statistics.median(times["python -c pass"])
    for name, taken in times.items():
        median = statistics.median(taken)
        print(f"{name:<20} {median:6.3f} s  {median / base:5.1f} x python  (best {min(taken):.3f} s)")
    return 0 if statistics.median(times["lossdoctor --help"]) <= GOAL else 1


if __name__ == "__main__":
    raise SystemExit(main())
