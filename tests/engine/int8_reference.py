"""The twin of the int8 model: the plain model, with what the engine rounds rounded likewise."""

from __future__ import annotations

import numpy as np
import torch

from pythia_cli.engine.reference import Reference
from pythia_cli.engine.weights import key_centre
from pythia_cli.kernels.sizes import LANES, LOGITS_PIECE
from pythia_cli.weights.int8_file import Int8File


class Int8Reference(Reference):
    """On dequantized weights; keys, less their centre, and values have 127 levels."""

    file: Int8File

    @classmethod
    def from_int8(cls, file: Int8File, n_threads: int = 1) -> Reference:
        twin = super().from_int8(file, n_threads)
        assert isinstance(twin, Int8Reference)
        twin.file = file
        return twin

    def _part(self, name: str, layer: int) -> torch.Tensor:
        return torch.from_numpy(np.array(self.file.tensors[name][layer]))

    def _kept(self, k: torch.Tensor, v: torch.Tensor, i: int) -> tuple[torch.Tensor, torch.Tensor]:
        config = self.config
        centres = torch.from_numpy(np.array(key_centre(self.file)[i]))
        _, centre, _ = centres.view(config.n_heads, 3 * config.d_head).chunk(3, dim=-1)
        turned = self._rotate(centre.expand_as(k))
        return rounded(k - turned) + turned, rounded(v)


class ByteReference(Int8Reference):
    """The twin of `fast`: inputs of the layers' linears are centred and have 255 levels.

    So have those of the unembedding, but for the likely logits.
    """

    def _linear(self, x: torch.Tensor, name: str) -> torch.Tensor:
        layer, linear = name.removeprefix("layers.").split(".", 1)
        x = in_bytes(x - self._part(f"layers.{linear}.centre", int(layer)))
        bias = self._part(f"layers.{linear}.centred_bias", int(layer))
        return x @ self.tensors[f"{name}.weight"].T + bias

    def unembed(self, hidden: torch.Tensor) -> torch.Tensor:
        refined, coarse = super().unembed(hidden), super().unembed(in_bytes(hidden))
        pieces = zip(*(z.split(LOGITS_PIECE, dim=-1) for z in (refined, coarse)), strict=True)
        return torch.cat([torch.where(is_likely(z), fine, z) for fine, z in pieces], dim=-1)


def in_bytes(x: torch.Tensor) -> torch.Tensor:
    """Rows of x [..., d] rounded to 255 levels, which span their values and 0."""
    low = x.amin(-1, keepdim=True).clamp(max=0)
    scale = (x.amax(-1, keepdim=True).clamp(min=0) - low) / 255
    zero = (-low / scale).round()
    return (((x / scale).round() + zero).clamp(0, 255) - zero) * scale


def is_likely(z: torch.Tensor) -> torch.Tensor:
    """Which logits of a piece [..., n] are at least the least of the maxima of every 16th."""
    n = z.shape[-1]
    if n < LANES:
        return torch.ones_like(z, dtype=torch.bool)
    columns = z[..., : n - n % LANES].unflatten(-1, (-1, LANES))
    return z >= columns.amax(-2).amin(-1, keepdim=True)


def rounded(x: torch.Tensor) -> torch.Tensor:
    """Rows of x [..., d] rounded to multiples of their largest magnitude / 127."""
    scale = x.abs().amax(-1, keepdim=True).clamp(min=1e-30) / 127
    return (x / scale).round() * scale
