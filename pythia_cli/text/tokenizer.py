"""The GPT-NeoX byte-level BPE: token ids, the bytes of each token, and the bytes it covers."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pythia_cli.errors import InputError, IntegrityError, NotFound
from pythia_cli.text.tokenizer_file import read_tokenizer

END_OF_TEXT = "<|endoftext|>"
_FOREIGN = "not a byte-level BPE; not a GPT-NeoX tokenizer"


@dataclass(frozen=True, repr=False, eq=False)
class Encoded:
    """token_ids [n] int64, and n_bytes [n] int64: how many bytes of the text each token covers."""

    token_ids: np.ndarray[Any, Any]
    n_bytes: np.ndarray[Any, Any]

    def __repr__(self) -> str:
        return f"Encoded({len(self.token_ids)} tokens, {int(self.n_bytes.sum())} bytes)"


class PythiaTokenizer:
    """A GPT-NeoX tokenizer.json.

    It normalises to NFC, so decoding may not return the same text. A model's vocabulary is padded:
    its logits have more than `size` entries, and the ids from `size` on are unused.
    content: the file's content, if it was read already. Raises NotFound, and IntegrityError if the
    file is damaged or not a GPT-NeoX tokenizer.
    """

    def __init__(
        self, path: Path, *, plain_text: bool = False, content: bytes | None = None
    ) -> None:
        if content is None and not path.is_file():
            raise NotFound(f"{path} does not exist")
        try:
            self._tokenizer = read_tokenizer(path, content)
        except Exception as error:  # the library raises plain Exception
            raise IntegrityError(path, f"not a tokenizer.json ({error})") from error
        # With plain_text, special tokens in the text are read as plain text.
        self._tokenizer.encode_special_tokens = plain_text
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        end = self._tokenizer.token_to_id(END_OF_TEXT)
        if end is None:
            raise IntegrityError(path, f"has no {END_OF_TEXT} token; not a GPT-NeoX tokenizer")
        self.end_of_text: int = end
        if type(self._tokenizer.decoder).__name__ != "ByteLevel":
            raise IntegrityError(path, _FOREIGN)
        self._path = path
        self._added = self._tokenizer.get_added_tokens_decoder()
        self._bytes_of: dict[int, bytes] = {}
        self.size: int = self._tokenizer.get_vocab_size(with_added_tokens=True)
        if self._tokenizer.id_to_token(self.size - 1) is None:  # there are gaps
            self.size = 1 + max(self._tokenizer.get_vocab(with_added_tokens=True).values())

    def check(self) -> None:
        """Check every token. Raises IntegrityError if one is not spelled in bytes."""
        for token_id in range(self.size):
            self.token_bytes(token_id)

    def encode(self, text: str) -> np.ndarray[Any, Any]:
        """text -> token_ids [n] int64. Raises InputError for lone surrogates, or no str."""
        return np.array(self._encoding(text).ids, np.int64)

    def encode_covering(self, text: str) -> Encoded:
        """text -> token ids, and how many bytes of the text each covers; these sum to its length.

        Bytes are counted in the text as given, before NFC. If the text is not in NFC and a
        character is split into several tokens, the first of them covers the whole character.
        """
        encoding = self._encoding(text)
        token_ids = np.array(encoding.ids, np.int64)
        n_text_bytes = len(text.encode())
        if unicodedata.is_normalized("NFC", text):
            n_bytes = self._lengths(token_ids)
            if n_bytes.sum() == n_text_bytes:
                return Encoded(token_ids, n_bytes)
        # Offsets of a composed character may end after its base character. So a token covers the
        # bytes up to the next token with another start.
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

    def _encoding(self, text: str) -> Any:
        try:
            return self._tokenizer.encode(text, add_special_tokens=False)
        except TypeError:
            what = "has lone surrogates" if isinstance(text, str) else f"is {type(text).__name__}"
            raise InputError("text", f"{what}; expected text that UTF-8 can encode") from None

    def token_bytes(self, token_id: int) -> bytes:
        """The bytes of a token; for an added token, its name. Empty from `size` on."""
        if (known := self._bytes_of.get(token_id)) is not None:
            return known
        if token_id in self._added:
            found = self._added[token_id].content.encode()
        else:
            token = self._tokenizer.id_to_token(token_id) if 0 <= token_id < self.size else None
            try:
                found = bytes(map(_BYTE_OF_CHARACTER.__getitem__, token or ""))
            except KeyError:
                raise IntegrityError(self._path, _FOREIGN) from None
        self._bytes_of[token_id] = found
        return found

    def _lengths(self, token_ids: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """The number of bytes of each token: [n] int64."""
        distinct, places = np.unique(token_ids, return_inverse=True)
        lengths = [len(self.token_bytes(token_id)) for token_id in distinct.tolist()]
        return np.array(lengths, np.int64)[places]


def _byte_of_character() -> dict[str, int]:
    """GPT-2's printable characters for the 256 bytes (Radford et al. 2019, encoder.py)."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {
        **{chr(byte): byte for byte in printable},
        **{chr(256 + i): byte for i, byte in enumerate(others)},
    }


_BYTE_OF_CHARACTER = _byte_of_character()
