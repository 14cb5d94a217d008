"""Whether this ARM processor has the dot product instructions, as the operating system reports it.

LLVM does not report them on all systems. Does not import llvmlite.
"""

from __future__ import annotations

import ctypes
import sys

_AT_HWCAP, _HWCAP_ASIMDDP = 16, 1 << 20  # Linux: <elf.h>, <asm/hwcap.h>
_SYSCTL = b"hw.optional.arm.FEAT_DotProd"  # macOS
_PF_ARM_V82_DP_INSTRUCTIONS_AVAILABLE = 43  # Windows: <winnt.h>


def is_reported() -> bool:
    """Whether the system reports them; False if it cannot be asked. For 64-bit ARM only."""
    try:
        if sys.platform == "win32":
            ask = ctypes.windll.kernel32.IsProcessorFeaturePresent
            return bool(ask(_PF_ARM_V82_DP_INSTRUCTIONS_AVAILABLE))
        system = ctypes.CDLL(None)
        return _by_sysctl(system) if sys.platform == "darwin" else _by_getauxval(system)
    except (OSError, AttributeError):  # no such library or function
        return False


def _by_getauxval(system: ctypes.CDLL) -> bool:
    ask = system.getauxval
    ask.argtypes, ask.restype = [ctypes.c_ulong], ctypes.c_ulong
    return bool(ask(_AT_HWCAP) & _HWCAP_ASIMDDP)


def _by_sysctl(system: ctypes.CDLL) -> bool:
    value = ctypes.c_int(0)
    size = ctypes.c_size_t(ctypes.sizeof(value))
    status = system.sysctlbyname(_SYSCTL, ctypes.byref(value), ctypes.byref(size), None, 0)
    return status == 0 and value.value != 0
