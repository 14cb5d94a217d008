"""What TransformerLens says of the built-in demo: activations.npz and heads.npz of inside/.

HookedTransformer has these names. TransformerLens 4 has removed it: `make` needs 3.9, the last
version that has it. `check` compares with the TransformerBridge of the installed version, 3 or 4.
"""

from pathlib import Path

import numpy as np
import torch
from golden_demo import CONTEXT, LAST_STEP, load, make_folder
from transformer_lens.head_detector import detect_head

STEPS = [512, LAST_STEP]
TEXT = (
    '"My dear Mr. Bennet," said his lady to him one day, "have you heard that Netherfield Park is '
    'let at last?"'
)
END_OF_TEXT = 0
N_LAYERS = 6

N_SEQUENCES, N_RANDOM = 20, 25
# <|endoftext|> and <|padding|> come first, runs of spaces last.
FIRST_ORDINARY, LAST_ORDINARY = 2, 4054
# The last sequences draw from so few tokens that some recur within a half, and next to themselves.
N_REPETITIVE, N_KINDS = 4, 12

# The axes of heads.npz, in their order. "no_bos" is the sequence alone.
BOS = ["no_bos", "bos"]
PATTERNS = ["previous_token_head", "duplicate_token_head", "induction_head"]
MEASURES = ["mul", "abs"]
EXCLUDED = ["none", "bos", "current_token", "both"]


def make(scratch: Path, folder: Path) -> None:
    make_activations(scratch, folder)
    make_heads(scratch, folder)


def token_ids(tokenizer: object) -> np.ndarray:
    """The ids of TEXT behind <|endoftext|>."""
    return np.array([END_OF_TEXT, *tokenizer(TEXT)["input_ids"]], np.int32)


def hooked_transformer(model: torch.nn.Module, **options: bool) -> torch.nn.Module:
    """transformers' model as a HookedTransformer: weights as they are, nothing folded."""
    from transformer_lens import HookedTransformer, HookedTransformerConfig
    from transformer_lens.pretrained.weight_conversions import convert_neox_weights

    config = model.config
    d_head = config.hidden_size // config.num_attention_heads
    lens_config = HookedTransformerConfig(
        n_layers=config.num_hidden_layers,
        d_model=config.hidden_size,
        n_ctx=config.max_position_embeddings,
        d_head=d_head,
        n_heads=config.num_attention_heads,
        d_mlp=config.intermediate_size,
        d_vocab=config.vocab_size,
        act_fn=config.hidden_act,
        eps=config.layer_norm_eps,
        normalization_type="LN",
        positional_embedding_type="rotary",
        rotary_dim=int(d_head * config.rope_parameters["partial_rotary_factor"]),
        rotary_base=int(config.rope_parameters["rope_theta"]),
        rotary_adjacent_pairs=False,
        parallel_attn_mlp=config.use_parallel_residual,
        use_attn_scale=True,
        default_prepend_bos=False,
        original_architecture="GPTNeoXForCausalLM",
        init_weights=False,
        device="cpu",
        dtype=torch.float32,
        **options,
    )
    lens = HookedTransformer(lens_config)
    report = lens.load_state_dict(convert_neox_weights(model, lens_config), strict=False)
    buffers = {name for name, _ in lens.named_buffers()}
    assert not report.unexpected_keys
    assert set(report.missing_keys) <= buffers
    return lens.eval()


def make_activations(scratch: Path, folder: Path) -> None:
    """Step 3000's activations of TEXT: of layers 0 and the last, and those of no layer."""
    model, tokenizer = load(make_folder(LAST_STEP, scratch / "activations"))
    ids = token_ids(tokenizer)
    tokens = torch.from_numpy(ids).long()[None]
    arrays = {}
    # Nothing asked: what a cache has. The options add what they are for; other values then come
    # from differently ordered sums, so only what is new is kept.
    for options in ({}, {"use_attn_result": True, "use_hook_mlp_in": True}):
        lens = hooked_transformer(model, **options)
        with torch.no_grad():
            logits, cache = lens.run_with_cache(tokens, remove_batch_dim=True)
            assert (logits - model(tokens).logits).abs().max() < 1e-4
        for name, values in cache.items():
            if kept(name):
                arrays.setdefault(name, values.numpy())
    np.savez_compressed(folder / "activations.npz", token_ids=ids, **arrays)


def kept(name: str) -> bool:
    return not name.startswith("blocks.") or name.split(".")[1] in ("0", str(N_LAYERS - 1))


