"""The squared errors of a row of weights with several scales, from one pass over the row."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from pythia_cli.kernels.simd import data_of, emit_lane_sums
from pythia_cli.kernels.tiles.dot import function, load, splat

_FLOAT = ir.FloatType()

SCALES_TOGETHER = 3
"""As many sums of AVX2's vectors, and what is computed on the way, fit in its registers."""


@intrinsic
def squared_errors(typingctx: Any, w: Any, n: Any, per_scales: Any, first: Any, errors: Any) -> Any:
    """errors[c] = sum_i (level_i - |w[i]| * per_scales[c])^2, level_i rounded and at most 127.

    For SCALES_TOGETHER scales c from `first` on, and i < n. The order is that of lane_sum.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        w, per_scales, errors = (data_of(context, builder, signature, args, i) for i in (0, 2, 4))
        _, n, _, first, _ = args
        places = [builder.add(first, ir.IntType(64)(c)) for c in range(SCALES_TOGETHER)]
        factors = [builder.load(builder.gep(per_scales, [place])) for place in places]

        def terms(at: Any, kind: Any) -> list[Any]:
            name = "f32" if kind is _FLOAT else f"v{kind.count}f32"
            absolute = function(builder, f"llvm.fabs.{name}", kind, [kind])
            rint = function(builder, f"llvm.rint.{name}", kind, [kind])
            most = ir.Constant(kind, 127.0 if kind is _FLOAT else [127.0] * kind.count)
            x = builder.call(absolute, [load(builder, w, at, kind, align=4)])
            found = []
            for factor in factors:
                by = factor if kind is _FLOAT else splat(builder, factor, kind.count)
                exact = builder.fmul(x, by)
                level = builder.call(rint, [exact])
                level = builder.select(builder.fcmp_ordered("<", level, most), level, most)
                error = builder.fsub(level, exact)
                found.append(builder.fmul(error, error))
            return found

        sums = emit_lane_sums(builder, n, terms, SCALES_TOGETHER)
        for place, total in zip(places, sums, strict=True):
            builder.store(total, builder.gep(errors, [place]))
        return context.get_dummy_value()

    index = types.intp
    return types.void(w, index, per_scales, index, errors), codegen
