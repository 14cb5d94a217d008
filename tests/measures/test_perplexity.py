"""Protocols and their numbers, the sums over a document, and whole protocols on the demo."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pythia_cli.checkpoints.float_checkpoint import FloatCheckpoint
from pythia_cli.checkpoints.int8_file import Int8File
from pythia_cli.engine.reference import Reference
from pythia_cli.engine.scores import Scores
from pythia_cli.engine.transformer import Transformer
from pythia_cli.errors import InputError, IntegrityError, UsageError
from pythia_cli.measures.perplexity import (
    PROTOCOLS,
    Document,
    Protocol,
    Totals,
    check_long_enough,
    documents,
    plan,
    score_document,
)
from pythia_cli.text.tokenizer import PythiaTokenizer

# The protocol ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "given", "made"),
    [
        ("stride", (None, None, None), (2048, 1024, False)),
        ("stride", (512, None, None), (512, 256, False)),
        ("stride", (3, None, None), (3, 1, False)),
        ("stride", (2, None, True), (2, 1, True)),
        ("stride", (None, 2048, None), (2048, 2048, False)),
        ("llama.cpp", (None, None, None), (512, 512, False)),
        ("llama.cpp", (100, 100, True), (100, 100, True)),
        ("lm-eval", (None, None, None), (2048, 2048, True)),
        ("lm-eval", (64, None, True), (64, 64, True)),
        ("document", (None, None, None), (2048, 1024, False)),
        ("document", (None, None, True), (2048, 1024, True)),
    ],
)
def test_defaults_are_filled_in(name: str, given: Any, made: Any) -> None:
    assert Protocol.make(name, 2048, *given) == Protocol(name, *made)


def test_the_context_of_llama_cpp_is_at_most_the_models() -> None:
    assert Protocol.make("llama.cpp", 128, None, None, None).context == 128


@pytest.mark.parametrize(
    ("name", "context", "stride", "bos", "words"),
    [
        ("strides", None, None, None, "--protocol is 'strides'; expected one of stride, llama"),
        ("stride", 1, None, None, "--context is 1; this model takes 2 to 2048"),
        ("stride", 0, None, None, "--context is 0"),
        ("stride", 2049, None, None, "--context is 2049"),
        ("stride", None, 0, None, "--stride is 0; expected 1 to the context of 2048"),
        ("stride", 512, 513, None, "--stride is 513; expected 1 to the context of 512"),
        ("stride", None, -1, None, "--stride is -1"),
        ("llama.cpp", None, 256, None, "--stride has no place in the llama.cpp protocol"),
        ("lm-eval", None, 256, None, "--stride has no place in the lm-eval protocol"),
        ("lm-eval", None, None, False, "--no-bos has no place in the lm-eval protocol"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(
    name: str, context: int | None, stride: int | None, bos: bool | None, words: str
) -> None:
    with pytest.raises(UsageError) as refused:
        Protocol.make(name, 2048, context, stride, bos)
    assert words in str(refused.value)


# The sums ----------------------------------------------------------------------------------------


def test_figures_follow_their_formulas() -> None:
    nll = np.array([1.0, 2.5, 0.5, 4.0])
    figures = Totals(nll.sum(), (nll**2).sum(), 4, 11, 3).figures()
    assert figures["nll"] == 8.0
    assert (figures["n_tokens"], figures["n_bytes"], figures["n_words"]) == (4, 11, 3)
    assert figures["perplexity"] == pytest.approx(math.exp(2))
    assert figures["bits_per_byte"] == pytest.approx(8 / math.log(2) / 11)
    assert figures["byte_perplexity"] == pytest.approx(math.exp(8 / 11))
    assert figures["word_perplexity"] == pytest.approx(math.exp(8 / 3))
    # The delta method: perplexity times the standard error of the mean nll, as llama.cpp states it.
    sem = math.sqrt(((nll**2).mean() - nll.mean() ** 2) / 3)
    assert figures["stderr"] == pytest.approx(math.exp(2) * sem)


def test_figures_without_a_meaning_are_none() -> None:
    one = Totals(2.0, 4.0, 1, 0, 0).figures()
    assert one["stderr"] is one["bits_per_byte"] is one["byte_perplexity"] is None
    assert one["word_perplexity"] is None
    assert Totals(3000.0, 9e6, 2, 3, 1).figures()["perplexity"] is None


def test_totals_add_up() -> None:
    total = Totals(1.0, 2.0, 3, 4, 5) + Totals(10.0, 20.0, 30, 40, 50)
    assert total == Totals(11.0, 22.0, 33, 44, 55)


def scored_document(text: str, n_bytes: list[int], scored: list[int]) -> Document:
    document = Document(text.encode(), np.arange(len(n_bytes)), np.array(n_bytes))
    document.nll[scored] = 1.0
    return document


@pytest.mark.parametrize(
    ("scored", "n_bytes", "n_words"),
    [
        ([], 0, 0),
        ([0, 1, 2, 3, 4], 17, 4),
        ([1, 2, 3, 4], 15, 4),  # "e cat sat on"; a cut word counts, as lm-eval splits what it gets
        ([2], 4, 1),
        ([1, 3], 8, 3),
        ([4], 3, 0),
    ],
)
def test_bytes_and_words_are_those_that_scored_tokens_cover(
    scored: list[int], n_bytes: int, n_words: int
) -> None:
    document = scored_document("the cat sat on   ", [2, 5, 4, 3, 3], scored)
    totals = document.totals()
    assert (totals.n_tokens, totals.n_bytes, totals.n_words) == (len(scored), n_bytes, n_words)
    assert totals.nll == len(scored)


def test_records_say_what_was_scored(demo_tokenizer: PythiaTokenizer) -> None:
    encoded = demo_tokenizer.encode_covering("It is caf\u00e9")
    document = Document("It is caf\u00e9".encode(), encoded.token_ids, encoded.n_bytes)
    document.nll[1:], document.entropy[1:], document.rank[1:] = 2.0, 3.0, 4
    records = list(document.records(demo_tokenizer, first_position=10))
    assert [record.position for record in records] == list(range(10, 10 + len(records)))
    assert [record.token_id for record in records] == encoded.token_ids.tolist()
    assert b"".join(record.data for record in records).decode() == "It is caf\u00e9"
    assert sum(record.n_bytes for record in records) == 11
    assert records[0].nll is records[0].entropy is records[0].rank is None
    assert all((r.nll, r.entropy, r.rank) == (2.0, 3.0, 4) for r in records[1:])


# Documents and what is run -------------------------------------------------------------------


class Recorder:
    """A scorer that notes what it is asked; each target's nll is its own id."""

    def __init__(self) -> None:
        self.asked: list[tuple[list[int], list[int]]] = []

    def __call__(self, token_ids: np.ndarray[Any, Any], targets: np.ndarray[Any, Any]) -> Scores:
        self.asked.append((token_ids.tolist(), targets.tolist()))
        nll = targets.astype(np.float64)
        return Scores(nll, nll + 0.5, targets + 1)


