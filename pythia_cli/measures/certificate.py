"""Measures the quantization error of a checkpoint on a text: int8 against float32."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pythia_cli.engine.byte_parts import PRECISIONS
from pythia_cli.engine.kl import log_softmax
from pythia_cli.engine.transformer import Transformer
from pythia_cli.errors import InputError
from pythia_cli.files.reading import read_bytes
from pythia_cli.release import arithmetic_of
from pythia_cli.reporting import NO_TASK, Reporter, Task
from pythia_cli.text.decode import decode_text
from pythia_cli.text.tokenizer import PythiaTokenizer
from pythia_cli.weights.float_checkpoint import FloatCheckpoint
from pythia_cli.weights.int8_file import Int8File

if TYPE_CHECKING:  # torch takes a second to import
    from pythia_cli.engine.reference import Reference


@dataclass(frozen=True)
class Certificate:
    """delta_nll: mean nll of int8 minus float32, nats a token. kl: KL(float32 || int8), nats.

    Over all next-token distributions in disjoint windows of `context` tokens. top1_agreement: the
    share of positions where both models have the same most probable token. Those of a checkpoint
    are of precision "exact"; its record has those of "fast" too, under this name.
    """

    text_name: str
    text_sha256: str
    n_tokens: int
    context: int
    float_nll: float
    int8_nll: float
    delta_nll: float
    kl_mean: float
    kl_median: float
    kl_p99: float
    kl_max: float
    top1_agreement: float

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def of_fast(self) -> dict[str, Any]:
        """For JSON: what differs between the precisions, and the version of the arithmetic."""
        figures = {name: value for name, value in asdict(self).items() if name not in _OF_BOTH}
        return {**figures, **arithmetic_of("fast")}


_OF_BOTH = ("text_name", "text_sha256", "n_tokens", "context", "float_nll")


@dataclass(frozen=True, repr=False)
class TextCertifier:
    """Certifies checkpoints on a text during installation: `install(certifier=...)`."""

    text: str
    name: str

    def __repr__(self) -> str:
        return f"TextCertifier({self.name})"

    @classmethod
    def read(cls, path: str | Path) -> TextCertifier:
        """Read the text from a UTF-8 file. Raises NotFound, ResourceError, NotUtf8."""
        path = Path(path)
        return cls(decode_text(read_bytes(path), str(path)), path.name)

    def check(self, source: FloatCheckpoint) -> None:
        """Raises InputError if the text has fewer than two tokens with this tokenizer."""
        _encode(source.tokenizer, self.text, self.name)

    def certify(
        self, source: FloatCheckpoint, weights: Path, n_threads: int, reporter: Reporter
    ) -> dict[str, Any]:
        """The certificate of the int8 file `weights`, which was made from this source."""
        from pythia_cli.engine.reference import Reference

        tokenizer = source.tokenizer
        file = Int8File(weights)
        models = [Transformer(file, n_threads, precision) for precision in PRECISIONS]
        reference = Reference.from_checkpoint(source, n_threads)
        n_tokens = len(tokenizer.encode(self.text)) - 1
        try:
            with reporter.task("certifying", n_tokens, "tokens") as task:
                found = certify(models, reference, tokenizer, self.text, self.name, task)
        finally:
            for model in models:
                model.close()
            del models, model  # they hold arrays of the file, which is to be renamed
            file.close()
        exact, fast = found
        return {**exact.to_dict(), "fast": fast.of_fast()}


def certify(
    models: Sequence[Transformer],
    reference: Reference,
    tokenizer: PythiaTokenizer,
    text: str,
    text_name: str,
    task: Task = NO_TASK,
) -> list[Certificate]:
    """Run the reference and int8 models of the same checkpoint over a text.

    Returns the certificate of each. Raises InputError if the text has fewer than two tokens.
    """
    token_ids = _encode(tokenizer, text, text_name)
    context = reference.config.n_ctx
    caches = [model.new_cache() for model in models]
    columns: list[list[np.ndarray[Any, Any]]] = [[] for _ in models]
    for begin in range(0, len(token_ids) - 1, context):
        window = token_ids[begin : begin + context + 1]
        inputs, targets = window[:-1], window[1:]
        runs = []
        for model, cache in zip(models, caches, strict=True):
            cache.truncate(0)
            runs.append(model.chunks(inputs, cache))
        for (at, float_logits), *others in zip(reference.chunks(inputs), *runs, strict=True):
            few = targets[at : at + len(float_logits)]
            for (_, int8_logits), found in zip(others, columns, strict=True):
                found.append(_compare(float_logits, int8_logits, few))
            task.advance(len(few))
    return [
        _certificate(np.concatenate(found, axis=1), text, text_name, context) for found in columns
    ]


def _certificate(
    columns: np.ndarray[Any, Any], text: str, text_name: str, context: int
) -> Certificate:
    """The figures of one int8 model. columns: as of _compare."""
    float_nll, int8_nll, kl, agrees = columns
    return Certificate(
        text_name=text_name,
        text_sha256=hashlib.sha256(text.encode()).hexdigest(),
        n_tokens=len(kl),
        context=context,
        float_nll=float(float_nll.mean()),
        int8_nll=float(int8_nll.mean()),
        delta_nll=float((int8_nll - float_nll).mean()),
        kl_mean=float(kl.mean()),
        kl_median=float(np.median(kl)),
        kl_p99=float(np.quantile(kl, 0.99)),
        kl_max=float(kl.max()),
        top1_agreement=float(agrees.mean()),
    )


def _encode(tokenizer: PythiaTokenizer, text: str, name: str) -> np.ndarray[Any, Any]:
    token_ids = tokenizer.encode(text)
    if len(token_ids) < 2:
        raise InputError(name, "is too short to certify a checkpoint: it has fewer than two tokens")
    return token_ids


def _compare(
    float_logits: np.ndarray[Any, Any],
    int8_logits: np.ndarray[Any, Any],
    targets: np.ndarray[Any, Any],
) -> np.ndarray[Any, Any]:
    """[4, m] float64: nll of float32, nll of int8, KL, and whether the top tokens agree."""
    p, q = log_softmax(float_logits), log_softmax(int8_logits)
    rows = np.arange(len(targets))
    return np.stack(
        [
            -p[rows, targets],
            -q[rows, targets],
            (np.exp(p) * (p - q)).sum(axis=1),
            (p.argmax(axis=1) == q.argmax(axis=1)).astype(np.float64),
        ]
    )
