"""Calls compiled kernels by name, with named arguments. Does not import Numba.

The names and arguments are those of the functions with `@kernel` in the modules listed below.
"""

from __future__ import annotations

from pathlib import Path

from pythia_cli.jit.library import Library

_LIBRARY = Library(
    Path(__file__).parent,
    [
        f"{__package__}.{module}"
        for module in (
            "forward",
            "softmax",
            "attention_pattern",
            "float16",
            "quantize_weights",
            "feedback",
            "correct_bias",
            "row_sums",
        )
    ],
)

load = _LIBRARY.load
cache = _LIBRARY.cache
arguments = _LIBRARY.arguments
function = _LIBRARY.function
call = _LIBRARY.call