def recorded(n: int, protocol: Protocol) -> tuple[Document, Recorder]:
    """n tokens 100, 101, ... scored by this protocol, with 0 for the BOS."""
    document = Document(b"x" * n, np.arange(100, 100 + n), np.ones(n, np.int64))
    recorder, told = Recorder(), []
    score_document(document, protocol, 0, recorder, told.append)
    scored = ~np.isnan(document.nll)
    assert sum(told) == scored.sum()
    np.testing.assert_array_equal(document.nll[scored], document.token_ids[scored])
    np.testing.assert_array_equal(document.entropy[scored], document.token_ids[scored] + 0.5)
    np.testing.assert_array_equal(document.rank[scored], document.token_ids[scored] + 1)
    assert (document.rank[~scored] == -1).all()
    return document, recorder


def test_stride_without_bos_leaves_the_first_token_out() -> None:
    document, recorder = recorded(5, Protocol("stride", 4, 2, False))
    assert recorder.asked == [([100, 101, 102], [101, 102, 103]), ([102, 103], [104])]
    assert np.isnan(document.nll).tolist() == [True, False, False, False, False]


def test_stride_with_bos_scores_every_token() -> None:
    document, recorder = recorded(5, Protocol("stride", 4, 2, True))
    assert recorder.asked == [([0, 100, 101], [100, 101, 102]), ([101, 102, 103], [103, 104])]
    assert not np.isnan(document.nll).any()


