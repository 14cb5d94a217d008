"""Answers are bounded in bytes and in time, wherever they come from."""

from __future__ import annotations

import gzip
import resource
import threading
import time

import huggingface_hub.constants as constants
import pytest

from pythia_cli.checkpoints import hub, hub_requests
from pythia_cli.errors import NotAHub, Unreachable
from tests.checkpoints.conftest import REPO
from tests.fakes.hub import Faults, Hub, _HubHandler

NO_ADDRESSES = (
    "file:///etc/passwd",
    "http://a..b/",
    f"http://{'a' * 80}.example/",
    f"http://{'a' * 5000}/",
    "http://[::1/",
    "http://\x7f/",
)


def test_an_answer_of_usual_size_in_one_piece(served: Hub) -> None:
    served.faults = Faults(api_extra=1_000_000)
    assert hub.branches(REPO) == ["main", "empty"]


def test_an_answer_without_end(served: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []

    def endless(self: _HubHandler, path: str) -> None:
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        for _ in range(1000):
            sent.append(self.wfile.write(b" " * (1 << 20)))

    monkeypatch.setattr(_HubHandler, "_api", endless)
    with pytest.raises(NotAHub, match="its answer has more than 8 MB"):
        hub.resolve(REPO, "main")
    assert len(sent) < 100


def test_a_redirection_whose_own_answer_has_no_end(
    served: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def endless(self: _HubHandler, path: str) -> None:
        monkeypatch.undo()
        self.send_response(302)
        self.send_header("Location", self.path)
        self.send_header("Content-Length", str(10**12))
        self.end_headers()

    with monkeypatch.context() as patch:
        patch.setattr(_HubHandler, "_api", endless)
        patch.setattr(monkeypatch, "undo", patch.undo)
        assert hub.branches(REPO) == ["main", "empty"]


def test_an_answer_that_is_compressed_unasked(served: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not expanded: 200 kB could become any size."""
    bomb = gzip.compress(b" " * 200_000_000)

    def answer(self: _HubHandler, path: str) -> None:
        assert self.headers["Accept-Encoding"] == "identity"
        self.answer(200, bomb, {"Content-Encoding": "gzip"})

    monkeypatch.setattr(_HubHandler, "_api", answer)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(NotAHub, match="compresses its answers, though asked not to"):
        hub.resolve(REPO, "main")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


@pytest.mark.parametrize(
    "faults", [Faults(api_drip_seconds=0.05), Faults(api_drip_seconds=0.05, drip_headers=True)]
)
def test_an_answer_that_drips_is_given_up(
    served: Hub, monkeypatch: pytest.MonkeyPatch, pauses: list[float], faults: Faults
) -> None:
    monkeypatch.setattr(hub_requests, "WHOLE_ANSWER_SECONDS", 0.5)
    served.faults = faults
    with pytest.raises(Unreachable, match="did not finish its answer in 0 s"):
        hub.resolve(REPO, "main")
    assert pauses == []
    served.faults = Faults(api_drip_seconds=0.05, drip_headers=True)
    with pytest.raises(Unreachable, match="did not finish its answer"):
        hub.greet(0.3)
    served.faults = Faults(api_status_for_ever=404)  # which ends what still drips


def test_an_interrupt_does_not_wait_for_an_answer(
    served: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    served.faults = Faults(silent=True)
    monkeypatch.setattr(hub_requests, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        hub.branches(REPO)
    assert any(thread.name == "pythia-answer" for thread in threading.enumerate())


@pytest.mark.parametrize(
    ("location", "text"),
    [("/again", "redirects without end"), *((place, "something else") for place in NO_ADDRESSES)],
)
def test_redirections_elsewhere(
    served: Hub, monkeypatch: pytest.MonkeyPatch, location: str, text: str
) -> None:
    monkeypatch.setattr(
        _HubHandler, "serve", lambda self: self.answer(302, b"", {"Location": location})
    )
    with pytest.raises(NotAHub, match=text):
        hub.resolve(REPO, "main")


def test_no_setting_of_the_process_is_changed(served: Hub) -> None:
    from huggingface_hub.utils import _http, get_session

    factory, telemetry = _http._GLOBAL_CLIENT_FACTORY, constants.HF_HUB_DISABLE_TELEMETRY
    hub.resolve(REPO, "main")
    assert _http._GLOBAL_CLIENT_FACTORY is factory
    assert telemetry == constants.HF_HUB_DISABLE_TELEMETRY
    hooks = get_session().event_hooks
    assert not any("pythia" in hook.__module__ for kind in hooks.values() for hook in kind)
    assert len(served.requests) == 1


def test_what_drips_ends_by_itself(served: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that read it does not stay for as long as the server likes."""
    monkeypatch.setattr(hub_requests, "WHOLE_ANSWER_SECONDS", 0.3)
    served.faults = Faults(api_drip_seconds=0.05)
    before = set(threading.enumerate())
    with pytest.raises(Unreachable):
        hub.resolve(REPO, "main")
    until = time.monotonic() + 60
    while any(t.name == "pythia-answer" for t in set(threading.enumerate()) - before):
        assert time.monotonic() < until
        time.sleep(0.02)
