"""The runner sees each kind of fault, and goes on after it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.fuzz import run

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's limits of memory")


def test_each_kind_of_fault_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_LONGEST", 10.0)
    inputs = [b"", b"refused", b"bug", b"signal", b"", b"memory", b"hang", b"slow", b"refused"]
    for i, data in enumerate(inputs):
        (tmp_path / str(i)).write_bytes(data)
    outcome = run.check_stored("broken", tmp_path)
    assert (outcome.inputs, outcome.accepted, outcome.refused, outcome.faults) == (9, 2, 2, 5)
    assert outcome.kinds == {
        "KeyError in broken.check": (2, b"bug"),
        "SIGSEGV": (3, b"signal"),
        "MemoryError in broken.check": (5, b"memory"),
        "hang": (6, b"hang"),
        "slow": (7, b"slow"),
    }


def test_all_inputs_of_all_jobs_are_counted() -> None:
    told: list[tuple[str, int, bytes]] = []
    outcome = run.fuzz("broken", 501, 3, 2, lambda *fault: told.append(fault))
    assert outcome.inputs == 501
    assert outcome.accepted + outcome.refused + outcome.faults == 501
    assert min(outcome.accepted, outcome.refused, outcome.faults) > 30
    assert [(kind, data) for kind, _, data in told] == [("KeyError in broken.check", b"bug")]
