"""Progress bars: what they show, and from when on."""

from __future__ import annotations

import io

import pytest

from pythia_cli import reporting
from pythia_cli.reporting import Bars


def drawn(label: str, total: int, unit: str, *amounts: int) -> str:
    """What the bar draws at last, at each step."""
    stream = io.StringIO()
    with Bars(stream).task(label, total, unit) as task:
        task._bar.mininterval = task._bar.miniters = 0  # type: ignore[attr-defined]
        for amount in amounts:
            task.advance(amount)
    return [line for line in stream.getvalue().split("\r") if line.strip()][-1]


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")


def test_the_first_second_shows_no_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    line = drawn("downloading", 911_000_000, "B", 30_000)
    assert "30.0k/911M" in line
    assert "[" not in line
    monkeypatch.setattr(reporting, "_EARLY", 0)
    line = drawn("downloading", 911_000_000, "B", 30_000)
    assert "30.0k/911M [" in line
    assert "B/s]" in line


def test_a_narrow_terminal_never_shows_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    monkeypatch.setattr(reporting, "_EARLY", 0)
    assert "[" not in drawn("downloading", 911_000_000, "B", 30_000)


@pytest.mark.parametrize(
    ("total", "unit", "shown"),
    [(3, "samples", "1/3"), (9_999, "tokens", "1/9999"), (54_000, "tokens", "1.00/54.0k"),
     (900, "B", "1.00/900")],
)  # fmt: skip
def test_small_counts_are_whole_numbers(total: int, unit: str, shown: str) -> None:
    assert f"| {shown}" in drawn("working", total, unit, 1)
