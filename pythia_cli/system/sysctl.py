"""What macOS says of the machine."""

from __future__ import annotations

import ctypes


def sysctl(name: str) -> int | None:
    """A whole number, such as hw.physicalcpu; None if this system has none of that name."""
    value = ctypes.c_int(0)
    size = ctypes.c_size_t(ctypes.sizeof(value))
    try:
        ask = ctypes.CDLL(None).sysctlbyname
    except (OSError, AttributeError):
        return None
    status = ask(name.encode(), ctypes.byref(value), ctypes.byref(size), None, ctypes.c_size_t(0))
    return value.value if status == 0 else None
