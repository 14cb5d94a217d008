"""The authorities' figures are made of transformers' own, by the formulas that README.md names."""

import numpy as np

from tests.golden_measures import GoldenText, golden_texts, token_sets

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
