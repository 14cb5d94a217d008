"""How samples end, and that a sample does not depend on the others in the same passes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from pythia_cli.engine.generate import Generated, GenerateOptions, Prompt, generate
from pythia_cli.engine.prompts import encode_prompt
from pythia_cli.engine.sampling import SamplingOptions
from pythia_cli.engine.transformer import Transformer
from pythia_cli.errors import InvalidValue
from pythia_cli.text.tokenizer import PythiaTokenizer
from pythia_cli.weights.int8_file import Int8File

GREEDY = SamplingOptions(temperature=0)


# The loop, with a scripted model ------------------------------------------------------------------


class Script:
    """A model whose largest logits are those of the tokens of a script, one after another."""

    d_vocab = 4096
    one_thread = contextlib.nullcontext()

    def __init__(self, token_ids: list[int], n_ctx: int = 64) -> None:
        self.token_ids = token_ids
        self.config = type("Config", (), {"n_ctx": n_ctx})
        self.fed: list[list[int]] = []
        self.capacity = 0

    class Cache:
        def __init__(self) -> None:
            self.length = 0

        def truncate(self, length: int) -> None:
            assert length <= self.length
            self.length = length

    def new_caches(self, capacity: int, n_texts: int) -> list[Cache]:
        self.capacity = capacity
        return [self.Cache() for _ in range(n_texts)]

    def prefill(self, token_ids: np.ndarray[Any, Any], cache: Cache) -> np.ndarray[Any, Any]:
        self.n_prompt = len(token_ids)
        return self._logits(token_ids.tolist(), cache)

    def decode_together(self, token_ids: list[int], caches: list[Cache]) -> list[Any]:
        return [self._logits([i], cache) for i, cache in zip(token_ids, caches, strict=True)]

    def _logits(self, token_ids: list[int], cache: Cache) -> np.ndarray[Any, Any]:
        cache.length += len(token_ids)
        assert cache.length <= self.capacity
        self.fed.append(token_ids)
        logits = np.zeros(self.d_vocab, np.float32)
        logits[self.token_ids[cache.length - self.n_prompt]] = 50
        return logits


def run(
    model: Any, tokenizer: PythiaTokenizer, prompt: list[int], n_samples: int = 1, **options: Any
) -> list[tuple[list[str], Generated]]:
    """The pieces and the final event of each sample."""
    samples, pieces = [], []
    given = GenerateOptions(**{"sampling": GREEDY, **options})
    for prompt_index, event in generate(
        model, tokenizer, [Prompt(np.array(prompt))], given, n_samples
    ):
        assert prompt_index == 0
        if isinstance(event, Generated):
            samples.append((pieces, event))
            pieces = []
        else:
            pieces.append(event)
    assert pieces == []
    return samples


def scripted(
    tokenizer: PythiaTokenizer, text: str, n_ctx: int = 64, **options: Any
) -> tuple[list[str], Generated, Script]:
    script = Script([*tokenizer.encode(text).tolist(), 0, *[9] * 200], n_ctx)
    ((pieces, end),) = run(script, tokenizer, [5, 6, 7], **options)
    return pieces, end, script


def test_the_end_of_text_token_ends_a_sample_and_is_left_out(
    demo_tokenizer: PythiaTokenizer,
) -> None:
    text = "It was a truth."
    pieces, end, script = scripted(demo_tokenizer, text)
    assert (end.text, end.finish_reason, end.context_full) == (text, "eos", False)
    assert end.token_ids == demo_tokenizer.encode(text).tolist()
    assert end.n_prompt_tokens == 3
    assert "".join(pieces) == text
    assert all(pieces)
    assert script.fed == [[5, 6, 7], *([token_id] for token_id in end.token_ids)]


def test_the_end_of_text_can_be_ignored(demo_tokenizer: PythiaTokenizer) -> None:
    _, end, _ = scripted(demo_tokenizer, "A", ignore_eos=True, max_tokens=4)
    assert end.token_ids == [*demo_tokenizer.encode("A"), 0, 9, 9]
    assert end.text.startswith("A<|endoftext|>")
    assert end.finish_reason == "length"


@pytest.mark.parametrize("max_tokens", [1, 2, 5])
def test_max_tokens_ends_a_sample(demo_tokenizer: PythiaTokenizer, max_tokens: int) -> None:
    """The last token drawn is not fed back, so the cache needs no room for it."""
    _, end, script = scripted(demo_tokenizer, "one two three four five", max_tokens=max_tokens)
    assert len(end.token_ids) == max_tokens
    assert (end.finish_reason, end.context_full) == ("length", False)
    assert len(script.fed) == max_tokens
    assert script.capacity == 3 + max_tokens - 1


def test_a_full_context_ends_a_sample_and_is_reported(demo_tokenizer: PythiaTokenizer) -> None:
    _, end, _ = scripted(demo_tokenizer, "one two three four five six seven eight", n_ctx=8)
    assert len(end.token_ids) == 5
    assert (end.finish_reason, end.context_full) == ("length", True)


def test_a_context_filled_by_max_tokens_is_not_reported_as_full(
    demo_tokenizer: PythiaTokenizer,
) -> None:
    _, end, _ = scripted(demo_tokenizer, "one two three four five six", n_ctx=8, max_tokens=5)
    assert (len(end.token_ids), end.context_full) == (5, False)


@pytest.mark.parametrize("stop", ["truth", "a truth univ", "ruth u", "y acknow", " ", "I", "d."])
def test_a_stop_text_is_found_across_tokens_and_cut_off(
    demo_tokenizer: PythiaTokenizer, stop: str
) -> None:
    text = "It is a truth universally acknowledged."
    pieces, end, _ = scripted(demo_tokenizer, text, stop=("never there", stop))
    assert end.text == "".join(pieces) == text[: text.find(stop)]
    assert end.finish_reason == "stop"
    decoded = b"".join(demo_tokenizer.token_bytes(i) for i in end.token_ids).decode()
    assert stop in decoded
    assert stop not in decoded[: -len(demo_tokenizer.token_bytes(end.token_ids[-1]))]


def test_text_held_back_for_a_stop_text_comes_at_the_end(demo_tokenizer: PythiaTokenizer) -> None:
    pieces, end, _ = scripted(demo_tokenizer, "It is so", stop=("so far so good",))
    assert end.text == "".join(pieces) == "It is so"
    assert end.finish_reason == "eos"


def test_a_stop_text_completed_by_the_last_bytes_counts(demo_tokenizer: PythiaTokenizer) -> None:
    """A partial character at the end becomes U+FFFD, which may be a stop text."""
    euro = demo_tokenizer.encode("\u20ac").tolist()
    assert len(euro) > 1
    script = Script([*euro[:-1], 9])
    ((pieces, end),) = run(script, demo_tokenizer, [5], stop=("\ufffd",), max_tokens=len(euro) - 1)
    assert pieces == []
    assert (end.text, end.finish_reason) == ("", "stop")


def test_characters_of_several_tokens_come_whole(demo_tokenizer: PythiaTokenizer) -> None:
    text = "\u20ac \U0001f600 caf\u00e9"
    pieces, end, _ = scripted(demo_tokenizer, text)
    assert end.text == text
    assert len(end.token_ids) > len(text)
    assert "\ufffd" not in "".join(pieces)


# The demo -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model(demo_int8: Int8File) -> Iterator[Transformer]:
    model = Transformer(demo_int8, 2)
    yield model
    model.close()


PLAIN = SamplingOptions()


def test_the_same_seed_gives_the_same_text(
    model: Transformer, demo_tokenizer: PythiaTokenizer
) -> None:
    prompt = demo_tokenizer.encode("It is a truth").tolist()

    def text(seed: int) -> str:
        options = {"sampling": PLAIN, "seed": seed, "max_tokens": 20}
        return run(model, demo_tokenizer, prompt, **options)[0][1].text

    assert text(7) == text(7) != text(8)


def test_a_sample_does_not_depend_on_the_number_of_samples(
    model: Transformer, demo_tokenizer: PythiaTokenizer
) -> None:
    prompt = demo_tokenizer.encode("It is a truth").tolist()
    options = {"sampling": PLAIN, "seed": 7, "max_tokens": 16, "ignore_eos": True}
    many = [end.token_ids for _, end in run(model, demo_tokenizer, prompt, 4, **options)]
    assert len({tuple(token_ids) for token_ids in many}) == 4
    for n in (1, 2, 3):
        few = [end.token_ids for _, end in run(model, demo_tokenizer, prompt, n, **options)]
        assert few == many[:n]


def test_greedy_text_is_the_models_first_choices(
    model: Transformer, demo_tokenizer: PythiaTokenizer
) -> None:
    prompt = demo_tokenizer.encode("It is a truth").tolist()
    ((_, end),) = run(model, demo_tokenizer, prompt, max_tokens=12, ignore_eos=True)
    token_ids = list(prompt)
    for _ in range(12):
        logits = model.prefill(np.array(token_ids), model.new_cache())
        token_ids.append(int(logits[: demo_tokenizer.size].argmax()))
    assert end.token_ids == token_ids[len(prompt) :]


def test_a_prompt_of_almost_the_whole_context_gets_one_token(
    model: Transformer, demo_tokenizer: PythiaTokenizer, eval_text: str
) -> None:
    prompt = encode_prompt(demo_tokenizer, eval_text[:20_000], 512, make_room=1)
    ((_, end),) = run(model, demo_tokenizer, prompt.token_ids.tolist(), ignore_eos=True)
    assert (len(end.token_ids), end.finish_reason, end.context_full) == (1, "length", True)


def test_prompts_are_decoded_together_and_yielded_in_order(
    model: Transformer, demo_tokenizer: PythiaTokenizer
) -> None:
    """More samples than caches; prompts of several lengths; samples end at different times."""
    texts = ["It is a truth", "Elizabeth", "", "Mr. Darcy was", *(f"Chapter {i}" for i in range(9))]
    prompts = [encode_prompt(demo_tokenizer, text, 512) for text in texts]
    options = GenerateOptions(max_tokens=12, sampling=PLAIN, stop=(",", "."), seed=3)
    events = list(generate(model, demo_tokenizer, prompts, options, 2))
    ends = [(i, event) for i, event in events if isinstance(event, Generated)]
    assert [i for i, _ in ends] == [i for i in range(len(texts)) for _ in range(2)]
    assert len({len(end.token_ids) for _, end in ends}) > 2
    alone = [
        event
        for prompt in prompts
        for _, event in generate(model, demo_tokenizer, [prompt], options, 2)
    ]
    assert [event for _, event in events if isinstance(event, str)] == [
        event for event in alone if isinstance(event, str)
    ]
    assert [end.token_ids for _, end in ends] == [
        event.token_ids for event in alone if isinstance(event, Generated)
    ]


def test_a_piece_is_yielded_before_the_next_token_is_decoded(
    demo_tokenizer: PythiaTokenizer,
) -> None:
    script = Script([*demo_tokenizer.encode("one two three").tolist(), 0])
    events = generate(
        script, demo_tokenizer, [Prompt(np.array([5]))], GenerateOptions(sampling=GREEDY), 3
    )
    assert next(events) == (0, "one")
    assert len(script.fed) == 1


@pytest.mark.parametrize("stop", ["", "\ud800", 3])
def test_a_stop_text_that_no_text_can_hold(stop: Any) -> None:
    with pytest.raises(InvalidValue, match="stop"):
        GenerateOptions(stop=["a", stop])
