"""Calls compiled kernels by name, with named arguments. Does not import Numba.

The names and arguments are those of the functions with `@kernel` in the modules listed below.
"""

from __future__ import annotations

from pathlib import Path

from pythia_cli.jit.library import Library

_REST = (
    "softmax",
    "attention_pattern",
    "float16",
    "quantize_weights",
    "feedback",
    "correct_bias",
    "row_sums",
)
MODULES = [[f"{__package__}.{name}" for name in group] for group in (_REST, ("forward",))]
"""Two groups: `forward` takes longer to compile than all the others.

So it comes last: the others report a failure sooner.
"""

_LIBRARY = Library(Path(__file__).parent, *MODULES)

load = _LIBRARY.load
cache = _LIBRARY.cache
arguments = _LIBRARY.arguments
function = _LIBRARY.function
call = _LIBRARY.call
