"""A tuned lens of the built-in demo, and what it and the logit lens say: tuned_lens/, lens.npz.

The package tuned-lens (Belrose et al. 2023) saves the lens. Its translators are random, as none was
trained for the demo. The figures come from plain torch.
"""

import shutil
from pathlib import Path

import numpy as np
import torch
from golden_demo import LAST_STEP, load, make_folder
from golden_hooks import token_ids
from tuned_lens.nn.lenses import LogitLens, TunedLens, TunedLensConfig
from tuned_lens.nn.unembed import Unembed

N_TOP = 5
NEAR = 1e-3  # logits closer than this may change their order in float32


def make(scratch: Path, folder: Path) -> None:
    torch.manual_seed(15)
    model, tokenizer = load(make_folder(LAST_STEP, scratch / "lens"))
    ids = torch.from_numpy(token_ids(tokenizer)).long()
    states, logits = residual_stream(model, ids)
    lens = random_lens(model, states)
    shutil.rmtree(folder / "tuned_lens", ignore_errors=True)
    lens.save(folder / "tuned_lens")

    body, unembedding = model.gpt_neox, model.get_output_embeddings()
    with torch.no_grad():
        plain = [unembedding(body.final_layer_norm(state)) for state in states]
        assert torch.equal(plain[-1], logits)
        translators = torch.load(folder / "tuned_lens" / "params.pt", weights_only=True)
        tuned = [
            unembedding(body.final_layer_norm(translated(state, translators, layer)))
            for layer, state in enumerate(states[:-1])
        ]
        check(model, lens, states, plain, tuned)
    np.savez_compressed(
        folder / "lens.npz",
        token_ids=ids.numpy().astype(np.int32),
        **{f"logit_{name}": values for name, values in figures(plain, logits, ids).items()},
        **{f"tuned_{name}": values for name, values in figures(tuned, logits, ids).items()},
    )


def residual_stream(
    model: torch.nn.Module, ids: torch.Tensor
) -> tuple[list[torch.Tensor], torch.Tensor]:
    """What goes into each layer and what comes out of the last, [n, d_model] each; the logits."""
    states: list[torch.Tensor] = []
    hooks = [
        layer.register_forward_pre_hook(lambda module, inputs: states.append(inputs[0][0]))
        for layer in [*model.gpt_neox.layers, model.gpt_neox.final_layer_norm]
    ]
    with torch.no_grad():
        logits = model(ids[None], use_cache=False).logits[0]
    for hook in hooks:
        hook.remove()
    assert len(states) == model.config.num_hidden_layers + 1
    return states, logits


def random_lens(model: torch.nn.Module, states: list[torch.Tensor]) -> TunedLens:
    """Translators that change a state by about half of its size."""
    config = TunedLensConfig(
        base_model_name_or_path="demo",
        base_model_revision=f"step{LAST_STEP}",
        d_model=model.config.hidden_size,
        num_hidden_layers=model.config.num_hidden_layers,
    )
    lens = TunedLens(Unembed(model), config)
    for translator, state in zip(lens, states, strict=False):
        torch.nn.init.normal_(translator.weight, std=0.5 / config.d_model**0.5)
        torch.nn.init.normal_(translator.bias, std=0.1 * float(state.std()))
    return lens


def translated(
    state: torch.Tensor, translators: dict[str, torch.Tensor], layer: int
) -> torch.Tensor:
    weight, bias = translators[f"{layer}.weight"], translators[f"{layer}.bias"]
    return state + state @ weight.T + bias


def check(
    model: torch.nn.Module,
    lens: TunedLens,
    states: list[torch.Tensor],
    plain: list[torch.Tensor],
    tuned: list[torch.Tensor],
) -> None:
    """Assert that the package says the same."""
    logit_lens = LogitLens.from_model(model)
    for layer, state in enumerate(states[:-1]):
        torch.testing.assert_close(logit_lens(state, layer), plain[layer], rtol=0, atol=1e-4)
        torch.testing.assert_close(lens(state, layer), tuned[layer], rtol=0, atol=1e-4)


def figures(
    layers: list[torch.Tensor], logits: torch.Tensor, ids: torch.Tensor
) -> dict[str, np.ndarray]:
    """Of each layer's logits [n, d_vocab], in nats; README.md describes them."""
    stacked = torch.stack(layers)
    logprobs = stacked.double().log_softmax(-1)
    last = logits.double().log_softmax(-1)
    targets = ids[1:].expand(len(layers), -1)[..., None]
    before = stacked[:, :-1]  # the last token's prediction has no target
    of_target = before.gather(-1, targets)
    largest = stacked.topk(N_TOP + 1).values
    top = stacked.topk(N_TOP).indices
    return {
        "nll": -logprobs[:, :-1].gather(-1, targets)[..., 0].numpy(),
        "rank": (before > of_target).sum(-1).numpy().astype(np.int32),
        "near": ((before - of_target).abs() < NEAR).sum(-1).numpy().astype(np.int32) - 1,
        "kl": (last.exp() * (last - logprobs)).sum(-1).numpy(),
        "top": top.numpy().astype(np.int32),
        "top_logprob": logprobs.gather(-1, top).numpy(),
        "gap": (largest[..., :-1] - largest[..., 1:]).amin(-1).numpy(),
    }
