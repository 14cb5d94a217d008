"""An open model: its methods agree with each other, and it closes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import pythia_cli
from pythia_cli.engine.generate import Generated, GenerateOptions
from pythia_cli.errors import InputError, InvalidValue, PromptTooLong, PythiaError, UsageError
from pythia_cli.library.model import Model
from tests.reporting import Recording

TEXTS = ["It was not a small one.", "", "a", "She looked at him and said nothing.", "It was not"]


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with pythia_cli.load("demo", step=3000) as opened:
        yield opened


@pytest.mark.parametrize("bos", [False, True])
def test_a_batch_has_the_bits_of_its_texts(model: Model, eval_text: str, bos: bool) -> None:
    texts = [*TEXTS, eval_text[:4000], eval_text[:900], *eval_text[4000:9000].split("\n\n")]
    for text, batched in zip(texts, model.score_batch(texts, bos=bos), strict=True):
        alone = model.score(text, bos=bos)
        assert (batched.text, alone.text) == (text, text)
        for column in ("token_ids", "n_bytes", "nll", "entropy", "rank"):
            np.testing.assert_array_equal(getattr(batched, column), getattr(alone, column))
        n = len(alone.token_ids)
        assert alone.is_scored.sum() == (n if bos else max(n - 1, 0))


def test_an_empty_batch_is_empty(model: Model) -> None:
    assert model.score_batch([]) == []


def test_scores_follow_from_logits(model: Model) -> None:
    scored = model.score("She looked at him and said nothing.")
    logits = model.logits("She looked at him and said nothing.")
    assert logits.shape == (len(scored.token_ids), model.config.d_vocab)
    z = logits[:-1].astype(np.float64)
    target = z[np.arange(len(z)), scored.token_ids[1:]]
    nll = np.log(np.exp(z - z.max(axis=1, keepdims=True)).sum(axis=1)) + z.max(axis=1) - target
    np.testing.assert_allclose(scored.nll[1:], nll, rtol=1e-5)
    np.testing.assert_array_equal(scored.rank[1:], (z > target[:, None]).sum(axis=1))
    np.testing.assert_array_equal(model.logits(scored.token_ids.tolist()), logits)


def test_windows_are_those_of_the_stride_protocol(model: Model, eval_text: str) -> None:
    text = eval_text[:3000]
    scored = model.score(text, context=100, stride=30)
    (expected,) = pythia_cli.perplexity(model, text, context=100, stride=30).texts
    np.testing.assert_array_equal(scored.nll, expected.nll)
    for sizes in (
        {"context": 1},
        {"context": 100.0},
        {"stride": 1.5},
        {"context": 513},
        {"stride": 0},
        {"context": 9, "stride": 10},
    ):
        with pytest.raises(InvalidValue):
            model.score(text, **sizes)


def test_samples_are_the_same_alone_and_together(model: Model) -> None:
    options = GenerateOptions(max_tokens=8, seed=3)
    prompts = ["It was", "She looked at him and"]
    batch = model.generate_batch(prompts, options, num_samples=2)
    assert [sample.text for sample in batch[::2]] == [
        model.generate(prompt, max_tokens=8, seed=3).text for prompt in prompts
    ]
    streamed: dict[int, str] = {0: "", 1: ""}
    for index, event in model.stream(prompts, options):
        if not isinstance(event, Generated):
            streamed[index] += event
    assert list(streamed.values()) == [sample.text for sample in batch[::2]]


def test_a_seed_is_drawn_where_none_is_given(model: Model) -> None:
    texts = {model.generate("It was", max_tokens=20).text for _ in range(3)}
    assert len(texts) > 1


def test_a_prompt_that_is_too_long_is_named_by_its_place(model: Model) -> None:
    with pytest.raises(PromptTooLong) as caught:
        model.stream(["It was", "a " * 600])
    assert caught.value.index == 1
    for n, n_kept in ((1, 511), (40, 472), (511, 128)):
        kept = model.generate("a " * 600, max_tokens=n, truncate_prompt=True)
        assert kept.n_prompt_tokens == n_kept
        assert kept.n_prompt_tokens_cut == kept.to_dict()["n_prompt_tokens_cut"] > 0


def test_tokens_and_text(model: Model) -> None:
    text = "It is a caf\u00e9, \U0001f701"
    encoded = model.tokenize(text)
    assert encoded.n_bytes.sum() == len(text.encode())
    assert model.decode(encoded.token_ids.tolist()) == text
    with pythia_cli.load("demo", plain_text=True) as plain:
        special = "<|endoftext|>"
        assert len(model.tokenize(special).token_ids) == 1 < len(plain.tokenize(special).token_ids)


def test_what_has_no_logits(model: Model) -> None:
    for text in ("", "a " * 600, [4096], [-1]):
        with pytest.raises(UsageError):
            model.logits(text)


def test_a_closed_model_says_so_and_its_threads_end() -> None:
    before = set(threading.enumerate())
    model = pythia_cli.load("demo", n_threads=2)
    model.score("It was")
    own = set(threading.enumerate()) - before
    assert own
    model.close()
    model.close()
    for thread in own:
        thread.join(timeout=10)
    assert not any(thread.is_alive() for thread in own)
    with pytest.raises(UsageError, match="closed"):
        model.score("It was")
    with pytest.raises(UsageError, match="closed"):
        model.generate("It was")


def test_several_may_be_open() -> None:
    with pythia_cli.load("demo", 512) as early, pythia_cli.load("demo", 3000) as late:
        first = early.score("It was not").nll[1:], late.score("It was not").nll[1:]
        again = early.score("It was not").nll[1:], late.score("It was not").nll[1:]
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(*first)


def test_float32_scores_and_does_not_generate(eval_text: str) -> None:
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    with (
        pythia_cli.load("demo", dtype="float32", n_threads=1) as exact,
        pythia_cli.load("demo") as int8,
    ):
        texts = [eval_text[:1500], *TEXTS]
        pairs = zip(exact.score_batch(texts), int8.score_batch(texts), strict=True)
        for a, b in pairs:
            np.testing.assert_array_equal(a.is_scored, b.is_scored)
            np.testing.assert_allclose(a.nll, b.nll, atol=0.2)
        np.testing.assert_allclose(exact.logits("It was"), int8.logits("It was"), atol=0.5)
        with pytest.raises(UsageError, match="int8 only"):
            exact.generate("It was")
    assert torch.get_num_threads() == before


def test_progress_is_reported() -> None:
    reporter = Recording()
    with pythia_cli.load("demo", reporter=reporter) as model:
        n_scored = sum(len(text.token_ids) for text in model.score_batch(TEXTS, bos=True))
    assert reporter.of("scoring").total == reporter.of("scoring").done == n_scored


def test_a_stream_of_a_closed_model_says_so() -> None:
    model = pythia_cli.load("demo")
    events = model.stream(["It was"], GenerateOptions(max_tokens=9))
    next(events)
    model.close()
    with pytest.raises(UsageError, match="closed"):
        list(events)


@pytest.mark.parametrize("n_threads", [0, -1, 1.5, "2", True, 100_000])
def test_a_number_of_threads_that_makes_no_sense(n_threads: int) -> None:
    with pytest.raises(InvalidValue, match="n_threads"):
        pythia_cli.load("demo", n_threads=n_threads)


@pytest.mark.parametrize(
    "options",
    [
        {"max_tokens": 0},
        {"max_tokens": -1},
        {"max_tokens": 2.5},
        {"seed": -1},
        {"top_k": 1.5},
        {"stop": "the"},
        {"stop": [5]},
        {"stop": None},
        {"temperature": -1.0},
        *({name: "1"} for name in ("temperature", "top_k", "top_p", "min_p", "repetition_penalty")),
        {"temperature": None},
        {"top_p": [1]},
    ],
)
def test_options_that_make_no_sense(model: Model, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue, match=next(iter(options))):
        model.generate("It was", **options)


@pytest.mark.parametrize("texts", ["It was", 5, None])
def test_what_is_no_list_of_texts(model: Model, texts: Any) -> None:
    with pytest.raises(InvalidValue, match="prompts"):
        model.generate_batch(texts)
    with pytest.raises(InvalidValue, match="texts"):
        model.score_batch(texts)


def test_no_prompts_and_no_samples(model: Model) -> None:
    assert model.generate_batch([]) == []
    with pytest.raises(InvalidValue, match="num_samples"):
        model.generate_batch(["It was"], num_samples=0)


def test_a_drawn_seed_gives_the_text_again(model: Model) -> None:
    sample = model.generate("It was", max_tokens=8)
    assert model.generate("It was", max_tokens=8, seed=sample.seed).text == sample.text


@pytest.mark.parametrize("text", ["\ud800", b"bytes", None, 3])
def test_what_is_no_text(model: Model, text: Any) -> None:
    for method in (model.score, model.tokenize):
        with pytest.raises(InputError, match=r"UTF-8|expected a text"):
            method(text)
    with pytest.raises(PythiaError):  # of what is no str, that token ids may be given too
        model.generate(text)


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_ids_that_the_model_does_not_have(dtype: Any) -> None:
    if dtype == "float32":
        pytest.importorskip("torch")
    with pythia_cli.load("demo", dtype=dtype) as opened:
        for ids in ([10**6], [-1], [1.5], [2**70], [[1, 2]], []):
            with pytest.raises(UsageError):
                opened.logits(ids)
        for ids in ([10**9], [-1], ["a"]):
            with pytest.raises(UsageError):
                opened.decode(ids)
        assert opened.decode([]) == ""


def test_results_can_be_compared_and_kept_in_sets(model: Model) -> None:
    a, b = model.score("It was"), model.score("It was")
    assert a == a
    assert a != b
    assert len({a, b}) == 2
