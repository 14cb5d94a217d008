"""A Hugging Face Hub on loopback, with a CDN on a second port, that fails on demand.

Only the endpoints that huggingface_hub uses to look up and download models. What a test sets on
`hub.faults` changes the answers from then on; `hub.requests` and `hub.transfers` say what came.
"""

from __future__ import annotations

import hashlib
import json
import socket
import struct
import sys
import threading
import time
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

LARGE = (".safetensors", ".bin")
_PIECE = 1 << 16


@dataclass
class Faults:
    """How to misbehave; each is off where it is empty or None."""

    api_status: list[int] = field(default_factory=list)
    """Answer the next requests for metadata with these statuses, in turn."""
    api_status_for_ever: int | None = None
    cdn_status: list[int] = field(default_factory=list)
    """Answer the next requests for large files with these statuses, in turn."""
    cdn_status_for_ever: int | None = None
    cdn_status_of: Mapping[str, int] = field(default_factory=dict)
    """Answer requests for large files of these commits with these statuses."""
    gated: bool = False
    retry_after: int | str | None = None
    captive_portal: bool = False
    """Everything is 200 and a page of HTML."""
    truncate: int | None = None
    """Close the connection after this many bytes of a large file, each time."""
    truncate_times: int = 1000
    """... but only so many times."""
    reset: bool = False
    """Reset the connection in the midst of a large file."""
    wrong_bytes: bool = False
    """A large file of the right size whose last byte is another."""
    silent: bool = False
    """Accept requests for metadata, and never answer."""
    ratelimit_seconds: int | None = None
    """429 in the form of the public Hub: no requests left, for so long."""
    pause_seconds: float | None = None
    """Pause between pieces of 64 KiB of a large file."""
    drip_seconds: float | None = None
    """Pause between single bytes of a large file."""
    redirect_to: str | None = None
    """Send requests for files there."""
    cdn_location: str | None = None
    """Send requests to the CDN there, as it is written."""
    content_range: str | None = None
    """State this range for a part of a large file."""
    etag: str | None = None
    """State this etag for large files."""
    answers_for: str | None = None
    """Name this repository in answers, as after a redirection."""
    extra_files: tuple[str, ...] = ()
    """Names that revisions list besides their own."""
    siblings: Mapping[str, Any] = field(default_factory=dict)
    """Fields of each listed file to state otherwise; None to leave one out."""
    api_extra: int = 0
    """So many bytes of spaces before each answer with metadata."""
    api_drip_seconds: float | None = None
    """Pause between single bytes of answers with metadata, ..."""
    drip_headers: bool = False
    """... from their status line on."""
    no_commit: bool = False
    """Do not state the commit of files."""
    no_range: bool = False
    """Ignore that only a part of a file is asked for."""
    no_length: bool = False
    """Do not state the size of a large file: its end is that of the connection."""
    file_extra: int = 0
    """Send so many bytes more than a large file has."""
    instead: bytes | None = None
    """Send this in place of a large file."""


@dataclass
class Branch:
    """A branch: its commit, its folder of files, and sha256 stated wrongly, by file name."""

    commit: str
    folder: Path | None
    stated: dict[str, str] = field(default_factory=dict)