def test_llama_cpp_puts_the_bos_in_the_first_tokens_place() -> None:
    _, without = recorded(9, Protocol("llama.cpp", 4, 4, False))
    assert without.asked == [([100, 101, 102], [103]), ([104, 105, 106], [107])]
    _, with_bos = recorded(9, Protocol("llama.cpp", 4, 4, True))
    assert with_bos.asked == [([0, 101, 102], [103]), ([0, 105, 106], [107])]


def test_lm_eval_begins_with_the_bos_and_scores_every_token() -> None:
    document, recorder = recorded(6, Protocol("lm-eval", 4, 4, True))
    assert recorder.asked == [
        ([0, 100, 101, 102], [100, 101, 102, 103]),
        ([101, 102, 103, 104], [104, 105]),
    ]
    assert not np.isnan(document.nll).any()


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("n", [0, 1])
def test_a_text_of_no_scored_token_runs_nothing(protocol: str, n: int) -> None:
    made = Protocol.make(protocol, 16, None, None, None)
    document, recorder = recorded(n, made)
    assert len(recorder.asked) == (1 if protocol == "lm-eval" and n == 1 else 0)
    assert len(plan(document, made)) == len(recorder.asked)


def test_an_nll_that_is_no_number_is_an_error() -> None:
    document = Document(b"xx", np.array([1, 2]), np.ones(2, np.int64))
    nothing = Scores(np.array([np.nan]), np.array([0.0]), np.array([0]))
    with pytest.raises(IntegrityError, match="NaN"):
        score_document(document, Protocol("stride", 4, 2, False), 0, lambda t, s: nothing)


def test_lines_are_documents_in_that_protocol_only(demo_tokenizer: PythiaTokenizer) -> None:
    text = "one line\n\n  \nand another\r\nlast"
    by_line = documents(text, Protocol.make("document", 64, None, None, None), demo_tokenizer)
    assert [document.text for document in by_line] == [b"one line", b"and another", b"last"]
    (whole,) = documents(text, Protocol.make("stride", 64, None, None, None), demo_tokenizer)
    assert whole.text == text.encode()
    assert whole.n_bytes.sum() == len(text)


def test_a_text_too_short_says_what_is_needed() -> None:
    stride = Protocol.make("stride", 2048, None, None, None)
    llama = Protocol.make("llama.cpp", 2048, None, None, None)
    check_long_enough("x", 1, 2, stride)
    for protocol, n, words in ((stride, 0, "empty"), (stride, 1, "at least 2"), (llama, 9, "512")):
        with pytest.raises(InputError, match=words):
            check_long_enough("x", 0, n, protocol)


# Whole protocols on the demo -----------------------------------------------------------------


@pytest.fixture(scope="module")
def model(demo_int8: Int8File) -> Iterator[Transformer]:
    model = Transformer(demo_int8, 2)
    yield model
    model.close()


@pytest.fixture(scope="module")
def reference(demo_folder: Callable[[int], Path]) -> Reference:
    return Reference.from_checkpoint(FloatCheckpoint(demo_folder(3000)))


def int8_scorer(model: Transformer) -> Callable[..., Scores]:
    return lambda token_ids, targets: model.score(token_ids, targets, model.new_cache())


def scored(
    text: str, protocol: Protocol, tokenizer: PythiaTokenizer, scorer: Callable[..., Scores]
) -> Document:
    (document,) = documents(text, protocol, tokenizer)
    score_document(document, protocol, tokenizer.end_of_text, scorer)
    return document


