"""A text cut into pieces has the tokens of the whole, and Ctrl-C does not wait for them."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pythia_cli.errors import InputError
from pythia_cli.text import tokenizer as tokenizer_module
from pythia_cli.text.batches import encoded_batches
from pythia_cli.text.pieces import inner_characters, pieces
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
    chinese = "\u6211\u4eec\u90fd\u662f\u4eba\u3002\n" * 100
    assert len(list(pieces(chinese, 50, frozenset()))) > 10


def test_a_long_word_is_one_piece() -> None:
    assert list(pieces("x" * 1000, 10, frozenset())) == ["x" * 1000]


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


def test_batches_come_in_order() -> None:
    texts = [str(i) for i in range(100)]
    pairs = list(encoded_batches(lambda batch: [text * 2 for text in batch], texts))
    assert pairs == [(text, text * 2) for text in texts]


def test_an_error_in_a_batch_is_raised() -> None:
    def fail(batch: list[str]) -> list[Any]:
        raise ValueError("in the library")

    with pytest.raises(ValueError, match="in the library"):
        list(encoded_batches(fail, ["a"]))


def test_leaving_does_not_wait_for_a_batch() -> None:
    """As Ctrl-C does: an exception in the caller while a batch is encoded."""
    begun, may_end = threading.Event(), threading.Event()

    def encode(batch: list[str]) -> list[Any]:
        if batch[0] != "0":
            begun.set()
            assert may_end.wait(60)
        return batch

    found = encoded_batches(encode, map(str, range(1000)))
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
    tokenizer.encode("x" * 30_000_000)
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
