"""Protocols, their numbers, and what each runs and scores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

import numpy as np
import pytest

from pythia_cli.engine.documents import count_scored
from pythia_cli.engine.scored_text import ScoredText
from pythia_cli.engine.scorer import score_plans
from pythia_cli.engine.scores import Scores
from pythia_cli.engine.targets import NO_TARGET, TargetedText
from pythia_cli.engine.text_plan import TextPlan
from pythia_cli.errors import InputError, IntegrityError, InvalidValue
from pythia_cli.measures import protocols
from pythia_cli.measures.protocols import PROTOCOLS, Protocol
from pythia_cli.reporting import Task
from pythia_cli.text.encoded import Encoded
from pythia_cli.text.tokenizer import PythiaTokenizer
from tests.conftest import DEMO
from tests.reporting import Counted, Recording

# Their numbers -----------------------------------------------------------------------------------


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
        ("strides", None, None, None, "protocol is 'strides'; expected one of stride, llama"),
        ("stride", 1, None, None, "context is 1; expected 2 to 2048"),
        ("stride", 0, None, None, "context is 0"),
        ("stride", 2049, None, None, "context is 2049"),
        ("stride", None, 0, None, "stride is 0; expected 1 to the context of 2048"),
        ("stride", 512, 513, None, "stride is 513; expected 1 to the context of 512"),
        ("stride", None, -1, None, "stride is -1"),
        ("llama.cpp", None, 256, None, "stride is 256; expected none: the llama.cpp protocol"),
        ("lm-eval", None, 256, None, "stride is 256; expected none: the lm-eval protocol"),
        ("lm-eval", None, None, False, "bos is False; expected true: the lm-eval protocol"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(
    name: str, context: int | None, stride: int | None, bos: bool | None, words: str
) -> None:
    with pytest.raises(InvalidValue) as refused:
        Protocol.make(name, 2048, context, stride, bos)
    assert words in str(refused.value)


# What is run -------------------------------------------------------------------------------------


class Recorder:
    """A scorer that notes what it is asked; each target's nll is its own id."""

    def __init__(self) -> None:
        self.asked: list[tuple[list[int], list[int]]] = []

    def score(
        self, texts: Sequence[TargetedText], task: Task, members: np.ndarray | None = None
    ) -> list[Scores]:
        found = []
        for token_ids, targets in texts:
            assert len(token_ids) == len(targets)
            targets = targets[targets != NO_TARGET]
            self.asked.append((token_ids.tolist(), targets.tolist()))
            task.advance(len(targets))
            nll = targets.astype(np.float64)
            found.append(Scores(nll, nll + 0.5, targets + 1, -nll))
        return found


class Letters:
    """A tokenizer of single characters: 100, 101, ... in order, and 0 for the end of text."""

    end_of_text = 0

    def encode_covering(self, text: str) -> Encoded:
        return Encoded(np.arange(100, 100 + len(text)), np.ones(len(text), np.int64))

    def encode_each(self, texts: Iterable[str]) -> Iterator[tuple[Encoded, list[int]]]:
        return ((self.encode_covering(text), [len(text)]) for text in texts)


def plans_of(n: int, protocol: Protocol) -> Sequence[TextPlan]:
    text, letters = "x" * n, cast(PythiaTokenizer, Letters())
    if protocol.name == "document":
        return protocol._plan_lines(text, letters)
    return [protocol._plan_one(text, letters)]


def recorded(n: int, protocol: Protocol) -> tuple[ScoredText, Recorder]:
    """n tokens 100, 101, ... scored by this protocol, with 0 for the BOS."""
    recorder, task = Recorder(), Counted()
    (document,) = score_plans(plans_of(n, protocol), recorder, task)
    scored = document.is_scored
    assert task.done == scored.sum()
    np.testing.assert_array_equal(document.nll[scored], document.token_ids[scored])
    np.testing.assert_array_equal(document.entropy[scored], document.token_ids[scored] + 0.5)
    np.testing.assert_array_equal(document.rank[scored], document.token_ids[scored] + 1)
    assert (np.isnan(document.nll) == ~scored).all()
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
    recorder, plans = Recorder(), plans_of(n, Protocol.make(protocol, 16))
    score_plans(plans, recorder, Task())
    assert len(recorder.asked) == (1 if protocol == "lm-eval" and n == 1 else 0)
    assert count_scored(plans) == len(recorder.asked)


def test_several_texts_get_their_own_scores() -> None:
    protocol = Protocol("stride", 4, 2, False)
    plans = [plan for n in (5, 0, 1, 7) for plan in plans_of(n, protocol)]
    texts = score_plans(plans, Recorder(), Task())
    assert [int(text.is_scored.sum()) for text in texts] == [4, 0, 0, 6]
    for text in texts:
        np.testing.assert_array_equal(text.nll[1:], text.token_ids[1:])


def test_an_nll_that_is_no_number_is_an_error() -> None:
    class Broken:
        def score(
            self, texts: Sequence[TargetedText], task: Task, members: np.ndarray | None = None
        ) -> list[Scores]:
            return [Scores(*map(np.array, ([np.nan], [0.0], [0], [0.0])))]

    with pytest.raises(IntegrityError, match="NaN"):
        score_plans(plans_of(2, Protocol("stride", 4, 2, False)), Broken(), Task())


def test_lines_are_documents_in_that_protocol_only(demo_tokenizer: PythiaTokenizer) -> None:
    text = "one line\n\n  \nand another\r\nlast"
    by_line = Protocol.make("document", 64).plan(text, demo_tokenizer)
    assert [plan.text for plan in by_line] == ["one line", "and another", "last"]
    (whole,) = Protocol.make("stride", 64).plan(text, demo_tokenizer)
    assert whole.text == text
    assert whole.encoded.n_bytes.sum() == len(text)


@pytest.mark.parametrize(
    ("protocol", "text", "words"),
    [
        ("stride", "", "empty"),
        ("document", "\n\n", "empty"),
        ("stride", "a", "at least 2"),
        ("llama.cpp", "a few words", "512"),
    ],
)
def test_a_text_too_short_says_what_is_needed(
    demo_tokenizer: PythiaTokenizer, protocol: str, text: str, words: str
) -> None:
    with pytest.raises(InputError, match=rf"here\.txt: .*{words}"):
        Protocol.make(protocol, 2048).plan(text, demo_tokenizer, "here.txt")


@pytest.mark.parametrize("name", PROTOCOLS)
def test_an_error_of_the_tokenizer_names_the_text(
    name: str, demo_tokenizer: PythiaTokenizer
) -> None:
    protocol = Protocol.make(name, 256, None, None, None)
    with pytest.raises(InputError, match=r"^book\.txt: has lone surrogates"):
        protocol.plan("It was\ud800 not", demo_tokenizer, "book.txt")


def test_many_lines_are_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocols, "_MANY_LINES", 3)
    reporter = Recording()
    tokenizer = PythiaTokenizer(DEMO / "step3000" / "tokenizer.json", reporter=reporter)
    protocol = Protocol.make("document", 64)
    protocol.plan("one line\n\nand another\n", tokenizer)
    assert reporter.tasks == []
    protocol.plan("one line\n\nand another\nlast\n", tokenizer)
    task = reporter.of("tokenizing")
    assert (task.done, task.total, task.ended) == (3, 3, True)
