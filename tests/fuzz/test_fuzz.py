"""Every input is read or refused: 2,000 of each target, and all that once showed a fault."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.fuzz.run import CORPUS, Outcome, check_stored, fuzz, save
from tests.fuzz.target import TARGETS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's limits of memory")

_INPUTS = 2000
_SEED = 1


@pytest.mark.parametrize("name", TARGETS)
def test_every_input_is_read_or_refused(name: str, tmp_path: Path) -> None:
    outcome = fuzz(name, _INPUTS, _SEED, 1, lambda kind, index, data: None)
    assert _faults(outcome, tmp_path) == []
    assert outcome.inputs == _INPUTS
    assert outcome.accepted > _INPUTS / 20, "too few inputs get deep"
    assert outcome.refused > _INPUTS / 20, "too few inputs are damaged"


@pytest.mark.parametrize("name", sorted(path.name for path in CORPUS.iterdir()))
def test_what_once_showed_a_fault_shows_none(name: str, tmp_path: Path) -> None:
    outcome = check_stored(name, CORPUS / name)
    assert _faults(outcome, tmp_path) == []
    assert outcome.inputs == len(list((CORPUS / name).iterdir()))


def _faults(outcome: Outcome, folder: Path) -> list[str]:
    """The faults, and where their inputs were saved."""
    return [f"{kind}: {save(folder, kind, data)}" for kind, (_, data) in outcome.kinds.items()]
