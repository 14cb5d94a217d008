"""Plans of the lines of a text: as those of a list, in less memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from pythia_cli.engine.documents import Documents, IdDocuments, count_scored
from pythia_cli.engine.text_plan import TextPlan, stride_plan
from pythia_cli.text import batches
from pythia_cli.text.lines import line_spans
from pythia_cli.text.token_ids import IdLines
from pythia_cli.text.tokenizer import PythiaTokenizer


def same(one: TextPlan, other: TextPlan) -> bool:
    columns = ("token_ids", "n_bytes")
    return (one.text, one.windows, one.bos, one.chunk_bos) == (
        other.text,
        other.windows,
        other.bos,
        other.chunk_bos,
    ) and all(
        np.array_equal(getattr(one.encoded, column), getattr(other.encoded, column))
        for column in columns
    )


@pytest.mark.parametrize("in_a_batch", [1, 100, 500, 1 << 16])
@pytest.mark.parametrize("bos", [False, True])
def test_they_are_the_plans_of_the_lines(
    eval_text: str,
    demo_tokenizer: PythiaTokenizer,
    monkeypatch: pytest.MonkeyPatch,
    in_a_batch: int,
    bos: bool,
) -> None:
    monkeypatch.setattr(batches, "_IN_A_BATCH", in_a_batch)
    text = "One\r\n" + eval_text[:3000] + "\ncafé é\n\nend"
    spans = list(line_spans(text))
    found = Documents(text, spans, demo_tokenizer, 16, 8, bos=bos)
    lines = [text[begin:end] for begin, end in spans]
    expected = [stride_plan(line, demo_tokenizer, 16, 8, bos=bos) for line in lines]
    assert len(found) == len(expected) > 7
    assert all(map(same, found, expected))
    assert same(found[-1], expected[-1])
    assert all(map(same, found[1:-1:2], expected[1:-1:2]))
    assert found.n_tokens == sum(plan.n_tokens for plan in expected)
    assert count_scored(found) == count_scored(expected) > 10
    with pytest.raises(IndexError):
        found[len(found)]


@pytest.mark.parametrize("bos", [False, True])
def test_lines_of_ids_have_the_plans_of_their_texts(
    eval_text: str, demo_tokenizer: PythiaTokenizer, bos: bool
) -> None:
    texts = [*eval_text[:3000].split("\n"), "café é", "a"]
    assert "" in texts
    lines = IdLines.of([demo_tokenizer.encode(text) for text in texts])
    found = IdDocuments(lines, demo_tokenizer, 16, 8, bos=bos)
    expected = [stride_plan(text, demo_tokenizer, 16, 8, bos=bos) for text in texts if text]
    assert len(found) == len(expected)
    assert all(map(same, found, expected))
    assert all(map(same, found[1:-1:2], expected[1:-1:2]))
    assert found.n_tokens == sum(plan.n_tokens for plan in expected)
    assert count_scored(found) == sum(plan.n_scored for plan in expected)


def test_without_parts(demo_tokenizer: PythiaTokenizer) -> None:
    found = Documents("", [], demo_tokenizer, 16, 8, bos=True)
    assert (list(found), found.n_tokens, found.n_scored) == ([], 0, 0)


def test_a_line_takes_few_bytes(demo_tokenizer: PythiaTokenizer) -> None:
    n_lines = 25_000
    text = "It was not.\n" * n_lines
    tracemalloc.start()
    found = Documents(text, line_spans(text), demo_tokenizer, 2048, 1024, bos=False)
    kept, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found) == n_lines
    assert kept < 50 * n_lines
    assert most < 50 * n_lines + 4_000_000
