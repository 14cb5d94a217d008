"""The GPT-NeoX byte-level BPE: token ids, the bytes of each token, and the bytes it covers."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from itertools import chain, groupby
from pathlib import Path
from typing import Any

import numpy as np

from pythia_cli.errors import InputError, IntegrityError, NotFound, ResourceError
from pythia_cli.reporting import NO_TASK, SILENT, Reporter
from pythia_cli.text.encoded import Encoded, compact
from pythia_cli.text.tokenizer_file import TokenizerFailed, is_of_library, read_tokenizer
from pythia_cli.text.tokenizer_json import MOST_BYTES

END_OF_TEXT = "<|endoftext|>"
_FOREIGN = "not a byte-level BPE; not a GPT-NeoX tokenizer"
_PIECE = 1 << 16  # characters that the library encodes at a time
_LARGE = 1 << 20  # characters from which on progress is shown; they may take a second


class PythiaTokenizer:
    """A GPT-NeoX tokenizer.json.

    It normalises to NFC, so decoding may not return the same text. A model's vocabulary is padded:
    its logits have more than `size` entries, and the ids from `size` on are unused.
    content, sha256: the file's content if it was read already, and its hash if the caller compared
    it with that of the file that was installed. d_vocab: the model's, if it was compared with
    `size` then. Raises NotFound, and IntegrityError if the file is damaged or not a GPT-NeoX
    tokenizer.
    """

    def __init__(
        self,
        path: Path,
        *,
        plain_text: bool = False,
        content: bytes | None = None,
        sha256: str | None = None,
        d_vocab: int | None = None,
        reporter: Reporter = SILENT,
    ) -> None:
        self.reporter = reporter
        self._path = path
        if content is None:
            if not path.is_file():
                raise NotFound(f"{path} does not exist")
            with path.open("rb") as file:
                content = file.read(MOST_BYTES + 1)
        try:
            self._tokenizer = read_tokenizer(path, content, sha256)
        except TokenizerFailed as error:
            raise IntegrityError(path, f"not a tokenizer.json of GPT-NeoX ({error})") from error
        # With plain_text, special tokens in the text are read as plain text.
        self._tokenizer.encode_special_tokens = plain_text
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        end = self._tokenizer.token_to_id(END_OF_TEXT)
        if end is None:
            raise IntegrityError(path, f"has no {END_OF_TEXT} token; not a GPT-NeoX tokenizer")
        self.end_of_text: int = end
        self._added = self._tokenizer.get_added_tokens_decoder()
        self._bytes_of: dict[int, bytes] = {}
        self.size: int = self._one_past_the_last_id(d_vocab)
        # These are found in a text before it is normalised.
        self._taken_first = [
            token.content
            for token in self._added.values()
            if not (token.normalized or (plain_text and token.special))
        ]
        normalizer = self._tokenizer.normalizer
        self._nfc = None if normalizer is None else normalizer.normalize_str

    def _one_past_the_last_id(self, d_vocab: int | None) -> int:
        size = self._tokenizer.get_vocab_size(with_added_tokens=True)
        if d_vocab is None:
            return 1 + max(self._tokenizer.get_vocab(with_added_tokens=True).values())
        # Some ids may be unused. Making a dict of all would take a tenth of starting up.
        used = (i for i in range(d_vocab, size, -1) if self._tokenizer.id_to_token(i - 1))
        return next(used, size)

    @property
    def n_spelled(self) -> int:
        """The ids below this are of the BPE's own vocabulary; those from it on were added to it."""
        return int(self._tokenizer.get_vocab_size(with_added_tokens=False))

    @cached_property
    def missing(self) -> np.ndarray[Any, Any]:
        """The ids below `size` that no token has: [m] int64, usually none."""
        if self._tokenizer.get_vocab_size(with_added_tokens=True) == self.size:
            return np.empty(0, np.int64)
        ids = [i for i in range(self.size) if self._tokenizer.id_to_token(i) is None]
        return np.array(ids, np.int64)

    @cached_property
    def special(self) -> frozenset[int]:
        """The ids of special tokens: <|endoftext|> and <|padding|>, not runs of spaces."""
        return frozenset(i for i, token in self._added.items() if token.special)

    def check(self) -> None:
        """Check every token. Raises IntegrityError if one is not spelled in bytes."""
        names = self._tokenizer.get_vocab(with_added_tokens=False)
        own = (name for name, token_id in names.items() if token_id not in self._added)
        if not set[str]().union(*own) <= _BYTE_OF_CHARACTER.keys():
            raise IntegrityError(self._path, _FOREIGN)

    def encode(self, text: str) -> np.ndarray[Any, Any]:
        """text -> token_ids [n] int64.

        Raises InputError for lone surrogates, a word of more than 8 MiB, or no str.
        """
        parts = [compact(token_ids) for _, token_ids in self._encoded(text)]
        return np.concatenate([np.empty(0, np.int64), *parts])

    def encode_covering(self, text: str) -> Encoded:
        """text -> token ids, and how many bytes of the text each covers; these sum to its length.

        Bytes are counted in the text as given, before NFC. If the text is not in NFC and a
        character is split into several tokens, the first of them covers the whole character.
        Raises as `encode`.
        """
        parts: list[Encoded] = []
        is_nfc: bool | None = None
        for piece, token_ids in self._encoded(text):
            if is_nfc is None:
                # In pieces, because Ctrl-C waits for each.
                is_nfc = all(unicodedata.is_normalized("NFC", part) for part in self._pieces(text))
            parts.append(Encoded(token_ids, self._covered(piece, token_ids, is_nfc)))
        return Encoded.joined(parts)

    def encode_each(self, texts: Iterable[str]) -> Iterator[tuple[Encoded, list[int]]]:
        """As `encode_covering` of each text, but faster if they are short.

        Yields the tokens of some texts, joined, and how many each of these has. Raises as `encode`.
        """
        from pythia_cli.text.batches import encoded_batches

        for is_long, group in groupby(texts, lambda text: len(text) > _PIECE):
            if is_long:
                for text in group:
                    encoded = self.encode_covering(text)
                    yield encoded, [len(encoded)]
                continue
            with self._failures_translated():
                for some, encodings in encoded_batches(self._encode_batch, group):
                    yield self._covering_each(some, encodings)

    def _covering_each(self, texts: list[str], encodings: list[Any]) -> tuple[Encoded, list[int]]:
        """The tokens of the texts, with the bytes that they cover, and each text's number."""
        ids = [encoding.ids for encoding in encodings]
        n_tokens = list(map(len, ids))
        token_ids = np.fromiter(chain.from_iterable(ids), np.int64, sum(n_tokens))
        self._check_ids(token_ids)
        covered = self._lengths(token_ids)
        ends = np.cumsum(n_tokens)
        sums = np.diff(np.concatenate([[0], np.cumsum(covered)])[ends], prepend=0).tolist()
        for text, end, n, n_bytes in zip(texts, ends.tolist(), n_tokens, sums, strict=True):
            is_nfc = unicodedata.is_normalized("NFC", text)
            if not (is_nfc and n_bytes == _n_bytes(text)):
                part = slice(end - n, end)
                covered[part] = self._covered(text, token_ids[part], is_nfc)
        return Encoded(token_ids, covered), n_tokens

    def _encoded(self, text: str) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
        """Yield the text in pieces, each with its token_ids [n] int64."""
        is_large = isinstance(text, str) and len(text) > _LARGE
        total = _n_bytes(text) if is_large else 0
        with (
            self._failures_translated("str" if isinstance(text, str) else type(text).__name__),
            self.reporter.task("tokenizing", total, "B") if is_large else NO_TASK as task,
        ):
            for piece, encoding in self._encodings(text):
                token_ids = np.array(encoding.ids, np.int64)
                self._check_ids(token_ids)
                yield piece, token_ids
                task.advance(_n_bytes(piece))

    def _check_ids(self, token_ids: np.ndarray[Any, Any]) -> None:
        if token_ids.size and token_ids.max() >= self.size:
            raise IntegrityError(self._path, f"has ids from {self.size} on")

    @contextmanager
    def _failures_translated(self, kind: str = "str") -> Iterator[None]:
        """Failures of the library while it encodes a text of this type, as those of `encode`."""
        try:
            yield
        except TypeError:
            why = f"is {kind}; expected a text"
            if kind == "str":
                why = "has lone surrogates; expected text that UTF-8 can encode"
            raise InputError("text", why) from None
        except BaseException as error:
            if not is_of_library(error):
                raise
            if "thread pool" in str(error):  # of rayon, which the library uses
                raise ResourceError("threads", "no more can be started") from error
            raise IntegrityError(self._path, f"cannot encode this text ({error})") from error

    def _encodings(self, text: str) -> Iterable[tuple[str, Any]]:
        if not isinstance(text, str) or len(text) <= _PIECE:
            return [(text, self._tokenizer.encode(text, add_special_tokens=False))]
        from pythia_cli.text.batches import encoded_batches

        batches = encoded_batches(self._encode_batch, self._pieces(text))
        return (pair for batch in batches for pair in zip(*batch, strict=True))

    def _pieces(self, text: str) -> Iterable[str]:
        """The text cut where neither its tokens nor NFC change."""
        added = self._added.values()
        # White space after such a token, or what is beside it, is part of the match.
        if len(text) <= _PIECE or any(token.rstrip or token.single_word for token in added):
            return [text]
        from pythia_cli.text.pieces import inner_characters, pieces

        return pieces(text, _PIECE, inner_characters(token.content for token in added))

    def _encode_batch(self, texts: list[str]) -> list[Any]:
        # Unlike `encode`, it releases the GIL and counts no offsets.
        return self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)

    def _covered(
        self, text: str, token_ids: np.ndarray[Any, Any], is_nfc: bool
    ) -> np.ndarray[Any, Any]:
        """The bytes that each token of a text covers: [n] int64."""
        lengths, n_text_bytes = self._lengths(token_ids), _n_bytes(text)
        if is_nfc or self._nfc is None:
            covered = lengths if lengths.sum() == n_text_bytes else None
        else:
            from pythia_cli.text.coverage import covered_bytes

            covered = covered_bytes(text, lengths, self._nfc, self._taken_first)
        if covered is not None:
            return covered
        # The tokens are not the whole text: the tokenizer lacks some bytes, or an added token takes
        # the white space beside it. A token covers the bytes up to the next with another start.
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        byte_of_character = np.cumsum([0, *(len(c.encode()) for c in text)])
        starts = byte_of_character[[start for start, _ in encoding.offsets]]
        starts = np.maximum.accumulate(starts)
        is_first = np.diff(starts, prepend=-1) > 0
        firsts = np.concatenate([starts[is_first], [n_text_bytes]])
        if len(firsts) > 1:
            firsts[0] = 0
        covered = np.zeros(len(token_ids), np.int64)
        covered[is_first] = np.diff(firsts)
        return covered

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


def _n_bytes(text: str) -> int:
    """Its length in UTF-8, without a copy of a large text."""
    if text.isascii():
        return len(text)
    places = range(0, len(text), _PIECE)
    return sum(len(text[at : at + _PIECE].encode(errors="surrogatepass")) for at in places)


def _byte_of_character() -> dict[str, int]:
    """GPT-2's printable characters for the 256 bytes (Radford et al. 2019, encoder.py)."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {
        **{chr(byte): byte for byte in printable},
        **{chr(256 + i): byte for i, byte in enumerate(others)},
    }


_BYTE_OF_CHARACTER = _byte_of_character()
