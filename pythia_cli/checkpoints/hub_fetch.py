"""Downloads one file of a revision, from where an earlier download of it stopped, and verifies it.

Over plain HTTP, also where the Hub offers Xet: that cannot go on with part of a file.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

from pythia_cli.checkpoints import hub_requests
from pythia_cli.checkpoints.hub_errors import CutShort, Refused, not_a_hub, translated
from pythia_cli.checkpoints.hub_retries import ask_again
from pythia_cli.checkpoints.hub_revision import RemoteFile, Revision
from pythia_cli.errors import DamagedDownload, NotOnHub
from pythia_cli.files.growing import GrowingHash
from pythia_cli.files.reading import LFS_POINTER, file_sha256, hash_file
from pythia_cli.reporting import NO_TASK, SILENT, Reporter, Task

_UNSATISFIABLE = 416  # the server has no such part of the file


def fetch(
    revision: Revision,
    name: str,
    path: Path,
    *,
    arrived: Task = NO_TASK,
    checked: Task = NO_TASK,
    reporter: Reporter = SILENT,
    pause: Callable[[float], None] | None = None,
) -> str:
    """Download one file of a revision to `path`, check every byte, and return its sha256.

    If `path` has bytes already, only the others are asked for; if the whole then differs from what
    the Hub describes, all of it is fetched again, once. After a failure `path` has what arrived;
    never more bytes than the Hub announces.
    arrived: advances by bytes as they are downloaded; goes back if the server sends the file from
    its beginning again. checked: advances by those that are read from the file. pause: waits for so
    many seconds before a new attempt.
    Raises DamagedDownload if the file differs from what the Hub describes, ResourceError if it
    cannot be written, and what `resolve` raises.
    """
    file = described(revision, name)
    what = f"{revision} {name}"
    received = GrowingHash()

    def attempt() -> None:
        with _open_to_go_on(path) as partial:
            received.follow(partial, checked)
            _go_on(revision, file, partial, arrived, received)

    while True:
        with translated(what):
            resumes = _ready(path, file.size) > 0
        try:
            with translated(what):
                ask_again(
                    what, attempt, reporter=reporter, progress=lambda: own_size(path), pause=pause
                )
                return check(revision, name, path, checked, received.of(path))
        except DamagedDownload:
            arrived.advance(0)  # ends a transfer that was stopped: others may use the file by now
            path.unlink(missing_ok=True)
            if not resumes:
                raise


def check(
    revision: Revision,
    name: str,
    path: Path,
    checked: Task = NO_TASK,
    sha256: str | None = None,
) -> str:
    """Check that a local file is this file of the revision, and return its sha256.

    sha256: of the file, if it is known. checked: advances by bytes as they are read. Raises
    DamagedDownload.
    """
    file = described(revision, name)
    where = f"{revision} {name}"
    if path.stat().st_size != file.size:
        with path.open("rb") as content:
            raise _wrong_size(where, content.read(len(LFS_POINTER)), path.stat().st_size, file.size)
    sha256 = sha256 or file_sha256(path, checked)
    if file.sha256 is not None:
        if sha256 != file.sha256:
            raise DamagedDownload(where, f"has sha256 {sha256}, but the Hub says {file.sha256}")
    elif (blob_id := _blob_id(path)) != file.blob_id:
        raise DamagedDownload(where, f"has git id {blob_id}, but the Hub says {file.blob_id}")
    return sha256


def described(revision: Revision, name: str) -> RemoteFile:
    """The file as the Hub describes it.

    Raises NotOnHub if there is none, and DamagedDownload if it cannot be verified.
    """
    if name not in revision.files:
        raise NotOnHub(f"{revision} has no {name}")
    file = revision.files[name]
    if file.digest is None:
        raise DamagedDownload(
            f"{revision} {name}",
            "cannot be verified, and is not used: the Hub states no valid size and hash of it",
        )
    return file


def own_size(path: Path) -> int:
    """The bytes of a file of this user; 0 for a link, a folder, or what others have put there."""
    try:
        status = path.lstat()
    except OSError:
        return 0
    is_own = not hasattr(os, "geteuid") or status.st_uid == os.geteuid()
    return status.st_size if is_own and stat.S_ISREG(status.st_mode) else 0


def _ready(path: Path, size: int) -> int:
    """Remove what cannot be part of a file of this size; returns the bytes that are there.

    In a shared folder it may be a link to another file, or may still be open for somebody else.
    """
    if 0 < (n := own_size(path)) <= size and path.lstat().st_nlink == 1:
        return n
    path.unlink(missing_ok=True)
    return 0


@contextlib.contextmanager
def _open_to_go_on(path: Path) -> Iterator[BinaryIO]:
    """Open for writing, without changing what is there; the position is its end."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags, 0o666), "r+b") as file:
        file.seek(0, os.SEEK_END)
        yield file


