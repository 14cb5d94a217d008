"""The check of content after a download, which has succeeded whatever the check does."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pythia_cli.cli.content import content_record
from pythia_cli.cli.output import Notices
from pythia_cli.errors import ResourceError
from pythia_cli.measures import content
from pythia_cli.suite.checkpoint import Checkpoint


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(12, "Cannot allocate memory"),
        RuntimeError("can't start new thread"),
        ResourceError("threads", "no more can be started"),
    ],
)
def test_a_check_that_fails_fails_no_download(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(content, "check_content", fail)
    installed: Any = SimpleNamespace(checkpoint=Checkpoint("pythia-70m", 1000))
    notices = Notices(quiet=False, verbose=False)
    assert content_record(installed, None, notices, None) is None  # type: ignore[arg-type]
    line = capsys.readouterr().err
    assert line.startswith("pythia-70m@1000: its content was not checked: ")
    assert line.count("\n") == 1
