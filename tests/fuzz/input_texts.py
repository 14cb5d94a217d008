"""Input files: read, decoded, tokenized, and cut into windows."""

from __future__ import annotations

import gzip
from pathlib import Path
from random import Random

from pythia_cli.cli.inputs import read_text
from pythia_cli.measures.protocols import PROTOCOLS, Protocol
from pythia_cli.text.tokenizer import PythiaTokenizer
from tests.fuzz.mutate import mutated_bytes
from tests.fuzz.samples import some_text, tokenizer_json

_N_CTX = 24
_ENCODINGS = (
    *("utf-8",) * 15, "utf-8-sig", "utf-16", "utf-16-le", "utf-32",
    "latin-1", "cp1252", "shift_jis",
)  # fmt: skip


class InputTexts:
    """The first four bytes choose protocol, context, stride and BOS; the rest is the file."""

    def __init__(self, folder: Path) -> None:
        self.valid = b"\0\0\0\0It was not a small one."
        self._path = folder / "text.txt"
        tokenizer = folder / "tokenizer.json"
        tokenizer.write_bytes(tokenizer_json())
        self._tokenizers = [PythiaTokenizer(tokenizer, plain_text=plain) for plain in (False, True)]

    def make(self, random: Random) -> bytes:
        data = some_text(random).encode(random.choice(_ENCODINGS), "replace")
        if random.random() < 0.2:
            data = mutated_bytes(random, data)
        if random.random() < 0.02:
            data = gzip.compress(data, mtime=0)
        if random.random() < 0.01:
            data *= 50
        return random.randbytes(4) + data

    def check(self, data: bytes) -> None:
        choices = data[:4].ljust(4, b"\0")
        self._path.write_bytes(data[4:])
        text = read_text(self._path)
        protocol = Protocol.make(
            PROTOCOLS[choices[0] % len(PROTOCOLS)],
            _N_CTX,
            context=(None, _N_CTX, 8, 2, 8, 25)[choices[1] % 6],
            stride=(None, 1, 2, 24, 0, None)[choices[2] % 6] if choices[0] % 4 == 0 else None,
            bos=(None, True, False)[choices[3] % 3],
        )
        plans = protocol.plan(text, self._tokenizers[choices[3] // 3 % 2], str(self._path))
        assert sum(plan.n_scored for plan in plans) > 0, "nothing is scored, and no error"
        for plan in plans:
            n_bytes = plan.encoded.n_bytes
            assert n_bytes.sum() == len(plan.text.encode()), "tokens do not cover the text"
            assert (n_bytes >= 0).all()
            assert plan.n_scored <= len(n_bytes) + 1
