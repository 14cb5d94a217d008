"""model.safetensors, whole or in shards: opened, checked, and every tensor read."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from pythia_cli.errors import PythiaError
from pythia_cli.files.safetensors_layout import read_layout
from pythia_cli.weights.float_checkpoint import FloatCheckpoint
from tests.fuzz.configs import OLD
from tests.fuzz.mutate import NUMBERS, TEXTS, json_bytes, mutated_bytes, mutated_json, near
from tests.fuzz.samples import float_tensors, safetensors_file, tokenizer_json

_SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
_DTYPES = ("F16", "BF16", "F32", "F64", "I64", "U8", "BOOL", "F8_E4M3", "F4", "C64", "x", 5, None)
_NUMPY = {"F16": np.float16, "F32": np.float32}


class SafetensorsFiles:
    """An input that begins with a brace is the index of two valid shards."""

    def __init__(self, folder: Path) -> None:
        self._tensors = float_tensors()
        self._entries, self._body = _laid_out(self._tensors)
        self.valid = safetensors_file(self._entries, self._body)
        self._whole, self._sharded = folder / "whole", folder / "sharded"
        for place in (self._whole, self._sharded):
            place.mkdir()
            (place / "config.json").write_text(json.dumps(OLD))
            (place / "tokenizer.json").write_bytes(tokenizer_json())
        self._index: dict[str, Any] = {"metadata": {"total_size": 1}, "weight_map": {}}
        for i, shard in enumerate(_SHARDS):
            part = dict(list(self._tensors.items())[i::2])
            (self._sharded / shard).write_bytes(safetensors_file(*_laid_out(part)))
            self._index["weight_map"].update(dict.fromkeys(part, shard))
        self._index_path = self._sharded / "model.safetensors.index.json"
        self.check(json.dumps(self._index).encode())

    def make(self, random: Random) -> bytes:
        kind = random.random()
        if kind < 0.15:
            return mutated_bytes(random, self.valid)
        if kind < 0.25:
            index = mutated_json(random, self._index)
            weight_map = index.get("weight_map") if isinstance(index, dict) else None
            if random.random() < 0.5 and isinstance(weight_map, dict):
                weight_map["x"] = random.choice((*TEXTS, *_SHARDS, "model.safetensors"))
            return json_bytes(random, index)
        entries, body = self._entries, self._body
        if kind < 0.5:  # another valid file, mostly
            tensors = dict(self._tensors)
            name = random.choice(list(tensors))
            dtype = random.choice((np.float16, np.float32, np.float64, np.int8))
            tensors[name] = tensors[name].astype(dtype)
            if random.random() < 0.5:
                tensors[name].flat[0] = _odd_float(random, tensors[name].dtype)
            if random.random() < 0.2:
                tensors["gpt_neox.layers.0.attention.bias"] = np.zeros((2, 2), np.uint8)
            entries, body = _laid_out(dict(random.sample(list(tensors.items()), len(tensors))))
        if kind > 0.35:
            entries = {name: dict(entry) for name, entry in entries.items()}
            for _ in range(random.choice((1, 1, 2))):
                self._change(random, entries)
            if random.random() < 0.3:
                entries = mutated_json(random, entries, 1)
        if random.random() < 0.1:
            body = random.choice((body + b"\0", body[:-1], body * 2, b""))
        return safetensors_file(entries, body)

    def _change(self, random: Random, entries: dict[str, Any]) -> None:
        names = [key for key in entries if key != "__metadata__"]
        name = random.choice(names)
        entry = entries[name]
        kind = random.randrange(6)
        if kind == 0:
            entry["dtype"] = random.choice(_DTYPES)
        elif kind == 1:
            shape = list(entry["shape"])
            if random.random() < 0.5:  # as many values, in other dimensions
                entry["shape"] = random.choice(
                    (shape[::-1], [*shape, 1], [1, *shape], [np.prod(shape).item()])
                )
            else:
                shape[random.randrange(len(shape))] = random.choice(NUMBERS)
                entry["shape"] = shape
        elif kind == 2:
            offsets = list(entry["data_offsets"])
            at = random.randrange(2)
            offsets[at] = near(random, offsets[at])
            entry["data_offsets"] = offsets
        elif kind == 3:
            other = random.choice(names)
            entries[name], entries[other] = entries[other], entries[name]
        elif kind == 4:
            entries[random.choice(("lm_head.weight", "x", "gpt_neox.layers.9.x"))] = entries.pop(
                name
            )
        else:
            entries["__metadata__"] = random.choice(
                ({}, {"format": "pt"}, {"a": 1}, None, [], {"": ""})
            )

    def check(self, data: bytes) -> None:
        folder = self._sharded if data.startswith(b"{") else self._whole
        path = self._index_path if folder is self._sharded else folder / "model.safetensors"
        path.write_bytes(data)
        try:
            checkpoint = FloatCheckpoint(folder)
        except PythiaError:
            if folder is self._whole:
                self._check_layout(path, len(data))
            raise
        for name, expected in self._tensors.items():
            values = checkpoint.tensor(name)
            assert values.dtype == np.float32
            assert values.shape == expected.shape
            assert np.isfinite(values).all()
        assert len(checkpoint.sha256()) == len(checkpoint.files)

    @staticmethod
    def _check_layout(path: Path, n_bytes: int) -> None:
        """The layer below alone, which accepts more files."""
        for name, place in read_layout(path).tensors.items():
            assert 0 <= place.offset <= place.offset + place.n_bytes <= n_bytes, f"place: {name}"
            assert all(type(n) is int and n >= 0 for n in place.shape), (
                f"shape: {name} {place.shape}"
            )


def _laid_out(tensors: dict[str, np.ndarray[Any, Any]]) -> tuple[dict[str, Any], bytes]:
    """The header's entries and the data of these tensors, one after the other."""
    spelled = {np.dtype(kind): name for name, kind in _NUMPY.items()}
    spelled |= {np.dtype(np.float64): "F64", np.dtype(np.int8): "I8", np.dtype(np.uint8): "U8"}
    entries: dict[str, Any] = {}
    body = b""
    for name, values in tensors.items():
        entries[name] = {
            "dtype": spelled[values.dtype],
            "shape": list(values.shape),
            "data_offsets": [len(body), len(body) + values.nbytes],
        }
        body += values.tobytes()
    return entries, body


def _odd_float(random: Random, dtype: np.dtype[Any]) -> float:
    return random.choice((float("nan"), float("inf"), -0.0, 6e4)) if dtype.kind == "f" else 1
