"""The only place where kernels meet Numba: decorator, flags, and where compiled code is kept."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llvmlite
import numba
from numba.core import config

from pythia_cli import settings

_PACKAGE = Path(__file__).resolve().parent.parent
# Numba's own key of a cached function does not see changes in the functions it calls.
_JITTED_SOURCES = (*sorted((_PACKAGE / "kernels").glob("*.py")), _PACKAGE / "model/transformer.py")


def _sources_key() -> str:
    digest = hashlib.sha256(f"{numba.__version__} {llvmlite.__version__}".encode())
    for path in _JITTED_SOURCES:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _private_folder() -> Path | None:
    """The folder of compiled kernels, created 0700; None where it cannot be written or trusted."""
    folder = settings.cache_folder() / "kernels" / _sources_key()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        status = folder.stat()
        # Compiled code is run as it is: nobody else may have put it there.
        if hasattr(os, "getuid") and (status.st_uid != os.getuid() or status.st_mode & 0o022):
            return None
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK | os.X_OK) else None


CACHE_FOLDER = _private_folder()
if CACHE_FOLDER is not None:
    config.CACHE_DIR = str(CACHE_FOLDER)


def is_compiled(name: str) -> bool:
    """Whether an earlier process left this function compiled, from these sources."""
    return CACHE_FOLDER is not None and any(CACHE_FOLDER.rglob(f"*.{name}-*.nbc"))


def is_disabled() -> bool:
    """Whether NUMBA_DISABLE_JIT keeps kernels from being compiled at all."""
    return bool(config.DISABLE_JIT)


def clear_cache() -> bool:
    """Remove the compiled kernels; False where there are none."""
    if CACHE_FOLDER is None or not any(CACHE_FOLDER.iterdir()):
        return False
    for path in CACHE_FOLDER.iterdir():
        shutil.rmtree(path, ignore_errors=True)
    return True


def jit(function: Callable[..., Any]) -> Any:
    """Compile `function` without the GIL; the plain body stays callable as `.py_func`.

    No fast-math: float sums are written in the order they are to be added in (simd.lane_sum), so
    that the bits depend neither on the processor nor on what LLVM made of a loop where it was
    inlined. With `reassoc`, code fresh from the compiler and code from the cache differed.
    """
    return numba.njit(nogil=True, cache=CACHE_FOLDER is not None, error_model="numpy")(function)