def commit_of(repo: str, branch: str) -> str:
    """A commit's name, as git would give one."""
    return hashlib.sha1(f"{repo} {branch}".encode()).hexdigest()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that die are part of the play; other errors are the fake's own."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Hub:
    """`with Hub(repos) as hub:` serves {repo: {branch: Branch}}; hub.url is its endpoint."""

    def __init__(self, repos: Mapping[str, Mapping[str, Branch]]) -> None:
        self.repos = repos
        self.faults = Faults()
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        """(port's name, method and path, headers) of all requests."""
        self.transfers: list[tuple[str, int]] = []
        """(file, bytes sent) of all bodies of large files that were begun."""
        self._sha256: dict[Path, str] = {}
        self._lock = threading.Lock()
        self._servers = [self._server("hub", _HubHandler), self._server("cdn", _CdnHandler)]
        self.url, self.cdn_url = (f"http://127.0.0.1:{s.server_port}" for s in self._servers)

    def _server(self, name: str, handler: type[_Handler]) -> ThreadingHTTPServer:
        bound = type(handler.__name__, (handler,), {"hub": self, "port_name": name})
        server = _Server(("127.0.0.1", 0), bound)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return server

    def __enter__(self) -> Hub:
        return self

    def __exit__(self, *error: object) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def sha256(self, path: Path) -> str:
        """A file's sha256, found once."""
        with self._lock:
            if path not in self._sha256:
                self._sha256[path] = hashlib.sha256(path.read_bytes()).hexdigest()
            return self._sha256[path]

    def find(self, repo: str, revision: str) -> Branch | None:
        """A branch by its name or its commit."""
        branches = self.repos.get(repo, {})
        if revision in branches:
            return branches[revision]
        return next((b for b in branches.values() if b.commit == revision), None)


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    port_name: str
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.hub.requests.append(
            (self.port_name, f"{self.command} {self.path}", dict(self.headers.items()))
        )
        try:
            if self.hub.faults.captive_portal:
                self.answer(
                    200, b"<html>Welcome to our hotel</html>", {"Content-Type": "text/html"}
                )
            else:
                self.serve()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    @abstractmethod
    def serve(self) -> None:
        """Answer a request for self.path."""

    def answer(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status: int, code: str = "") -> None:
        headers = {"X-Error-Code": code} if code else {}
        if self.hub.faults.retry_after is not None and status in (429, 503):
            headers["Retry-After"] = str(self.hub.faults.retry_after)
        self.answer(status, json.dumps({"error": "no"}).encode(), headers)


class _HubHandler(_Handler):
    def serve(self) -> None:
        faults = self.hub.faults
        path = unquote(urlsplit(self.path).path)
        if faults.silent:
            time.sleep(60)
        elif faults.ratelimit_seconds is not None:
            limit = f'"api";r=0;t={faults.ratelimit_seconds}'
            self.answer(429, b"{}", {"RateLimit": limit})
        elif faults.api_status:
            self.refuse(faults.api_status.pop(0))
        elif faults.api_status_for_ever is not None:
            code = "GatedRepo" if faults.gated else ""
            self.refuse(faults.api_status_for_ever, code)
        elif faults.drip_headers:
            self._drip(b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 100_000)
        elif path.startswith("/api/models/"):
            self._api(path.removeprefix("/api/models/"))
        else:
            self._file(path[1:])

    def _api(self, path: str) -> None:
        if path.count("/") == 1:
            path += "/revision/main"
        owner, name, kind, *rest = path.split("/", 3)
        repo = f"{owner}/{name}"
        if repo not in self.hub.repos:
            self.refuse(404, "RepoNotFound")
        elif kind == "refs":
            branches = [
                {"name": n, "ref": f"refs/heads/{n}", "targetCommit": b.commit}
                for n, b in self.hub.repos[repo].items()
            ]
            self._answer_json({"branches": branches, "converts": [], "tags": []})
        else:
            branch = self.hub.find(repo, rest[0])
            if branch is None:
                self.refuse(404, "RevisionNotFound")
                return
            siblings = [self._sibling(branch, path) for path in files_of(branch)]
            siblings += [
                {"rfilename": name, "size": 1, "blobId": "0" * 40}
                for name in self.hub.faults.extra_files
            ]
            name = self.hub.faults.answers_for or repo
            body = {"id": name, "modelId": name, "sha": branch.commit, "siblings": siblings}
            self._answer_json(body)

    def _answer_json(self, content: Any) -> None:
        faults = self.hub.faults
        body = b" " * faults.api_extra + json.dumps(content).encode()
        if faults.api_drip_seconds is None:
            self.answer(200, body, {"Content-Type": "application/json"})
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self._drip(body)

    def _drip(self, data: bytes) -> None:
        for byte in data:
            self.wfile.write(bytes([byte]))
            time.sleep(self.hub.faults.api_drip_seconds or 0)

    def _sibling(self, branch: Branch, path: Path) -> dict[str, Any]:
        size = path.stat().st_size
        sibling: dict[str, Any] = {"rfilename": path.name, "size": size}
        if path.suffix not in LARGE:
            sibling["blobId"] = blob_id(path)
        else:
            sibling["blobId"] = "d" * 40  # git's id of a pointer file, of no use to anybody
            sha256 = branch.stated.get(path.name, self.hub.sha256(path))
            sibling["lfs"] = {"sha256": sha256, "size": size, "pointerSize": 135}
        sibling |= self.hub.faults.siblings
        return {name: value for name, value in sibling.items() if value is not None}

    def _file(self, path: str) -> None:
        parts = path.split("/", 4)
        branch = self.hub.find("/".join(parts[:2]), parts[3]) if len(parts) == 5 else None
        found = None
        if branch is not None and branch.folder is not None:
            found = branch.folder / parts[4]
        if branch is None or found is None or not found.is_file():
            self.refuse(404, "EntryNotFound")
            return
        faults = self.hub.faults
        if faults.redirect_to is not None:
            self.answer(302, b"", {"Location": faults.redirect_to + self.path})
            return
        headers = {} if faults.no_commit else {"X-Repo-Commit": branch.commit}
        if found.suffix not in LARGE:
            headers["ETag"] = f'"{blob_id(found)}"'
            self.answer(200, found.read_bytes(), headers)
            return
        sha256 = branch.stated.get(found.name, self.hub.sha256(found))
        headers["X-Linked-Etag"] = f'"{faults.etag or sha256}"'
        headers["X-Linked-Size"] = str(found.stat().st_size)
        signed = f"?signature=secret-{parts[3][:8]}"
        headers["Location"] = f"{self.hub.cdn_url}/{path}{signed}"
        self.answer(302, b"", headers)


