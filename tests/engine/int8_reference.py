"""The twin of the int8 model: the plain model, with what the engine rounds rounded likewise."""

from __future__ import annotations

import numpy as np
import torch

from pythia_cli.engine.reference import Reference
from pythia_cli.engine.weights import key_centre
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

    def _attention(self, x: torch.Tensor, prefix: str) -> torch.Tensor:
        n, config = len(x), self.config
        shape = (-1, config.n_heads, 3 * config.d_head)
        qkv = self._linear(x, prefix + "attention.query_key_value")
        q, k, v = qkv.view(shape).transpose(0, 1).chunk(3, dim=-1)
        centres = torch.from_numpy(np.array(key_centre(self.file)[int(prefix.split(".")[1])]))
        _, centre, _ = centres.view(shape).transpose(0, 1).chunk(3, dim=-1)
        kept = rounded(self._rotate(k - centre)) + self._rotate(centre.expand_as(k))
        scores = self._rotate(q) @ kept.transpose(1, 2) / config.d_head**0.5
        future = torch.ones(n, n, dtype=torch.bool).triu(1)
        attended = scores.masked_fill(future, -torch.inf).softmax(dim=-1) @ rounded(v)
        return self._linear(attended.transpose(0, 1).reshape(n, -1), prefix + "attention.dense")


class ByteReference(Int8Reference):
    """The twin of `fast`: inputs of the layers' linears are centred and have 255 levels."""

    def _linear(self, x: torch.Tensor, name: str) -> torch.Tensor:
        layer, linear = name.removeprefix("layers.").split(".", 1)
        x = x - self._part(f"layers.{linear}.centre", int(layer))
        low = x.amin(-1, keepdim=True).clamp(max=0)
        scale = (x.amax(-1, keepdim=True).clamp(min=0) - low) / 255
        zero = (-low / scale).round()
        levels = ((x / scale).round() + zero).clamp(0, 255)
        bias = self._part(f"layers.{linear}.centred_bias", int(layer))
        return (levels - zero) * scale @ self.tensors[f"{name}.weight"].T + bias


def rounded(x: torch.Tensor) -> torch.Tensor:
    """Rows of x [..., d] rounded to multiples of their largest magnitude / 127."""
    scale = x.abs().amax(-1, keepdim=True).clamp(min=1e-30) / 127
    return (x / scale).round() * scale
