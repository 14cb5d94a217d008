"""Words for several steps."""

from __future__ import annotations

import pytest

from pythia_cli.errors import InvalidValue, UnknownName, UsageError
from pythia_cli.suite.models import DEMO
from pythia_cli.suite.step_sets import as_ranges, names_several, parse_steps, words_of
from pythia_cli.suite.steps import DEMO_STEPS, LATE_STEPS, STEPS

LOG = [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512]


@pytest.mark.parametrize(
    ("texts", "steps"),
    [
        (["3000"], [3000]),
        (["step3000", "3000"], [3000]),
        (["main"], [143000]),
        (["512,0", " 64 "], [0, 64, 512]),
        (["log"], LOG),
        (["all"], list(STEPS)),
        (["1000:4000"], [1000, 2000, 3000, 4000]),
        (["1000:4000:1000"], [1000, 2000, 3000, 4000]),
        (["1000:9000:4000"], [1000, 5000, 9000]),
        (["step0:step16"], [0, 1, 2, 4, 8, 16]),
        (["0:512,143000"], [*LOG, 143000]),
        (["141500:999999999"], [142000, 143000]),
    ],
)
def test_words(texts: list[str], steps: list[int]) -> None:
    assert parse_steps("pythia-410m", texts) == steps


@pytest.mark.parametrize("text", ["all", "log", "installed", "0,64", "0:512", "1000:4000:1000"])
def test_what_names_several(text: str) -> None:
    assert names_several(text)


@pytest.mark.parametrize("text", ["3000", "step3000", "main", "last"])
def test_what_names_one(text: str) -> None:
    assert not names_several(text)


def test_the_demo_has_steps_of_its_own() -> None:
    assert parse_steps(DEMO, ["all"]) == list(DEMO_STEPS)
    assert parse_steps(DEMO, ["log"]) == [0, 64, 512]


def test_the_first_version_has_no_early_steps() -> None:
    assert parse_steps("pythia-70m-v0", ["all"]) == list(LATE_STEPS)
    assert parse_steps("pythia-70m-v0", ["0:2000"]) == [1000, 2000]
    with pytest.raises(UsageError, match="the first published step of pythia-70m-v0 is 1000"):
        parse_steps("pythia-70m-v0", ["log"])


@pytest.mark.parametrize("text", ["3", "", "0,,1", "1000:", ":", "-1", "last", "1000:2000:3000:4"])
def test_no_step(text: str) -> None:
    with pytest.raises(UnknownName):
        parse_steps("pythia-410m", [text])


@pytest.mark.parametrize("text", ["1001:1999", "4000:1000", "3:3", "0:2:0"])
def test_an_empty_range(text: str) -> None:
    with pytest.raises(UsageError, match="a range with a published step"):
        parse_steps("pythia-410m", [text])


@pytest.mark.parametrize("text", ["all", "log", "1:5"])
def test_names_of_ones_own_have_no_sets(text: str) -> None:
    assert parse_steps("mine", ["1,7"]) == [1, 7]
    with pytest.raises(UsageError, match="are not known"):
        parse_steps("mine", [text])


@pytest.mark.parametrize(
    ("steps", "text"),
    [
        ([], ""),
        ([3000], "3000"),
        ([64, 512], "64,512"),
        (STEPS, "0:2,4,8,16,32,64,128,256,512,1000:143000:1000"),
        ([143000, 2000, 1000, 3000], "1000:3000:1000,143000"),
        ([1000, 3000, 5000, 6000, 6000], "1000:5000:2000,6000"),
    ],
)
def test_steps_as_ranges(steps: list[int], text: str) -> None:
    assert as_ranges(steps) == text
    if steps:
        assert parse_steps("pythia-14m", [text]) == sorted(set(steps))


def test_steps_are_texts_or_whole_numbers() -> None:
    assert words_of("0,64") == ["0,64"]
    assert words_of(64) == ["64"]
    assert words_of(step for step in (0, 64)) == ["0", "64"]
    for steps in (1.0, None):
        with pytest.raises(InvalidValue, match="steps is"):
            words_of(steps)  # type: ignore[arg-type]
