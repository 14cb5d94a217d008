"""Whole protocols on the demo, against plain computations."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pythia_cli
from pythia_cli.engine.reference import Reference
from pythia_cli.engine.scorer import score_plans
from pythia_cli.engine.text_plan import TextPlan
from pythia_cli.engine.windows import stride_windows
from pythia_cli.errors import InputError
from pythia_cli.library.model import Model
from pythia_cli.measures.perplexity import perplexity
from pythia_cli.reporting import Task
from pythia_cli.text.encoded import Encoded
from pythia_cli.text.tokenizer import PythiaTokenizer
from pythia_cli.weights.float_checkpoint import FloatCheckpoint
from pythia_cli.weights.int8_file import Int8File
from tests.engine.int8_reference import Int8Reference


@pytest.fixture(scope="module")
def models() -> Iterator[dict[str, Model]]:
    """The demo at step 3000, in both precisions."""
    with pythia_cli.load("demo") as int8, pythia_cli.load("demo", dtype="float32") as float32:
        yield {"int8": int8, "float32": float32}


@pytest.fixture(scope="module")
def reference(demo_folder: Callable[[int], Path]) -> Reference:
    return Reference.from_checkpoint(FloatCheckpoint(demo_folder(3000)))


def nll_of_last(reference: Reference, token_ids: np.ndarray[Any, Any], target: int) -> float:
    """-log p(target), from the logits after token_ids."""
    z = reference.logits(token_ids)[-1].astype(np.float64)
    return float(np.log(np.exp(z - z.max()).sum()) + z.max() - z[target])


def test_the_record_says_what_was_measured(models: dict[str, Model], eval_text: str) -> None:
    for dtype, model in models.items():
        record = json.loads(json.dumps(perplexity(model, eval_text[:300], source="x").to_dict()))
        assert record["file"] == "x"
        assert (record["model"], record["checkpoint"]) == ("demo", "step3000")
        assert record["dtype"] == dtype
        assert (record["quantization"] is None) == (dtype == "float32")
        assert len(record["source"]["sha256"]) == 64
        assert record["perplexity"] == pytest.approx(math.exp(record["nll"] / record["n_tokens"]))


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_stride_1_is_every_token_given_all_before_it(
    models: dict[str, Model], reference: Reference, demo_int8: Int8File, eval_text: str, dtype: str
) -> None:
    """A computation token by token: of the same model, or of the int8 one's twin."""
    text, context = eval_text[:600], 48
    twin = reference if dtype == "float32" else Int8Reference.from_int8(demo_int8)
    (document,) = perplexity(models[dtype], text, context=context, stride=1).texts
    ids = document.token_ids
    assert len(ids) > 2 * context
    nll = [nll_of_last(twin, ids[max(0, i - context + 1) : i], ids[i]) for i in range(1, len(ids))]
    assert document.totals.nll == pytest.approx(sum(nll), rel=1e-4)
    assert np.abs(document.nll[1:] - nll).max() <= (1e-4 if dtype == "float32" else 3e-2)


def test_llama_cpp_is_a_plain_computation_from_float_logits(
    models: dict[str, Model], reference: Reference, eval_text: str
) -> None:
    text, context = eval_text[:30_000], 512
    found = perplexity(models["int8"], text, protocol="llama.cpp")
    ids, nll = found.texts[0].token_ids, []
    for chunk in range(len(ids) // context):
        tokens = ids[chunk * context : (chunk + 1) * context]
        z = reference.logits(tokens).astype(np.float64)
        log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        nll += [-log_p[i, tokens[i + 1]] for i in range(context // 2, context - 1)]
    figures = found.totals.figures()
    assert figures["n_tokens"] == len(nll) == len(ids) // context * 255
    assert figures["perplexity"] == pytest.approx(math.exp(np.mean(nll)), rel=1e-3)


@pytest.mark.parametrize("protocol", ["stride", "llama.cpp", "lm-eval", "document"])
def test_token_ids_have_the_figures_of_their_text(
    models: dict[str, Model], eval_text: str, protocol: str
) -> None:
    model, text = models["int8"], eval_text[:3000].replace("\n", " ") + "caf\u00e9"
    by_text = perplexity(model, text, protocol=protocol)
    token_ids = model.tokenize(text).token_ids
    for given in (token_ids, token_ids.tolist()):
        by_ids = perplexity(model, given, protocol=protocol)
        assert by_ids.to_dict() == {**by_text.to_dict(), "ids": True}
        assert [one.text for one in by_ids.texts] == [text]


def test_token_ids_that_end_within_a_character(models: dict[str, Model]) -> None:
    model = models["int8"]
    token_ids = model.tokenize("It was \U0001f701").token_ids[:-1]
    (found,) = perplexity(model, token_ids, bos=True).texts
    assert found.data == "It was \U0001f701".encode()[:-1]
    assert found.totals.n_bytes == len(found.data)
    assert found.totals == perplexity(model, token_ids, bos=True).totals


@pytest.mark.parametrize("bad", [[], [1, -1], [1, 1 << 40], [1.5], [[1, 2]], None, 5])
def test_what_is_no_text_and_no_ids(models: dict[str, Model], bad: Any) -> None:
    with pytest.raises(InputError, match="x: "):
        perplexity(models["int8"], bad, source="x")


def test_lm_eval_covers_the_whole_text(
    models: dict[str, Model], demo_tokenizer: PythiaTokenizer, eval_text: str
) -> None:
    text = eval_text[:5000]
    totals = perplexity(models["int8"], text, protocol="lm-eval").totals
    assert totals.n_tokens == len(demo_tokenizer.encode(text))
    assert totals.n_bytes == len(text.encode())
    assert totals.n_words == len(text.split())


def test_bits_per_byte_of_the_demo_are_the_published_ones(
    models: dict[str, Model], demo_tokenizer: PythiaTokenizer, eval_text: str
) -> None:
    """24 windows of 512 tokens, first tokens unscored, at the bytes a token of the whole text."""
    encoded = demo_tokenizer.encode_covering(eval_text)
    n = 24 * 512
    text = eval_text.encode()[: encoded.n_bytes[:n].sum()].decode()
    plan = TextPlan(
        text,
        Encoded(encoded.token_ids[:n], encoded.n_bytes[:n]),
        list(stride_windows(n, 512, 512)),
    )
    (document,) = score_plans([plan], models["float32"].scorer, Task())
    figures = document.totals.figures()
    assert figures["n_tokens"] == 24 * 511
    nll_per_token = figures["nll"] / figures["n_tokens"]
    assert nll_per_token == pytest.approx(3.6415, abs=1e-3)
    bytes_per_token = len(eval_text.encode()) / len(encoded.token_ids)
    assert nll_per_token / math.log(2) / bytes_per_token == pytest.approx(1.428, abs=1e-3)
    assert figures["bits_per_byte"] == pytest.approx(1.428, rel=0.01)
