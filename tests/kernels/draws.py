"""Random and extreme inputs for kernels, and the type of a row in the table of twins."""

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
    """Makes the inputs of a test: n tokens of width d, n_rows rows of weights, of one kind."""

    rng: np.random.Generator
    n: int
    d: int
    n_rows: int
    kind: str

    def floats(self, *shape: int) -> Array:
        """float32 values of this kind; the last axis is a row."""
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
        """Positive float32 values; some are 0, as for a row of zeros."""
        scales = self.rng.uniform(1e-4, 1e-2, n)
        return np.where(self.rng.random(n) < 0.1, 0.0, scales).astype(np.float32)

    def int8(self, *shape: int) -> Array:
        """Quantized weights; for the kind `bounds`, all -127 or all 127."""
        if self.kind == "bounds":
            return np.full(shape, self.rng.choice([-127, 127]), np.int8)
        return self.rng.integers(-127, 128, shape, dtype=np.int8)

    def int16(self, levels: int, *shape: int) -> Array:
        """Quantized activations; for the kind `bounds`, all at `levels`."""
        if self.kind == "bounds":
            return np.full(shape, levels, np.int16)
        x = self.rng.integers(-levels, levels + 1, shape, dtype=np.int16)
        if self.kind == "zero rows":
            x[self.rng.random(shape[:-1]) < 0.5] = 0
        return x

    def uint8(self, *shape: int) -> Array:
        """Quantized activations with a zero point; for the kind `bounds`, all 255."""
        if self.kind == "bounds":
            return np.full(shape, 255, np.uint8)
        return self.rng.integers(0, 256, shape, dtype=np.uint8)


def unwritten(*shape: int, dtype: Any = np.float32) -> Array:
    """An output array filled with a marker, to find elements that were not written."""
    return np.full(shape, 77, dtype)


class Expected(NamedTuple):
    """A twin's value for one output, and the magnitude that the tolerance multiplies."""

    value: Array
    magnitude: Array | float


@dataclass(frozen=True)
class Twin:
    """One row of the table: a kernel, its inputs and outputs, its plain twin, and the tolerance.

    inputs: makes the arguments, by name and in order, without lo and hi. written: views of the
    arrays that the kernel writes; their first axis is the one that lo and hi divide. twin: the
    expected values; called before the kernel runs. measured: the values to compare with the twin,
    by the same names; None: `written`. run: how to call the kernel; None: kernel(*inputs, lo, hi).
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
        """The length of the axis that lo and hi divide."""
        return len(next(iter(self.written(a).values())))

    def outputs(self, a: Arrays) -> Arrays:
        """The values to compare with the twin."""
        return (self.measured or self.written)(a)
