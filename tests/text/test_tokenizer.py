"""Token ids, the bytes behind them, and how much of a text each covers."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pythia_cli.errors import InputError, IntegrityError, NotFound
from pythia_cli.text import tokenizer as tokenizer_module
from pythia_cli.text.encoded import Encoded
from pythia_cli.text.tokenizer import PythiaTokenizer
from tests.conftest import DEMO, GOLDEN

FILES = {
    "neox": GOLDEN / "tokenizer" / "tokenizer.json",
    "demo": DEMO / "step3000" / "tokenizer.json",
}
TOKENIZERS = {name: PythiaTokenizer(path) for name, path in FILES.items()}
PLAIN = {name: PythiaTokenizer(path, plain_text=True) for name, path in FILES.items()}
GOLDEN_TEXTS: dict[str, list[dict[str, Any]]] = json.loads(
    (GOLDEN / "tokenizer" / "golden.json").read_text(encoding="ascii")
)

both = pytest.mark.parametrize("name", FILES)

# Text as it comes, and pieces that meddle with NFC, with runs of spaces and with special tokens.
PIECES = [
    *("<|endoftext|>", "<|padding|>", "<|endo", "ftext|>", " ", "  ", "a", "e", "the", "\n", "\t"),
    *("\u0301", "\u0323", "\u212b", "\u1100", "\u1161", "\u11a8", "\u00e9", "\U0001f600", "\x00"),
]
texts = st.text(max_size=30) | st.lists(st.sampled_from(PIECES), max_size=20).map("".join)


def text_of(tokenizer: PythiaTokenizer, token_ids: Any) -> str:
    """What the tokens' bytes say, decoded as the tokenizers library does."""
    data = b"".join(tokenizer.token_bytes(token_id) for token_id in token_ids)
    return data.decode("utf-8", errors="replace")


def nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


@both
def test_golden_texts_give_the_golden_ids(name: str) -> None:
    assert len(GOLDEN_TEXTS[name]) == 164
    for entry in GOLDEN_TEXTS[name]:
        assert TOKENIZERS[name].encode(entry["text"]).tolist() == entry["ids"], entry["text"]


@both
def test_bytes_of_golden_ids_decode_as_golden(name: str) -> None:
    """Special tokens too stand for their own spelling."""
    for entry in GOLDEN_TEXTS[name]:
        assert text_of(TOKENIZERS[name], entry["ids"]) == entry["decoded"]


@both
def test_shares_of_golden_texts_sum_to_the_text(name: str) -> None:
    for entry in GOLDEN_TEXTS[name]:
        text = entry["text"]
        encoded = TOKENIZERS[name].encode_covering(text)
        assert encoded.token_ids.tolist() == entry["ids"]
        assert encoded.n_bytes.sum() == len(text.encode())
        assert (encoded.n_bytes >= 0).all()
        if nfc(text) == text:
            lengths = [len(TOKENIZERS[name].token_bytes(i)) for i in entry["ids"]]
            assert encoded.n_bytes.tolist() == lengths


@both
@pytest.mark.parametrize("tokenizers", [TOKENIZERS, PLAIN], ids=["special", "plain"])
@given(text=texts)
def test_shares_of_any_text_sum_to_the_text(
    name: str, tokenizers: dict[str, PythiaTokenizer], text: str
) -> None:
    encoded = tokenizers[name].encode_covering(text)
    assert encoded.token_ids.tolist() == tokenizers[name].encode(text).tolist()
    assert len(encoded.n_bytes) == len(encoded.token_ids)
    assert encoded.n_bytes.sum() == len(text.encode())
    assert (encoded.n_bytes >= 0).all()


@both
@given(text=texts)
def test_any_text_comes_back_in_nfc(name: str, text: str) -> None:
    tokenizer = PLAIN[name]
    assert text_of(tokenizer, tokenizer.encode(text).tolist()) == nfc(text)


@both
def test_a_decomposed_text_is_covered_at_its_words(name: str) -> None:
    """Between words, where no mark stands, shares are exact: 'naïve' has six bytes in NFC."""
    text = "nai\u0308ve cafe\u0301 end"
    encoded = TOKENIZERS[name].encode_covering(text)
    reached, decoded = np.cumsum(encoded.n_bytes), b""
    places = {}
    for token_id, end in zip(encoded.token_ids.tolist(), reached.tolist(), strict=True):
        decoded += TOKENIZERS[name].token_bytes(token_id)
        places[decoded.decode(errors="replace")] = end
    assert places[nfc(text)] == len(text.encode())
    assert places["na\u00efve"] == len("nai\u0308ve".encode())


@both
def test_plain_text_has_no_special_tokens(name: str) -> None:
    text = "a<|endoftext|>b <|padding|> [PAD]<|endoftext|>"
    special, plain = TOKENIZERS[name], PLAIN[name]
    assert special.encode(text).tolist().count(0) == 2
    token_ids = plain.encode(text).tolist()
    assert not {0, 1, 50277} & set(token_ids)
    assert text_of(plain, token_ids) == text
    assert plain.end_of_text == special.end_of_text == 0
    assert plain.size == special.size


@both
def test_runs_of_spaces_are_tokens_in_plain_text_too(name: str) -> None:
    for n in range(2, 25):
        assert len(PLAIN[name].encode(" " * n)) == len(TOKENIZERS[name].encode(" " * n)) == 1


