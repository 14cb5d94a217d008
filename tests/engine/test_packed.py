"""Texts that share passes."""

from __future__ import annotations

import numpy as np

from pythia_cli.engine.forward_pass import CHUNK
from pythia_cli.engine.packed import packed
from tests.inside.test_selection import CONFIG


def test_texts_come_in_order_and_fill_passes() -> None:
    lengths = [100, 100, 100, 300, 10, CHUNK, 1]
    texts = [np.full(n, i) for i, n in enumerate(lengths)]
    found = list(packed(CONFIG, texts))
    assert [(one.first, one.bounds) for one in found] == [
        (0, [0, 100, 200]),
        (2, [0, 100]),
        (3, [0, 300]),
        (4, [0, 10]),
        (5, [0, CHUNK]),
        (6, [0, 1]),
    ]
    assert [text for one in found for text, _, _ in one.texts] == list(range(len(texts)))
    for one in found:
        for text, lo, hi in one.texts:
            assert (one.token_ids[lo:hi] == text).all()
            assert one.positions[lo:hi].tolist() == list(range(hi - lo))


def test_a_long_text_has_several_passes_and_several_texts_have_one() -> None:
    (long,) = packed(CONFIG, [np.arange(CHUNK + 5)])
    spans = [(lo, hi, spans.tolist()) for lo, hi, spans in long.chunks()]
    assert spans == [(0, CHUNK, [[0, 0, CHUNK]]), (CHUNK, CHUNK + 5, [[0, CHUNK, 5]])]
    (short,) = packed(CONFIG, [np.arange(3), np.arange(2)])
    ((lo, hi, found),) = short.chunks()
    assert (lo, hi, found.tolist()) == (0, 5, [[0, 0, 3], [1, 0, 2]])
    assert short.cache.keys.shape[1] == 2


def test_no_texts() -> None:
    assert list(packed(CONFIG, [])) == []
