"""Options that take the files behind them."""

from __future__ import annotations

import inspect

import pytest

from pythia_cli.cli.commands.sweep_run import run
from pythia_cli.cli.measure_options import spread
from pythia_cli.sweeps.measures import NAMES


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("d --pairs a b c -m x", "d --pairs a --pairs b --pairs c -m x"),
        ("d --pairs a --surprisal b c", "d --pairs a --surprisal b --surprisal c"),
        ("d -m x y --pairs a", "d -m x y --pairs a"),
        ("--pairs a b -- c", "--pairs a --pairs b -- c"),
        ("d --pairs - a", "d --pairs - --pairs a"),
        ("d --pairs", "d --pairs"),
        ("", ""),
    ],
)
def test_files_behind_an_option_are_its_own(typed: str, read: str) -> None:
    assert spread(typed.split()) == read.split()


def test_every_measure_has_an_option() -> None:
    assert set(NAMES) <= set(inspect.signature(run).parameters)
