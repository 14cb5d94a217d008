"""What is asked again, after which pause, and when we give up: the fake Hub fails on purpose."""

from __future__ import annotations

import threading
import time
from email.utils import formatdate
from pathlib import Path

import pytest

from pythia_cli.checkpoints import hub, hub_fetch, hub_requests, hub_retries
from pythia_cli.errors import NetworkError, RateLimited, Unreachable
from tests.checkpoints.conftest import REPO
from tests.fakes.hub import Faults, Hub
from tests.reporting import Recording


def test_a_failing_hub_is_asked_again(
    served: Hub, pauses: list[float], reporter: Recording
) -> None:
    served.faults = Faults(api_status=[500, 503])
    assert hub.resolve(REPO, "main", reporter=reporter).name == "main"
    assert pauses == [1.0, 3.0]
    assert reporter.notes == ["the Hub cannot answer now; trying again in 3 s"]
    served.faults = Faults(api_status=[500, 500, 500])
    with pytest.raises(NetworkError, match="status 500"):
        hub.resolve(REPO, "main")
    assert served.faults.api_status == []


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_refusal_is_final(served: Hub, pauses: list[float], status: int) -> None:
    served.faults = Faults(api_status=[status])
    with pytest.raises(Exception, match="the Hub "):
        hub.resolve(REPO, "main")
    assert (pauses, len(served.requests)) == ([], 1)


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_obeyed(
    served: Hub, pauses: list[float], reporter: Recording, status: int
) -> None:
    served.faults = Faults(api_status=[status], retry_after=8)
    assert hub.branches(REPO, reporter=reporter) == ["main", "empty"]
    assert pauses == [9.0]  # a second more, as the Hub rounds
    assert reporter.notes == ["the Hub cannot answer now; trying again in 9 s"]


def test_retry_after_may_be_a_date(served: Hub, pauses: list[float]) -> None:
    served.faults = Faults(api_status=[429], retry_after=formatdate(time.time() + 20, usegmt=True))
    hub.resolve(REPO, "main")
    assert 15 < pauses[0] < 22


@pytest.mark.parametrize(
    "value",
    ["soon", "-5", "²", "", "Thu, 01 Jan 1970 00:00:00 GMT", "Thu, 99 Jan 1970 00:00:00 GMT"],
)
def test_a_retry_after_that_says_nothing(served: Hub, pauses: list[float], value: str) -> None:
    assert hub_retries._retry_after(value) == 0
    served.faults = Faults(api_status=[429], retry_after=value.encode("ascii", "replace").decode())
    hub.resolve(REPO, "main")
    assert pauses == [1.0]


def test_no_pause_is_longer_than_a_minute(served: Hub, pauses: list[float]) -> None:
    served.faults = Faults(api_status=[429], retry_after=60)
    hub.resolve(REPO, "main")
    assert pauses == [60.0]
    for asked in (61, 3600, "9" * 5000):
        served.faults = Faults(api_status=[429], retry_after=asked)
        with pytest.raises(
            RateLimited, match=f"{REPO} main: too many requests; the Hub asks for a pause"
        ) as raised:
            hub.resolve(REPO, "main")
        assert raised.value.seconds == float(asked)
    assert len(pauses) == 1


def test_the_public_hubs_way_to_ask_for_a_pause(served: Hub, pauses: list[float]) -> None:
    served.faults = Faults(ratelimit_seconds=250)
    with pytest.raises(RateLimited, match="asks for a pause of 250 s"):
        hub.resolve(REPO, "main")
    served.faults = Faults(ratelimit_seconds=25)
    with pytest.raises(NetworkError, match="status 429"):
        hub.resolve(REPO, "main")
    assert pauses == [26.0, 26.0]


def test_threads_that_pause_together_note_it_once(
    served: Hub, pauses: list[float], reporter: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    n = 6
    all_pause = threading.Barrier(n)  # else a thread asks again before another has asked at all

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        all_pause.wait(20)

    monkeypatch.setattr(hub_retries, "sleep", pause)
    served.faults = Faults(api_status=[429] * n, retry_after=8)
    hub.ask_several(lambda _: hub.resolve(REPO, "main", reporter=reporter), range(n))
    assert pauses == [9.0] * n
    assert len(reporter.notes) == 1


def test_a_hub_that_never_answers_is_given_up(
    served: Hub, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_requests, "ANSWER_SECONDS", 0.2)
    served.faults = Faults(silent=True)
    with pytest.raises(Unreachable, match="cannot be reached"):
        hub.resolve(REPO, "main")
    with pytest.raises(Unreachable, match="cannot be reached"):
        hub.branches(REPO)
    assert pauses == [1.0, 3.0] * 2


def test_a_failing_cdn_is_asked_three_times(
    served: Hub, pauses: list[float], tmp_path: Path
) -> None:
    revision = hub.resolve(REPO, "main")
    served.faults = Faults(cdn_status=[500, 502])
    hub_fetch.fetch(revision, "large.bin", tmp_path / "here")
    assert pauses == [1.0, 3.0]
    served.faults = Faults(cdn_status_for_ever=500)
    n_before = sum(port == "cdn" for port, _, _ in served.requests)
    with pytest.raises(NetworkError, match="status 500"):
        hub_fetch.fetch(revision, "large.bin", tmp_path / "there")
    assert sum(port == "cdn" for port, _, _ in served.requests) == n_before + 3


def test_a_cdn_that_asks_for_a_pause(
    served: Hub, reporter: Recording, tmp_path: Path, pauses: list[float]
) -> None:
    revision = hub.resolve(REPO, "main")
    served.faults = Faults(cdn_status=[429], retry_after=8)
    hub_fetch.fetch(revision, "large.bin", tmp_path / "here", reporter=reporter)
    assert pauses == [9.0]
    assert reporter.notes == ["the Hub cannot answer now; trying again in 9 s"]
    served.faults = Faults(cdn_status=[429], retry_after=3600)
    with pytest.raises(
        RateLimited, match=r"large\.bin: too many requests; the Hub asks for a pause of 3600 s"
    ):
        hub_fetch.fetch(revision, "large.bin", tmp_path / "there")


def test_progress_earns_more_attempts(pauses: list[float]) -> None:
    arrived, steps = 0, iter([10**6, 1, 10**6, 1, 1])

    def ask() -> None:
        nonlocal arrived
        arrived += next(steps)
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        hub_retries.ask_again("thing", ask, progress=lambda: arrived)
    assert pauses == [1.0, 3.0, 1.0, 3.0]


def test_others_use_of_huggingface_hub_in_this_process_is_left_alone(
    served: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long pause asked of somebody else raises nothing of ours, and their timeouts are theirs."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.utils import get_session

    timeout = get_session().timeout
    hub.resolve(REPO, "main")
    served.faults = Faults(api_status_for_ever=429, retry_after=3600)
    with pytest.raises(HfHubHTTPError):
        HfApi().model_info(REPO)
    assert get_session().timeout == timeout


def test_a_client_factory_of_the_users_is_kept(served: Hub) -> None:
    from huggingface_hub import set_client_factory
    from huggingface_hub.utils import _http

    def own() -> object:
        client = _http.default_client_factory()
        client.headers["X-Own"] = "yes"
        return client

    before = _http._GLOBAL_CLIENT_FACTORY
    try:
        set_client_factory(own)  # type: ignore[arg-type]
        hub.resolve(REPO, "main")
    finally:
        set_client_factory(before)
    (_, _, headers) = served.requests[-1]
    assert {name.lower(): value for name, value in headers.items()}["x-own"] == "yes"
