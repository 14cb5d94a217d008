"""A signal handler in machine code that writes a line to stderr and ends the process.

One in Python would run after the instruction that failed, which is tried again without end.
"""

from __future__ import annotations

import ctypes

import llvmlite.binding as llvm

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


class LastWords:
    """`address` is that of a C function void(int), valid as long as this object.

    line: ends with a zero byte. It may be changed later. status: the exit status.
    """

    def __init__(self, line: ctypes.Array[ctypes.c_char], status: int) -> None:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        machine = llvm.Target.from_default_triple().create_target_machine(opt=0, jit=True)
        code = _CODE.format(line=ctypes.addressof(line), status=status)
        self._line = line
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(code), machine)
        self._engine.finalize_object()
        self.address: int = self._engine.get_function_address("handler")
