"""A signal handler in machine code that writes a line to stderr and ends the process.

One in Python would run after the instruction that failed, which is tried again without end.
"""

from __future__ import annotations

import contextlib
import ctypes
import struct

from pythia_cli.jit import elf
from pythia_cli.jit.executable import Executable

# Only functions that may be called in a signal handler. Addresses are passed as integers.
_CODE = """
declare i64 @strlen(i64)
declare i64 @write(i32, i64, i64)
declare void @_exit(i32)
define void @handler(i32 %signal) {{
  %n_bytes = call i64 @strlen(i64 {line})
  %n_written = call i64 @write(i32 2, i64 {line}, i64 %n_bytes)
  call void @_exit(i32 {status})
  unreachable
}}
"""

# The same for 64-bit x86 Linux, where LLVM is not imported: it would be a tenth of all memory.
_X86_64_LINUX = (
    b"\x48\xbe{line}"  # mov rsi, line
    b"\x31\xd2"  # xor edx, edx
    b"\x80\x3c\x16\x00"  # next: cmp byte ptr [rsi + rdx], 0
    b"\x74\x05"  # je found
    b"\x48\xff\xc2"  # inc rdx
    b"\xeb\xf5"  # jmp next
    b"\xbf\x02\x00\x00\x00"  # found: mov edi, 2, standard error
    b"\xb8\x01\x00\x00\x00"  # mov eax, 1, write
    b"\x0f\x05"  # syscall
    b"\xbf{status}"  # mov edi, status
    b"\xb8\xe7\x00\x00\x00"  # mov eax, 231, exit_group
    b"\x0f\x05"  # syscall
)


class LastWords:
    """`address` is that of a C function void(int), valid as long as this object.

    line: ends with a zero byte. It may be changed later. status: the exit status.
    """

    def __init__(self, line: ctypes.Array[ctypes.c_char], status: int) -> None:
        self._line = line
        if elf.is_supported():
            with contextlib.suppress(OSError):
                self.address = _in_memory(ctypes.addressof(line), status)
                return
        from pythia_cli.jit import processor

        text = _CODE.format(line=ctypes.addressof(line), status=status)
        self._engine = processor.new_engine(text, optimisation=0)
        self._engine.finalize_object()
        self.address = int(self._engine.get_function_address("handler"))


def _in_memory(line: int, status: int) -> int:
    """The address of the code for x86-64 Linux."""
    code = _X86_64_LINUX.replace(b"{line}", struct.pack("<Q", line))
    code = code.replace(b"{status}", struct.pack("<I", status))
    memory = Executable(len(code))
    memory.room[:] = code
    memory.seal()
    return memory.address
