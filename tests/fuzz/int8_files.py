"""Int8 files: opened as an installed checkpoint, and run.

Most inputs have a right hash in the header, so that what is behind the hash is tested.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import struct
import zlib
from math import prod
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import numpy as np

import pythia_cli
from pythia_cli.engine.byte_parts import Precision
from pythia_cli.weights.int8_layout import tensor_shapes
from tests.fuzz.configs import check_config
from tests.fuzz.mutate import NUMBERS, json_bytes, mutated_bytes, mutated_json, near, odd_value
from tests.fuzz.samples import TINY, int8_file, split_safetensors
from tests.fuzz.stores import CHECKPOINT, TOKENIZER_SHA256, FuzzStore, manifest_for

_ITEM = {"I8": 1, "I32": 4, "F32": 4, "U8": 1}
_MOST_DATA = 200_000  # bytes of tensors in an input
_CONFIG = TINY.to_dict()
_FAIR = {
    "n_layers": (1, 2, 3), "n_heads": (1, 2, 3, 4, 5, 8, 16),
    "d_model": (4, 8, 12, 15, 16, 17, 32, 64, 128),
    "d_mlp": (1, 3, 16, 40, 63), "d_vocab": (1, 2, 255, 300, 301, 302, 320, 513),
    "n_ctx": (1, 2, 5, 24, 25, 4096, 2**16, 2**20),
    "rotary_pct": (0, 0.0, 0.125, 0.5, 0.99, 1, 1.0, 1.01, 1e5),
    "rotary_base": (1e-30, 1, 2.0, 10000, 1e29), "layer_norm_eps": (0, 1e-45, 1e-12, 1e-5, 0.9),
    "use_parallel_residual": (True, False, 0, 1),
}  # fmt: skip
_M_PERTURB = -6  # of malloc.h
_ODD_FLOATS = (0.0, -1.0, 1e-45, 1e30, 3e38, float("inf"), float("-inf"), float("nan"))


class Int8Files:
    def __init__(self, folder: Path) -> None:
        self._place = FuzzStore(folder)
        self._libc = ctypes.CDLL(None)
        self.valid = int8_file(TOKENIZER_SHA256)
        self._header, self._body = split_safetensors(self.valid)

    def make(self, random: Random) -> bytes:
        kind = random.random()
        if kind < 0.1:
            return mutated_bytes(random, self.valid)
        config, header, body = dict(_CONFIG), self._header, self._body
        if kind < 0.6:
            for name in random.sample(list(_FAIR), random.choice((1, 1, 2, 3))):
                config[name] = random.choice((*_FAIR[name], *_FAIR[name], *NUMBERS))
            header, body = _laid_out(config, self._header, self._body)
        metadata = {**header["__metadata__"], "config": json.dumps(config)}
        entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
        if 0.5 < kind < 0.7:
            metadata["config"] = json_bytes(random, mutated_json(random, config)).decode("latin-1")
        elif 0.7 < kind < 0.8:
            name = random.choice(list(metadata))
            metadata[name] = random.choice((str(odd_value(random)), self._inner(random, name)))
        elif 0.8 < kind < 0.9:
            entries = _other_entries(random, entries)
        elif kind > 0.9:
            body = _other_values(random, entries, body)
        data = _signed(metadata, entries) + body
        return mutated_bytes(random, data) if random.random() < 0.03 else data

    def _inner(self, random: Random, name: str) -> str:
        """A changed value of metadata, which is JSON in most entries."""
        value = self._header["__metadata__"][name]
        try:
            return json.dumps(mutated_json(random, json.loads(value)))
        except ValueError:
            return str(value) + random.choice(("", " ", "0", "\n"))

    def check(self, data: bytes) -> None:
        place = self._place
        place.weights.write_bytes(data)
        precision: Precision = "exact"
        try:
            header, _ = split_safetensors(data)
            manifest = json.dumps(manifest_for(header))
            if header["__metadata__"]["format_version"] == "2" and zlib.crc32(data) % 3 == 0:
                precision = "fast"
        except (ValueError, struct.error, AttributeError, RecursionError, KeyError, TypeError):
            manifest = json.dumps(manifest_for({}))
        place.manifest.write_text(manifest)
        with pythia_cli.load(
            str(CHECKPOINT), store=place.store, n_threads=1, precision=precision
        ) as model:
            check_config(model.config)
            for name, values in model.opened.file.tensors.items():
                values.sum(dtype=np.float64)
                assert values.nbytes <= len(data), f"size: {name}"
                assert values.dtype != np.float32 or np.isfinite(values).all(), "not finite"
            assert model.tokenizer.size <= model.config.d_vocab, "tokens that the model has not"
            first = self._run(model, 0)
            if zlib.crc32(data) % 4 == 0:  # these are slow
                model.opened.file.damaged_tensors()
                assert first == self._run(model, 0x55), "it reads what nobody wrote"

    def _run(self, model: pythia_cli.Model, memory: int) -> tuple[bytes, list[int]]:
        """Logits, and tokens drawn by them. memory: what new memory is filled with, if not 0."""
        self._libc.mallopt(_M_PERTURB, memory)
        n_ctx, d_vocab = model.config.n_ctx, model.config.d_vocab
        logits = model.logits([i % d_vocab for i in (0, -1, 1)][:n_ctx])
        assert logits.shape == (min(n_ctx, 3), d_vocab)
        if n_ctx < 3:
            return logits.tobytes(), []
        return logits.tobytes(), model.generate("a", max_tokens=2, temperature=0).token_ids


def _signed(metadata: dict[str, Any], entries: dict[str, Any]) -> bytes:
    """The header with its own hash, as docs/int8-file.md describes it."""
    described = {key: value for key, value in metadata.items() if key != "header_sha256"}
    digest = hashlib.sha256(json.dumps({"__metadata__": described, **entries}).encode()).hexdigest()
    text = json.dumps({"__metadata__": {**described, "header_sha256": digest}, **entries}).encode()
    text += b" " * (-(8 + len(text)) % 64)
    return struct.pack("<Q", len(text)) + text


def _laid_out(
    config: dict[str, Any], header: dict[str, Any], body: bytes
) -> tuple[dict[str, Any], bytes]:
    """Header and data for a config of any sense; the given ones if its shapes make none.

    The values are those of the first tensor of a kind, repeated.
    """
    pools = {"U8": bytes(64)}
    for entry in header.values():
        if "data_offsets" in entry:
            pools.setdefault(entry["dtype"], body[slice(*entry["data_offsets"])])
    entries: dict[str, Any] = {"__metadata__": header["__metadata__"]}
    data = b""
    try:
        shapes = tensor_shapes(SimpleNamespace(**config))  # type: ignore[arg-type]
        for name, (dtype, shape) in shapes.items():
            n_bytes = prod(int(n) for n in shape) * _ITEM[dtype]
            if not 0 <= n_bytes <= _MOST_DATA - len(data):
                return header, body
            parts = [(name, dtype, list(shape), n_bytes)]
            if padding := -n_bytes % 64:
                parts.append((f"_padding.{name}", "U8", [padding], padding))
            for part, kind, sizes, n in parts:
                offsets = [len(data), len(data) + n]
                entries[part] = {"dtype": kind, "shape": sizes, "data_offsets": offsets}
                data += (pools[kind] * (1 + n // len(pools[kind])))[:n]
    except (TypeError, ValueError, OverflowError):
        return header, body
    return entries, data


def _other_entries(random: Random, entries: dict[str, Any]) -> dict[str, Any]:
    changed = {name: dict(entry) for name, entry in entries.items()}
    name = random.choice(list(changed))
    entry = changed[name]
    kind = random.randrange(5)
    if kind == 0:
        entry["dtype"] = random.choice(("I8", "F32", "U8", "F16", "BF16", "I64", "x", 1))
    elif kind == 1:
        entry["shape"] = random.choice(
            (entry["shape"][::-1], [*entry["shape"], 1], [], [0], [2**63])
        )
    elif kind == 2:
        entry["data_offsets"] = [near(random, n) for n in entry["data_offsets"]]
    elif kind == 3:
        other = random.choice(list(changed))
        changed[name], changed[other] = changed[other], changed[name]
    else:
        changed = mutated_json(random, changed)
    return changed if isinstance(changed, dict) else {}


def _other_values(random: Random, entries: dict[str, Any], body: bytes) -> bytes:
    """Odd floats in one tensor of floats, or any bytes in one of integers."""
    name = random.choice(list(entries))
    begin, end = entries[name]["data_offsets"]
    if entries[name]["dtype"] != "F32":
        return body[:begin] + random.randbytes(end - begin) + body[end:]
    values = np.frombuffer(body[begin:end], "<f4").copy()
    some = slice(None) if random.random() < 0.3 else random.randrange(len(values))
    values[some] = random.choice(_ODD_FLOATS)
    return body[:begin] + values.tobytes() + body[end:]
