"""How many cores this process may use: its CPU affinity, and the quota of the container around it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

#: cgroup v2: "quota period" or "max period", microseconds (kernel documentation, cgroup-v2, cpu.max)
CGROUP_V2: Final = Path("/sys/fs/cgroup/cpu.max")
#: cgroup v1: the quota is −1 where there is none (kernel documentation, sched-bwc)
CGROUP_V1: Final = Path("/sys/fs/cgroup/cpu")


def available_cores(v2: Path = CGROUP_V2, v1: Path = CGROUP_V1) -> int:
    """Cores this process can keep busy, at least 1.

    The affinity mask alone would give a pod limited to two CPUs as many slots as its node has cores, and
    the kernel would then throttle them all.

    Parameters
    ----------
    v2, v1 : Path
        The ``cpu.max`` file of cgroup v2 and the ``cpu`` folder of cgroup v1.
    """
    quota = cgroup_quota(v2, v1)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores if quota is None else max(1, min(cores, int(quota)))


def cgroup_quota(v2: Path = CGROUP_V2, v1: Path = CGROUP_V1) -> float | None:
    """CPUs that the container may use; None where nothing limits it."""
    text = _read(v2)
    if text is not None:
        numbers = text.split()
    else:
        numbers = [_read(v1 / "cpu.cfs_quota_us") or "", _read(v1 / "cpu.cfs_period_us") or ""]
    try:
        quota, period = (int(number) for number in numbers)
    except ValueError:
        return None  # "max", or no such file: no limit
    return quota / period if quota > 0 and period > 0 else None


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
