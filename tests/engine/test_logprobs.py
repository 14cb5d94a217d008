"""Log-probabilities of generated tokens are those of the model's own distribution."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

import pythia_cli
from pythia_cli.engine.generate import GenerateOptions
from pythia_cli.engine.logprobs import generated_token
from pythia_cli.engine.sampling import SamplingOptions
from pythia_cli.errors import InvalidValue
from pythia_cli.text.tokenizer import PythiaTokenizer


def test_the_softmax_is_over_all_logits_and_the_top_over_tokens(
    demo_tokenizer: PythiaTokenizer,
) -> None:
    size = demo_tokenizer.size
    logits = np.zeros(size + 3, np.float32)
    logits[[7, 9, 11, size]] = 2, 2, 1, 5  # the last stands for no token
    found = generated_token(logits, 11, 3, demo_tokenizer)
    total = math.log(size - 1 + 2 * math.e**2 + math.e + math.e**5)
    assert [token.token_id for token in found.top] == [7, 9, 11]
    assert [token.logprob for token in found.top] == pytest.approx(
        [2 - total, 2 - total, 1 - total]
    )
    assert found[:3] == found.top[2]
    assert found.text == demo_tokenizer.token_bytes(11).decode()
    json.dumps(found.to_dict(), allow_nan=False)


@pytest.mark.parametrize(("n_top", "n"), [(0, 0), (1, 1), (10**9, None)])
def test_as_many_as_asked_for_or_as_there_are(
    demo_tokenizer: PythiaTokenizer, n_top: int, n: int | None
) -> None:
    logits = np.random.default_rng(1).normal(size=demo_tokenizer.size).astype(np.float32)
    top = generated_token(logits, 0, n_top, demo_tokenizer).top
    assert len(top) == (demo_tokenizer.size if n is None else n)
    logprobs = [token.logprob for token in top]
    assert logprobs == sorted(logprobs, reverse=True)
    if n is None:
        assert math.fsum(map(math.exp, logprobs)) == pytest.approx(1)


def test_they_change_no_text_and_equal_what_scoring_gives() -> None:
    sampling = SamplingOptions(temperature=0.7, top_p=0.9, repetition_penalty=1.1)
    plain = GenerateOptions(12, sampling, seed=4)
    asked = GenerateOptions(12, sampling, seed=4, top_logprobs=3)
    with pythia_cli.load("demo", step=3000) as model:
        prompts = ["It was", "She looked at him"]
        expected = model.generate_batch(prompts, plain, num_samples=2)
        found = model.generate_batch(prompts, asked, num_samples=2)
        assert [sample.token_ids for sample in found] == [sample.token_ids for sample in expected]
        assert all(sample.logprobs is None for sample in expected)
        for prompt, sample in zip([p for p in prompts for _ in range(2)], found, strict=True):
            assert sample.logprobs is not None
            assert [token.token_id for token in sample.logprobs] == sample.token_ids
            before = model.tokenize(prompt).token_ids.tolist()
            z = model.logits([*before, *sample.token_ids])[len(before) - 1 : -1].astype(np.float64)
            own = z - z.max(axis=1, keepdims=True)
            own -= np.log(np.exp(own).sum(axis=1, keepdims=True))
            rows = np.arange(len(own))
            np.testing.assert_allclose(
                [token.logprob for token in sample.logprobs], own[rows, sample.token_ids]
            )
            for token, row in zip(sample.logprobs, own, strict=True):
                assert [t.token_id for t in token.top] == np.argsort(-row, kind="stable")[
                    :3
                ].tolist()


@pytest.mark.parametrize("bad", [-1, 1.5, True, "3"])
def test_how_many_is_a_whole_number(bad: object) -> None:
    with pytest.raises(InvalidValue, match="top_logprobs"):
        GenerateOptions(top_logprobs=bad)  # type: ignore[arg-type]