def _go_on(
    revision: Revision, file: RemoteFile, partial: BinaryIO, arrived: Task, received: GrowingHash
) -> None:
    """Ask for the bytes that are missing at the end of `partial`, write and hash them."""
    what, here = f"{revision} {file.name}", partial.tell()
    if here == file.size:
        return
    asked = {"range": f"bytes={here}-"} if here else {}
    path = f"/{revision.repo}/resolve/{revision.commit}/{quote(file.name)}"
    try:
        with hub_requests.opened(path, asked) as (response, commit):
            if commit is not None and commit != revision.commit:
                raise DamagedDownload(what, "the Hub serves a file of another commit")
            _check_whole(what, response, file.size)
            if _first_byte(what, response, here) == 0:
                arrived.advance(-here)
                partial.truncate(0)
                partial.seek(0)
                received.follow(partial)
            for piece in response.iter_raw():
                if partial.tell() + len(piece) > file.size:
                    raise DamagedDownload(
                        what, f"has more than the {file.size} bytes that the Hub says"
                    )
                arrived.advance(len(piece))  # which ends a transfer that was stopped
                partial.write(piece)
                partial.flush()
                received.add(piece)
            if partial.tell() < file.size:
                raise CutShort
    except Refused as error:
        if error.status == _UNSATISFIABLE and here:
            raise DamagedDownload(what, "has fewer bytes than the Hub says") from None
        raise


def _first_byte(what: str, response: Any, here: int) -> int:
    """Where the answer begins in the file: a server may ignore that it was asked for a part."""
    if response.status_code != 206:
        return 0
    stated = re.match(r"bytes ([0-9]{1,18})-", response.headers.get("Content-Range", ""))
    if stated is None or int(stated.group(1)) != here:
        raise DamagedDownload(what, "the Hub serves another part of it than was asked for")
    return here


def _check_whole(what: str, response: Any, size: int) -> None:
    """Raises NotAHub for a web page, and DamagedDownload for the whole of another size."""
    if response.headers.get("Content-Type", "").startswith("text/html"):
        raise not_a_hub("it sends a web page in place of a file")
    length = response.headers.get("Content-Length", "")
    is_whole = response.status_code == 200 and re.fullmatch("[0-9]{1,18}", length)
    if is_whole and int(length) != size:
        start = next(response.iter_raw(len(LFS_POINTER)), b"")
        raise _wrong_size(what, start, int(length), size)


def _wrong_size(where: str, start: bytes, n_bytes: int, size: int) -> DamagedDownload:
    if start == LFS_POINTER:
        return DamagedDownload(where, "is a Git LFS pointer in place of the file's content")
    return DamagedDownload(where, f"has {n_bytes} bytes, but the Hub says {size}")


def _blob_id(path: Path) -> str:
    """git's id of a file's content."""
    header = b"blob %d\0" % path.stat().st_size
    return hash_file(path, hashlib.sha1(header, usedforsecurity=False))
