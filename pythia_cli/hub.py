"""The Hugging Face Hub: a revision resolved to its commit, and its files on disk, verified.

Wraps huggingface_hub (its endpoint, login, offline mode, cache, Xet and resumption) and never
learns what a model is. What that library raises becomes NotFound, NetworkError, NotAuthorised,
IntegrityError or ResourceError here; nothing of a request (a token, a signed address) gets into
their texts.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pythia_cli.errors import (
    IntegrityError,
    NetworkError,
    NotAuthorised,
    NotFound,
    ResourceError,
)
from pythia_cli.files import file_sha256

_RETRY_PAUSES = (1.0, 3.0)  # seconds, before asking once more for metadata
_ANSWER_SECONDS = 30.0  # for a beginning of an answer, where the library would wait for ever
_LATER = "the same later"
_LONGEST_PAUSE = 60.0  # seconds that the Hub may ask us to wait without our giving up
_COMMIT = re.compile(r"[0-9a-f]{40}")
_DIGEST = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_ETAG = re.compile(r"[0-9A-Za-z_-]{1,128}")
_HTTP_LIBRARIES = ("httpx", "httpx2", "httpcore", "httpcore2", "requests", "urllib3", "hf_xet")


@dataclass(frozen=True)
class RemoteFile:
    """A file of a revision: its size in bytes, and its sha256 (large files) or git blob id."""

    name: str
    size: int
    sha256: str | None
    blob_id: str | None


@dataclass(frozen=True)
class Revision:
    """A branch as it is now: the commit that it points to, and the files of that commit."""

    repo: str
    name: str
    commit: str
    files: Mapping[str, RemoteFile]

    def __str__(self) -> str:
        return f"{self.repo} {self.name}"


def resolve(repo: str, name: str) -> Revision:
    """Ask the Hub what a branch holds. Raises NotFound, NetworkError, NotAuthorised."""
    from huggingface_hub import HfApi

    with _translated(f"{repo} {name}"):
        info = _retried(
            lambda: HfApi().model_info(
                repo, revision=name, files_metadata=True, timeout=_ANSWER_SECONDS
            )
        )
    if not isinstance(info.sha, str) or not _COMMIT.fullmatch(info.sha):
        raise _no_hub()
    files = {}
    for sibling in info.siblings or []:
        sha256 = sibling.lfs.sha256 if sibling.lfs is not None else None
        if isinstance(sibling.size, int) and _is_digest(sha256) and _is_digest(sibling.blob_id):
            files[sibling.rfilename] = RemoteFile(
                sibling.rfilename, sibling.size, sha256, sibling.blob_id
            )
    return Revision(repo, name, info.sha, files)


def resolve_offline(repo: str, name: str) -> Revision:
    """The branch as the user's Hugging Face cache has it. Raises NotFound where it has not."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repo, "config.json", revision=name)
    if not isinstance(found, str):
        raise NotFound(
            f"{repo} {name} is not in the Hugging Face cache, and we are offline",
            hint="the same with a network, and without --offline and HF_HUB_OFFLINE",
        )
    folder = Path(found).parent
    files = {}
    for path in folder.iterdir():
        if path.is_file():
            # A blob is named by its sha256, or by git's id of it, and linked from the snapshot.
            digest = path.resolve().name
            if not _DIGEST.fullmatch(digest):
                raise IntegrityError(
                    path,
                    "cannot be verified: it is no link to a blob that is named by its hash",
                    hint=f"copy the cache with its links (cp -a), or download --from {folder}",
                )
            large = len(digest) == 64
            files[path.name] = RemoteFile(
                path.name,
                path.stat().st_size,
                digest if large else None,
                None if large else digest,
            )
    return Revision(repo, name, folder.name, files)


def branches(repo: str) -> list[str]:
    """The names of a repository's branches. Raises as `resolve`."""
    from huggingface_hub import HfApi

    with _translated(repo):
        refs = _retried(lambda: HfApi().list_repo_refs(repo))
    return [branch.name for branch in refs.branches]


def endpoint() -> str:
    """The Hub's address, HF_ENDPOINT or the public one, without a password that stands in it."""
    from huggingface_hub import constants

    return re.sub(r"//[^/@]*@", "//", str(constants.ENDPOINT))


def has_token() -> bool:
    """Whether there is a login."""
    from huggingface_hub import get_token

    return get_token() is not None


def greet(seconds: float = 5.0) -> float:
    """How long the Hub takes for a sensible answer. Raises as `resolve`, after so many seconds."""
    from huggingface_hub import HfApi

    _prepare()
    started = time.perf_counter()
    with _translated(endpoint()):
        HfApi().model_info("EleutherAI/pythia-410m", timeout=seconds)
    return time.perf_counter() - started


