"""Prints the tokens of texts: a table, TSV, JSON, ids or numbers."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from pythia_cli.cli import inputs
from pythia_cli.errors import PythiaError
from pythia_cli.text.encoded import Encoded
from pythia_cli.text.printable import one_line
from pythia_cli.text.spelling import escaped, spelled
from pythia_cli.text.tokenizer import PythiaTokenizer

_HEADS = ("position", "id", "piece", "n_bytes")


class TokenPrinter:
    """Prints the tokens of each text on stdout: a table in a terminal, and TSV elsewhere.

    model: fields of JSON that say whose tokenizer it is. as_ids: ids only. count: numbers of tokens
    only. n_texts: how many texts are to come.
    """

    def __init__(
        self,
        tokenizer: PythiaTokenizer,
        model: dict[str, str | None],
        *,
        as_json: bool = False,
        as_ids: bool = False,
        count: bool = False,
        n_texts: int = 1,
    ) -> None:
        self._tokenizer, self._model = tokenizer, model
        self._as_json, self._as_ids, self._count = as_json, as_ids, count
        self._n_texts = n_texts
        self._is_first = True

    def take(self, name: str | None, text: str, encoded: Encoded) -> None:
        """Print the tokens of a text. name: of its file, or None."""
        for line in self._lines(name, text, encoded):
            sys.stdout.write(line + "\n")
        sys.stdout.flush()
        self._is_first = False

    def fail(self, name: str | None, error: PythiaError) -> None:
        """With JSON, print the record of a text that has no tokens because of an error."""
        if self._as_json:
            record = {"file": name, **self._model, "error": str(error)}
            sys.stdout.write(json.dumps(record) + "\n")

    def _lines(self, name: str | None, text: str, encoded: Encoded) -> Iterator[str]:
        if self._as_json:
            yield json.dumps(self._record(name, text, encoded))
        elif self._as_ids:
            yield " ".join(map(str, encoded.token_ids.tolist()))
        elif self._count:
            is_named = name not in (None, "-")
            yield f"{len(encoded)}\t{one_line(str(name))}" if is_named else str(len(encoded))
        elif sys.stdout.isatty():
            yield from self._table(name, encoded)
        else:
            if self._is_first:
                yield "\t".join(_HEADS)
            for position, token_id, piece, n_bytes in self._rows(encoded):
                yield f"{position}\t{token_id}\t{piece}\t{n_bytes}"

    def _table(self, name: str | None, encoded: Encoded) -> Iterator[str]:
        if self._n_texts > 1:
            title = "the text" if name is None else one_line(inputs.name_of(name))
            yield f"{'' if self._is_first else chr(10)}{title}: {len(encoded)} tokens"
        # The piece comes last, as it may be wide in ways that only the terminal knows.
        position, token_id, piece, n_bytes = _HEADS
        yield f"{position}  {token_id:>6}  {n_bytes}  {piece}"
        for position_, id_, piece, n in self._rows(encoded):
            yield f'{position_:>8}  {id_:>6}  {n:>7}  "{piece}"'

    def _rows(self, encoded: Encoded) -> Iterator[tuple[int, int, str, int]]:
        """Position, id, piece in one line, and bytes of the text that it covers."""
        pieces: dict[int, str] = {}
        pairs = zip(encoded.token_ids.tolist(), encoded.n_bytes.tolist(), strict=True)
        for position, (token_id, n_bytes) in enumerate(pairs):
            if token_id not in pieces:
                pieces[token_id] = escaped(self._tokenizer.token_bytes(token_id))
            yield position, token_id, pieces[token_id], n_bytes

    def _record(self, name: str | None, text: str, encoded: Encoded) -> dict[str, Any]:
        """For JSON: a text and its tokens, with the fields of docs/output.md."""
        token_ids = encoded.token_ids.tolist()
        return {
            "file": name,
            **self._model,
            "text": text,
            "token_ids": token_ids,
            "pieces": [spelled(self._tokenizer.token_bytes(token_id)) for token_id in token_ids],
            "n_bytes": encoded.n_bytes.tolist(),
            "n_tokens": len(token_ids),
        }
