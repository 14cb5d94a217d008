"""Prompts of generation: texts or token ids, fitted into the context."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from pythia_cli.engine.generate import Prompt
from pythia_cli.errors import PromptTooLong
from pythia_cli.text.tokenizer import PythiaTokenizer


def encode_prompt(
    tokenizer: PythiaTokenizer,
    prompt: str | Sequence[int],
    n_ctx: int,
    *,
    make_room: int | None = None,
    index: int = 0,
) -> Prompt:
    """The tokens of the prompt with this index, a text or token ids; none become <|endoftext|>.

    Raises PromptTooLong if it leaves no room for one new token, UsageError for an id that no token
    has, and InputError for what is neither. With make_room, keeps only the last tokens that leave
    room for so many new ones, but at least a quarter of the context.
    """
    if isinstance(prompt, Iterable) and not isinstance(prompt, str | bytes):
        from pythia_cli.text.token_ids import checked_token_ids

        token_ids = checked_token_ids(prompt, tokenizer)
    else:
        token_ids = tokenizer.encode(prompt)  # type: ignore[arg-type]  # which refuses bytes
    if len(token_ids) == 0:
        token_ids = np.array([tokenizer.end_of_text], np.int64)
    if make_room is not None:
        n_cut = max(0, len(token_ids) - max(n_ctx - make_room, n_ctx // 4))
        return Prompt(token_ids[n_cut:], n_cut)
    if len(token_ids) >= n_ctx:
        raise PromptTooLong(len(token_ids), n_ctx, index)
    return Prompt(token_ids)


def encode_prompts(
    tokenizer: PythiaTokenizer,
    prompts: Sequence[str | Sequence[int]],
    n_ctx: int,
    make_room: int | None,
    skipped: Callable[[PromptTooLong], object] | None,
) -> dict[int, Prompt]:
    """All prompts, encoded, by their index. Raises as `encode_prompt`.

    skipped: called with the error of each that is too long; without it, the first is raised.
    """
    encoded = {}
    for index, prompt in enumerate(prompts):
        try:
            encoded[index] = encode_prompt(
                tokenizer, prompt, n_ctx, make_room=make_room, index=index
            )
        except PromptTooLong as error:
            if skipped is None:
                raise
            skipped(error)
    return encoded
