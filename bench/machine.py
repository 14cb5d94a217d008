"""Used by all benchmarks: time of a function, cost of a process, the processor's name."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path


def seconds_of(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def process_cost(
    command: list[str], environment: Mapping[str, str], folder: Path | None = None
) -> dict[str, float]:
    """Run a command and drop its output. Returns wall seconds and peak memory; exits if it fails.

    folder: the working directory. `python -m` imports from there first.

    Call this from a small process: Linux counts the parent's memory at the start in the child's
    peak. Bytecode is kept, whatever the environment here says: pip writes a user's as it installs.
    """
    started = time.perf_counter()
    process = subprocess.Popen(
        command,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "", **environment},
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} exited {process.returncode}")
    return {"seconds": seconds, "peak_mib": usage.ru_maxrss / 1024}


def cpu_model() -> str:
    """The processor's name; on Linux with family and model."""
    fields = _cpuinfo()
    family = ", ".join(f"{f} {fields[f]}" for f in ("cpu family", "model") if f in fields)
    name = fields.get("model name") or platform.processor() or platform.machine()
    return f"{name} ({family})" if family else name


def has_avx512() -> bool:
    """Whether the processor has the extensions that engines call AVX-512 (Linux only)."""
    flags = _cpuinfo().get("flags", "").split()
    return {"avx512f", "avx512bw", "avx512dq", "avx512vl"} <= set(flags)


def _cpuinfo() -> dict[str, str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return {}
    pairs = (line.split(":", 1) for line in lines if ":" in line)
    return {name.strip(): value.strip() for name, value in pairs}


def is_x86() -> bool:
    return platform.machine().lower() in ("x86_64", "amd64")
