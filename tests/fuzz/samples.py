"""Small valid files to change: a tokenizer, an int8 file, float tensors, a safetensors file."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Mapping
from functools import cache
from random import Random
from typing import Any

import numpy as np

from pythia_cli.suite.config import ModelConfig
from pythia_cli.weights.float_checkpoint import expected_tensors
from pythia_cli.weights.int8_layout import tensor_shapes
from pythia_cli.weights.int8_writer import Int8Writer
from pythia_cli.weights.source import Source
from tests.conftest import DEMO

N_MERGES = 40
FLOAT = ModelConfig(n_layers=1, n_heads=2, d_model=16, d_mlp=40, d_vocab=320, n_ctx=24)
TINY = ModelConfig(n_layers=2, n_heads=2, d_model=16, d_mlp=40, d_vocab=320, n_ctx=24)

Arrays = dict[str, np.ndarray[Any, Any]]


@cache
def tokenizer_json() -> bytes:
    """A tokenizer like the demo's, with its first merges only: 298 + 3 tokens."""
    content = json.loads((DEMO / "step3000" / "tokenizer.json").read_bytes())
    model = content["model"]
    model["merges"] = model["merges"][:N_MERGES]
    ids = sorted(model["vocab"].items(), key=lambda item: item[1])
    n = 2 + 256 + N_MERGES  # two special tokens, the bytes, the merges
    model["vocab"] = dict(ids[:n])
    added = content["added_tokens"]
    spaces = [{**token, "id": n + i} for i, token in enumerate(added[-3:])]
    content["added_tokens"] = [*added[:2], *spaces]
    return json.dumps(content).encode()


@cache
def float_tensors() -> Arrays:
    """The tensors of a float checkpoint of shape FLOAT, by their published names."""
    numbers = np.random.default_rng(7)
    return {
        name: numbers.standard_normal(shape).astype(np.float16)
        for name, shape in expected_tensors(FLOAT).items()
    }


def int8_file(tokenizer_sha256: str) -> bytes:
    """An int8 file of shape TINY with random weights."""
    numbers = np.random.default_rng(7)
    file = io.BytesIO()
    source = Source(None, None, None, {"model.safetensors": "5" * 64})
    calibration = {"text_sha256": "6" * 64, "n_tokens": 24}
    writer = Int8Writer(file, TINY, source, tokenizer_sha256, calibration)
    for name, (dtype, shape) in tensor_shapes(TINY).items():
        values = numbers.random(shape) / 64
        if dtype != "F32":
            values = numbers.integers(-127, 128, shape)
        writer.write_tensor(name, iter([values]))
    writer.finish()
    return file.getvalue()


def safetensors_file(entries: Mapping[str, Any], body: bytes) -> bytes:
    """The header as JSON, with its length, then the data."""
    text = json.dumps(entries).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + body


def split_safetensors(data: bytes) -> tuple[dict[str, Any], bytes]:
    """The header's JSON and the data of a safetensors file."""
    (n,) = struct.unpack_from("<Q", data)
    return json.loads(data[8 : 8 + n]), data[8 + n :]


def some_text(random: Random) -> str:
    """Text with what is hard to tokenize or to decode."""
    parts = (
        "It was not a small one.", " the", "\n", "\r\n", "\t", "  ", "a" * 50, "!", "<|endoftext|>",
        "<|padding|>", "é", "e\u0301", "日本語", "🙂", "👩\u200d👧", "\ufeff", "\0", "\x1b[2J",
        '{"text": "one"}\n', "a\tb\n", "ﬁ", "\u1e9b\u0323", "한국", "\u0344", "\u202e", "0123",
    )  # fmt: skip
    return "".join(random.choice(parts) for _ in range(random.choice((0, 1, 2, 5, 10, 20, 60))))
