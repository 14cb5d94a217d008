"""Residual streams and attention of the tiny models, by transformers: inside/hidden_states.npz."""

import json
from pathlib import Path

import numpy as np
import torch
from transformers import AutoConfig, GPTNeoXForCausalLM


def make(models: Path, folder: Path) -> None:
    """`NAME/hidden`, `NAME/last_layer`, `NAME/attentions` of every model, on its token_ids."""
    arrays = {}
    for entry in json.loads((models / "index.json").read_text()):
        for key, values in inside(models / entry["name"], entry).items():
            arrays[f"{entry['name']}/{key}"] = values
    np.savez_compressed(folder / "hidden_states.npz", **arrays)


def inside(folder: Path, entry: dict) -> dict[str, np.ndarray]:
    """What transformers says of one model, if its logits are the golden ones."""
    golden = np.load(folder / "golden.npz")
    model = load(folder, entry)
    layers = []
    hook = model.gpt_neox.layers[-1].register_forward_hook(
        lambda module, inputs, output: layers.append(output)
    )
    with torch.no_grad():
        output = model(
            torch.from_numpy(golden["token_ids"]).long()[None],
            use_cache=False,
            output_hidden_states=True,
            output_attentions=True,
        )
    hook.remove()
    (last,) = layers
    last = last[0] if isinstance(last, tuple) else last
    check(model, golden["logits"], output, last)
    return {
        "hidden": torch.cat(output.hidden_states).numpy(),
        "last_layer": last[0].numpy(),
        "attentions": torch.cat(output.attentions).numpy(),
    }


def load(folder: Path, entry: dict) -> GPTNeoXForCausalLM:
    """The float32 model with eager attention, with the rotary settings that the index states.

    transformers 5 does not read every spelling of them that was published.
    """
    config = AutoConfig.from_pretrained(folder)
    config.rope_parameters = {
        "rope_type": "default",
        "rope_theta": entry["rotary_base"],
        "partial_rotary_factor": entry["rotary_pct"],
    }
    model, report = GPTNeoXForCausalLM.from_pretrained(
        folder,
        config=config,
        dtype=torch.float32,
        attn_implementation="eager",
        output_loading_info=True,
    )
    assert not report["missing_keys"], report
    return model.eval()


def check(
    model: GPTNeoXForCausalLM, logits: np.ndarray, output: object, last: torch.Tensor
) -> None:
    """Assert that these are the golden model's, and which of them the final norm was applied to."""
    body = model.gpt_neox
    assert np.abs(output.logits[0].numpy() - logits).max() < 1e-4
    assert len(output.hidden_states) == len(body.layers) + 1
    assert len(output.attentions) == len(body.layers)
    with torch.no_grad():
        assert torch.equal(output.hidden_states[-1], body.final_layer_norm(last))
        assert torch.equal(model.get_output_embeddings()(output.hidden_states[-1]), output.logits)