class _CdnHandler(_Handler):
    def serve(self) -> None:
        faults = self.hub.faults
        if faults.cdn_status:
            self.refuse(faults.cdn_status.pop(0))
            return
        if faults.cdn_status_for_ever is not None:
            self.refuse(faults.cdn_status_for_ever)
            return
        for commit, status in faults.cdn_status_of.items():
            if commit in self.path:
                self.refuse(status)
                return
        if faults.cdn_location is not None:
            self.answer(302, b"", {"Location": faults.cdn_location})
            return
        owner, name, _, revision, filename = unquote(urlsplit(self.path).path)[1:].split("/", 4)
        branch = self.hub.find(f"{owner}/{name}", revision)
        assert branch is not None
        assert branch.folder is not None
        path = branch.folder / filename
        size = path.stat().st_size
        first = 0
        if faults.instead is not None:
            self.answer(200, faults.instead)
            return
        asked = None if faults.no_range else self.headers.get("Range")
        if asked is not None:
            first = int(asked.removeprefix("bytes=").split("-")[0])
            self.send_response(206)
            stated = faults.content_range or f"bytes {first}-{size - 1}/{size}"
            self.send_header("Content-Range", stated)
        else:
            self.send_response(200)
        self.send_header("Accept-Ranges", "bytes")
        if faults.no_length:
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(size - first))
        self.end_headers()
        if self.command != "HEAD":
            self._body(path, first)
            self.wfile.write(b" " * faults.file_extra)

    def _body(self, path: Path, first: int) -> None:
        faults = self.hub.faults
        size = path.stat().st_size
        sent = 0
        self.hub.transfers.append((path.name, 0))
        mine = len(self.hub.transfers) - 1

        def count(n_bytes: int) -> None:
            # Before they are sent: a client that has the last byte may look at once.
            self.hub.transfers[mine] = (path.name, n_bytes)

        with path.open("rb") as file:
            if faults == Faults():
                self.wfile.flush()
                count(size - first)
                try:
                    self.connection.sendfile(file, first)
                except ConnectionError:
                    count(max(0, file.tell() - first))
                    raise
                return
            file.seek(first)
            while piece := file.read(_PIECE):
                if faults.wrong_bytes and first + sent + len(piece) == size:
                    piece = piece[:-1] + bytes([piece[-1] ^ 1])
                if faults.reset and sent > 0:
                    linger = struct.pack("ii", 1, 0)
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    self.connection.close()
                    self.close_connection = True
                    return
                if (
                    faults.truncate is not None
                    and faults.truncate_times > 0
                    and sent + len(piece) > faults.truncate
                ):
                    faults.truncate_times -= 1
                    cut = max(faults.truncate, sent)  # it may be set while a file is sent
                    count(cut)
                    self.wfile.write(piece[: cut - sent])
                    self.close_connection = True
                    return
                sent += len(piece)
                count(sent)
                if faults.drip_seconds is not None:
                    for byte in piece:
                        self.wfile.write(bytes([byte]))
                        time.sleep(faults.drip_seconds)
                else:
                    self.wfile.write(piece)
                    time.sleep(faults.pause_seconds or 0)


def files_of(branch: Branch) -> list[Path]:
    """A branch's files."""
    return sorted(branch.folder.iterdir()) if branch.folder is not None else []


def blob_id(path: Path) -> str:
    """git's id of a file's content."""
    data = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
