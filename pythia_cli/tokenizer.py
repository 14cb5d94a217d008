"""The GPT-NeoX byte-level BPE: ids, the bytes behind each token, and how much text it covers."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pythia_cli.errors import IntegrityError, NotFound

END_OF_TEXT = "<|endoftext|>"


@dataclass(frozen=True)
class Encoded:
    """token_ids [n] int64, and n_bytes [n] int64: the UTF-8 bytes of the text each token covers."""

    token_ids: np.ndarray[Any, Any]
    n_bytes: np.ndarray[Any, Any]


class PythiaTokenizer:
    """A tokenizer.json of the GPT-NeoX kind.

    It normalises to NFC, so decoding need not give the text back. A model's logits go on past
    `size`, its vocabulary being padded; those ids stand for nothing.
    Raises NotFound, and IntegrityError for a damaged or foreign file.
    """

    def __init__(self, path: Path, *, plain_text: bool = False) -> None:
        if not path.is_file():
            raise NotFound(f"{path} does not exist")
        from tokenizers import Tokenizer

        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises plain Exception
            raise IntegrityError(path, f"not a tokenizer.json ({error})") from error
        # With plain_text, what looks like a special token is text as any other.
        self._tokenizer.encode_special_tokens = plain_text
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        end = self._tokenizer.token_to_id(END_OF_TEXT)
        if end is None:
            raise IntegrityError(path, f"has no {END_OF_TEXT} token; not a GPT-NeoX tokenizer")
        self.end_of_text: int = end
        self._bytes_of = self._bytes_by_id(path)
        self.size = len(self._bytes_of)

    def _bytes_by_id(self, path: Path) -> list[bytes]:
        """The bytes of every token; an added one stands for its own spelling."""
        added = self._tokenizer.get_added_tokens_decoder()
        vocabulary = self._tokenizer.get_vocab(with_added_tokens=True)
        bytes_of = [b""] * (1 + max(vocabulary.values()))
        try:
            for token, i in vocabulary.items():
                if i in added:
                    bytes_of[i] = added[i].content.encode()
                else:
                    bytes_of[i] = bytes(map(_BYTE_OF_CHARACTER.__getitem__, token))
        except KeyError:
            raise IntegrityError(path, "not a byte-level BPE; not a GPT-NeoX tokenizer") from None
        return bytes_of

    def encode(self, text: str) -> np.ndarray[Any, Any]:
        """text -> token_ids [n] int64."""
        return np.array(self._tokenizer.encode(text, add_special_tokens=False).ids, np.int64)

    def encode_covering(self, text: str) -> Encoded:
        """text -> token ids, each with its share of the text's bytes; the shares sum to the text.

        The bytes are those of the text as given, before NFC. Where a character was cut into
        several tokens and the text is not in NFC, the first of them covers all of it.
        """
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        token_ids = np.array(encoding.ids, np.int64)
        n_text_bytes = len(text.encode())
        if unicodedata.is_normalized("NFC", text):
            n_bytes = self._token_lengths[token_ids]
            if n_bytes.sum() == n_text_bytes:
                return Encoded(token_ids, n_bytes)
        # A composed character's offsets may end behind its base: what tells is where the next
        # token that starts elsewhere starts.
        byte_of_character = np.cumsum([0, *(len(c.encode()) for c in text)])
        starts = byte_of_character[[start for start, _ in encoding.offsets]]
        starts = np.maximum.accumulate(starts)
        is_first = np.diff(starts, prepend=-1) > 0
        firsts = np.concatenate([starts[is_first], [n_text_bytes]])
        if len(firsts) > 1:
            firsts[0] = 0
        n_bytes = np.zeros(len(token_ids), np.int64)
        n_bytes[is_first] = np.diff(firsts)
        return Encoded(token_ids, n_bytes)

    def token_bytes(self, token_id: int) -> bytes:
        """The bytes a token stands for; none for an id past `size`."""
        return self._bytes_of[token_id] if 0 <= token_id < self.size else b""

    @cached_property
    def _token_lengths(self) -> np.ndarray[Any, Any]:
        return np.array([len(b) for b in self._bytes_of], np.int64)


def _byte_of_character() -> dict[str, int]:
    """GPT-2's printable stand-ins for the 256 bytes (Radford et al. 2019, encoder.py)."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {
        **{chr(byte): byte for byte in printable},
        **{chr(256 + i): byte for i, byte in enumerate(others)},
    }


_BYTE_OF_CHARACTER = _byte_of_character()
