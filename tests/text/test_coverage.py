"""The bytes that each token covers, against a slow twin, in texts that are not in NFC."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pythia_cli.text.tokenizer import PythiaTokenizer
from tests.text.test_tokenizer import PLAIN, TOKENIZERS, both, nfc

SPECIAL = {
    "neox": ["<|endoftext|>", "<|padding|>", "[PAD]"],
    "demo": ["<|endoftext|>", "<|padding|>"],
}

# Marks of several classes, letters that they join, Hangul, what NFC replaces, and special tokens.
PIECES = [
    *(
        "e\u0301",
        "a\u0323\u0302",
        "a\u0302\u0323",
        "o\u0315",
        "\u0301",
        "\u0338",
        ">",
        "=",
        "\u0f73",
    ),
    *(
        "\u1112\u1161\u11ab",
        "\uac00\u11a8",
        "\u1161",
        "\u09c7\u09be",
        "\u212b",
        "\u037e",
        "\U0002f800",
    ),
    *(
        "\U0001f469",
        " ",
        "  ",
        "x",
        "the",
        "\u00e9",
        "\u044f",
        "<|endoftext|>",
        "<|padding|>",
        "\n",
    ),
]
texts = st.lists(st.sampled_from(PIECES) | st.characters(codec="utf-8"), max_size=14).map("".join)


def characters(text: str) -> Iterator[str]:
    """The shortest parts of a text that NFC changes independently."""
    begin = 0
    for end in range(1, len(text) + 1):
        if nfc(text[:begin]) + nfc(text[begin:end]) + nfc(text[end:]) == nfc(text):
            yield text[begin:end]
            begin = end


def twin(
    tokenizer: PythiaTokenizer, token_ids: list[int], text: str, special: list[str]
) -> list[int]:
    """Byte by byte: a token covers the characters whose first byte, in NFC, is one of its own."""
    of_byte: list[int] = []  # of each byte in NFC: the bytes of the character that begins there
    names = "|".join(map(re.escape, special))
    for index, part in enumerate(re.split(f"({names})", text) if special else [text]):
        for character in [part] if index % 2 else characters(part):
            n_nfc = len((character if index % 2 else nfc(character)).encode())
            of_byte += [len(character.encode()), *[0] * (n_nfc - 1)]
    found = []
    for token_id in token_ids:
        n = len(tokenizer.token_bytes(token_id))
        found.append(sum(of_byte[:n]))
        del of_byte[:n]
    assert not of_byte
    return found


@both
@pytest.mark.parametrize("is_plain", [False, True], ids=["special", "plain"])
@given(text=texts)
def test_the_first_token_of_a_character_covers_all_of_it(
    name: str, is_plain: bool, text: str
) -> None:
    tokenizer = (PLAIN if is_plain else TOKENIZERS)[name]
    encoded = tokenizer.encode_covering(text)
    token_ids, n_bytes = encoded.token_ids.tolist(), encoded.n_bytes.tolist()
    assert sum(n_bytes) == len(text.encode())
    if unicodedata.is_normalized("NFC", text):
        assert n_bytes == [len(tokenizer.token_bytes(token_id)) for token_id in token_ids]
    else:
        assert n_bytes == twin(tokenizer, token_ids, text, [] if is_plain else SPECIAL[name])


@both
def test_a_token_with_a_space_before_covers_the_rest_of_its_character_too(name: str) -> None:
    n_bytes = TOKENIZERS[name].encode_covering("e\u0301 \U0001f469").n_bytes.tolist()
    assert n_bytes[:2] == ([3, 5] if name == "neox" else n_bytes[:2])
    assert sum(n_bytes) == 8


def test_a_special_token_joins_no_mark() -> None:
    """`>` and the stroke after it would be one character in NFC."""
    encoded = TOKENIZERS["neox"].encode_covering("<|endoftext|>\u0338")
    assert encoded.n_bytes.tolist() == [13, 2, 0]


@pytest.mark.parametrize("mark", ["\u0301", "\u0301\u0323", "\u0f73"])
def test_long_runs_of_marks_take_no_quadratic_time(mark: str) -> None:
    text = "a" + mark * 30_000
    encoded = TOKENIZERS["neox"].encode_covering(text)
    assert encoded.n_bytes.sum() == len(text.encode())
    assert encoded.n_bytes[0] >= 1


def test_a_tokenizer_without_all_bytes_covers_the_text_too() -> None:
    from tests.conftest import GOLDEN

    tiny = PythiaTokenizer(GOLDEN / "tokenizer" / "tiny.json")
    for text in ("caf\u00e9s", "cafe\u0301s", "a<|endoftext|>\u0416b"):
        encoded = tiny.encode_covering(text)
        assert encoded.n_bytes.sum() == len(text.encode())
        assert (encoded.n_bytes >= 0).all()
        assert isinstance(encoded.n_bytes, np.ndarray)
