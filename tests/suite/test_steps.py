"""Which steps there are, and which words name one."""

from __future__ import annotations

import pytest

from pythia_cli.errors import UnknownName, UsageError
from pythia_cli.suite.steps import LATE_STEPS, STEPS, parse_step


def test_there_are_154_steps() -> None:
    assert len(STEPS) == len(set(STEPS)) == 154
    assert list(STEPS) == sorted(STEPS)
    assert STEPS[:12] == (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000)
    assert STEPS[-1] == 143_000
    assert all(step % 1000 == 0 for step in STEPS[11:])


def test_the_first_version_has_143_of_them() -> None:
    assert len(LATE_STEPS) == 143
    assert (LATE_STEPS[0], LATE_STEPS[-1]) == (1000, 143_000)
    assert parse_step("pythia-410m-v0", "main") == 143_000
    with pytest.raises(UnknownName) as unknown:
        parse_step("pythia-410m-v0", "512")
    assert unknown.value.nearest == ["1000", "2000"]


@pytest.mark.parametrize("text", ["3000", "step3000"])
@pytest.mark.parametrize("model", ["pythia-70m", "demo", "mine"])
def test_a_step_in_both_spellings(model: str, text: str) -> None:
    assert parse_step(model, text) == 3000


def test_main_is_the_last_step() -> None:
    assert parse_step("pythia-70m", "main") == 143_000
    assert parse_step("demo", "main") == 3000
    with pytest.raises(UnknownName, match="mine"):
        parse_step("mine", "main")


@pytest.mark.parametrize("text", ["64,512", "1000:2000", "1000:9000:1000", "all", "log"])
@pytest.mark.parametrize("model", ["pythia-70m", "demo", "mine"])
def test_several_steps_are_not_one(model: str, text: str) -> None:
    with pytest.raises(UsageError, match=f"'{text}' names several steps, where one is expected"):
        parse_step(model, text)


@pytest.mark.parametrize(
    ("model", "text", "nearest"),
    [
        ("pythia-70m", "143001", ["142000", "143000"]),
        ("pythia-70m", "step3", ["2", "4"]),
        ("pythia-70m", "700", ["512", "1000"]),
        ("demo", "1000", ["64", "512"]),
        ("pythia-70m", "last", ["main"]),
        ("pythia-70m", "step", ["main"]),
        ("pythia-70m", "-1", ["main"]),
        ("pythia-70m", "", ["main"]),
        ("pythia-70m", "1e3", ["main"]),
        ("mine", "newest", []),
    ],
)
def test_a_step_that_is_not_there_names_the_nearest(
    model: str, text: str, nearest: list[str]
) -> None:
    with pytest.raises(UnknownName) as unknown:
        parse_step(model, text)
    assert unknown.value.nearest == nearest
    assert unknown.value.name == text
