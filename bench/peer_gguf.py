"""Write a float GPT-NeoX checkpoint as GGUF Q8_0, like llama.cpp's own converter.

    python bench/peer_gguf.py FOLDER OUT.gguf

Runs in the peers' environment. The matrices, including the embedding, become Q8_0; norms and biases
stay float32.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from safetensors import safe_open

ARCHITECTURE = gguf.MODEL_ARCH.GPTNEOX
UNUSED_BUFFERS = re.compile(r"\.attention\.(bias|masked_bias|rotary_emb\.inv_freq)$")


def main() -> None:
    folder, out = map(Path, sys.argv[1:])
    config = json.loads((folder / "config.json").read_text())
    writer = gguf.GGUFWriter(out, gguf.MODEL_ARCH_NAMES[ARCHITECTURE])
    add_config(writer, config)
    add_vocabulary(writer, folder / "tokenizer.json", config["vocab_size"])
    for name, tensor in tensors(folder / "model.safetensors", config):
        if tensor.ndim == 2:
            q8_0 = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(name, gguf.quantize(tensor, q8_0), raw_dtype=q8_0)
        else:
            writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def add_config(writer: gguf.GGUFWriter, config: dict[str, Any]) -> None:
    """The hyperparameters, under the names that llama.cpp's `gptneox` loader reads."""
    d_head = config["hidden_size"] // config["num_attention_heads"]
    writer.add_name("pythia")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_rope_dimension_count(int(config["rotary_pct"] * d_head))
    writer.add_rope_freq_base(config.get("rotary_emb_base", 10000))
    writer.add_head_count(config["num_attention_heads"])
    writer.add_parallel_residual(config["use_parallel_residual"])
    writer.add_layer_norm_eps(config["layer_norm_eps"])
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)


def add_vocabulary(writer: gguf.GGUFWriter, path: Path, d_vocab: int) -> None:
    """The byte-level BPE of tokenizer.json; ids that it does not use are marked as unused."""
    tokenizer = json.loads(path.read_text())
    names = {i: token for token, i in tokenizer["model"]["vocab"].items()}
    types = dict.fromkeys(names, gguf.TokenType.NORMAL)
    for token in tokenizer["added_tokens"]:
        kinds = gguf.TokenType
        names[token["id"]] = token["content"]
        types[token["id"]] = kinds.CONTROL if token["special"] else kinds.USER_DEFINED
    writer.add_tokenizer_model("gpt2")
    # OLMo uses GPT-NeoX's pre-tokenizer; llama.cpp has no name for Pythia's own.
    writer.add_tokenizer_pre("olmo")
    writer.add_token_list([names.get(i, f"[PAD{i}]") for i in range(d_vocab)])
    writer.add_token_types([types.get(i, gguf.TokenType.UNUSED) for i in range(d_vocab)])
    merges = tokenizer["model"]["merges"]
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in merges])
    for add in (writer.add_bos_token_id, writer.add_eos_token_id, writer.add_unk_token_id):
        add(0)


def tensors(path: Path, config: dict[str, Any]) -> Iterator[tuple[str, np.ndarray]]:
    """Every tensor in float32 by its GGUF name."""
    names = gguf.get_tensor_name_map(ARCHITECTURE, config["num_hidden_layers"])
    with safe_open(path, framework="np") as file:
        for name in file.keys():  # noqa: SIM118 - it is not a dictionary
            if UNUSED_BUFFERS.search(name):
                continue
            tensor = file.get_tensor(name).astype(np.float32)
            if ".query_key_value." in name:
                tensor = by_role(tensor, config["num_attention_heads"])
            new = names.get_name(name, try_suffixes=(".weight", ".bias"))
            if new is None:
                raise SystemExit(f"no GGUF name for {name}")
            yield new, tensor


def by_role(fused: np.ndarray, n_heads: int) -> np.ndarray:
    """[n_heads * 3 * d_head, ...], each head's q, k, v in turn -> all q, then all k, then all v."""
    parts = fused.reshape(n_heads, 3, -1, *fused.shape[1:])
    return np.ascontiguousarray(parts.swapaxes(0, 1).reshape(fused.shape))


if __name__ == "__main__":
    main()