def nll_of_last(reference: Reference, token_ids: np.ndarray[Any, Any], target: int) -> float:
    """-log p(target), from the logits after token_ids."""
    z = reference.logits(token_ids)[-1].astype(np.float64)
    return float(np.log(np.exp(z - z.max()).sum()) + z.max() - z[target])


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_stride_1_is_every_token_given_all_before_it(
    model: Transformer,
    reference: Reference,
    demo_int8: Int8File,
    demo_tokenizer: PythiaTokenizer,
    eval_text: str,
    dtype: str,
) -> None:
    """A computation token by token: of the same model, or of the dequantized one for int8."""
    text, context = eval_text[:600], 48
    twin = reference if dtype == "float32" else Reference.from_int8(demo_int8)
    scorer = reference.score if dtype == "float32" else int8_scorer(model)
    protocol = Protocol.make("stride", 512, context, 1, None)
    document = scored(text, protocol, demo_tokenizer, scorer)
    ids = document.token_ids
    assert len(ids) > 2 * context
    nll = [nll_of_last(twin, ids[max(0, i - context + 1) : i], ids[i]) for i in range(1, len(ids))]
    assert document.totals().nll == pytest.approx(sum(nll), rel=1e-4)
    assert np.abs(document.nll[1:] - nll).max() <= (1e-4 if dtype == "float32" else 5e-3)


def test_llama_cpp_is_a_plain_computation_from_float_logits(
    model: Transformer, reference: Reference, demo_tokenizer: PythiaTokenizer, eval_text: str
) -> None:
    text, context = eval_text[:30_000], 512
    protocol = Protocol.make("llama.cpp", 512, None, None, None)
    document = scored(text, protocol, demo_tokenizer, int8_scorer(model))
    ids, nll = document.token_ids, []
    for chunk in range(len(ids) // context):
        tokens = ids[chunk * context : (chunk + 1) * context]
        z = reference.logits(tokens).astype(np.float64)
        log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        nll += [-log_p[i, tokens[i + 1]] for i in range(context // 2, context - 1)]
    figures = document.totals().figures()
    assert figures["n_tokens"] == len(nll) == len(ids) // context * 255
    assert figures["perplexity"] == pytest.approx(math.exp(np.mean(nll)), rel=1e-3)


def test_lm_eval_covers_the_whole_text(
    model: Transformer, demo_tokenizer: PythiaTokenizer, eval_text: str
) -> None:
    text = eval_text[:5000]
    protocol = Protocol.make("lm-eval", 512, None, None, None)
    totals = scored(text, protocol, demo_tokenizer, int8_scorer(model)).totals()
    assert totals.n_tokens == len(demo_tokenizer.encode(text))
    assert totals.n_bytes == len(text.encode())
    assert totals.n_words == len(text.split())


def test_bits_per_byte_of_the_demo_are_the_published_ones(
    reference: Reference, demo_tokenizer: PythiaTokenizer, eval_text: str
) -> None:
    """24 windows of 512 tokens, first tokens unscored, at the bytes a token of the whole text."""
    encoded = demo_tokenizer.encode_covering(eval_text)
    n = 24 * 512
    text = eval_text.encode()[: encoded.n_bytes[:n].sum()]
    document = Document(text, encoded.token_ids[:n], encoded.n_bytes[:n])
    protocol = Protocol.make("stride", 512, 512, 512, None)
    score_document(document, protocol, 0, reference.score)
    figures = document.totals().figures()
    assert figures["n_tokens"] == 24 * 511
    nll_per_token = figures["nll"] / figures["n_tokens"]
    assert nll_per_token == pytest.approx(3.6415, abs=1e-3)
    bytes_per_token = len(eval_text.encode()) / len(encoded.token_ids)
    assert nll_per_token / math.log(2) / bytes_per_token == pytest.approx(1.428, abs=1e-3)
    assert figures["bits_per_byte"] == pytest.approx(1.428, rel=0.01)
