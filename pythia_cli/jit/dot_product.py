"""Whether this ARM processor has the dot product instructions, as the operating system reports it.

LLVM does not report them on all systems. Does not import llvmlite.
"""

from __future__ import annotations

import ctypes
import sys

from pythia_cli.system.sysctl import sysctl

_AT_HWCAP, _HWCAP_ASIMDDP = 16, 1 << 20  # Linux: <elf.h>, <asm/hwcap.h>
_PF_ARM_V82_DP_INSTRUCTIONS_AVAILABLE = 43  # Windows: <winnt.h>


def is_reported() -> bool:
    """Whether the system reports them; False if it cannot be asked. For 64-bit ARM only."""
    if sys.platform == "darwin":
        return bool(sysctl("hw.optional.arm.FEAT_DotProd"))
    try:
        if sys.platform == "win32":
            ask = ctypes.windll.kernel32.IsProcessorFeaturePresent
            return bool(ask(_PF_ARM_V82_DP_INSTRUCTIONS_AVAILABLE))
        ask = ctypes.CDLL(None).getauxval
    except (OSError, AttributeError):  # no such library or function
        return False
    ask.argtypes, ask.restype = [ctypes.c_ulong], ctypes.c_ulong
    return bool(ask(_AT_HWCAP) & _HWCAP_ASIMDDP)
