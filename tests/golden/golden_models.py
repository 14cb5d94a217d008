"""Tiny seeded GPT-NeoX checkpoints, and the logits that transformers gives for them.

One neutral `Spec` is the source of both sides: the transformers model is built from it with
explicit arguments, and config.json is written from it separately, in one of several spellings. So a
spelling that the installed transformers does not understand still gets right logits; `check_model`
asserts that the model which ran is the one that the written config.json describes.
"""

import dataclasses
import json
import math
import shutil
from pathlib import Path

import numpy as np
import torch
import transformers
from golden_checkpoint import inv_freq, load_weights, rotary_in, save_weights, spell_config
from golden_specs import SPECS, UNEMBEDDING, Spec
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

# Standard deviations of each matrix's outputs for inputs of standard deviation 1: large enough for
# logits of std 1 to 3 and for attention that is far from uniform.
GAINS = {
    "query_key_value": 1.5,
    "attention.dense": 1.0,
    "dense_h_to_4h": 1.5,
    "dense_4h_to_h": 1.5,
    "embed_out": 1.5,
}

# The spellings of the rotary settings that each major version of transformers understands. Neither
# understands `partial_rotary_factor` and `rope_theta` alone at the top level: both fall back to
# 0.25 and 10000 without a word. The golden logits of that spelling take the file at its word.
READ_SPELLINGS = {
    4: {"rotary_pct", "rotary_pct+partial_rotary_factor"},
    5: {"rotary_pct", "rotary_pct+partial_rotary_factor", "rope_parameters"},
}


def make(models: Path) -> None:
    """Write every model's folder and golden.npz, and index.json."""
    if not transformers.__version__.startswith("4."):
        raise SystemExit(
            "The golden models are made with transformers 4: install 'transformers<5'."
        )
    shutil.rmtree(models, ignore_errors=True)
    for spec in SPECS:
        make_model(spec, models / spec.name)
    index = [index_entry(spec) for spec in SPECS]
    (models / "index.json").write_text(json.dumps(index, indent=1) + "\n")


def make_model(spec: Spec, folder: Path) -> None:
    """Publish one model, then take its logits from the published values in float32."""
    folder.mkdir(parents=True)
    config = spell_config(spec)
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    save_weights(random_weights(spec), spec, folder)

    weights = load_weights(spec, folder)
    model = build_model(spec, weights)
    check_model(model, json.loads((folder / "config.json").read_text()), spec.spelling)
    token_ids = torch.randint(spec.d_vocab, (spec.n_tokens,), generator=spec.generator("token ids"))
    logits = run(model, token_ids)
    check_lively(spec, model, token_ids, logits)
    check_settings_matter(spec, weights, token_ids, logits)
    np.savez_compressed(
        folder / "golden.npz", token_ids=token_ids.numpy().astype(np.int32), logits=logits.numpy()
    )


def index_entry(spec: Spec) -> dict:
    """What a test wants to know of a model without opening its folder."""
    entry = dataclasses.asdict(spec)
    return {"name": entry.pop("name"), "d_head": spec.d_head, **entry}


def transformers_config(spec: Spec) -> GPTNeoXConfig:
    """The spec in the arguments that transformers 4 understands, whatever config.json will say."""
    return GPTNeoXConfig(
        vocab_size=spec.d_vocab,
        hidden_size=spec.d_model,
        num_hidden_layers=spec.n_layers,
        num_attention_heads=spec.n_heads,
        intermediate_size=spec.d_mlp,
        hidden_act="gelu",
        rotary_pct=spec.rotary_pct,
        rotary_emb_base=spec.rotary_base,
        max_position_embeddings=spec.n_ctx,
        layer_norm_eps=spec.layer_norm_eps,
        use_parallel_residual=spec.use_parallel_residual,
        tie_word_embeddings=False,
        attn_implementation="eager",
    )


def build_model(spec: Spec, weights: dict[str, torch.Tensor]) -> GPTNeoXForCausalLM:
    """The float32 model of a spec, holding the published values."""
    model = GPTNeoXForCausalLM(transformers_config(spec)).float().eval()
    model.load_state_dict({name: weight.float() for name, weight in weights.items()})
    return model


def run(model: GPTNeoXForCausalLM, token_ids: torch.Tensor) -> torch.Tensor:
    """Logits [n_tokens, d_vocab] of one sequence."""
    with torch.no_grad():
        return model(token_ids[None], use_cache=False).logits[0]


def random_weights(spec: Spec) -> dict[str, torch.Tensor]:
    """Lively weights in the stored dtype, under the names that transformers 4 gives them."""
    generator = spec.generator("weights")
    shapes = {
        name: weight.shape
        for name, weight in GPTNeoXForCausalLM(transformers_config(spec)).state_dict().items()
    }
    return {
        name: random_tensor(name, shape, generator).to(getattr(torch, spec.dtype))
        for name, shape in shapes.items()
    }


