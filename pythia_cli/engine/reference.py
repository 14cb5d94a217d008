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


class See:
    """Shows activations by name. show: gives what the model goes on with."""

    def __init__(
        self,
        wants: Callable[[str], bool],
        show: Callable[[str, torch.Tensor], torch.Tensor],
    ) -> None:
        self.wants, self._show = wants, show

    def __call__(self, name: str, values: torch.Tensor) -> torch.Tensor:
        """The values, or what `show` makes of them if they are wanted."""
        return self._show(name, values) if self.wants(name) else values


UNSEEN = See(lambda name: False, lambda name, values: values)
"""Nothing is looked at."""


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

    def hidden(
        self, token_ids: np.ndarray[Any, Any], see: See = UNSEEN, n_layers: int | None = None
    ) -> torch.Tensor:
        """token_ids [n] -> the final layer norm's output [n, d_model].

        see: is given each activation by its name (activation_names.py), and returns what the model
        goes on with. n_layers: leave out those behind the first n_layers, which gives another
        result.
        """
        t = self.tensors
        n_layers = self.config.n_layers if n_layers is None else n_layers
        with self.running():
            x = t["embed_in.weight"][torch.from_numpy(np.asarray(token_ids, np.int64))]
            x = see("hook_embed", x)
            for i in range(n_layers):
                x = self._layer(x, i, see)
            return see("unembed.hook_in", self.normed(x, see))

    def normed(self, x: torch.Tensor, see: See = UNSEEN) -> torch.Tensor:
        """The final layer norm [n, d_model] of a residual stream."""
        return self._norm(x, "final_layer_norm", "ln_final", see)

    def _layer(self, x: torch.Tensor, i: int, see: See) -> torch.Tensor:
        """The residual stream [n, d_model] behind layer i."""
        prefix, block = f"layers.{i}.", f"blocks.{i}."

        def attended(x: torch.Tensor) -> torch.Tensor:
            normed = self._norm(x, prefix + "input_layernorm", block + "ln1", see)
            return see(block + "hook_attn_out", self._attention(normed, i, see))

        def mlp(x: torch.Tensor) -> torch.Tensor:
            normed = self._norm(x, prefix + "post_attention_layernorm", block + "ln2", see)
            return see(block + "hook_mlp_out", self._mlp(normed, prefix, block, see))

        x = see(block + "hook_resid_pre", x)
        if self.config.use_parallel_residual:
            x = x + attended(x) + mlp(x)
        else:
            x = see(block + "hook_resid_mid", x + attended(x))
            x = x + mlp(x)
        return see(block + "hook_resid_post", x)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
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
            with self.running():
                rows = self.unembed(hidden[at : at + LOGITS_CHUNK])
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

    def unembed(self, hidden: torch.Tensor) -> torch.Tensor:
        """The logits [n, d_vocab] of the final norm's output [n, d_model]."""
        rows = hidden @ self.tensors["embed_out.weight"].T
        return rows if self.unembedding_bias is None else rows + self.unembedding_bias

    def _norm(self, x: torch.Tensor, name: str, block: str, see: See) -> torch.Tensor:
        t = self.tensors
        weight, bias, eps = t[f"{name}.weight"], t[f"{name}.bias"], self.config.layer_norm_eps
        normed = functional.layer_norm(x, x.shape[-1:], weight, bias, eps)
        scale_name, normalized = f"{block}.hook_scale", f"{block}.hook_normalized"
        if not (see.wants(scale_name) or see.wants(normalized)):
            return normed
        scale = see(scale_name, (x.var(-1, unbiased=False, keepdim=True) + eps).sqrt())
        before = (x - x.mean(-1, keepdim=True)) / scale
        after = see(normalized, before)
        changed = (after != before).any(-1, keepdim=True)
        return normed.where(~changed, after * weight + bias)

    def _linear(self, x: torch.Tensor, name: str) -> torch.Tensor:
        return functional.linear(x, self.tensors[f"{name}.weight"], self.tensors[f"{name}.bias"])

    def _mlp(self, x: torch.Tensor, prefix: str, block: str, see: See) -> torch.Tensor:
        pre = see(block + "mlp.hook_pre", self._linear(x, prefix + "mlp.dense_h_to_4h"))
        post = see(block + "mlp.hook_post", functional.gelu(pre))
        return self._linear(post, prefix + "mlp.dense_4h_to_h")

    def _attention(self, x: torch.Tensor, i: int, see: See) -> torch.Tensor:
        n, config, block = len(x), self.config, f"blocks.{i}.attn."
        qkv = self._linear(x, f"layers.{i}.attention.query_key_value")
        # Published layout: q, k and v of each head. Split into three arrays [n, n_heads, d_head].
        q, k, v = qkv.view(n, config.n_heads, 3 * config.d_head).chunk(3, dim=-1)
        q, k, v = see(block + "hook_q", q), see(block + "hook_k", k), see(block + "hook_v", v)
        q = see(block + "hook_rot_q", self._rotate(q))
        k, v = self._kept(see(block + "hook_rot_k", self._rotate(k)), v, i)
        q, k, v = (part.transpose(0, 1) for part in (q, k, v))  # [n_heads, n, d_head]
        scores = q @ k.transpose(1, 2) / config.d_head**0.5
        future = torch.ones(n, n, dtype=torch.bool).triu(1)
        scores = see(block + "hook_attn_scores", scores.masked_fill(future, -torch.inf))
        z = see(block + "hook_pattern", scores.softmax(dim=-1)) @ v
        z = see(block + "hook_z", z.transpose(0, 1))
        return self._linear(z.reshape(n, -1), f"layers.{i}.attention.dense")

    def _kept(self, k: torch.Tensor, v: torch.Tensor, i: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys, rotated, and values [n, n_heads, d_head] of layer i, as a cache keeps them."""
        return k, v

    def _rotate(self, x: torch.Tensor) -> torch.Tensor:
        """Rotate the first n_rotary dimensions of x [n, n_heads, d_head] (rotate-half form)."""
        half = self._cos.shape[1]
        cos, sin = self._cos[: len(x), None], self._sin[: len(x), None]
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