@pytest.mark.parametrize(("name", "size"), [("neox", 50278), ("demo", 4078)])
def test_size_is_one_past_the_last_id_of_the_file(name: str, size: int) -> None:
    """The published file ends with [PAD], 50277: one more than the 50277 tokens of GPT-NeoX."""
    content = json.loads(FILES[name].read_text(encoding="utf-8"))
    ids = set(content["model"]["vocab"].values())
    ids |= {token["id"] for token in content["added_tokens"]}
    assert ids == set(range(size))
    assert TOKENIZERS[name].size == size
    assert all(TOKENIZERS[name].token_bytes(i) for i in range(size))


@both
def test_ids_it_does_not_have_stand_for_nothing(name: str) -> None:
    tokenizer = TOKENIZERS[name]
    assert tokenizer.token_bytes(tokenizer.size) == tokenizer.token_bytes(-1) == b""
    assert tokenizer.token_bytes(10**9) == b""


def test_every_byte_of_utf8_is_a_token() -> None:
    tokenizer = TOKENIZERS["neox"]
    single = {tokenizer.token_bytes(i) for i in range(tokenizer.size)}
    bytes_of_utf8 = [*range(0xC0), *range(0xC2, 0xF5)]
    assert {bytes([byte]) for byte in bytes_of_utf8} <= single


def test_an_empty_text_has_no_tokens() -> None:
    encoded = TOKENIZERS["demo"].encode_covering("")
    assert encoded.token_ids.tolist() == encoded.n_bytes.tolist() == []
    assert encoded.token_ids.dtype == np.int64


def changed(tmp_path: Path, **changes: Any) -> Path:
    """The demo's tokenizer.json with other entries."""
    content = json.loads(FILES["demo"].read_text(encoding="utf-8")) | changes
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_truncation_and_padding_in_the_file_are_not_applied(tmp_path: Path) -> None:
    path = changed(
        tmp_path,
        truncation={
            "direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0
        },
        padding={
            "strategy": {"Fixed": 64}, "direction": "Right", "pad_to_multiple_of": None,
            "pad_id": 1, "pad_type_id": 0, "pad_token": "<|padding|>",
        },
    )  # fmt: skip
    text = "It is a truth universally acknowledged"
    expected = TOKENIZERS["demo"].encode(text).tolist()
    assert len(expected) > 3
    assert PythiaTokenizer(path).encode(text).tolist() == expected


def test_a_file_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    for path in (tmp_path / "tokenizer.json", tmp_path):
        with pytest.raises(NotFound, match=tmp_path.name):
            PythiaTokenizer(path)


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"{", b"\xff\xfe", b'{"model": 3}'])
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match="tokenizer"):
        PythiaTokenizer(path)


def test_a_tokenizer_without_end_of_text_is_refused(tmp_path: Path) -> None:
    path = changed(
        tmp_path, added_tokens=[], model={"type": "BPE", "vocab": {"a": 0}, "merges": []}
    )
    with pytest.raises(IntegrityError, match="endoftext"):
        PythiaTokenizer(path)


def test_a_tokenizer_that_is_not_byte_level_is_refused(tmp_path: Path) -> None:
    vocab = {"<|endoftext|>": 0, "\u2581the": 1, "a": 2}
    path = changed(tmp_path, added_tokens=[], model={"type": "BPE", "vocab": vocab, "merges": []})
    with pytest.raises(IntegrityError, match="tokenizer"):
        PythiaTokenizer(path).token_bytes(1)


def each(tokenizer: PythiaTokenizer, some: list[str]) -> list[tuple[list[int], list[int]]]:
    """The ids and bytes of each text, by encode_each."""
    found = []
    for encoded, n_tokens in tokenizer.encode_each(some):
        ends = np.cumsum(n_tokens).tolist()
        for begin, end in zip([0, *ends], ends, strict=False):
            found.append(columns(encoded.part(begin, end)))
    return found


def columns(encoded: Encoded) -> tuple[list[int], list[int]]:
    return encoded.token_ids.tolist(), encoded.n_bytes.tolist()


@both
@given(some=st.lists(texts, max_size=9))
def test_many_texts_are_encoded_as_each_alone(name: str, some: list[str]) -> None:
    for tokenizer in (TOKENIZERS[name], PLAIN[name]):
        expected = [columns(tokenizer.encode_covering(text)) for text in some]
        assert each(tokenizer, some) == expected


@both
def test_golden_texts_together(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = TOKENIZERS[name]
    some = [entry["text"] for entry in GOLDEN_TEXTS[name]]
    expected = [columns(tokenizer.encode_covering(text)) for text in some]
    assert each(tokenizer, some) == expected
    monkeypatch.setattr(tokenizer_module, "_PIECE", 20)  # longer texts are encoded in pieces
    assert each(tokenizer, some) == expected


def test_one_of_many_texts_that_cannot_be_encoded() -> None:
    with pytest.raises(InputError, match="lone surrogates"):
        list(TOKENIZERS["demo"].encode_each(["It was", "\ud800"]))


@pytest.mark.parametrize(("text", "kind"), [([1, 2], "list"), (b"a", "bytes"), (3, "int")])
def test_what_is_no_text(demo_tokenizer: PythiaTokenizer, text: object, kind: str) -> None:
    with pytest.raises(InputError, match=f"^text: is {kind}; expected a text$"):
        demo_tokenizer.encode(text)  # type: ignore[arg-type]
