"""The quantization error against a plain computation from both models' logits."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from pythia_cli.engine.reference import Reference
from pythia_cli.engine.transformer import Transformer
from pythia_cli.errors import InputError
from pythia_cli.measures.certificate import TextCertifier, certify
from pythia_cli.reporting import Reporter
from pythia_cli.text.tokenizer import PythiaTokenizer
from pythia_cli.weights.float_checkpoint import FloatCheckpoint
from pythia_cli.weights.int8_file import Int8File
from tests.reporting import Counted


@pytest.fixture(scope="module")
def model(demo_int8: Int8File) -> Iterator[Transformer]:
    model = Transformer(demo_int8, 2)
    yield model
    model.close()


@pytest.fixture(scope="module")
def reference(demo_folder: Callable[[int], Path]) -> Reference:
    return Reference.from_checkpoint(FloatCheckpoint(demo_folder(3000)))


def log_softmax(logits: np.ndarray) -> np.ndarray:
    z = logits.astype(np.float64)
    z -= z.max(axis=1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


def test_the_demos_error_is_small_on_its_whole_text(
    model: Transformer, reference: Reference, demo_tokenizer: PythiaTokenizer, eval_text: str
) -> None:
    task = Counted()
    (certificate,) = certify([model], reference, demo_tokenizer, eval_text, "eval.txt", task)
    assert certificate.kl_mean <= 1.4e-4
    assert abs(certificate.delta_nll) <= 1e-3
    assert certificate.top1_agreement >= 0.985
    assert certificate.n_tokens == task.done == len(demo_tokenizer.encode(eval_text)) - 1
    assert certificate.text_sha256 == hashlib.sha256(eval_text.encode()).hexdigest()
    assert (certificate.text_name, certificate.context) == ("eval.txt", 512)
    assert set(certificate.to_dict()) >= {"kl_mean", "delta_nll", "top1_agreement", "text_sha256"}


def test_figures_are_those_of_a_plain_computation(
    model: Transformer,
    demo_folder: Callable[[int], Path],
    demo_tokenizer: PythiaTokenizer,
    eval_text: str,
) -> None:
    """Over disjoint windows of the context, the last one shorter; of two models far apart.

    So that KL the other way round would show.
    """
    text, other = eval_text[:4000], Reference.from_checkpoint(FloatCheckpoint(demo_folder(512)))
    token_ids = demo_tokenizer.encode(text)
    assert 512 < len(token_ids) - 1 < 1600
    rows: list[list[float]] = []
    for begin in range(0, len(token_ids) - 1, 512):
        inputs = token_ids[begin : min(begin + 512, len(token_ids) - 1)]
        targets = token_ids[begin + 1 :]
        p = log_softmax(other.logits(inputs))
        chunks = model.chunks(inputs, model.new_cache())
        q = log_softmax(np.concatenate([logits.copy() for _, logits in chunks]))
        for t in range(len(inputs)):
            kl = float((np.exp(p[t]) * (p[t] - q[t])).sum())
            agrees = float(p[t].argmax() == q[t].argmax())
            rows.append([-p[t, targets[t]], -q[t, targets[t]], kl, agrees])
    float_nll, int8_nll, kls, agreements = np.array(rows).T
    (certificate,) = certify([model], other, demo_tokenizer, text, "x")
    assert certificate.n_tokens == len(rows)
    assert certificate.float_nll == pytest.approx(float_nll.mean(), rel=1e-5)
    assert certificate.int8_nll == pytest.approx(int8_nll.mean(), rel=1e-9)
    assert certificate.delta_nll == pytest.approx((int8_nll - float_nll).mean(), rel=1e-4)
    assert certificate.kl_mean == pytest.approx(kls.mean(), rel=1e-4)
    assert certificate.kl_median == pytest.approx(np.median(kls), rel=1e-4)
    assert certificate.kl_p99 == pytest.approx(np.quantile(kls, 0.99), rel=1e-4)
    assert certificate.kl_max == pytest.approx(kls.max(), rel=1e-4)
    assert certificate.top1_agreement == pytest.approx(agreements.mean(), abs=0.002)


def test_a_text_of_exactly_a_window_and_one_token_is_one_window(
    model: Transformer, reference: Reference, demo_tokenizer: PythiaTokenizer
) -> None:
    text = "a\n" * 256 + "a"
    assert len(demo_tokenizer.encode(text)) == 513
    (certificate,) = certify([model], reference, demo_tokenizer, text, "x")
    assert certificate.n_tokens == 512


@pytest.mark.parametrize("text", ["", "a"])
def test_a_text_too_short_is_refused(
    model: Transformer, reference: Reference, demo_tokenizer: PythiaTokenizer, text: str
) -> None:
    with pytest.raises(InputError, match=r"short\.txt"):
        certify([model], reference, demo_tokenizer, text, "short.txt")


def test_the_dequantized_model_is_nearer_than_the_float_one(
    model: Transformer, demo_int8: Int8File, demo_tokenizer: PythiaTokenizer, eval_text: str
) -> None:
    """Against its own weights only the error of cache and kernels is left, ten times smaller."""
    twin = Reference.from_int8(demo_int8)
    (certificate,) = certify([model], twin, demo_tokenizer, eval_text[:4000], "x")
    assert 0 <= certificate.kl_mean <= 1.5e-5
    assert abs(certificate.delta_nll) <= 5e-4


def test_the_file_is_not_mapped_afterwards(
    demo_int8: Int8File,
    demo_folder: Callable[[int], Path],
    eval_text: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is renamed then, which Windows refuses for a mapped file."""
    opened: list[Int8File] = []

    def keep(path: Path) -> Int8File:
        opened.append(Int8File(path))
        return opened[0]

    monkeypatch.setattr("pythia_cli.measures.certificate.Int8File", keep)
    certifier = TextCertifier(eval_text[:300], "x")
    source = FloatCheckpoint(demo_folder(3000))
    certifier.certify(source, demo_int8.path, 1, Reporter())
    assert opened[0]._map.closed
