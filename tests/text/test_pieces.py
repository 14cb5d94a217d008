"""A text cut into pieces has the tokens of the whole, and Ctrl-C does not wait for them."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import unicodedata
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pythia_cli.errors import InputError
from pythia_cli.text import batches as batches_module
from pythia_cli.text import pieces as pieces_module
from pythia_cli.text import tokenizer as tokenizer_module
from pythia_cli.text.batches import encoded_batches
from pythia_cli.text.pieces import (
    DIGIT,
    LETTER,
    OTHER,
    SPACE,
    character_classes,
    inner_characters,
    pieces,
)
from pythia_cli.text.tokenizer import PythiaTokenizer
from tests.reporting import Recording
from tests.text.test_tokenizer import FILES, PLAIN, TOKENIZERS, both

# What the tokenizer looks at: white space of all kinds, contractions, classes of characters, marks
# that join, and added tokens, whole and broken.
PARTS = [
    *(" ", "  ", "   ", "\n", "\r\n", "\t", "\x0b", "\x1c", "\x85", "\xa0", "\u2003", "\u3000"),
    *("a", "b", "E", "nd", "the", "0", "59", ".", ",", ";", "!", "?", "'", "'s", "'ll", "x's", "-"),
    *("<|endoftext|>", "<|padding|>", "[PAD]", "<|end", "oftext|>", "<", "|", ">", "[", "]"),
    *("\u0301", "\u0323", "\u0338", "e\u0301", "\u212b", "\u037e", "\u1100\u1161", "\u11a8"),
    *("\u6211\u4eec", "\u3002", "\u0434\u0430", "\u00b2", "\u0661", "\U0001f469", "\x00", "\u200b"),
    *(
        "\uff0c",
        "\u300c",
        "\u3010",
        "\u304b",
        "\u3099",
        "\u30ab",
        "\u30fc",
        "\uac00",
        "\u11a7",
        "\uff11",
    ),
    *(
        "\u0e17",
        "\u0e35",
        "\u0e48",
        "\u0f56",
        "\u0f0b",
        "\u0f72",
        "\u0995",
        "\u09c7",
        "\u09be",
        "\u0967",
    ),
    *(
        "\u0643",
        "\u0653",
        "\u0627",
        "\u060c",
        "\u1039",
        "\u102e",
        "\u1025",
        "\u017f",
        "\u2019",
        "\ufeff",
    ),
]
texts = st.lists(st.sampled_from(PARTS) | st.characters(codec="utf-8"), max_size=30).map("".join)


def whole(tokenizer: PythiaTokenizer, text: str) -> list[int]:
    """The library's tokens of the whole text."""
    ids: list[int] = tokenizer._tokenizer.encode(text, add_special_tokens=False).ids
    return ids


@pytest.fixture
def tiny_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizer_module, "_PIECE", 1)


@both
@pytest.mark.parametrize("tokenizers", [TOKENIZERS, PLAIN], ids=["special", "plain"])
@given(text=texts)
def test_a_text_in_pieces_has_the_same_tokens(
    name: str, tokenizers: dict[str, PythiaTokenizer], text: str
) -> None:
    tokenizer = tokenizers[name]
    inner = inner_characters(token.content for token in tokenizer._added.values())
    for size in (1, 4):
        parts = list(pieces(text, size, inner))
        assert "".join(parts) == text
        assert all(len(part) >= size for part in parts[:-1])
        assert [i for part in parts for i in whole(tokenizer, part)] == whole(tokenizer, text)


DOLLY = ["### End", "### Instruction:", "### Response:\n", "a5", "\u00e9 x", ".9", "\n\n"]
DOLLY += ["\u3002\u6211", "\u6211\uff0c", "\u0434e\u0301", "\u0434.\u212b"]


@given(text=st.lists(st.sampled_from([*PARTS, *DOLLY]), max_size=30).map("".join))
def test_other_added_tokens_are_not_cut(text: str) -> None:
    tokenizer = with_added(DOLLY)
    inner = inner_characters(token.content for token in tokenizer._added.values())
    parts = list(pieces(text, 1, inner))
    assert [i for part in parts for i in whole(tokenizer, part)] == whole(tokenizer, text)


