"""Runs the int8 engine with a tap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pythia_cli.engine.activation_names import EMBED, LOGITS, OUTSIDE_PARTS, UNEMBED_IN, in_layer
from pythia_cli.engine.attention_taps import AttentionTaps
from pythia_cli.engine.layer_parts import LayerParts
from pythia_cli.engine.norm_taps import seen_norm
from pythia_cli.engine.packed import Packed, packed
from pythia_cli.engine.taps import Tap, Wanted, check_texts
from pythia_cli.engine.transformer import Transformer
from pythia_cli.kernels.sizes import Part
from pythia_cli.suite.config import ModelConfig

_Array = np.ndarray[Any, Any]
_PRE, _POST = OUTSIDE_PARTS


class Int8Inside:
    """The int8 engine as an Inside.

    Short texts share passes. A layer of which nothing inside is wanted runs undivided.
    """

    def __init__(self, transformer: Transformer) -> None:
        self._transformer = transformer
        self._parts = LayerParts(transformer)

    @property
    def config(self) -> ModelConfig:
        """Its dimensions."""
        return self._transformer.config

    def run(self, texts: Sequence[_Array], tap: Tap) -> None:
        """As Inside.run."""
        check_texts(texts, self.config)
        wanted = Wanted(self.config, tap)
        with self._transformer.one_thread:
            for together in packed(self.config, texts):
                _Run(self._parts, self.config, together, tap, wanted).run()

    def unembed(self, residual: _Array) -> _Array:
        """As Inside.unembed."""
        with self._transformer.one_thread:
            return self._parts.unembed(residual, is_normed=False)


class _Run:
    """One run of texts that are packed together. Arrays have a row for each of their tokens."""

    def __init__(
        self, parts: LayerParts, config: ModelConfig, texts: Packed, tap: Tap, wanted: Wanted
    ) -> None:
        self._parts, self._config, self._texts = parts, config, texts
        self._tap, self._wanted = tap, wanted
        self._attention = AttentionTaps(parts, config, texts, tap)

    def run(self) -> None:
        """From the embeddings to what is wanted last."""
        wanted = self._wanted
        x = self._parts.embed(self._texts)
        if wanted.embed:
            self._texts.see(self._tap, EMBED, x)
        layer = 0
        while layer < wanted.n_layers:
            if _PRE in self._names(layer):
                self._texts.see(self._tap, in_layer(layer, _PRE), x)
            end = layer + 1
            if self._names(layer) - set(OUTSIDE_PARTS):
                x = self._in_parts(layer, x)
            else:
                while end < wanted.n_layers and not self._is_seen_between(end):
                    end += 1
                x = self._parts.layers(x, layer, end, self._texts)
            if _POST in self._names(end - 1):
                self._texts.see(self._tap, in_layer(end - 1, _POST), x)
            layer = end
        self._end(x)

    def _is_seen_between(self, layer: int) -> bool:
        """Whether something is wanted in this layer, or just before it."""
        return _POST in self._names(layer - 1) or bool(self._names(layer) - {_POST})

    def _names(self, layer: int) -> set[str]:
        return self._wanted.in_layers[layer]

    def _in_parts(self, layer: int, x: _Array) -> _Array:
        """The residual stream behind a layer."""
        attended = self._attend(layer, x)
        if self._config.use_parallel_residual:
            mlp = self._mlp(layer, x)
            x = x + attended
        else:
            x = x + attended
            self._see_in(layer, "hook_resid_mid", x)
            mlp = self._mlp(layer, x)
        new: _Array = x + mlp
        return new

    def _attend(self, layer: int, x: _Array) -> _Array:
        normed = self._norm(layer, Part.INPUT_LAYERNORM, "ln1", x)
        qkv = self._parts.run(Part.QUERY_KEY_VALUE, layer, normed)
        computed, z = self._attention.attend(layer, qkv, self._names(layer))
        out = self._parts.run_changed(Part.DENSE, layer, computed, z)
        self._see_in(layer, "hook_attn_out", out)
        return out

    def _mlp(self, layer: int, x: _Array) -> _Array:
        normed = self._norm(layer, Part.POST_ATTENTION_LAYERNORM, "ln2", x)
        up = self._parts.run(Part.DENSE_H_TO_4H, layer, normed)
        self._see_in(layer, "mlp.hook_pre", up)
        computed = hidden = self._parts.run(Part.GELU, layer, up)
        if "mlp.hook_post" in self._names(layer):
            hidden = computed.copy()
            self._see_in(layer, "mlp.hook_post", hidden)
        out = self._parts.run_changed(Part.DENSE_4H_TO_H, layer, computed, hidden)
        self._see_in(layer, "hook_mlp_out", out)
        return out

    def _norm(self, layer: int, part: Part, name: str, x: _Array) -> _Array:
        normed = self._parts.run(part, layer, x)
        names = {n.removeprefix(f"{name}.") for n in self._names(layer) if n.startswith(f"{name}.")}
        self._see_norm(x, normed, part, layer, names, in_layer(layer, name))
        return normed

    def _see_norm(
        self, x: _Array, normed: _Array, part: Part, layer: int, names: set[str], prefix: str
    ) -> None:
        weight, bias = self._parts.norm_weights(part, layer)
        seen_norm(
            x, normed, weight, bias, self._config.layer_norm_eps, names,
            lambda name, values: self._texts.see(self._tap, f"{prefix}.{name}", values),
        )  # fmt: skip

    def _end(self, x: _Array) -> None:
        """The final norm and the logits."""
        wanted = self._wanted
        is_normed = bool(wanted.final_norm)
        if is_normed:
            normed = self._parts.run(Part.FINAL_LAYER_NORM, 0, x)
            names = {name.removeprefix("ln_final.") for name in wanted.final_norm - {UNEMBED_IN}}
            self._see_norm(x, normed, Part.FINAL_LAYER_NORM, 0, names, "ln_final")
            x = normed
        if UNEMBED_IN in wanted.final_norm:
            self._texts.see(self._tap, UNEMBED_IN, x)
        if wanted.logits:
            for text, lo, hi in self._texts.texts:
                rows = x[lo:hi][self._tap.rows(text, hi - lo)]
                self._tap.see(LOGITS, text, self._parts.unembed(rows, is_normed=is_normed))

    def _see_in(self, layer: int, name: str, values: _Array) -> None:
        if name in self._names(layer):
            self._texts.see(self._tap, in_layer(layer, name), values)
