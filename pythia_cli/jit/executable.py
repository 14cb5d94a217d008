"""Memory for machine code: it can be written first, and then only be read and executed."""

from __future__ import annotations

import ctypes
import mmap


class Executable:
    """Room for n_bytes >= 1 of code, which begins at `address`."""

    def __init__(self, n_bytes: int) -> None:
        flags, prot = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, mmap.PROT_READ | mmap.PROT_WRITE
        self.room = mmap.mmap(-1, n_bytes, flags, prot)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.room))

    def seal(self) -> None:
        """End writing. Raises OSError if the system does not let memory be executed.

        The code stays to the end of the process: threads may be in it while Python shuts down.
        """
        libc = ctypes.CDLL(None, use_errno=True)
        libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        n_bytes = -(-len(self.room) // mmap.PAGESIZE) * mmap.PAGESIZE
        if libc.mprotect(self.address, n_bytes, mmap.PROT_READ | mmap.PROT_EXEC):
            raise OSError(ctypes.get_errno(), "mprotect")
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self.room))
