"""The model in plain float32 torch: the reference for tests, and `dtype float32`.

It follows transformers' GPTNeoXForCausalLM, against which its logits are tested.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from pythia_cli.engine.scores import Scores, score_logits
from pythia_cli.engine.transformer import LOGITS_CHUNK
from pythia_cli.kernels.sizes import rotary_tables
from pythia_cli.suite.config import ModelConfig
from pythia_cli.suite.parameters import published_tensors
from pythia_cli.weights.float_checkpoint import FloatCheckpoint, expected_tensors
from pythia_cli.weights.int8_file import Int8File

_PREFIX = "gpt_neox."


class Reference:
    """A GPT-NeoX model in float32. `tensors` has published names, without `gpt_neox.`."""

    def __init__(
        self, config: ModelConfig, tensor: Callable[[str], np.ndarray[Any, Any]], n_threads: int
    ) -> None:
        self._n_threads = n_threads
        self.config = config
        self.unembedding_bias: torch.Tensor | None = None  # int8 files have one
        self.tensors = {
            name.removeprefix(_PREFIX): torch.from_numpy(tensor(name))
            for name in expected_tensors(config)
        }
        cos, sin = rotary_tables(config.n_ctx, config.n_rotary, config.rotary_base)
        self._cos, self._sin = torch.from_numpy(cos), torch.from_numpy(sin)

    @classmethod
    def from_checkpoint(cls, checkpoint: FloatCheckpoint, n_threads: int = 1) -> Reference:
        """The model with its published float weights."""
        return cls(checkpoint.config, checkpoint.tensor, n_threads)

    @classmethod
    def from_int8(cls, file: Int8File, n_threads: int = 1) -> Reference:
        """The model with dequantized int8 weights, to check the int8 kernels."""
        model = cls(file.config, lambda name: dequantized(file, name), n_threads)
        if (bias := file.tensors.get("embed_out.bias")) is not None:
            model.unembedding_bias = torch.from_numpy(np.array(bias))
        return model

    def hidden(self, token_ids: np.ndarray[Any, Any]) -> torch.Tensor:
        """token_ids [n] -> the final layer norm's output [n, d_model]."""
        t, config = self.tensors, self.config
        with self._running():
            x = t["embed_in.weight"][torch.from_numpy(np.asarray(token_ids, np.int64))]
            for i in range(config.n_layers):
                prefix = f"layers.{i}."
                attended = self._attention(self._norm(x, prefix + "input_layernorm"), prefix)
                if config.use_parallel_residual:
                    mlp = self._mlp(self._norm(x, prefix + "post_attention_layernorm"), prefix)
                    x = x + attended + mlp
                else:
                    x = x + attended
                    x = x + self._mlp(self._norm(x, prefix + "post_attention_layernorm"), prefix)
            return self._norm(x, "final_layer_norm")

    @contextlib.contextmanager
    def _running(self) -> Iterator[None]:
        """Inference mode with our number of threads. Restores torch's global setting afterwards."""
        before = torch.get_num_threads()
        torch.set_num_threads(self._n_threads)
        try:
            with torch.inference_mode():
                yield
        finally:
            torch.set_num_threads(before)

    def logits(self, token_ids: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """token_ids [n] -> logits [n, d_vocab]."""
        return np.concatenate([rows for _, rows in self.chunks(token_ids)])

    def chunks(
        self, token_ids: np.ndarray[Any, Any], first: int = 0
    ) -> Iterator[tuple[int, np.ndarray[Any, Any]]]:
        """Yield (i, logits [m, d_vocab]) for tokens i .. i+m, from token `first` on."""
        hidden = self.hidden(token_ids)[first:]
        for at in range(0, len(hidden), LOGITS_CHUNK):
            with self._running():
                rows = hidden[at : at + LOGITS_CHUNK] @ self.tensors["embed_out.weight"].T
                if self.unembedding_bias is not None:
                    rows = rows + self.unembedding_bias
            yield first + at, rows.numpy()

    def score(
        self,
        token_ids: np.ndarray[Any, Any],
        targets: np.ndarray[Any, Any],
        members: np.ndarray[Any, Any] | None = None,
    ) -> Scores:
        """Run token_ids [n]. The scores of targets [m] as the tokens after the last m of them.

        members [d_vocab]: 1 for the tokens of the set whose probability is wanted, else 0.
        """
        first = len(token_ids) - len(targets)
        parts = [
            score_logits(rows, targets[at - first : at - first + len(rows)], members)
            for at, rows in self.chunks(token_ids, first)
        ]
        return Scores(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))

    def _norm(self, x: torch.Tensor, name: str) -> torch.Tensor:
        t = self.tensors
        return functional.layer_norm(
            x, x.shape[-1:], t[f"{name}.weight"], t[f"{name}.bias"], self.config.layer_norm_eps
        )

    def _linear(self, x: torch.Tensor, name: str) -> torch.Tensor:
        return functional.linear(x, self.tensors[f"{name}.weight"], self.tensors[f"{name}.bias"])

    def _mlp(self, x: torch.Tensor, prefix: str) -> torch.Tensor:
        up = functional.gelu(self._linear(x, prefix + "mlp.dense_h_to_4h"))
        return self._linear(up, prefix + "mlp.dense_4h_to_h")

    def _attention(self, x: torch.Tensor, prefix: str) -> torch.Tensor:
        n, config = len(x), self.config
        qkv = self._linear(x, prefix + "attention.query_key_value")
        # Published layout: q, k and v of each head. Split into three arrays [n_heads, n, d_head].
        q, k, v = qkv.view(n, config.n_heads, 3 * config.d_head).transpose(0, 1).chunk(3, dim=-1)
        q, k = self._rotate(q), self._rotate(k)
        scores = q @ k.transpose(1, 2) / config.d_head**0.5
        future = torch.ones(n, n, dtype=torch.bool).triu(1)
        attended = scores.masked_fill(future, -torch.inf).softmax(dim=-1) @ v
        return self._linear(attended.transpose(0, 1).reshape(n, -1), prefix + "attention.dense")

    def _rotate(self, x: torch.Tensor) -> torch.Tensor:
        """Rotate the first n_rotary dimensions of x [n_heads, n, d_head] (rotate-half form)."""
        half = self._cos.shape[1]
        cos, sin = self._cos[: x.shape[1]], self._sin[: x.shape[1]]
        a, b, rest = x[..., :half], x[..., half : 2 * half], x[..., 2 * half :]
        return torch.cat([a * cos - b * sin, b * cos + a * sin, rest], dim=-1)


def dequantized(file: Int8File, name: str) -> np.ndarray[Any, Any]:
    """A tensor of an int8 file, by its published name, dequantized to float32."""
    tensor = published_tensors(file.config)[name]
    module = tensor.module.name
    index: Any = tensor.layer if tensor.module.in_layers else ()
    values = file.tensors[f"{module}.{tensor.part}"][index]
    if values.dtype != np.int8:
        return np.array(values, np.float32)
    scales = file.tensors[f"{module}.scales"][index]
    result: np.ndarray[Any, Any] = values.astype(np.float32) * scales[:, None]
    return result
