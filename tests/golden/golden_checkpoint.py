"""Write a model's folder as published ones are written, and read its weights back."""

import json
from pathlib import Path

import torch
from golden_specs import UNEMBEDDING, Spec
from huggingface_hub import split_torch_state_dict_into_shards
from safetensors.torch import load_file, save_file

# What transformers 5 and the last of 4 write besides, each at its default.
LATER_DEFAULTS = {
    "attention_bias": True,
    "attention_dropout": 0.0,
    "classifier_dropout": 0.1,
    "hidden_dropout": 0.0,
}


def spell_config(spec: Spec) -> dict:
    """The config.json of a spec, as the transformers version that used its spelling wrote it."""
    config = {
        "architectures": ["GPTNeoXForCausalLM"],
        "bos_token_id": 0,
        "eos_token_id": 0,
        "hidden_act": "gelu",
        "hidden_size": spec.d_model,
        "initializer_range": 0.02,
        "intermediate_size": spec.d_mlp,
        "layer_norm_eps": spec.layer_norm_eps,
        "max_position_embeddings": spec.n_ctx,
        "model_type": "gpt_neox",
        "num_attention_heads": spec.n_heads,
        "num_hidden_layers": spec.n_layers,
        "tie_word_embeddings": False,
        "use_cache": True,
        "use_parallel_residual": spec.use_parallel_residual,
        "vocab_size": spec.d_vocab,
    }
    old_rotary = {"rotary_emb_base": spec.rotary_base, "rotary_pct": spec.rotary_pct}
    top_level = {"partial_rotary_factor": spec.rotary_pct, "rope_theta": spec.rotary_base}
    if spec.spelling == "rotary_pct":
        return config | old_rotary | {"torch_dtype": spec.dtype, "transformers_version": "4.24.0"}
    config |= LATER_DEFAULTS | {"dtype": spec.dtype}
    if spec.spelling == "rope_parameters":
        config |= {"is_decoder": False, "pad_token_id": None, "transformers_version": "5.24.0"}
        return config | {"rope_parameters": {"rope_type": "default"} | top_level}
    config |= {"rope_scaling": None, "transformers_version": "4.57.6"} | top_level
    return config if spec.spelling == "partial_rotary_factor" else config | old_rotary


def rotary_in(config: dict, spelling: str) -> list[tuple[float, int]]:
    """Every (rotary fraction, rotary base) that a written config.json states."""
    stated = []
    if spelling.startswith("rotary_pct"):
        stated.append((config["rotary_pct"], config["rotary_emb_base"]))
    if spelling.endswith("partial_rotary_factor"):
        stated.append((config["partial_rotary_factor"], config["rope_theta"]))
    if spelling == "rope_parameters":
        rope = config["rope_parameters"]
        stated.append((rope["partial_rotary_factor"], rope["rope_theta"]))
    return stated


def old_buffers(spec: Spec) -> dict[str, torch.Tensor]:
    """The constants that old checkpoints carry: causal mask, its fill value, rotary frequencies.

    In float16 the fill value of -1e9 becomes -inf, as `model.half()` made it.
    """
    causal_mask = torch.ones(1, 1, spec.n_ctx, spec.n_ctx, dtype=torch.bool).tril()
    buffers = {}
    for layer in range(spec.n_layers):
        prefix = f"gpt_neox.layers.{layer}.attention."
        buffers[prefix + "bias"] = causal_mask.clone()
        buffers[prefix + "masked_bias"] = torch.tensor(-1e9).to(getattr(torch, spec.dtype))
        buffers[prefix + "rotary_emb.inv_freq"] = inv_freq(
            spec.d_head, spec.rotary_pct, spec.rotary_base
        )
    return buffers


def inv_freq(d_head: int, rotary_pct: float, rotary_base: int) -> torch.Tensor:
    """Rotary frequencies, as GPT-NeoX defines them."""
    n_rotary = int(d_head * rotary_pct)
    return 1.0 / rotary_base ** (torch.arange(0, n_rotary, 2).float() / n_rotary)


def save_weights(weights: dict[str, torch.Tensor], spec: Spec, folder: Path) -> None:
    """Write the tensors in the spec's published form: one file, or shards and their index."""
    stored = dict(weights)
    stored[spec.unembedding] = stored.pop(UNEMBEDDING)
    if spec.old_buffers:
        stored |= old_buffers(spec)
    if not spec.form.endswith("-sharded"):
        save_file_of_tensors(stored, folder / single_file(spec))
        return

    n_bytes = sum(tensor.nbytes for tensor in stored.values())
    pattern = single_file(spec).replace(".", "{suffix}.")
    split = split_torch_state_dict_into_shards(
        stored, filename_pattern=pattern, max_shard_size=n_bytes // 2
    )
    assert split.is_sharded
    for file_name, names in split.filename_to_tensors.items():
        save_file_of_tensors({name: stored[name] for name in names}, folder / file_name)
    index = {"metadata": split.metadata, "weight_map": split.tensor_to_filename}
    index_text = json.dumps(index, indent=2, sort_keys=True) + "\n"
    (folder / f"{single_file(spec)}.index.json").write_text(index_text)


def single_file(spec: Spec) -> str:
    return "model.safetensors" if spec.form.startswith("safetensors") else "pytorch_model.bin"


def save_file_of_tensors(tensors: dict[str, torch.Tensor], path: Path) -> None:
    if path.suffix == ".safetensors":
        save_file(tensors, path, metadata={"format": "pt"})
    else:
        torch.save(tensors, path)


def load_weights(spec: Spec, folder: Path) -> dict[str, torch.Tensor]:
    """The published values, read back from disk under the names that transformers 4 gives them."""
    stored: dict[str, torch.Tensor] = {}
    for path in sorted(folder.glob("*.safetensors")):
        stored |= load_file(path)
    for path in sorted(folder.glob("*.bin")):
        stored |= torch.load(path, weights_only=True)
    stored[UNEMBEDDING] = stored.pop(spec.unembedding)
    buffers = old_buffers(spec) if spec.old_buffers else {}
    return {name: tensor for name, tensor in stored.items() if name not in buffers}
