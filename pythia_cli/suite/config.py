"""The shape of a GPT-NeoX model."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pythia_cli.errors import InvalidValue

_MOST = {
    "n_layers": 1 << 12,
    "n_heads": 1 << 12,
    "d_model": 1 << 16,
    "d_mlp": 1 << 16,
    "d_vocab": 1 << 20,
    "n_ctx": 1 << 20,
}
"""Far above every published model, and low enough that no product of them overflows 64 bits. The
widths also leave room in an int32 for the products of a row with 8-bit activations."""

_MOST_ANGLES = 1 << 26  # positions times rotated dimensions; the tables take 4 bytes for each

# The smallest numbers with which the rotary angles and the layer norm are finite in float32.
_NUMBERS = {"rotary_pct": (0, 1), "rotary_base": (1e-30, 1e30), "layer_norm_eps": (1e-30, 1)}


@dataclass(frozen=True)
class ModelConfig:
    """The shape of a GPT-NeoX model, with the usual names. Every one that exists can be run.

    Raises InvalidValue, with the field, for values of another type, out of range, or that do not
    fit each other.
    """

    n_layers: int
    n_heads: int
    d_model: int
    d_mlp: int
    d_vocab: int
    n_ctx: int
    rotary_pct: float = 0.25
    rotary_base: float = 10000.0
    layer_norm_eps: float = 1e-5
    use_parallel_residual: bool = True

    def __post_init__(self) -> None:
        for name, most in _MOST.items():
            value = getattr(self, name)
            if type(value) is not int or not 1 <= value <= most:
                raise InvalidValue(name, value, f"a whole number from 1 to {most}")
        for name, (least, largest) in _NUMBERS.items():
            value = getattr(self, name)
            if type(value) not in (int, float) or not least <= value <= largest:
                raise InvalidValue(name, value, f"a number from {least} to {largest}")
            object.__setattr__(self, name, float(value))
        if not isinstance(self.use_parallel_residual, bool):
            raise InvalidValue("use_parallel_residual", self.use_parallel_residual, "true or false")
        if self.d_model % self.n_heads:
            raise InvalidValue("n_heads", self.n_heads, f"a divisor of the width {self.d_model}")
        if 2 * -(-self.n_rotary // 2) > self.d_head:
            raise InvalidValue(
                "rotary_pct",
                self.rotary_pct,
                f"no more than the head's {self.d_head} dimensions, in pairs",
            )
        if self.n_ctx * self.n_rotary > _MOST_ANGLES:
            room = f"at most {_MOST_ANGLES // self.n_rotary}, as {self.n_rotary} dimensions rotate"
            raise InvalidValue("n_ctx", self.n_ctx, room)

    @property
    def d_head(self) -> int:
        """Dimensions of a head."""
        return self.d_model // self.n_heads

    @property
    def n_rotary(self) -> int:
        """Leading dimensions of a head that are rotated: int(d_head * rotary_pct), as published.

        If it is odd, transformers still divides the exponents by it, but rotates one more.
        """
        return int(self.d_head * self.rotary_pct)

    def to_dict(self) -> dict[str, Any]:
        """The fields, for JSON."""
        return asdict(self)