def with_added(contents: list[str], **flags: Any) -> PythiaTokenizer:
    """The demo's tokenizer with more added tokens."""
    content = json.loads(FILES["demo"].read_text(encoding="utf-8"))
    for token in contents:
        content["added_tokens"].append(
            content["added_tokens"][0]
            | {"id": len(content["added_tokens"]) + 4053, "content": token, "normalized": True}
            | flags
        )
    return PythiaTokenizer(FILES["demo"], content=json.dumps(content).encode())


def test_ordinary_text_is_cut_often(eval_text: str) -> None:
    for added in (["<|endoftext|>", "  "], DOLLY):
        parts = list(pieces(eval_text, 100, inner_characters(added)))
        assert len(eval_text) / len(parts) < 150


@pytest.mark.parametrize(
    "sentence",
    [
        "\u6211\u4eec\u90fd\u662f\u4eba\uff0c\u4f60\u4eec\u4e5f\u662f\u3002",  # Chinese
        "\u543e\u8f29\u306f\u732b\u3067\u3042\u308b\u3002",  # Japanese
        "\u0f56\u0f7c\u0f51\u0f0b\u0f61\u0f72\u0f42\u0f0b",  # Tibetan
        "\u0e1b\u0e35\u0e17\u0e35\u0e48\u0e41\u0e25\u0e49\u0e27",  # Thai
    ],
)
def test_text_without_spaces_is_cut_too(sentence: str) -> None:
    assert max(map(len, pieces(sentence * 100, 50, frozenset()))) < 50 + len(sentence)


def test_a_long_word_is_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces_module, "LONGEST_WORD", 990)
    assert list(pieces("x" * 1000, 10, frozenset())) == ["x" * 1000]
    for text in ("x" * 1001, "a " * 99 + "\u6211" * 400, "x" * 1500 + " a"):
        with pytest.raises(InputError, match="text: has a word of more than"):
            list(pieces(text, 10, frozenset()))


PRE_TOKENIZED = {LETTER: "a", DIGIT: "1", OTHER: "."}


def test_classes_are_those_of_the_tokenizers_library() -> None:
    """Every character whose class is known makes one word with one of its class, in any order."""
    library = TOKENIZERS["demo"]._tokenizer
    split = library.pre_tokenizer.pre_tokenize_str
    classes = character_classes()
    for same, other in PRE_TOKENIZED.items():
        found = list(map(chr, np.flatnonzero(classes == same)))
        assert len(found) > 200
        for character in found:
            assert library.normalizer.normalize_str(character) == character
            assert len(split(f"{other}{character}{other}")) == 1
    for character in map(chr, np.flatnonzero(classes == SPACE)):
        assert len(split(f"a{character}")) == 2
        assert len(split(f"{character} ")) == 1


