"""A variable that the network cannot use is named, before anything is asked of anybody."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import huggingface_hub.constants as constants
import pytest

from pythia_cli import settings
from pythia_cli.checkpoints import hub, hub_environment
from pythia_cli.errors import BadEnvironment, NotAuthorised, Unreachable
from tests.checkpoints.conftest import REPO
from tests.fakes.hub import Hub
from tests.no_files import pipe

_ALL = (
    *(hub_environment._PROXIES + hub_environment._NO_PROXY),
    *(hub_environment._CERTIFICATES + hub_environment._TOKENS),
)


NO_HOSTS = ("a..b", "a" * 80, "a" * 5000)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """None of the variables is set, and the client is made from what the test sets."""
    for name in _ALL:
        monkeypatch.delenv(name, raising=False)
    huggingface_hub.close_session()
    yield monkeypatch
    huggingface_hub.close_session()


@pytest.mark.parametrize("name", hub_environment._PROXIES)
@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("http://[::1", "is not an address"),
        ("http://127.0.0.1:port", "is not an address"),
        ("socks://127.0.0.1:7890/", "is no address of an http, https, socks5 or socks5h proxy"),
        ("\u201chttp://127.0.0.1:1\u201d", "is no address"),
        ("socks5://127.0.0.1:1080", "is a SOCKS proxy, which needs the Python package socksio"),
    ],
)
def test_a_proxy_that_cannot_be_used(
    environment: pytest.MonkeyPatch, name: str, value: str, text: str
) -> None:
    environment.setattr("importlib.util.find_spec", lambda name: None)
    environment.setitem(__import__("sys").modules, "socksio", None)
    environment.setenv(name, value)
    with pytest.raises(BadEnvironment, match=f"^{name} {text}") as raised:
        hub.resolve(REPO, "main")
    assert raised.value.variable == name
    with pytest.raises(BadEnvironment):
        hub.greet()


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("host", NO_HOSTS)
def test_a_proxy_that_no_computer_can_be(
    served: Hub, environment: pytest.MonkeyPatch, name: str, host: str
) -> None:
    environment.setenv(name, f"http://user:secret@{host}:3128")
    with pytest.raises(BadEnvironment, match=f"^{name} is not an address$") as raised:
        hub.resolve(REPO, "main")
    assert raised.value.variable == name
    assert served.requests == []


def test_an_http_proxy_is_used(served: Hub, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("ALL_PROXY", "http://user:secret@[::1]:9")
    with pytest.raises(Unreachable, match="ConnectError") as raised:
        hub.greet()
    assert "secret" not in str(raised.value)
    assert served.requests == []
    huggingface_hub.close_session()
    environment.setenv("NO_PROXY", "127.0.0.1,::1,10.0.0.0/8")
    assert hub.resolve(REPO, "main").name == "main"
    huggingface_hub.close_session()
    environment.delenv("NO_PROXY")
    environment.setenv("ALL_PROXY", served.url.removeprefix("http://"))
    with pytest.raises(Exception, match="the Hub"):  # which is no proxy
        hub.greet()
    assert served.requests[-1][1].startswith("GET http://")


def test_exceptions_that_cannot_be_used(environment: pytest.MonkeyPatch) -> None:
    class InvalidURL(Exception):
        """As httpx 0.28 raises for this list."""

    def unusable() -> None:
        raise InvalidURL

    environment.setattr(huggingface_hub, "get_session", unusable)
    environment.setenv("HTTPS_PROXY", "http://[::1]:9")
    with pytest.raises(BadEnvironment, match=r"HTTPS_PROXY cannot be used \(InvalidURL\)"):
        hub.greet()
    environment.setenv("NO_PROXY", "[::1]")
    with pytest.raises(BadEnvironment, match=r"NO_PROXY cannot be used \(InvalidURL\)"):
        hub.greet()


@pytest.mark.parametrize("name", hub_environment._CERTIFICATES)
def test_certificates_that_are_not_there(environment: pytest.MonkeyPatch, name: str) -> None:
    def unreadable() -> None:
        raise FileNotFoundError(2, "No such file or directory")

    environment.setattr(huggingface_hub, "get_session", unreadable)
    environment.setenv(name, "/not/there.pem")
    with pytest.raises(BadEnvironment, match=f"{name} names no readable file"):
        hub.greet()


def test_a_file_for_keys_is_not_called_one_of_certificates(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "certificates").touch()
    environment.setenv("SSL_CERT_DIR", str(tmp_path))
    environment.setenv("SSLKEYLOGFILE", str(tmp_path / "not/there"))
    with pytest.raises(BadEnvironment, match=r"^SSLKEYLOGFILE names a file that cannot be written"):
        hub.greet()


@pytest.mark.parametrize("name", hub_environment._TOKENS)
@pytest.mark.parametrize(
    "value", ["\u201chf_exampleexample\u201d", "\ufeffhf_example", "hf_a b", '"hf_a"', "hf_\x07"]
)
def test_a_token_that_is_none(
    served: Hub, environment: pytest.MonkeyPatch, name: str, value: str
) -> None:
    environment.setenv(name, value)
    with pytest.raises(BadEnvironment, match=f"{name} holds a character that no token") as raised:
        hub.resolve(REPO, "main")
    assert "example" not in str(raised.value)
    assert served.requests == []


def test_a_token_file_that_holds_none(
    served: Hub, environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "token"
    environment.setattr(constants, "HF_TOKEN_PATH", str(path))
    path.write_text("\u201chf_example\u201d", encoding="utf-8")
    with pytest.raises(NotAuthorised, match=f"the token in {path} holds a character"):
        hub.resolve(REPO, "main")
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(NotAuthorised, match="the token cannot be read"):
        hub.resolve(REPO, "main")
    path.write_text("x" * 20_000)
    with pytest.raises(NotAuthorised, match="has more bytes than any token"):
        hub.resolve(REPO, "main")
    if Path("/dev/zero").exists():
        environment.setattr(constants, "HF_TOKEN_PATH", "/dev/zero")
        with pytest.raises(NotAuthorised, match="/dev/zero has more bytes than any token"):
            hub.resolve(REPO, "main")
        environment.setattr(constants, "HF_TOKEN_PATH", str(path))
    path.write_text("hf_fine\n")
    hub.resolve(REPO, "main")
    (_, _, headers) = served.requests[-1]
    assert {name.lower(): v for name, v in headers.items()}["authorization"] == "Bearer hf_fine"
    environment.setattr(constants, "HF_HUB_DISABLE_IMPLICIT_TOKEN", True)
    hub.resolve(REPO, "main")
    assert "authorization" not in {name.lower() for name in served.requests[-1][2]}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
def test_nobody_waits_for_a_token_from_a_pipe(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "pipe"
    pipe(path)
    environment.setattr(constants, "HF_TOKEN_PATH", str(path))
    with pytest.raises(NotAuthorised, match=f"{path} is a pipe, not a file"):
        hub.greet()
    environment.setenv("HF_TOKEN_PATH", str(path))
    with pytest.raises(BadEnvironment, match=r"^HF_TOKEN_PATH names a pipe, not a file$"):
        hub.greet()
    environment.setattr(constants, "HF_HUB_DISABLE_IMPLICIT_TOKEN", True)
    assert not hub.has_token()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
@pytest.mark.parametrize("name", hub_environment._CERTIFICATES)
def test_nobody_waits_for_certificates_from_a_pipe(
    environment: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    pipe(tmp_path / "pipe")
    environment.setenv(name, str(tmp_path / "pipe"))
    with pytest.raises(BadEnvironment, match=f"^{name} names a pipe, not a file$"):
        hub.greet()


@pytest.mark.skipif(not Path("/dev/fd").is_dir(), reason="no /dev/fd")
def test_a_token_that_a_command_writes(served: Hub, environment: pytest.MonkeyPatch) -> None:
    """HF_TOKEN_PATH=<(command)"""
    reader, writer = os.pipe()
    with open(writer, "w", encoding="ascii") as file:
        file.write("hf_fine\n")
    environment.setattr(constants, "HF_TOKEN_PATH", f"/dev/fd/{reader}")
    environment.setenv("HF_TOKEN_PATH", f"/dev/fd/{reader}")
    try:
        hub.resolve(REPO, "main")
    finally:
        os.close(reader)
    headers = {name.lower(): value for name, value in served.requests[-1][2].items()}
    assert headers["authorization"] == "Bearer hf_fine"


@pytest.mark.parametrize(
    "value",
    [
        *("http://a b", "http://\u201c", "http://127.0.0.1:1\u201d"),
        *(f"http://{host}" for host in NO_HOSTS),
    ],
)
def test_an_endpoint_that_is_no_address(environment: pytest.MonkeyPatch, value: str) -> None:
    environment.setattr(constants, "ENDPOINT", value)
    environment.setenv("HF_ENDPOINT", value)

    def ask() -> None:
        settings.check_hub_variables()
        hub.greet()

    with pytest.raises(BadEnvironment, match="HF_ENDPOINT is not an http or https address"):
        ask()


@pytest.mark.parametrize("host", NO_HOSTS)
def test_an_endpoint_that_no_computer_can_be(environment: pytest.MonkeyPatch, host: str) -> None:
    """Also where it was not set by the variable."""
    environment.setattr(constants, "ENDPOINT", f"http://{host}")
    with pytest.raises(BadEnvironment, match="HF_ENDPOINT is not an http or https address"):
        hub.greet()