def is_offline() -> bool:
    """Whether HF_HUB_OFFLINE forbids the network."""
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def cached(revision: Revision, name: str) -> Path | None:
    """The file in the user's Hugging Face cache, if it is there."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(revision.repo, name, revision=revision.commit)
    return Path(found) if isinstance(found, str) else None


def fetch(
    revision: Revision,
    name: str,
    folder: Path,
    progress: Callable[[int], None] = lambda n_bytes: None,
    tick: Callable[[int], None] = lambda n_bytes: None,
) -> str:
    """Download one file of a revision to folder / name, check every byte, and return its sha256.

    progress is told bytes as they come, tick as they are checked. Raises IntegrityError where what
    arrived is not what the Hub describes, and as `resolve`.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url

    _file(revision, name)
    with _translated(f"{revision} {name}"):
        # Asked first: what we are about to trust, and that no long pause is asked of us.
        url = hf_hub_url(revision.repo, name, revision=revision.commit)
        metadata = _retried(lambda: get_hf_file_metadata(url))
        if metadata.commit_hash is None or metadata.etag is None:
            raise _no_hub()
        # The library makes a file's name of it. Which bytes are right, `check` will say.
        if _ETAG.fullmatch(metadata.etag) is None:
            raise IntegrityError(
                f"{revision} {name}", "the Hub calls it by a malformed hash", hint=_LATER
            )
        if metadata.commit_hash != revision.commit:
            raise IntegrityError(
                f"{revision} {name}", "the Hub sends another commit's", hint=_LATER
            )
        told = _told(progress)
        path = Path(
            _retried(
                lambda: hf_hub_download(
                    revision.repo,
                    name,
                    revision=revision.commit,
                    local_dir=folder,
                    force_download=True,  # or it would copy a damaged file from the cache
                    tqdm_class=told,
                ),
                on_network=False,  # the library's own retries go on where the bytes stopped
            )
        )
    shutil.rmtree(folder / ".cache", ignore_errors=True)  # the library's own notes
    return check(revision, name, path, tick)


def check(
    revision: Revision,
    name: str,
    path: Path,
    tick: Callable[[int], None] = lambda n_bytes: None,
) -> str:
    """The sha256 of a file that is to be this one. Raises IntegrityError where it is another.

    tick is told bytes as they are read.
    """
    file = _file(revision, name)
    where = f"{revision} {name}"
    if path.stat().st_size != file.size:
        raise IntegrityError(where, f"{path.stat().st_size} bytes arrived, of {file.size}")
    if file.sha256 is not None:
        sha256 = file_sha256(path, tick)
        if sha256 != file.sha256:
            raise IntegrityError(
                where,
                f"what arrived has sha256 {sha256}, the Hub says {file.sha256}",
                hint="the same again",
            )
        return sha256
    data = path.read_bytes()
    if file.blob_id is not None:
        # git's own hash of a file, a sha1.
        blob_id = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
        if blob_id != file.blob_id:
            raise IntegrityError(
                where,
                f"what arrived has git id {blob_id}, the Hub says {file.blob_id}",
                hint="the same again",
            )
    return hashlib.sha256(data).hexdigest()


def _file(revision: Revision, name: str) -> RemoteFile:
    if name not in revision.files:
        raise NotFound(f"{revision} has no {name}")
    return revision.files[name]


def _is_digest(value: object) -> bool:
    return value is None or (isinstance(value, str) and _DIGEST.fullmatch(value) is not None)


def _told(progress: Callable[[int], None]) -> Any:
    """A progress bar, as huggingface_hub asks for one, that draws nothing and tells `progress`."""
    from huggingface_hub.utils import tqdm

    class Told(tqdm):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **{**options, "disable": True})

        def update(self, n: float | None = 1) -> None:
            progress(int(n or 0))

        def update_transfer(self, n: float) -> None:
            """Its being here has the library report bytes once, as they are written."""

    return Told


