"""Curves in a terminal."""

from __future__ import annotations

import pytest

from pythia_cli.suite.steps import STEPS
from pythia_cli.sweeps.curves import curves_of
from pythia_cli.sweeps.terminal_curve import LOWEST, NARROWEST, curve_lines
from tests.sweeps.sweep_rows import curve, row, sweep


def test_a_curve_rises_from_the_left_to_the_right() -> None:
    rows = [row(step=step, value=value) for step, value in ((0, 0.5), (1, 0.5), (1000, 0.9))]
    lines = curve_lines(curves_of(rows), 60, 10)
    assert len(lines) == 10
    assert lines[0].lstrip().startswith("0.9│ ")
    assert lines[0].endswith("●")
    assert len(lines[0]) == 60
    assert lines[7].lstrip().startswith("0.5│●")
    assert lines[-1].split() == ["0", "1", "10", "100", "1k"]


def test_ascii() -> None:
    curves = curves_of(sweep(["pythia-70m"], STEPS), measure="pairs")
    drawn = [curve_lines(curves, 70, 12, ascii=is_ascii) for is_ascii in (False, True)]
    assert "".join(drawn[1]).isascii()
    assert drawn[0][-1].split() == drawn[1][-1].split()
    assert len(drawn[0]) == len(drawn[1])


def test_a_gap_has_no_line() -> None:
    values = [0.5, None, 0.5]
    rows = [row(step=step, value=v) for step, v in zip((1, 10, 100), values, strict=True)]
    lines = curve_lines(curves_of(rows), 40, 6, ascii=True)
    assert [line.count("*") for line in lines if "*" in line] == [2]
    assert not any("." in line.split("|")[1] for line in lines if "|" in line)


def test_several_curves_have_a_legend() -> None:
    lines = curve_lines(curves_of(sweep(["a", "b"], [0, 100]), measure="pairs"), 40, 8)
    assert lines[8:] == ["● a  ■ b"]
    curves = curves_of([row(input=f"text{i}", value=i) for i in range(70)])
    lines = curve_lines(curves, 50, 10)
    assert max(map(len, lines)) <= 50
    assert "10 more are not drawn" in lines[-1]


@pytest.mark.parametrize("step", [0, 1, 3000])
@pytest.mark.parametrize("value", [0.0, -3.0, 1e-9, 5e4])
def test_one_point(step: int, value: float) -> None:
    lines = curve_lines(curves_of([row(step=step, value=value)]), 30, 8)
    assert sum(line.count("●") for line in lines) == 1


def test_no_values() -> None:
    assert curve_lines(curves_of([row(value=None)]), 30, 8) == ["no values"]
    assert curve_lines([], 30, 8) == ["no values"]


def test_a_small_terminal() -> None:
    lines = curve_lines(curves_of(curve(0.7, steps=STEPS)), 1, 1)
    assert len(lines) == LOWEST
    assert max(map(len, lines)) <= NARROWEST


def test_names_move_no_cursor() -> None:
    rows = [row(name, step) for name in ("\x1b[2J", "b" * 99) for step in (0, 9)]
    for is_ascii in (True, False):
        lines = curve_lines(curves_of(rows), 40, 8, ascii=is_ascii)
        assert "\x1b" not in "".join(lines)
        assert max(map(len, lines)) <= 40
