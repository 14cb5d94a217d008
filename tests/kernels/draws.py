"""Random and nasty inputs for kernels, and what a row of the table of twins is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]
Arrays = dict[str, Any]

SCALES = {"tiny": 1e-30, "large": 1e3, "huge": 1e15}
MODERATE = ("normal", "zero rows", "signed zeros", "constant rows", "bounds")
KINDS = (*MODERATE, "outliers", *SCALES)


class Draw(NamedTuple):
    """What a test asks for: n tokens, inputs of width d, n_rows rows of weights, and a kind."""

    rng: np.random.Generator
    n: int
    d: int
    n_rows: int
    kind: str

    def floats(self, *shape: int) -> Array:
        """float32 values of the draw's kind; the last axis is a row."""
        x = self.rng.standard_normal(shape)
        if self.kind == "zero rows":
            x[self.rng.random(shape[:-1]) < 0.5] = 0.0
        elif self.kind == "signed zeros":
            x = np.where(self.rng.random(shape) < 0.8, np.copysign(0.0, x), x)
        elif self.kind == "outliers":
            x[..., self.rng.integers(shape[-1])] *= 1e4
        elif self.kind == "constant rows":
            x[...] = x[..., :1]
        return (x * SCALES.get(self.kind, 1.0)).astype(np.float32)

    def scales(self, n: int) -> Array:
        """Positive float32 values, some of them 0 as an all-zero row's."""
        scales = self.rng.uniform(1e-4, 1e-2, n)
        return np.where(self.rng.random(n) < 0.1, 0.0, scales).astype(np.float32)

    def int8(self, *shape: int) -> Array:
        """Quantized weights, all at the bound where the kind is `bounds`."""
        if self.kind == "bounds":
            return np.full(shape, self.rng.choice([-127, 127]), np.int8)
        return self.rng.integers(-127, 128, shape, dtype=np.int8)

    def int16(self, levels: int, *shape: int) -> Array:
        """Quantized activations, all at the bound where the kind is `bounds`."""
        if self.kind == "bounds":
            return np.full(shape, levels, np.int16)
        x = self.rng.integers(-levels, levels + 1, shape, dtype=np.int16)
        if self.kind == "zero rows":
            x[self.rng.random(shape[:-1]) < 0.5] = 0
        return x


def unwritten(*shape: int, dtype: Any = np.float32) -> Array:
    """An output array that shows where nothing was written."""
    return np.full(shape, 77, dtype)


class Expected(NamedTuple):
    """A twin's value for one output, and the magnitude that the tolerance is a multiple of."""

    value: Array
    magnitude: Array | float


@dataclass(frozen=True)
class Twin:
    """One row of the table: a kernel, how to feed and read it, its plain twin, and the tolerance.

    inputs: the arguments by name and in order, without lo and hi. written: views of the arrays that
    the kernel writes, each with the axis that lo and hi cut first. measured: what is compared with
    the twin, under the names that `twin` gives (where None: what is written). twin: from inputs not
    yet run. run: where it is not kernel(*inputs, lo, hi).
    """

    name: str
    kernel: Any
    inputs: Callable[[Draw], Arrays]
    written: Callable[[Arrays], Arrays]
    twin: Callable[[Arrays], dict[str, Expected]]
    tolerance: float
    why: str
    measured: Callable[[Arrays], Arrays] | None = None
    run: Callable[[Arrays, int, int], None] | None = None
    kinds: tuple[str, ...] = KINDS

    def __call__(self, a: Arrays, lo: int, hi: int) -> None:
        """Run the kernel over [lo, hi)."""
        if self.run is not None:
            self.run(a, lo, hi)
        else:
            self.kernel(*a.values(), lo, hi)

    def length(self, a: Arrays) -> int:
        """The length of the axis that lo and hi cut."""
        return len(next(iter(self.written(a).values())))

    def outputs(self, a: Arrays) -> Arrays:
        """What is compared with the twin."""
        return (self.measured or self.written)(a)
