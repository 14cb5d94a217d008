"""The operands of a tile of `matmul`, and where its output goes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llvmlite import ir
from numba.core import cgutils
from numba.np.arrayobj import make_array

from pythia_cli.kernels.simd import data_of
from pythia_cli.kernels.tiles import dot

_I8, _I64 = ir.IntType(8), ir.IntType(64)


class Operands:
    """The arguments of a tile: (linear, row, x, token, d_in, adds, out, d_out)."""

    def __init__(self, context: Any, builder: Any, signature: Any, args: Any) -> None:
        self._context, self.builder = context, builder
        self._types, self._args = signature.args, args
        _, self.row, _, self.token, self.d_in, self._adds, _, self._d_out = args
        self._out = data_of(context, builder, signature, args, 6)
        self.is_bytes = "row_sums" in self._types[0].fields

    def tokens_left(self) -> Any:
        """The number of tokens from `token` on."""
        at = self._types[2].fields.index("q")
        value = self.builder.extract_value(self._args[2], at)
        array = make_array(self._types[2].types[at])(self._context, self.builder, value)
        return self.builder.sub(self.builder.extract_value(array.shape, 0), self.token)

    def weight_rows(self, n: int) -> list[Any]:
        """The addresses of n rows of weights."""
        return self._rows(self.field(0, "weight"), self.row, n)

    def widened_rows(self, first: Any, n: int) -> list[Any]:
        """The addresses, as bytes, of n rows of the linear's room from `first` on."""
        rows = self._rows(self.field(0, "room"), first, n)
        return [self.builder.bitcast(row, _I8.as_pointer()) for row in rows]

    def input_rows(self, n: int) -> list[Any]:
        """The addresses of the inputs of n tokens."""
        return self._rows(self.field(2, "q"), self.token, n)

    def field(self, i: int, name: str) -> Any:
        """The address of an array in argument i, a NamedTuple."""
        at = self._types[i].fields.index(name)
        value = self.builder.extract_value(self._args[i], at)
        return make_array(self._types[i].types[at])(self._context, self.builder, value).data

    def load(self, i: int, name: str, at: Any, kind: Any = None, n: Any = None) -> Any:
        """Element `at` of that array, or a vector of type `kind` from there on.

        With n, only the first n are read, and the others are 0: n may be more than the vector has,
        or negative.
        """
        if kind is None:
            return self.builder.load(self.builder.gep(self.field(i, name), [at]))
        if n is not None:
            return dot.load_first(self.builder, self.field(i, name), at, kind, n)
        return dot.load(self.builder, self.field(i, name), at, kind, align=4)

    def write(self, token: Any, rows: list[Any], first_row: int = 0, n: Any = None) -> None:
        """out[token + i, row + first_row:] = or += the vector rows[i]; for i < n, if n is given."""
        builder = self.builder
        row = builder.add(self.row, _I64(first_row))
        start = builder.add(builder.mul(token, self._d_out), row)
        # Not read where it is only written: it is rarely in a cache.
        with builder.if_else(self._adds) as (adds, sets):
            with adds:
                for values, place in self._places(rows, start, n):
                    builder.store(
                        builder.fadd(values, builder.load(place, align=4)), place, align=4
                    )
            with sets:
                for values, place in self._places(rows, start, n):
                    builder.store(values, place, align=4)

    def _places(self, rows: list[Any], start: Any, n: Any) -> Iterator[tuple[Any, Any]]:
        builder = self.builder
        place = builder.gep(self._out, [start])
        if n is not None:
            unused = cgutils.alloca_once(builder, rows[0].type)  # what is beyond n goes there
            unused = builder.bitcast(unused, place.type)
        for i, values in enumerate(rows):
            to = place
            if n is not None:
                to = builder.select(builder.icmp_signed("<", _I64(i), n), place, unused)
            yield values, builder.bitcast(to, values.type.as_pointer())
            place = builder.gep(place, [self._d_out])

    def _rows(self, data: Any, first: Any, n: int) -> list[Any]:
        places = (self.builder.mul(self.builder.add(first, _I64(j)), self.d_in) for j in range(n))
        return [self.builder.gep(data, [place]) for place in places]
