"""The quantization error of a checkpoint on a given text: int8 against float32."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pythia_cli.engine.reference import Reference
from pythia_cli.engine.transformer import Transformer
from pythia_cli.errors import InputError
from pythia_cli.text.tokenizer import PythiaTokenizer


@dataclass(frozen=True)
class Certificate:
    """delta_nll = mean nll of int8 - of float32, nats a token; kl = KL(float32 || int8), nats.

    Over every next-token distribution of disjoint windows of `context` tokens; top1_agreement is
    the share of positions where both put the same token first.
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


def certify(
    model: Transformer,
    reference: Reference,
    tokenizer: PythiaTokenizer,
    text: str,
    text_name: str,
    progress: Callable[[int], None] = lambda n_tokens: None,
) -> Certificate:
    """Run both models over the text. Raises InputError where it has fewer than two tokens."""
    token_ids = tokenizer.encode(text)
    if len(token_ids) < 2:
        raise InputError(text_name, "is too short to certify a checkpoint with")
    context = model.config.n_ctx
    cache = model.new_cache()
    columns: list[np.ndarray[Any, Any]] = []
    for begin in range(0, len(token_ids) - 1, context):
        window = token_ids[begin : begin + context + 1]
        inputs, targets = window[:-1], window[1:]
        cache.truncate(0)
        both = zip(model.chunks(inputs, cache), reference.chunks(inputs), strict=True)
        for (at, int8_logits), (_, float_logits) in both:
            columns.append(_compare(float_logits, int8_logits, targets[at : at + len(int8_logits)]))
            progress(len(int8_logits))
    float_nll, int8_nll, kl, agrees = np.concatenate(columns, axis=1)
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


def _compare(
    float_logits: np.ndarray[Any, Any],
    int8_logits: np.ndarray[Any, Any],
    targets: np.ndarray[Any, Any],
) -> np.ndarray[Any, Any]:
    """[4, m]: nll of float32, nll of int8, KL, and whether the first tokens agree."""
    p, q = _log_softmax(float_logits), _log_softmax(int8_logits)
    rows = np.arange(len(targets))
    return np.stack(
        [
            -p[rows, targets],
            -q[rows, targets],
            (np.exp(p) * (p - q)).sum(axis=1),
            (p.argmax(axis=1) == q.argmax(axis=1)).astype(np.float64),
        ]
    )


def _log_softmax(logits: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    z = logits.astype(np.float64)
    z -= z.max(axis=1, keepdims=True)
    z -= np.log(np.exp(z).sum(axis=1, keepdims=True))
    return z
