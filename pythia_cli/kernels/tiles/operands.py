"""The operands of a tile of `matmul`, and where its output goes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llvmlite import ir
from numba.np.arrayobj import make_array

from pythia_cli.kernels.simd import data_of
from pythia_cli.kernels.tiles import dot

_I64 = ir.IntType(64)


class Operands:
    """The arguments of a tile: (linear, row, x, token, d_in, adds, out, d_out)."""

    def __init__(self, context: Any, builder: Any, signature: Any, args: Any) -> None:
        self._context, self.builder = context, builder
        self._types, self._args = signature.args, args
        _, self.row, _, self.token, self.d_in, self._adds, _, self._d_out = args
        self._out = data_of(context, builder, signature, args, 6)
        self.is_bytes = "row_sums" in self._types[0].fields

    def weight_rows(self, n: int) -> list[Any]:
        """The addresses of n rows of weights."""
        return self._rows(self.field(0, "weight"), self.row, n)

    def input_rows(self, n: int) -> list[Any]:
        """The addresses of the inputs of n tokens."""
        return self._rows(self.field(2, "q"), self.token, n)

    def field(self, i: int, name: str) -> Any:
        """The address of an array in argument i, a NamedTuple."""
        at = self._types[i].fields.index(name)
        value = self.builder.extract_value(self._args[i], at)
        return make_array(self._types[i].types[at])(self._context, self.builder, value).data

    def load(self, i: int, name: str, at: Any, kind: Any = None) -> Any:
        """Element `at` of that array, or a vector of type `kind` from there on."""
        if kind is None:
            return self.builder.load(self.builder.gep(self.field(i, name), [at]))
        return dot.load(self.builder, self.field(i, name), at, kind, align=4)

    def write(self, token: Any, rows: list[Any]) -> None:
        """out[token + i, row:] = or += the vector rows[i]."""
        builder = self.builder
        start = builder.add(builder.mul(token, self._d_out), self.row)
        # Not read where it is only written: it is rarely in a cache.
        with builder.if_else(self._adds) as (adds, sets):
            with adds:
                for values, place in self._places(rows, start):
                    builder.store(
                        builder.fadd(values, builder.load(place, align=4)), place, align=4
                    )
            with sets:
                for values, place in self._places(rows, start):
                    builder.store(values, place, align=4)

    def _places(self, rows: list[Any], start: Any) -> Iterator[tuple[Any, Any]]:
        place = self.builder.gep(self._out, [start])
        for values in rows:
            yield values, self.builder.bitcast(place, values.type.as_pointer())
            place = self.builder.gep(place, [self._d_out])

    def _rows(self, data: Any, first: Any, n: int) -> list[Any]:
        places = (self.builder.mul(self.builder.add(first, _I64(j)), self.d_in) for j in range(n))
        return [self.builder.gep(data, [place]) for place in places]
