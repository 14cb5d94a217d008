"""What the user's environment says of the network: the Hub's address, proxies, and the token.

A value that cannot be used is an error that names its variable, before anything is asked.
"""

from __future__ import annotations

import importlib.util
import os
import re
import stat
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from pythia_cli import release, settings
from pythia_cli.errors import BadEnvironment, NotAuthorised, PythiaError

_PROXIES = (
    *("http_proxy", "https_proxy", "all_proxy"),  # which go before those in capitals
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"),
)
_NO_PROXY = ("no_proxy", "NO_PROXY")
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
_LONGEST_FILE = 1 << 14  # bytes of a file with a token
_TOKEN = re.compile(r"[!#-&(-~]+")  # printable ASCII without spaces and quotation marks


def endpoint() -> str:
    """The Hub's address: HF_ENDPOINT or the public one, without a user name and password."""
    from huggingface_hub import constants

    return re.sub(r"//[^/@]*@", "//", str(constants.ENDPOINT))


def client() -> Any:
    """huggingface_hub's HTTP client, which other code in this process uses too.

    Raises BadEnvironment if a proxy or a certificate of the environment cannot be used.
    """
    from huggingface_hub import get_session

    _refuse_pipes(*_CERTIFICATES)
    try:
        return get_session()
    except Exception as error:
        problem = next(_problems(error), None)
        if problem is None:
            raise
        raise problem from None


def send(request: Any) -> Any:
    """The answer to a request, with only its headers read; redirections are not followed.

    Raises BadEnvironment as `client`, also for a proxy whose name no computer can have.
    """
    http = client()
    try:
        return http.send(request, stream=True, follow_redirects=False)
    except UnicodeError as error:  # of a name; that of the server was checked
        raise next(_problems(error), error) from None


def request(path: str, headers: dict[str, str], seconds: float) -> Any:
    """A GET request for a path of the Hub, with the user's token.

    seconds: to wait for a connection, and for each next piece of the answer. Asks the server not
    to compress its answer, so that its size is known. Raises BadEnvironment and NotAuthorised.
    """
    from huggingface_hub import constants

    # Not those of huggingface_hub: to make its user agent, it asks the Hub for more.
    sent = {
        "user-agent": f"pythia-cli/{release.__version__}; telemetry/off",
        "accept-encoding": "identity",
        **headers,
    }
    if (own := token()) is not None:
        sent["authorization"] = f"Bearer {own}"
    http = client()
    try:
        made = http.build_request("GET", constants.ENDPOINT + path, headers=sent, timeout=seconds)
    except Exception:
        made = None
    if made is None or not settings.is_host(made.url.host):
        raise BadEnvironment("HF_ENDPOINT", "is not an http or https address")
    return made


def token() -> str | None:
    """The user's token; None without a login. Raises BadEnvironment and NotAuthorised."""
    from huggingface_hub import constants, get_token

    if constants.HF_HUB_DISABLE_IMPLICIT_TOKEN:
        return None
    try:
        if not settings.of_network(*_TOKENS):
            _check_file(constants.HF_TOKEN_PATH)
        found: str | None = get_token()
    except PythiaError:
        raise
    except Exception as error:
        raise NotAuthorised(f"the token cannot be read ({type(error).__name__})", 401) from None
    if found is None or _TOKEN.fullmatch(found):
        return found
    reason = "holds a character that no token has, such as a quotation mark or a byte order mark"
    for name in settings.of_network(*_TOKENS):
        raise BadEnvironment(name, reason)
    raise NotAuthorised(f"the token in {constants.HF_TOKEN_PATH} {reason}", 401)


def _check_file(path: str) -> None:
    """Refuses a file that get_token would wait for, or read whole though it may have no end.

    Raises NotAuthorised, and BadEnvironment for a pipe that the environment names.
    """
    if not os.path.exists(path):
        return
    if _is_pipe(path):
        if _is_of_shell(path):  # it is read only once
            return
        _refuse_pipes("HF_TOKEN_PATH")
        raise NotAuthorised(f"{path} is a pipe, not a file", 401)
    with open(path, "rb") as file:
        if len(file.read(_LONGEST_FILE + 1)) > _LONGEST_FILE:
            raise NotAuthorised(f"{path} has more bytes than any token", 401)


def _refuse_pipes(*names: str) -> None:
    """Raises BadEnvironment if one of the variables names a pipe: it might have no writer ever."""
    for name, path in settings.of_network(*names).items():
        if _is_pipe(path) and not _is_of_shell(path):
            raise BadEnvironment(name, "names a pipe, not a file")


def _is_pipe(path: str) -> bool:
    try:
        return stat.S_ISFIFO(os.stat(path).st_mode)
    except (OSError, ValueError):  # who opens it says why
        return False


def _is_of_shell(path: str) -> bool:
    """Whether a pipe is that of <(command), which ends when the command does."""
    return path.startswith(("/dev/", "/proc/"))


def _problems(error: Exception) -> Iterator[BadEnvironment]:
    """Why the HTTP client could not be made: the variables that may be the reason."""
    if isinstance(error, OSError):
        for name, path in settings.of_network("SSLKEYLOGFILE").items():
            if error.filename == path:
                yield BadEnvironment(
                    name, f"names a file that cannot be written ({error.strerror})"
                )
        for name in settings.of_network(*_CERTIFICATES):
            yield BadEnvironment(name, "names no readable file or folder of certificates")
    proxies = settings.of_network(*_PROXIES)
    for name, value in proxies.items():
        if reason := _proxy_problem(value):
            yield BadEnvironment(name, reason)
    # The HTTP library of older huggingface_hub fails on [::1] in a list of exceptions.
    for name in (*settings.of_network(*_NO_PROXY), *proxies):
        yield BadEnvironment(name, f"cannot be used ({type(error).__name__})")


def _proxy_problem(value: str) -> str | None:
    """What is wrong with a proxy's address, without quoting it: it may hold a password."""
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        is_address = settings.is_host(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return "is not an address"
    if parts.scheme not in ("http", "https", "socks5", "socks5h"):
        return "is no address of an http, https, socks5 or socks5h proxy"
    if not is_address:
        return "is not an address"
    if parts.scheme.startswith("socks") and importlib.util.find_spec("socksio") is None:
        return "is a SOCKS proxy, which needs the Python package socksio"
    return None
