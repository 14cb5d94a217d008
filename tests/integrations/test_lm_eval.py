"""Our model for lm-eval: the requests and answers of its `hf` model, and a cache for each model."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pythia_cli.errors import InputError, InvalidValue, UsageError
from pythia_cli.library.model import Model
from pythia_cli.text.tokenizer import PythiaTokenizer

pytest.importorskip("lm_eval", reason='needs lm-eval: pip install "pythia-cli[eval]"')

from lm_eval.api.instance import Instance
from lm_eval.api.model import CachingLM
from lm_eval.api.registry import get_model

from pythia_cli.integrations.lm_eval import PythiaLM
from pythia_cli.integrations.response_cache import file_of

KINDS = ("loglikelihood", "loglikelihood_rolling", "generate_until")


def ask(lm: Any, kind: str, arguments: Sequence[Sequence[Any]]) -> list[Any]:
    made = [Instance(kind, {}, tuple(each), i) for i, each in enumerate(arguments)]
    answers: list[Any] = getattr(lm, kind)(made)
    return answers


def asked(recorded: dict[str, Any], kind: str) -> list[list[Any]]:
    return [row["arguments"] for row in recorded[kind]]


@pytest.fixture
def lm(opened: Callable[..., Model]) -> PythiaLM:
    return PythiaLM(opened())


@pytest.mark.parametrize("kind", KINDS[:2])
def test_the_requests_are_those_of_hf(
    recorded: dict[str, Any], lm: PythiaLM, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    scorer = lm.model.scorer
    run: list[Any] = []

    def score(texts: Sequence[Any], *more: Any) -> Any:
        run.extend(texts)
        return original(texts, *more)

    original = scorer.score
    monkeypatch.setattr(scorer, "score", score)
    for row in recorded[kind]:
        run.clear()
        ask(lm, kind, [row["arguments"]])
        ids = [text.token_ids.tolist() for text in run]
        assert sorted(ids) == sorted(row["inputs"])
    # Each target is the next token of the window.
    for ids, targets in run:
        is_target = targets >= 0
        assert is_target[-1]
        np.testing.assert_array_equal(targets[:-1][is_target[:-1]], ids[1:][is_target[:-1]])


def test_the_prompts_are_those_of_hf(recorded: dict[str, Any], lm: PythiaLM) -> None:
    for row in recorded["generate_until"]:
        context, how = row["arguments"]
        most = how.get("max_gen_toks", how.get("max_new_tokens", 256))
        assert [lm._prompt(context, lm.max_length - most).token_ids.tolist()] == row["inputs"]


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_loglikelihoods_are_those_of_hf(
    recorded: dict[str, Any], opened: Callable[..., Model], nats_a_token: float, dtype: str
) -> None:
    """In float32 but for the last bits; in int8 within the certificate."""
    lm = PythiaLM(opened(3000, dtype))
    found = ask(lm, "loglikelihood", asked(recorded, "loglikelihood"))
    for (logprob, is_greedy), row in zip(found, recorded["loglikelihood"], strict=True):
        expected = row["answer"]
        n_tokens = len(lm.tok_encode(row["arguments"][1])) + 1
        within = 1e-6 * abs(expected[0]) if dtype == "float32" else n_tokens * nats_a_token
        assert logprob == pytest.approx(expected[0], abs=max(within, 1e-5)), row["arguments"]
        assert is_greedy == expected[1]


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_rolling_loglikelihoods_are_those_of_hf(
    recorded: dict[str, Any], opened: Callable[..., Model], nats_a_token: float, dtype: str
) -> None:
    lm = PythiaLM(opened(3000, dtype))
    found = ask(lm, "loglikelihood_rolling", asked(recorded, "loglikelihood_rolling"))
    for logprob, row in zip(found, recorded["loglikelihood_rolling"], strict=True):
        n_tokens = len(lm.tok_encode(row["arguments"][0]))
        within = 1e-6 * abs(row["answer"]) if dtype == "float32" else n_tokens * nats_a_token
        assert logprob == pytest.approx(row["answer"], abs=max(within, 1e-5))


def test_generated_texts_are_those_of_hf_but_for_near_ties(
    recorded: dict[str, Any], opened: Callable[..., Model], nats_a_token: float
) -> None:
    lm, exact = PythiaLM(opened()), opened(3000, "float32")
    found = ask(lm, "generate_until", asked(recorded, "generate_until"))
    near_ties = []
    for i, (text, row) in enumerate(zip(found, recorded["generate_until"], strict=True)):
        if text == row["answer"]:
            continue
        ours, theirs = lm.tok_encode(text), lm.tok_encode(row["answer"])
        n = next(k for k, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b)
        logits = exact.logits(row["inputs"][0] + theirs[:n])[-1]
        assert abs(logits[ours[n]] - logits[theirs[n]]) < 2 * nats_a_token
        near_ties.append(i)
    assert near_ties == [7, 8]


def test_answers_do_not_depend_on_what_is_asked_together(
    recorded: dict[str, Any], lm: PythiaLM
) -> None:
    for kind in KINDS:
        together = ask(lm, kind, asked(recorded, kind))
        assert together == [ask(lm, kind, [each])[0] for each in asked(recorded, kind)]


def test_a_context_of_white_space_is_the_empty_one(lm: PythiaLM) -> None:
    assert ask(lm, "loglikelihood", [("  ", "It was")]) == ask(
        lm, "loglikelihood", [("", "  It was")]
    )
    (text,) = ask(lm, "generate_until", [("", {"until": ["\n"], "max_gen_toks": 4})])
    prompt = "<|endoftext|>"
    assert text == lm.model.generate(prompt, max_tokens=4, temperature=0, stop=["\n"]).text


def test_special_tokens_are_left_out_of_texts(lm: PythiaLM) -> None:
    ids = [*lm.tok_encode("a"), lm.eot_token_id, *lm.tok_encode("   b")]
    assert lm._text(ids) == "a   b"


def test_special_tokens(demo_tokenizer: PythiaTokenizer, neox_tokenizer: PythiaTokenizer) -> None:
    for tokenizer in (demo_tokenizer, neox_tokenizer):
        names = {tokenizer.token_bytes(i) for i in tokenizer.special}
        assert names - {b"[PAD]"} == {b"<|endoftext|>", b"<|padding|>"}


def test_samples(lm: PythiaLM) -> None:
    how = {"until": [], "max_gen_toks": 12, "do_sample": True, "temperature": 1.0}

    def drawn() -> list[str]:
        np.random.seed(1234)
        return ask(lm, "generate_until", [("It was", how)] * 3 + [("She said", how)])

    texts = drawn()
    assert len(set(texts)) == 4
    assert drawn() == texts


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"until": ["\n"], "max_gen_toks": 512}, "leaves no room for a prompt"),
        ({"do_sample": True}, "temperature is 0"),
        ({"num_beams": 4}, "num_beams is 4; it is not supported"),
        ({"max_length": 40}, "max_length is 40"),
        ({"do_sample": True, "temperature": -1}, "temperature is -1"),
        ({"max_gen_toks": 0}, "max_tokens is 0"),
        ("greedy", "expected an object"),
    ],
)
def test_bad_generation_arguments(lm: PythiaLM, how: Any, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        ask(lm, "generate_until", [("It was", how)])


def test_bad_requests(lm: PythiaLM, opened: Callable[..., Model]) -> None:
    with pytest.raises(UsageError, match="the continuation of 'It was' is empty"):
        ask(lm, "loglikelihood", [("It was", "")])
    with pytest.raises(UsageError, match="has 600 tokens to score; expected 1 to 512"):
        ask(lm, "loglikelihood", [("", "no" + " no" * 599)])
    with pytest.raises(UsageError, match="no chat template"):
        lm.apply_chat_template([])
    with pytest.raises(InvalidValue, match="max_length is 513"):
        PythiaLM(opened(), max_length=513)
    with pytest.raises(UsageError, match="int8 only"):
        ask(PythiaLM(opened(3000, "float32")), "generate_until", [("a", {"max_gen_toks": 1})])


def test_a_shorter_context(lm: PythiaLM) -> None:
    short = PythiaLM(lm.model, max_length=4)
    (found,) = ask(short, "loglikelihood", [("It was not a small", " one indeed")])
    ids = lm.tok_encode("It was not a small one indeed")
    cut = lm.model.decode(ids[-5:-2]), lm.model.decode(ids[-2:])
    assert found == ask(lm, "loglikelihood", [cut])[0]


def test_it_is_registered_and_opens_models_by_name() -> None:
    assert get_model("pythia") is PythiaLM
    lm = PythiaLM.create_from_arg_string(
        "model=demo,step=64,n_threads=1,max_length=128", {"batch_size": 8, "device": "cuda:0"}
    )
    with lm.model:
        assert str(lm.model.checkpoint) == "demo@64"
        assert (lm.max_length, lm.model.n_threads) == (128, 1)
        assert lm.get_model_info()["step"] == 64


def test_the_command_of_lm_eval_starts() -> None:
    command = [sys.executable, "-m", "pythia_cli.integrations.lm_eval", "run", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "--model_args" in done.stdout


PAIRS = [("It was", " not"), ("She said", " that")]


def test_sums_have_the_bits_of_loglikelihood(opened: Callable[..., Model], eval_text: str) -> None:
    model = opened()
    texts = [eval_text[begin : begin + 900] for begin in range(0, 9000, 900)]
    found = ask(PythiaLM(model), "loglikelihood", [("It was", text) for text in texts])
    assert [logprob for logprob, _ in found] == [
        model.loglikelihood("It was", text).logprob for text in texts
    ]


def test_two_steps_in_one_cache_folder_do_not_mix(
    opened: Callable[..., Model], tmp_path: Path
) -> None:
    answers = {}
    for step, dtype in [(64, "int8"), (3000, "int8"), (3000, "float32")]:
        lm = PythiaLM(opened(step, dtype))
        path = file_of(lm.cache_path(str(tmp_path)))
        answers[step, dtype] = ask(CachingLM(lm, path), "loglikelihood", PAIRS)
        assert answers[step, dtype] == ask(lm, "loglikelihood", PAIRS)
    assert len(list(tmp_path.glob("*.db"))) == 3
    for (step, dtype), found in answers.items():  # from the cache this time
        lm = PythiaLM(opened(step, dtype))
        lm._loglikelihood_tokens = None  # type: ignore[assignment, method-assign]
        path = file_of(lm.cache_path(str(tmp_path)))
        assert ask(CachingLM(lm, path), "loglikelihood", PAIRS) == found


def test_a_cache_of_another_model_is_refused(opened: Callable[..., Model], tmp_path: Path) -> None:
    path = str(tmp_path / "cache.db")
    ask(CachingLM(PythiaLM(opened(64)), path), "loglikelihood", PAIRS)
    for other, field in [
        (PythiaLM(opened(3000)), "checkpoint is 'step64'"),
        (PythiaLM(opened(64, "float32")), "quantization is "),
        (PythiaLM(opened(64), max_length=100), "max_length is 512"),
    ]:
        with pytest.raises(InputError, match=f"another model's responses: {field}"):
            CachingLM(other, path)
    again = PythiaLM(opened(64))
    assert ask(CachingLM(again, path), "loglikelihood", PAIRS) == ask(again, "loglikelihood", PAIRS)


def test_a_cache_of_another_program_is_refused(lm: PythiaLM, tmp_path: Path) -> None:
    path = tmp_path / "cache.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE unnamed (key TEXT PRIMARY KEY, value BLOB)")
        database.execute("INSERT INTO unnamed VALUES ('a', 'b')")
    database.close()
    with pytest.raises(InputError, match="another program's responses"):
        CachingLM(lm, str(path))


def test_responses_reach_the_cache_as_they_come(lm: PythiaLM, tmp_path: Path) -> None:
    """So that an interrupted run loses little."""
    caching = CachingLM(lm, str(tmp_path / "cache.db"))
    ask(lm, "loglikelihood", PAIRS)
    ask(lm, "loglikelihood_rolling", [("It was",)])
    ask(lm, "generate_until", [("It was", {"max_gen_toks": 2})])
    assert len(caching.dbdict) == 4
    lm.set_cache_hook(type(lm.cache_hook)(None))