@pytest.mark.usefixtures("tiny_pieces")
@both
def test_ids_and_bytes_are_those_of_the_whole(
    name: str, eval_text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = eval_text[:2000] + " nai\u0308ve \U0001f469<|endoftext|> " + eval_text[:500]
    tokenizer = TOKENIZERS[name]
    encoded = tokenizer.encode_covering(text)
    assert encoded.token_ids.tolist() == tokenizer.encode(text).tolist() == whole(tokenizer, text)
    assert encoded.token_ids.dtype == encoded.n_bytes.dtype == np.int64
    assert encoded.n_bytes.sum() == len(text.encode())
    monkeypatch.setattr(tokenizer_module, "_PIECE", 1 << 20)
    assert tokenizer.encode_covering(text).n_bytes.tolist() == encoded.n_bytes.tolist()


@pytest.mark.usefixtures("tiny_pieces")
@pytest.mark.parametrize("flag", ["rstrip", "single_word"])
def test_tokens_that_look_beside_them_forbid_cuts(flag: str) -> None:
    tokenizer = with_added(["mask"], **{flag: True})
    text = "a mask  b mask, bmask mask"
    assert tokenizer.encode(text).tolist() == whole(tokenizer, text)
    assert tokenizer.encode_covering(text).n_bytes.sum() == len(text)


@pytest.mark.usefixtures("tiny_pieces")
def test_the_text_is_looked_at_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C waits for each."""
    whole_check, lengths = unicodedata.is_normalized, []

    def is_normalized(form: Literal["NFC"], text: str) -> bool:
        lengths.append(len(text))
        return whole_check(form, text)

    monkeypatch.setattr(unicodedata, "is_normalized", is_normalized)
    TOKENIZERS["demo"].encode_covering("\u09ac\u09be\u0982\u09b2\u09be " * 1000)
    assert 0 < max(lengths) < 10


@pytest.mark.usefixtures("tiny_pieces")
def test_lone_surrogates_are_refused_in_any_piece() -> None:
    with pytest.raises(InputError, match="lone surrogates"):
        TOKENIZERS["demo"].encode_covering("some words " * 20 + "\ud800 more")


def test_a_large_text_is_a_task_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizer_module, "_LARGE", 100)
    reporter = Recording()
    tokenizer = PythiaTokenizer(FILES["demo"], reporter=reporter)
    text = "caf\u00e9 au lait\n" * 50
    tokenizer.encode_covering(text)
    task = reporter.of("tokenizing")
    assert task.total == task.done == len(text.encode())
    assert task.ended
    tokenizer.encode_covering("short")
    assert len(reporter.tasks) == 1


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches_module, "_IN_A_BATCH", 10)


@pytest.mark.usefixtures("small_batches")
def test_batches_come_in_order() -> None:
    texts = [str(i) for i in range(100)]
    batches = list(encoded_batches(lambda batch: [text * 2 for text in batch], texts))
    assert [text for some, _ in batches for text in some] == texts
    assert all(made == [text * 2 for text in some] for some, made in batches)


@pytest.mark.usefixtures("small_batches")
def test_a_batch_has_few_characters_or_one_text() -> None:
    texts = ["abc", "defg", "hij", "k" * 30, "l" * 30, "", "m"]
    batches = [some for some, _ in encoded_batches(list, texts)]
    assert batches == [["abc", "defg", "hij"], ["k" * 30], ["l" * 30], ["", "m"]]


def test_a_batch_has_few_texts() -> None:
    assert [len(some) for some, _ in encoded_batches(list, [""] * 2500)] == [1024, 1024, 452]


def test_an_error_in_a_batch_is_raised() -> None:
    def fail(batch: list[str]) -> list[Any]:
        raise ValueError("in the library")

    with pytest.raises(ValueError, match="in the library"):
        list(encoded_batches(fail, ["a"]))


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize(("n_processors", "n_threads"), [(1, 1), (3, 3), (99, 4)])
def test_as_many_batches_at_a_time_as_processors(
    monkeypatch: pytest.MonkeyPatch, n_processors: int, n_threads: int
) -> None:
    monkeypatch.setattr(batches_module.cores, "n_threads", lambda: n_processors)
    together = threading.Barrier(n_threads)
    texts = [str(i) * 10 for i in range(10 * n_threads)]

    def encode(batch: list[str]) -> list[str]:
        together.wait(60)
        return batch

    assert [text for some, _ in encoded_batches(encode, texts) for text in some] == texts


@pytest.mark.usefixtures("small_batches")
def test_leaving_does_not_wait_for_a_batch() -> None:
    """As Ctrl-C does: an exception in the caller while a batch is encoded."""
    begun, may_end = threading.Event(), threading.Event()

    def encode(batch: list[str]) -> list[Any]:
        if batch[0] != "1000":
            begun.set()
            assert may_end.wait(60)
        return batch

    found = encoded_batches(encode, map(str, range(1000, 9999)))
    next(found)
    assert begun.wait(60)
    found.close()  # type: ignore[attr-defined]
    assert not may_end.is_set()
    may_end.set()


LONG_WORD = """
import os, signal, sys, threading, time
from pathlib import Path
from pythia_cli.text.tokenizer import PythiaTokenizer
tokenizer = PythiaTokenizer(Path(sys.argv[1]))

def works():
    return any(thread.name.startswith("pythia-tokenizing") for thread in threading.enumerate())

def interrupt():
    while not works():
        time.sleep(0.01)
    time.sleep(0.1)
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=interrupt).start()
try:
    tokenizer.encode("x" * 8_000_000)
except KeyboardInterrupt:
    print(works(), flush=True)
    os._exit(0)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a signal is sent to the process")
def test_ctrl_c_reaches_a_caller_who_tokenizes() -> None:
    """At once: the library, which knows no signals, still works on a word that cannot be cut."""
    done = subprocess.run(
        [sys.executable, "-c", LONG_WORD, FILES["demo"]],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr, done.returncode) == ("True\n", "", 0)