def random_tensor(name: str, shape: torch.Size, generator: torch.Generator) -> torch.Tensor:
    noise = torch.randn(shape, generator=generator)
    if name.endswith(".bias"):
        return 0.1 * noise
    if "norm" in name:
        return 1.0 + 0.2 * noise
    if "embed_in" in name:
        return noise
    gain = next(gain for part, gain in GAINS.items() if part in name)
    return noise * gain / math.sqrt(shape[1])


def check_model(model: GPTNeoXForCausalLM, config: dict, spelling: str) -> None:
    """Assert that the model which runs is the one that the written config.json describes."""
    body = model.gpt_neox
    d_head = config["hidden_size"] // config["num_attention_heads"]
    for rotary_pct, rotary_base in rotary_in(config, spelling):
        expected = inv_freq(d_head, rotary_pct, rotary_base)
        torch.testing.assert_close(body.rotary_emb.inv_freq, expected, rtol=1e-6, atol=0)
    norms = [module for module in model.modules() if isinstance(module, torch.nn.LayerNorm)]
    assert len(norms) == 2 * config["num_hidden_layers"] + 1
    assert all(norm.eps == config["layer_norm_eps"] for norm in norms)
    assert len(body.layers) == config["num_hidden_layers"]
    sample = torch.linspace(-5, 5, 101)
    for layer in body.layers:
        assert layer.use_parallel_residual == config["use_parallel_residual"]
        assert torch.equal(layer.mlp.act(sample), torch.nn.functional.gelu(sample))
    assert model.dtype == torch.float32
    assert model.config._attn_implementation == "eager"


def check_lively(
    spec: Spec, model: GPTNeoXForCausalLM, token_ids: torch.Tensor, logits: torch.Tensor
) -> None:
    """Assert that the logits spread and that attention chooses, so that a wrong kernel shows."""
    with torch.no_grad():
        attentions = model(token_ids[None], output_attentions=True).attentions
    probabilities = torch.stack(attentions)[..., 1:, :]
    entropy = -torch.xlogy(probabilities, probabilities).sum(-1)
    uniform = torch.log(torch.arange(2, spec.n_tokens + 1).float())
    evenness = (entropy / uniform).mean().item()
    print(
        f"{spec.name}: logits std {logits.std():.2f}, attention entropy {evenness:.2f} of uniform"
    )
    assert 1.0 < logits.std() < 3.0
    assert evenness < 0.8


def check_settings_matter(
    spec: Spec, weights: dict[str, torch.Tensor], token_ids: torch.Tensor, logits: torch.Tensor
) -> None:
    """Assert that a reader who gets one setting of config.json wrong gets visibly wrong logits."""
    wrong = [
        {"rotary_pct": 1.0 if spec.rotary_pct < 1.0 else 0.25},
        {"use_parallel_residual": not spec.use_parallel_residual},
    ]
    if spec.d_head * spec.rotary_pct > 2:  # The first frequency is 1 whatever the base.
        wrong.append({"rotary_base": 10000 if spec.rotary_base != 10000 else 1000})
    if spec.layer_norm_eps != 1e-5:
        wrong.append({"layer_norm_eps": 1e-5})
    for setting in wrong:
        other = run(build_model(dataclasses.replace(spec, **setting), weights), token_ids)
        difference = (other - logits).abs().max().item()
        print(f"  {setting} would move the logits by up to {difference:.3g}")
        assert difference > 5e-3, (spec.name, setting)


def check(models: Path) -> None:
    """Have the installed transformers load each folder on its own, and compare with golden.npz."""
    transformers.utils.logging.disable_progress_bar()
    index = json.loads((models / "index.json").read_text())
    for entry in index:
        if not transformers_reads(entry):
            print(f"{entry['name']}: not for transformers {transformers.__version__} to read")
            continue
        check_published(models / entry["name"])
    size = sum(path.stat().st_size for path in models.rglob("*") if path.is_file())
    print(f"{len(index)} models, {size / 1e6:.2f} MB")
    assert size < 5e6


def transformers_reads(entry: dict) -> bool:
    """Whether the installed transformers understands this spelling and this unembedding's name."""
    major = int(transformers.__version__.split(".")[0])
    named = major >= 5 or entry["unembedding"] == UNEMBEDDING
    return named and entry["spelling"] in READ_SPELLINGS[major]


def check_published(folder: Path) -> None:
    golden = np.load(folder / "golden.npz")
    model, report = GPTNeoXForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True
    )
    assert not report["missing_keys"], report
    logits = run(model.eval(), torch.from_numpy(golden["token_ids"]).long()).numpy()
    difference = np.abs(logits - golden["logits"]).max()
    print(f"{folder.name}: transformers {transformers.__version__} differs by {difference:.2g}")
    assert difference < 1e-4
