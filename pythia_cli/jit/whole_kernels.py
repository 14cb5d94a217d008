"""Makes Numba compile whole kernels to object code, and nothing else.

Numba makes machine code of each function that a kernel calls, for Python to call it, and optimises
each with all that it calls. Only kernels are called here, so that is left out: a third of the time.
This uses parts of Numba that it does not document; 0.61 and 0.68 have them.
"""

from __future__ import annotations

from typing import Any

from numba.core.codegen import CPUCodeLibrary
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target


class WholeKernel(CPUCodeLibrary):
    """A kernel's code, or a function's that becomes a part of kernels."""

    def object_code(self) -> Any:
        """The bytes of an object file. Optimises the kernel with all that it calls."""
        with global_compiler_lock:
            self._ensure_finalized()
            for _ in range(2):  # the second finds more: quantizing takes a sixth less time
                super()._optimize_final_module()
            return self._codegen._tm.emit_object(self._final_module)

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_specific(self) -> None:
        pass


def compile_whole_kernels() -> None:
    """From now on Numba makes no machine code but by `WholeKernel.object_code`.

    No function that is compiled from now on can be called from Python.
    """
    context = cpu_target.target_context
    context.codegen()._library_class = WholeKernel
    context.get_executable = _nothing_to_call


def _nothing_to_call(library: Any, fndesc: Any, env: Any) -> Any:
    return [].append  # Numba registers it, and asks for a new built-in function
