"""Attention of the int8 engine with a tap: from q, k and v to z."""

from __future__ import annotations

from typing import Any

import numpy as np

from pythia_cli.engine.activation_names import in_layer
from pythia_cli.engine.kv_cache import cached_values
from pythia_cli.engine.layer_parts import LayerParts
from pythia_cli.engine.packed import Packed
from pythia_cli.engine.taps import Tap
from pythia_cli.suite.config import ModelConfig

_Array = np.ndarray[Any, Any]
_Q, _K, _V = range(3)
_SCORES, _PATTERN = "attn.hook_attn_scores", "attn.hook_pattern"


class AttentionTaps:
    """Shows a tap what attention computes of texts that are packed together."""

    def __init__(self, parts: LayerParts, config: ModelConfig, texts: Packed, tap: Tap) -> None:
        self._parts, self._config, self._texts, self._tap = parts, config, texts, tap

    def attend(self, layer: int, qkv: _Array, names: set[str]) -> tuple[_Array, _Array]:
        """z [n, d_model] of qkv [n, n_heads * 3 * d_head], as computed and with later changes.

        names: what is wanted of this layer.
        """
        n, config = len(qkv), self._config
        heads = qkv.reshape(n, config.n_heads, 3, config.d_head)
        for part, name in ((_Q, "q"), (_K, "k"), (_V, "v")):
            self._see(layer, f"attn.hook_{name}", heads[:, :, part], names)
        for part, name in ((_Q, "q"), (_K, "k")):
            if f"attn.hook_rot_{name}" in names:
                self._see_rotated(layer, f"attn.hook_rot_{name}", heads[:, :, part], names)
        has_scores = bool(names & {_SCORES, _PATTERN})
        z, scores = self._parts.attend(layer, qkv, self._texts, with_scores=has_scores)
        for text, lo, hi in self._texts.texts if has_scores else ():
            own = np.ascontiguousarray(scores[:, lo:hi, : hi - lo])
            self._see_pattern(layer, text, own, qkv[lo:hi], z[lo:hi], names)
        computed = z
        if "attn.hook_z" in names:
            z = computed.copy()
            self._see(layer, "attn.hook_z", z.reshape(n, config.n_heads, config.d_head), names)
        return computed, z

    def _see_rotated(self, layer: int, name: str, values: _Array, names: set[str]) -> None:
        """As _see, for q or k behind the rotation. What is changed is rotated back."""
        cos, sin = self._parts.rotary(self._texts.positions)
        before = _rotated(values, cos, sin)
        after = before.copy()
        self._see(layer, name, after, names)
        changed = (after != before).any(axis=-1)
        if changed.any():
            values[changed] = _rotated(after, cos, -sin)[changed]

    def _see_pattern(
        self,
        layer: int,
        text: int,
        scores: _Array,
        qkv: _Array,
        z: _Array,
        names: set[str],
    ) -> None:
        """Show scores and pattern of one text. Where the tap changes them, z [n, d_model] follows.

        The other rows keep the engine's own bits. scores [n_heads, n, n] become the pattern. qkv
        [n, n_heads * 3 * d_head] is not rotated.
        """
        row = text - self._texts.first
        changed = np.zeros(scores.shape[:2], bool)
        if _SCORES in names:
            whole = scores + self._left_out(layer, qkv)
            seen = self._tap.see(in_layer(layer, _SCORES), text, whole)
            changed = _unlike(seen, whole)
            scores[changed] = seen[changed]
            del whole, seen
        if _PATTERN not in names and not changed.any():
            return
        self._parts.to_pattern(scores)
        pattern = new = scores
        if _PATTERN in names:
            new = self._tap.see(in_layer(layer, _PATTERN), text, pattern)
            changed |= _unlike(new, pattern)
        d_head = self._config.d_head
        for head in np.flatnonzero(changed.any(axis=1)).tolist():
            values = cached_values(self._texts.cache, layer, row, head, len(z))
            queries = changed[head]
            # In float64, as the engine would round these weights to 16 bits; and not by BLAS, whose
            # order of additions depends on the number of threads.
            mixed = np.einsum("qk,kd->qd", new[head, queries].astype(np.float64), values)
            with np.errstate(over="ignore"):  # a patch may be too large
                z[queries, head * d_head : (head + 1) * d_head] = mixed

    def _left_out(self, layer: int, qkv: _Array) -> _Array:
        """What the scores of the engine lack, [n_heads, n, 1]: the same for all keys of a query.

        It is of the keys' centre in the dimensions that are not rotated (kernels/attention.py).
        """
        config = self._config
        shape = (-1, config.n_heads, 3, config.d_head)
        first = 2 * -(-config.n_rotary // 2)  # of those that are not rotated
        q = qkv.reshape(shape)[:, :, _Q, first:].astype(np.float64)
        centre = self._parts.key_centre(layer).reshape(shape)[0, :, _K, first:]
        found = (q * centre).sum(axis=-1).T[:, :, None] / np.sqrt(config.d_head)
        return np.asarray(found, np.float32)

    def _see(self, layer: int, name: str, values: _Array, names: set[str]) -> None:
        if name in names:
            self._texts.see(self._tap, in_layer(layer, name), values)


def _rotated(x: _Array, cos: _Array, sin: _Array) -> _Array:
    """x [n, n_heads, d_head] with its first dimensions rotated, as kernels/rotary.py does."""
    half = sin.shape[-1]
    a, b = x[..., :half], x[..., half : 2 * half]
    return np.concatenate([a * cos - b * sin, b * cos + a * sin, x[..., 2 * half :]], axis=-1)


def _unlike(a: _Array, b: _Array) -> _Array:
    """[n_heads, n]: in which rows two arrays [n_heads, n, n] differ."""
    if a is b:
        return np.zeros(a.shape[:2], bool)
    found: _Array = (a != b).any(axis=2)
    return found
