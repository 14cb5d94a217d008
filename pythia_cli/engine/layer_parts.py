"""The int8 engine in parts: whole texts in, whole texts out, with the bits of an undivided pass."""

from __future__ import annotations

from typing import Any

import numpy as np

from pythia_cli.engine.forward_pass import (
    CHUNK,
    NO_ATTENTION_SCORES,
    NO_SPANS,
    NOTHING,
    Steps,
    WantedRows,
)
from pythia_cli.engine.packed import Packed
from pythia_cli.engine.transformer import Transformer
from pythia_cli.kernels.sizes import Part

_Array = np.ndarray[Any, Any]

_BUFFERS = {
    Part.INPUT_LAYERNORM: ("x", "normed"),
    Part.QUERY_KEY_VALUE: ("normed", "qkv"),
    Part.DENSE: ("attended", "normed"),
    Part.POST_ATTENTION_LAYERNORM: ("x", "normed"),
    Part.DENSE_H_TO_4H: ("normed", "mlp"),
    Part.GELU: ("mlp", "mlp"),
    Part.DENSE_4H_TO_H: ("mlp", "normed"),
    Part.FINAL_LAYER_NORM: ("x", "normed"),
}


class LayerParts:
    """Runs a Transformer part by part. Arrays have a row for each token of a Packed."""

    def __init__(self, transformer: Transformer) -> None:
        self._transformer = transformer
        self._forward, self._config = transformer.forward, transformer.config

    def embed(self, packed: Packed) -> _Array:
        """The embeddings [n, d_model]."""
        ids = packed.token_ids
        return np.concatenate(
            [self._transformer.embed(ids[lo:hi]) for lo, hi, _ in packed.chunks()]
        )

    def layers(self, x: _Array, lo: int, hi: int, packed: Packed) -> _Array:
        """The residual stream [n, d_model] behind layers lo..hi, from that before them."""
        out = np.empty_like(x)
        for first, end, spans in packed.chunks():
            self._put("x", x[first:end])
            ids = packed.token_ids[first:end]
            self._forward.run(ids, spans, packed.cache, steps=Steps(0, lo, hi))
            out[first:end] = self._buffer("x")[: end - first]
        return out

    def run(self, part: Part, layer: int, x: _Array) -> _Array:
        """A part that handles each token by itself: x [n, d_in] -> [n, d_out]."""
        source, target = _BUFFERS[part]
        out = np.empty((len(x), self._buffer(target).shape[1]), np.float32)
        for lo in range(0, len(x), CHUNK):
            n = min(lo + CHUNK, len(x)) - lo
            self._put(source, x[lo : lo + n])
            self._run_part(part, layer, n, NO_SPANS)
            out[lo : lo + n] = self._buffer(target)[:n]
        return out

    def run_changed(self, part: Part, layer: int, before: _Array, after: _Array) -> _Array:
        """A linear of `after`: that of `before`, and what the changed elements add to it.

        So what did not change keeps its levels. The change has levels of its own, and in precision
        "exact" what these leave over has some too, so that no small effect is lost.
        """
        out = self.run(part, layer, before)
        changed = np.flatnonzero((after != before).any(axis=1))
        bias = self._forward.weights[part.name.lower()]["bias"][layer]
        is_exact = self._forward.precision == "exact"
        for at in range(0, len(changed), CHUNK):
            rows = changed[at : at + CHUNK]
            as_run = before[rows]
            if is_exact:
                # Again, for its rounded input: the buffer has that of one chunk.
                self.run(part, layer, as_run)
                as_run = self._input(part, len(rows))
            change = np.where(after[rows] == before[rows], 0.0, after[rows] - as_run)
            for _ in range(2 if is_exact else 1):
                out[rows] += self.run(part, layer, change.astype(np.float32)) - bias
                if is_exact:
                    change = change - self._input(part, len(rows))
        return out

    def _input(self, part: Part, n: int) -> _Array:
        """The input of the linear that was run last, as it was rounded to 16 bits."""
        return self._forward.linear_input(part.name.lower(), n)

    def attend(
        self, layer: int, qkv: _Array, packed: Packed, *, with_scores: bool
    ) -> tuple[_Array, _Array]:
        """What attention makes of qkv [n, n_heads * 3 * d_head]: z [n, d_model].

        Its keys and values go into the cache. Also returns the scores [n_heads, n, longest text],
        -inf where a key comes after its query, and without what is the same for all keys of a
        query; or an empty array.
        """
        n, longest = len(qkv), int(np.diff(packed.bounds).max())
        shape = (self._config.n_heads, n, longest) if with_scores else (0, 0, 0)
        scores = np.empty(shape, np.float32)
        z = np.empty((n, self._config.d_model), np.float32)
        for lo, hi, spans in packed.chunks():
            self._put("qkv", qkv[lo:hi])
            self._run_part(Part.ATTEND, layer, hi - lo, spans, packed, scores)
            z[lo:hi] = self._buffer("attended")[: hi - lo]
        return z, scores

    def norm_weights(self, part: Part, layer: int) -> tuple[_Array, _Array]:
        """Weight and bias [d_model] of a norm."""
        found = self._forward.weights[part.name.lower()]
        weight, bias = found["weight"], found["bias"]
        return (weight, bias) if part == Part.FINAL_LAYER_NORM else (weight[layer], bias[layer])

    def rotary(self, positions: _Array) -> tuple[_Array, _Array]:
        """cos and sin [n, 1, half] of positions [n]."""
        cos, sin = self._forward.rotary
        return cos[positions][:, None], sin[positions][:, None]

    def key_centre(self, layer: int) -> _Array:
        """[3 * d_model]: its parts for k are those that the cache has taken off the keys."""
        return self._forward.key_centre[layer]

    def to_pattern(self, scores: _Array) -> None:
        """The attention pattern [n_heads, n, n], in place of its scores."""
        self._forward.to_pattern(scores)

    def unembed(self, x: _Array, *, is_normed: bool) -> _Array:
        """Logits [n, d_vocab] of a residual stream, or of the final norm's output [n, d_model]."""
        out = np.empty((len(x), self._config.d_vocab), np.float32)
        for lo in range(0, len(x), CHUNK):
            n = min(lo + CHUNK, len(x)) - lo
            self._put("normed" if is_normed else "x", x[lo : lo + n])
            wanted = WantedRows(np.arange(n), out[lo : lo + n])
            steps = Steps(0, 0, 0, Part.UNEMBED) if is_normed else Steps(0, 0, 0)
            ids = np.zeros(n, np.int64)
            self._forward.run(ids, NO_SPANS, self._forward.no_cache, wanted, steps)
        return out

    def _buffer(self, name: str) -> _Array:
        return self._forward.buffers[name]

    def _put(self, name: str, values: _Array) -> None:
        self._buffer(name)[: len(values)] = values

    def _run_part(
        self,
        part: Part,
        layer: int,
        n: int,
        spans: _Array,
        packed: Packed | None = None,
        scores: _Array = NO_ATTENTION_SCORES,
    ) -> None:
        cache = self._forward.no_cache if packed is None else packed.cache
        steps = Steps(0, layer, layer + 1, int(part))
        self._forward.run(np.zeros(n, np.int64), spans, cache, NOTHING, steps, scores)
