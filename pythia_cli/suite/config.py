"""The shape of a GPT-NeoX model."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class ModelConfig:
    """The shape of a GPT-NeoX model, with the usual names."""

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
