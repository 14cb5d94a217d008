"""The authorities' figures are made of each other by the formulas that golden/README.md names."""

import json

import numpy as np

from tests.golden_measures import (
    GOLDEN,
    GoldenText,
    golden_blimp,
    golden_lm_eval,
    golden_texts,
    token_sets,
)

TOLERANCE = 1e-4  # nats; both authorities sum in float32

TEXTS = golden_texts()
ON_ONE_LINE = [
    text
    for text in TEXTS
    if not text.failed and "\n" not in text.text and text.text == text.text.strip()
]


def begins_with_space(text: GoldenText) -> np.ndarray:
    """For each token, whether it begins a word for both authorities."""
    return np.isin(text.figures["token_ids"], token_sets()["space"])


def test_there_are_500_different_texts() -> None:
    assert len({text.text for text in TEXTS}) == 500
    assert sum(not text.failed for text in TEXTS) == 448
    assert len(ON_ONE_LINE) == 369


def test_a_distribution_follows_each_token_and_the_first_follows_the_beginning() -> None:
    for text in TEXTS:
        n = len(text.figures["token_ids"])
        assert text.figures["nll"].shape == (n,)
        for name in ("entropy", "log_space", "log_end", "log_white", "log_added"):
            assert text.figures[name].shape == (n + 1,)


def test_minicons_counts_space_only_and_does_not_correct_the_first_word() -> None:
    for text in TEXTS:
        if "minicons" not in text.failed:
            check_minicons(text)


def check_minicons(text: GoldenText) -> None:
    figures, begins = text.figures, begins_with_space(text)
    ends_word = np.append(begins[1:], True)
    begins_word = np.append(False, ends_word[:-1])
    corrected = (
        figures["nll"]
        - figures["log_space"][1:] * ends_word
        + figures["log_space"][:-1] * begins_word
    )
    assert_equal(figures["minicons_token"], figures["nll"], text)
    assert_equal(figures["minicons_token_corrected"], corrected, text)


def test_wordsprobability_counts_the_end_too_and_twice_for_the_first_word() -> None:
    for text in ON_ONE_LINE:
        check_wordsprobability(text)


def check_wordsprobability(text: GoldenText) -> None:
    figures, begins = text.figures, begins_with_space(text)
    begins_or_ends = np.logaddexp(figures["log_space"], figures["log_end"])
    space, end, added = (np.exp(figures[f"log_{n}"][0]) for n in ("space", "end", "added"))
    corrected = (
        figures["nll"]
        - begins_or_ends[1:] * np.append(begins[1:], True)
        + begins_or_ends[:-1] * begins
    )
    corrected[0] += np.log(1 - space - added + end)  # the first word may be anything but a space
    word = np.cumsum(begins)
    assert_equal(figures["wordsprobability_surprisal"], np.bincount(word, corrected), text)
    uncorrected = np.bincount(word, figures["nll"])
    assert_equal(figures["wordsprobability_surprisal_buggy"], uncorrected, text)


def assert_equal(theirs: np.ndarray, formed: np.ndarray, text: GoldenText) -> None:
    np.testing.assert_allclose(theirs, formed, rtol=0, atol=TOLERANCE, err_msg=ascii(text.text))


def test_blimp_prefers_the_larger_sum_and_keeps_the_first_pairs() -> None:
    blimp = golden_blimp()
    good, bad = np.moveaxis(blimp["logprob"], -1, 0)
    np.testing.assert_array_equal(blimp["correct"], good > bad)
    for uid in blimp["uid"]:
        lines = (GOLDEN / "blimp" / f"{uid}.jsonl").read_text(encoding="utf-8").splitlines()
        assert {json.loads(line)["UID"] for line in lines} == {uid}
        assert len(lines) == 100


def test_lm_eval_answers_every_request_and_its_accuracy_follows() -> None:
    tasks = golden_lm_eval()
    documents = read_lines("choices.jsonl")
    for task in tasks.values():
        assert all(len(s["answers"]) == len(task["requests"]) for s in task["steps"].values())
    for step in tasks["golden_choices"]["steps"].values():
        answers = iter(step["answers"])
        right, right_by_length = [], []
        for document in documents:
            choices = document["choices"]
            sums = [next(answers)["loglikelihood"] for _ in choices]
            by_length = np.array(sums) / [len(choice) for choice in choices]
            right.append(np.argmax(sums) == document["gold"])
            right_by_length.append(np.argmax(by_length) == document["gold"])
        assert np.isclose(np.mean(right), step["metrics"]["acc,none"])
        assert np.isclose(np.mean(right_by_length), step["metrics"]["acc_norm,none"])


def test_lm_eval_divides_a_page_by_its_bytes() -> None:
    rolling = golden_lm_eval()["golden_rolling"]
    n_bytes = sum(len(document["page"].encode()) for document in read_lines("rolling.jsonl"))
    for step in rolling["steps"].values():
        bits = -sum(answer["loglikelihood"] for answer in step["answers"]) / np.log(2)
        assert np.isclose(bits / n_bytes, step["metrics"]["bits_per_byte,none"])


def read_lines(name: str) -> list[dict]:
    lines = (GOLDEN / "lm_eval" / name).read_text(encoding="ascii").splitlines()
    return [json.loads(line) for line in lines]
