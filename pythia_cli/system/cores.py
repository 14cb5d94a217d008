"""How many threads this machine is worth: one for each fast physical core that we may use."""

from __future__ import annotations

import math
import numbers
import os
import sys
from pathlib import Path

from pythia_cli import settings
from pythia_cli.errors import InvalidValue
from pythia_cli.system.sysctl import sysctl

_SYSTEM = Path("/sys/devices")
_FAST = 0.55
"""A core with less of the capacity of the fastest one is an efficiency core. It gets no thread: the
others would wait for it at every barrier."""

MOST_THREADS = 1024
"""The most threads that may be asked for; a larger number is taken for a mistake."""


def n_threads() -> int:
    """PYTHIA_THREADS, or the fast physical cores within CPU affinity and the cgroup's quota.

    Raises BadEnvironment if PYTHIA_THREADS is not a positive whole number.
    """
    return settings.n_threads() or max(1, min(_cores(), _cgroup_cpus()))


def check_threads(given: int | None) -> None:
    """Raises InvalidValue unless this is a whole number from 1 to MOST_THREADS, or None."""
    is_whole = isinstance(given, numbers.Integral) and not isinstance(given, bool)
    if given is not None and not (is_whole and 1 <= given <= MOST_THREADS):
        raise InvalidValue("n_threads", given, f"a whole number, 1 to {MOST_THREADS}")


def _cores() -> int:
    if sys.platform == "darwin":
        return _macos_cores()
    return _physical_cores(_fast(_affinity()))


def _macos_cores() -> int:
    """Performance cores; before Apple's own processors, all physical cores."""
    return sysctl("hw.perflevel0.physicalcpu") or sysctl("hw.physicalcpu") or os.cpu_count() or 1


def _affinity() -> list[int]:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _fast(cpus: list[int]) -> list[int]:
    """These CPUs without efficiency cores, if any others are among them. Linux only."""
    performance = _intel_performance_cpus()
    if performance.intersection(cpus):
        return [cpu for cpu in cpus if cpu in performance]
    capacities = {cpu: _capacity(cpu) for cpu in cpus}
    most = max(capacities.values())
    return [cpu for cpu, capacity in capacities.items() if capacity >= _FAST * most]


def _intel_performance_cpus() -> set[int]:
    """The CPUs of the P-cores of a hybrid Intel processor; empty on others."""
    cpus: set[int] = set()
    try:
        for part in (_SYSTEM / "cpu_core/cpus").read_text().strip().split(","):
            first, _, last = part.partition("-")
            cpus.update(range(int(first), int(last or first) + 1))
    except (OSError, ValueError):
        return set()
    return cpus


def _capacity(cpu: int) -> int:
    """The speed of a CPU beside others of an ARM big.LITTLE processor; 0 if it is not known."""
    try:
        return int((_SYSTEM / f"system/cpu/cpu{cpu}/cpu_capacity").read_text())
    except (OSError, ValueError):
        return 0


def _physical_cores(cpus: list[int]) -> int:
    """The number of physical cores: two logical CPUs of one core share its multipliers."""
    siblings = set()
    for cpu in cpus:
        path = _SYSTEM / f"system/cpu/cpu{cpu}/topology/thread_siblings_list"
        try:
            siblings.add(path.read_text())
        except OSError:
            siblings.add(str(cpu))
    return len(siblings)


def _cgroup_cpus() -> int:
    """The CPU quota of this process's cgroup (v2 or v1) in whole CPUs; 1 << 20 if there is none."""
    unlimited = 1 << 20
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return unlimited
    quotas = [float(unlimited)]
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            quotas += _cgroup_v2_quotas(Path("/sys/fs/cgroup"), path)
        elif "cpu" in controllers.split(","):
            quotas += _cgroup_v1_quotas(Path("/sys/fs/cgroup/cpu"), path)
    return max(1, math.ceil(min(quotas)))


def _cgroup_v2_quotas(root: Path, path: str) -> list[float]:
    quotas = []
    folder = root / path.strip("/")
    while True:
        try:
            quota, period = (folder / "cpu.max").read_text().split()
            if quota != "max":
                quotas.append(int(quota) / int(period))
        except (OSError, ValueError):
            pass
        if folder == root or root not in folder.parents:
            return quotas
        folder = folder.parent


def _cgroup_v1_quotas(root: Path, path: str) -> list[float]:
    for folder in (root / path.strip("/"), root):
        try:
            quota = int((folder / "cpu.cfs_quota_us").read_text())
            period = int((folder / "cpu.cfs_period_us").read_text())
        except (OSError, ValueError):
            continue
        return [quota / period] if quota > 0 and period > 0 else []
    return []