def sequences() -> np.ndarray:
    """Random ordinary tokens, twice: int32 [N_SEQUENCES, 2 * N_RANDOM]."""
    random = np.random.default_rng(15)
    halves = random.integers(FIRST_ORDINARY, LAST_ORDINARY + 1, (N_SEQUENCES, N_RANDOM))
    for half in halves[-N_REPETITIVE:]:
        half[:] = random.choice(half[:N_KINDS], N_RANDOM)
    return np.concatenate([halves, halves], axis=1).astype(np.int32)


def make_heads(scratch: Path, folder: Path) -> None:
    """detect_head of both steps on the same tokens, over all of the axes above."""
    ids = sequences()
    scores = []
    for step in STEPS:
        model, _ = load(make_folder(step, scratch / "heads"))
        scores.append(head_scores(hooked_transformer(model), ids))
    np.savez_compressed(
        folder / "heads.npz",
        token_ids=ids,
        scores=np.stack(scores).astype(np.float32),
        step=np.array(STEPS),
        bos=np.array(BOS),
        pattern=np.array(PATTERNS),
        measure=np.array(MEASURES),
        excluded=np.array(EXCLUDED),
    )


def head_scores(lens: torch.nn.Module, ids: np.ndarray) -> np.ndarray:
    """[bos, pattern, measure, excluded, sequence, n_layers, n_heads] of one step."""
    scores = [
        scores_of_sequence(lens, [END_OF_TEXT, *row] if bos == "bos" else [*row])
        for bos in BOS
        for row in ids.tolist()
    ]
    both = np.stack(scores).reshape(len(BOS), len(ids), *scores[0].shape)
    return np.moveaxis(both, 1, 4)


def scores_of_sequence(lens: torch.nn.Module, ids: list[int]) -> np.ndarray:
    """[pattern, measure, excluded, n_layers, n_heads] of these token ids."""
    tokens = torch.tensor([ids])
    # detect_head takes texts. So it is given the ids where it would encode one.
    lens.to_tokens = lambda text: tokens
    assert len(ids) < CONTEXT
    with torch.no_grad():
        _, cache = lens.run_with_cache(tokens, remove_batch_dim=True)
        scores = [
            detect_head(
                lens,
                "",
                pattern,
                cache=cache,
                exclude_bos=excluded in ("bos", "both"),
                exclude_current_token=excluded in ("current_token", "both"),
                error_measure=measure,
            ).numpy()
            for pattern in PATTERNS
            for measure in MEASURES
            for excluded in EXCLUDED
        ]
    flat = np.stack(scores)
    return flat.reshape(len(PATTERNS), len(MEASURES), len(EXCLUDED), *flat.shape[1:])


def bridge(folder: Path) -> torch.nn.Module:
    """A step's folder as a TransformerBridge with HookedTransformer's names, nothing folded."""
    from transformer_lens.model_bridge import TransformerBridge

    model, tokenizer = load(folder)
    lens = TransformerBridge.boot_transformers(
        str(folder), hf_model=model, tokenizer=tokenizer, device="cpu", dtype=torch.float32
    )
    lens.enable_compatibility_mode(disable_warnings=True, no_processing=True)
    return lens


def check(scratch: Path, folder: Path) -> None:
    """Compare what is stored with the bridge of the installed TransformerLens."""
    lens = bridge(make_folder(LAST_STEP, scratch / "check"))
    lens.set_use_attn_result(True)
    lens.set_use_hook_mlp_in(True)
    with np.load(folder / "activations.npz") as stored, torch.no_grad():
        tokens = torch.from_numpy(stored["token_ids"]).long()[None]
        _, cache = lens.run_with_cache(tokens, remove_batch_dim=True)
        differences = {
            name: greatest_difference(cache.cache_dict[name].numpy(), stored[name])
            for name in stored.files
            if name in cache.cache_dict
        }
        absent = sorted(set(stored.files) - set(differences) - {"token_ids"})
    print(f"{len(differences)} activations differ by up to {max(differences.values()):.2g}")
    print(f"not in the bridge: {', '.join(absent)}")
    assert max(differences.values()) < 1e-4

    with np.load(folder / "heads.npz") as stored:
        for i, step in enumerate(stored["step"]):
            scores = head_scores(bridge(make_folder(int(step), scratch / "bridge")), sequences())
            difference = np.abs(scores - stored["scores"][i])
            mul, rounded = (difference[:, :, m].max() for m in range(len(MEASURES)))
            print(f"step {step}: scores differ by up to {mul:.2g}, abs by {rounded:.2g}")
            assert mul < 1e-5
            assert rounded < 1.1e-3  # it has three decimals


def greatest_difference(ours: np.ndarray, stored: np.ndarray) -> float:
    assert ours.shape == stored.shape
    assert np.array_equal(np.isneginf(ours), np.isneginf(stored))
    finite = np.isfinite(stored)
    return float(np.abs(ours[finite] - stored[finite]).max())
