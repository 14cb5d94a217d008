"""Settings from environment variables: folders, threads, debugging."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path

from pythia_cli.errors import BadEnvironment, UsageError

WAIT_SECONDS = 3600
"""Seconds to wait for another process that installs the same checkpoint."""


def store_folder() -> Path:
    """The folder of checkpoints: PYTHIA_HOME, or the platform's data folder."""
    if home := os.environ.get("PYTHIA_HOME"):
        return expanded(home)
    import platformdirs

    return Path(platformdirs.user_data_dir("pythia", appauthor=False))


def cache_folder() -> Path:
    """The folder of compiled kernels: PYTHIA_CACHE, or the platform's cache folder."""
    if cache := os.environ.get("PYTHIA_CACHE"):
        return expanded(cache)
    import platformdirs

    return Path(platformdirs.user_cache_dir("pythia", appauthor=False))


def expanded(folder: str | Path) -> Path:
    """The folder with ~ expanded. Raises UsageError for an unknown user or an empty name."""
    try:
        if str(folder) == "":
            raise UsageError("the name of the folder is empty")
        return Path(folder).expanduser()
    except RuntimeError as error:
        raise UsageError(f"{folder}: {error}") from error


def n_threads() -> int:
    """PYTHIA_THREADS, or the physical cores allowed by CPU affinity and the cgroup's quota.

    Raises BadEnvironment if PYTHIA_THREADS is not a positive whole number.
    """
    if text := os.environ.get("PYTHIA_THREADS"):
        if not re.fullmatch(r"0*[1-9][0-9]{0,3}", text):
            raise BadEnvironment("PYTHIA_THREADS", f"is {text!r}; expected a positive whole number")
        return int(text)
    return max(1, min(_physical_cores(_affinity()), _cgroup_cpus()))


def simd() -> str:
    """PYTHIA_SIMD: the SIMD tier to compile for; empty for the best one."""
    return os.environ.get("PYTHIA_SIMD", "")


def compiled_for() -> tuple[str, ...]:
    """The settings that change what kernels are compiled for."""
    numba = (f"{n}={value}" for n, value in sorted(os.environ.items()) if n.startswith("NUMBA_"))
    return (simd(), *numba)


def check_hub_endpoint() -> None:
    """Raises BadEnvironment if HF_ENDPOINT is not an address; huggingface_hub could not load."""
    from urllib.parse import urlsplit

    endpoint = os.environ.get("HF_ENDPOINT", "")
    try:
        parts = urlsplit(endpoint)
        sound = not endpoint or (parts.scheme in ("http", "https") and bool(parts.hostname))
        _ = parts.port
    except ValueError:
        sound = False
    if not sound:
        raise BadEnvironment("HF_ENDPOINT", "is not an http or https address")


def debug() -> bool:
    """Whether to show tracebacks of failures (PYTHIA_DEBUG=1)."""
    return os.environ.get("PYTHIA_DEBUG", "") not in ("", "0")


def terminal() -> str:
    """TERM, the kind of terminal; empty if not set."""
    return os.environ.get("TERM", "")


def _affinity() -> list[int]:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _physical_cores(cpus: list[int]) -> int:
    """The number of physical cores: two logical CPUs of one core share its multipliers."""
    siblings = set()
    for cpu in cpus:
        path = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
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
