"""The forward pass of GPT-NeoX with int8 weights, as one kernel that a team runs."""

from __future__ import annotations

from typing import Any, NamedTuple

from pythia_cli.jit.barrier import begin
from pythia_cli.jit.declare import kernel
from pythia_cli.jit.literals import any_value
from pythia_cli.jit.signature import Floats1, Floats2, Floats3, Int64s1, Int64s2
from pythia_cli.kernels.attention_structures import CachedTexts
from pythia_cli.kernels.embedding import embed
from pythia_cli.kernels.layer import first_tokens, n_halves, run_layer, steps_of
from pythia_cli.kernels.layer_norm import layer_norm
from pythia_cli.kernels.sharing import meet_before_layer, own_tokens
from pythia_cli.kernels.sizes import WHOLE, Part
from pythia_cli.kernels.structures import ForwardModel, Ranks, Scratch, Texts
from pythia_cli.kernels.unembedding import Outputs, ScoreScratch, TokenScores, unembed

_FINAL_LAYER_NORM = int(Part.FINAL_LAYER_NORM)


class LayerRange(NamedTuple):
    """What to run of the model: the embedding if `embeds` is 1, then layers lo..hi.

    part: the sizes.Part of these layers that runs, or WHOLE. With Part.FINAL_LAYER_NORM and UNEMBED
    there are no layers; the outputs of UNEMBED are those of scratch.normed.
    """

    embeds: int
    lo: int
    hi: int
    part: int


@kernel
def forward(
    rank: Any,
    n_ranks: Any,
    shared: Int64s1,
    model: ForwardModel,
    scratch: Scratch,
    score_scratch: ScoreScratch,
    steps: LayerRange,
    spans: Int64s2,
    cache: CachedTexts,
    token_ids: Int64s1,
    rows: Int64s1,
    logits: Floats2,
    targets: Int64s1,
    members: Floats1,
    scores: TokenScores,
    attention_scores: Floats3,
) -> None:
    """Append token_ids [n] to their texts; write logits or scores for the tokens in rows [m].

    With targets [m], writes scores [m]: targets[i] is rated as the token after token rows[i]; and
    logits, unless they are empty. Without targets, writes logits [m, d_vocab]. m may be 0. members
    [d_vocab]: 1 for the tokens of the set whose probability is scored too, else 0; or empty.

    token_ids are those of the first text, then those of the second, and so on. spans [n_texts, 3]
    has for each text: its row in the cache, the position of its first new token, and its number of
    new tokens. scratch.x [:n] is the residual stream, input and output of the layers.
    attention_scores [n_heads, n_rows, n_positions]: output, or empty. A token's row is its position
    in its text, plus the new tokens of the texts before it.
    """
    ranks = Ranks(rank, n_ranks, shared)
    begin(ranks)
    s = first_tokens(scratch, token_ids.shape[0])
    texts = Texts(spans, cache, attention_scores)
    lo, hi = own_tokens(ranks, token_ids.shape[0])
    if steps.embeds:
        embed(model.weights.embed_in, token_ids, s.x, lo, hi)
    n = n_halves(steps.part, model.parallel)
    for half in range(steps.lo * n, steps.hi * n):
        if not run_layer(ranks, model, half // n, steps_of(steps.part, half % n, n), s, texts):
            return
    if steps.part == _FINAL_LAYER_NORM:
        layer_norm(model.weights.final_layer_norm, s.x, model.eps, s.normed, lo, hi)
    elif rows.shape[0] > 0:
        outputs = Outputs(rows, logits, targets, members, scores)
        unembed(ranks, model, s, outputs, score_scratch, steps.part == WHOLE)
    w = model.weights
    # Behind this meeting nobody reads or writes: the caller of a team that `meets` goes on.
    meet_before_layer(ranks, w.query_key_value.weight, any_value(0), w.embed_out.weight)
