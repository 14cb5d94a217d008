"""The tiny GPT-NeoX models of the golden data: their shapes, and the ways they are published."""

import zlib
from dataclasses import dataclass

import torch

UNEMBEDDING = "embed_out.weight"


@dataclass(frozen=True)
class Spec:
    """One tiny model and the way it is published.

    spelling: which keys of config.json carry the rotary settings; see `spell_config`.
    form: safetensors, safetensors-sharded, bin or bin-sharded.
    unembedding: the unembedding's stored name; transformers since 5.13 calls it lm_head.weight.
    old_buffers: whether the causal mask and inv_freq buffers of old checkpoints are stored as well.
    """

    name: str
    d_model: int
    n_heads: int
    d_mlp: int
    d_vocab: int
    n_layers: int = 2
    n_ctx: int = 64
    n_tokens: int = 32
    rotary_pct: float = 0.25
    rotary_base: int = 10000
    layer_norm_eps: float = 1e-5
    use_parallel_residual: bool = True
    spelling: str = "rotary_pct"
    form: str = "safetensors"
    dtype: str = "float16"
    unembedding: str = UNEMBEDDING
    old_buffers: bool = False

    @property
    def d_head(self) -> int:
        return self.d_model // self.n_heads

    def generator(self, purpose: str) -> torch.Generator:
        """A random stream of this model's own: adding a model leaves the others as they are."""
        return torch.Generator().manual_seed(zlib.crc32(f"{self.name} {purpose}".encode()))


SPECS = [
    Spec("head8-f16", d_model=32, n_heads=4, d_mlp=128, d_vocab=97),
    Spec(
        "head12-f32", d_model=36, n_heads=3, d_mlp=100, d_vocab=61, rotary_pct=0.5, dtype="float32"
    ),
    # int(12 * 0.25) = 3 is odd: transformers then rotates 4 dimensions with exponents 0 and 2/3.
    Spec("head12-odd-rotary", d_model=60, n_heads=5, d_mlp=150, d_vocab=77, n_tokens=28),
    Spec(
        "head16-full-rotary-bf16",
        d_model=48,
        n_heads=3,
        d_mlp=192,
        d_vocab=101,
        rotary_pct=1.0,
        rotary_base=500,
        dtype="bfloat16",
    ),
    Spec(
        "head20-rope-parameters",
        d_model=100,
        n_heads=5,
        d_mlp=260,
        d_vocab=113,
        rotary_pct=0.5,
        rotary_base=2000,
        spelling="rope_parameters",
    ),
    Spec(
        "head32-sharded-safetensors",
        d_model=64,
        n_heads=2,
        n_layers=3,
        d_mlp=256,
        d_vocab=160,
        n_tokens=40,
        form="safetensors-sharded",
    ),
    Spec("head64-bin", d_model=128, n_heads=2, n_layers=1, d_mlp=160, d_vocab=131, form="bin"),
    Spec("head80-sharded-bin", d_model=80, n_heads=1, d_mlp=200, d_vocab=89, form="bin-sharded"),
    Spec(
        "head128-rope-parameters-bf16",
        n_layers=1,
        d_model=128,
        n_heads=1,
        d_mlp=144,
        d_vocab=103,
        spelling="rope_parameters",
        dtype="bfloat16",
    ),
    Spec("head256-f16", d_model=256, n_heads=1, n_layers=1, d_mlp=96, d_vocab=67, n_tokens=24),
    Spec(
        "head36-sequential",
        d_model=72,
        n_heads=2,
        n_layers=3,
        d_mlp=180,
        d_vocab=83,
        rotary_pct=0.5,
        use_parallel_residual=False,
    ),
    Spec(
        "head64-sequential-sharded",
        d_model=64,
        n_heads=1,
        d_mlp=200,
        d_vocab=71,
        use_parallel_residual=False,
        spelling="rope_parameters",
        form="safetensors-sharded",
        unembedding="lm_head.weight",
        dtype="bfloat16",
    ),
    Spec(
        "head24-lm-head",
        d_model=72,
        n_heads=3,
        d_mlp=216,
        d_vocab=91,
        spelling="rope_parameters",
        unembedding="lm_head.weight",
    ),
    Spec(
        "head16-old-buffers",
        d_model=48,
        n_heads=3,
        d_mlp=192,
        d_vocab=79,
        n_ctx=40,
        n_tokens=36,
        old_buffers=True,
    ),
    # Fills its context to the last position.
    Spec(
        "head32-old-buffers-bin",
        d_model=32,
        n_heads=1,
        d_mlp=128,
        d_vocab=73,
        n_ctx=32,
        form="bin",
        dtype="float32",
        old_buffers=True,
    ),
    Spec(
        "head16-top-level-rope",
        d_model=80,
        n_heads=5,
        d_mlp=170,
        d_vocab=107,
        rotary_pct=0.5,
        rotary_base=3000,
        spelling="partial_rotary_factor",
    ),
    Spec(
        "head20-both-spellings",
        d_model=40,
        n_heads=2,
        d_mlp=160,
        d_vocab=109,
        rotary_pct=0.5,
        rotary_base=20000,
        spelling="rotary_pct+partial_rotary_factor",
    ),
    Spec(
        "head8-eps",
        d_model=40,
        n_heads=5,
        d_mlp=90,
        d_vocab=111,
        rotary_pct=1.0,
        layer_norm_eps=1e-2,
    ),
]