class _Later(Exception):
    """The Hub asks for a longer pause than we are ready to make."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


_PREPARING = threading.Lock()
_prepared = False


def _prepare() -> None:
    """Have the library keep quiet, ask for nothing else, and give up rather than sleep for long."""
    from huggingface_hub import constants, logging, set_client_factory
    from huggingface_hub.utils import _http

    global _prepared
    logging.set_verbosity_error()
    constants.HF_HUB_DISABLE_TELEMETRY = True

    def client() -> Any:
        made = _http.default_client_factory()
        made.timeout = _ANSWER_SECONDS
        made.event_hooks["response"].append(_refuse_long_pauses)
        return made

    with _PREPARING:  # as it closes the client that other threads use
        if not _prepared:
            set_client_factory(client)
            _prepared = True


def _refuse_long_pauses(response: Any) -> None:
    from huggingface_hub.utils import parse_ratelimit_headers

    if response.status_code not in (429, 503):
        return
    asked = response.headers.get("Retry-After", "")
    seconds = int(asked) if asked.isdigit() else 0
    if (limit := parse_ratelimit_headers(response.headers)) is not None and limit.remaining == 0:
        seconds = max(seconds, limit.reset_in_seconds)
    if seconds > _LONGEST_PAUSE:
        raise _Later(seconds)


def _retried(ask: Callable[[], Any], *, on_network: bool = True) -> Any:
    """ask(), and again after pauses where the Hub or the network stumbles."""
    from huggingface_hub.errors import HfHubHTTPError

    _prepare()
    for pause in (*_RETRY_PAUSES, None):
        try:
            return ask()
        except Exception as error:
            stumbled = (
                _status(error) >= 500 or _status(error) == 429
                if isinstance(error, HfHubHTTPError)
                else on_network and _is_of_network(error)
            )
            if pause is None or not stumbled:
                raise
            time.sleep(pause)
    raise AssertionError


def _status(error: Any) -> int:
    return int(error.response.status_code) if error.response is not None else 0


def _is_of_network(error: Exception) -> bool:
    return type(error).__module__.split(".")[0] in _HTTP_LIBRARIES


@contextlib.contextmanager
def _translated(what: str) -> Iterator[None]:
    """Turn the library's exceptions into ours, without them: they quote signed addresses."""
    from huggingface_hub.errors import (
        FileMetadataError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
    )

    try:
        yield
    except (IntegrityError, NetworkError):
        raise
    except _Later as error:
        raise NetworkError(
            f"{what}: the Hub asks to come back in {error.seconds:.0f} s (too many requests)",
            hint="the same then, or log in with hf auth login for a higher limit",
        ) from None
    except OfflineModeIsEnabled:
        raise NetworkError(
            f"{what}: HF_HUB_OFFLINE forbids the network", hint="unset HF_HUB_OFFLINE"
        ) from None
    except HfHubHTTPError as error:
        raise _by_status(what, error) from None
    except LocalEntryNotFoundError as error:
        cause = error.__cause__
        if isinstance(cause, HfHubHTTPError):
            raise _by_status(what, cause) from None
        raise _unreachable(what, cause or error) from None
    except FileMetadataError:
        raise _no_hub() from None
    except Exception as error:
        if _is_of_network(error) or isinstance(error, ConnectionError | TimeoutError):
            raise _unreachable(what, error) from None
        if isinstance(error, OSError) and error.errno is None:
            # Of the library itself: other bytes came than were announced.
            raise NetworkError(f"{what}: the transfer was cut short", hint="the same again") from (
                None
            )
        if isinstance(error, OSError):
            raise ResourceError(
                error.filename or what,
                f"cannot be written ({error.strerror or error})",
                hint="make room, or choose another folder with --store",
            ) from None
        if isinstance(error, ValueError | KeyError | TypeError | AttributeError | RecursionError):
            raise _no_hub() from None  # it answered, but not as the Hub does
        raise


def _by_status(what: str, error: Any) -> Exception:
    from huggingface_hub.errors import GatedRepoError

    status = _status(error)
    if isinstance(error, GatedRepoError) or status == 403:
        return NotAuthorised(
            f"{what}: the Hub refuses access ({status})",
            hint="ask for it on the repository's page, then hf auth login",
        )
    if status == 401:
        return NotAuthorised(
            f"{what}: the Hub asks for a login ({status}), or there is no such repository",
            hint="hf auth login, or a valid HF_TOKEN",
        )
    if status == 404:
        return NotFound(
            f"{what}: the Hub has no such repository, revision or file",
            hint="pythia checkpoint list --available",
        )
    return NetworkError(f"{what}: the Hub answered with status {status}", hint=_LATER)


def _unreachable(what: str, error: BaseException) -> NetworkError:
    return NetworkError(
        f"{what}: the Hub cannot be reached ({type(error).__name__})",
        hint="the same again with a network and the right HF_ENDPOINT; or pythia download --from",
    )


def _no_hub() -> NetworkError:
    return NetworkError(
        f"what answers at {endpoint()} is not a Hugging Face Hub",
        hint="log in to the network (a captive portal?), check HF_ENDPOINT, and the same again",
    )
