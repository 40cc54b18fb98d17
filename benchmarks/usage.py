"""``python -m benchmarks.usage RESULT COMMAND ...``: seconds, processor seconds and peak memory of one process, and the
seconds of its cores that a machine under this virtual one gave to others meanwhile.

Linux counts the memory of the process that starts another as the other's own, so this one has to be small.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path


def stolen_seconds(stat: str) -> float:
    """Of the cores that this process may run on, since the machine was started; ``stat`` is what /proc/stat says."""
    names = {f"cpu{core}" for core in os.sched_getaffinity(0)}
    lines = [line.split() for line in stat.splitlines()]
    return sum(float(line[8]) for line in lines if line and line[0] in names) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    stat = Path("/proc/stat")
    stolen, start = stolen_seconds(stat.read_text()), time.perf_counter()
    with subprocess.Popen(sys.argv[2:], stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(sys.argv[2:])}: exit code {process.returncode}")
    found = {
        "seconds": seconds,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "stolen_seconds": stolen_seconds(stat.read_text()) - stolen,
        "peak_bytes": 1024 * usage.ru_maxrss,
    }
    Path(sys.argv[1]).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
