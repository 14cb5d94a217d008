"""huggingface_hub's exceptions become ours, and nothing of a request gets into them."""

from __future__ import annotations

import errno

import huggingface_hub.constants as constants
import pytest

from pythia_cli.checkpoints import hub, hub_environment, hub_errors
from pythia_cli.errors import (
    NetworkError,
    NotAHub,
    NotAuthorised,
    NotOnHub,
    Offline,
    PythiaError,
    ResourceError,
    Unreachable,
)
from tests.checkpoints.conftest import Serve
from tests.fakes.hub import Faults

REPO = "someone/something"
TOKEN = "hf_canaryCANARYcanaryCANARYcanary0"


@pytest.mark.parametrize(
    ("faults", "kind", "text"),
    [
        (Faults(api_status_for_ever=401), NotAuthorised, "requires a login"),
        (Faults(api_status_for_ever=403, gated=True), NotAuthorised, "refuses access"),
        (Faults(api_status_for_ever=404), NotOnHub, "no such repository"),
        (Faults(api_status_for_ever=429), NetworkError, r"status 429 \(too many requests\)"),
        (Faults(api_status_for_ever=503), NetworkError, "status 503"),
        (Faults(captive_portal=True), NotAHub, "is not a Hugging Face Hub"),
    ],
)
def test_answers(
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
    faults: Faults,
    kind: type[PythiaError],
    text: str,
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    serve({}).faults = faults
    with pytest.raises(kind, match=text) as raised:
        hub.resolve(REPO, "main")
    assert TOKEN not in str(raised.value)
    assert raised.value.__cause__ is None
    if isinstance(raised.value, NotAuthorised):
        assert raised.value.status == faults.api_status_for_ever


def test_nobody_answers(pauses: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(Unreachable, match=r"cannot be reached \(ConnectError\)"):
        hub.resolve(REPO, "main")
    with pytest.raises(Unreachable):
        hub.greet()
    assert pauses == [1.0, 3.0]  # a greeting is not repeated


def test_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(Offline, match="HF_HUB_OFFLINE"):
        hub.resolve(REPO, "main")


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/x/y"), ResourceError, "/x/y: cannot"),
        (hub_errors.CutShort(), NetworkError, "thing: the transfer was cut short"),
        (TimeoutError("https://host/?signature=secret"), Unreachable, r"reached \(TimeoutError\)"),
        (ConnectionResetError(104, "reset"), Unreachable, "cannot be reached"),
        (NotOnHub("ours"), NotOnHub, "ours"),
        (ZeroDivisionError("a bug"), ZeroDivisionError, "a bug"),
    ],
)
def test_exceptions(error: Exception, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=text) as raised, hub_errors.translated("thing"):
        raise error
    assert "secret" not in str(raised.value)


def test_a_password_in_the_endpoint_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://user:secret@127.0.0.1:1/x")
    assert hub_environment.endpoint() == "http://127.0.0.1:1/x"
    assert "secret" not in str(hub_errors.not_a_hub())
