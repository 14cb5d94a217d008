"""Keeps constants out of types: Numba compiles a function again for each constant argument."""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic


@intrinsic
def any_value(typingctx: Any, value: Any) -> Any:
    """The number or bool, as if it were not known to be constant."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return context.cast(builder, args[0], value, signature.return_type)

    return types.unliteral(value)(value), codegen
