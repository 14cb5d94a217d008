"""Intel's tile registers (AMX), which Linux gives to a process that asks for them.

Does not import llvmlite.
"""

from __future__ import annotations

import ctypes
import functools

from pythia_cli.jit import elf

_ARCH_PRCTL, _ARCH_REQ_XCOMP_PERM, _XTILEDATA = 158, 0x1023, 18  # <asm/unistd_64.h>, <asm/prctl.h>
_is_allowed = True


@functools.cache
def is_permitted() -> bool:
    """Ask for them, for all threads of this process and of those that it forks; False if refused.

    Linux before 5.16 refuses, and so it does if a thread has too little room for signals.
    """
    if not _is_allowed or not elf.is_supported():
        return False
    try:
        ask = ctypes.CDLL(None).syscall
    except (OSError, AttributeError):  # no such library or function
        return False
    ask.argtypes, ask.restype = [ctypes.c_long] * 3, ctypes.c_long
    return bool(ask(_ARCH_PRCTL, _ARCH_REQ_XCOMP_PERM, _XTILEDATA) == 0)


def follow(is_allowed: bool) -> None:
    """Ask only if it is allowed: a process that compiles for another has what that one has."""
    global _is_allowed
    _is_allowed = is_allowed
    is_permitted.cache_clear()
