"""Answers of a Hub: to questions about a branch and its files, and files themselves. No network."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import os
import shutil
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from pythia_cli.errors import PythiaError
from pythia_cli.suite.checkpoint import Checkpoint
from tests.fuzz.mutate import NUMBERS, TEXTS, json_bytes, mutated_bytes, mutated_json, odd_value

_CHECKPOINT = Checkpoint("pythia-14m", 64)
_COMMIT = "a" * 40
_FILE = b'{"model_type": "gpt_neox"}\n'  # the content of all files
_BLOB = hashlib.sha1(b"blob %d\0" % len(_FILE) + _FILE).hexdigest()
_SHA256 = hashlib.sha256(_FILE).hexdigest()
_HEADERS: dict[str, tuple[Any, ...]] = {
    "ETag": (f'"{_BLOB}"', f'W/"{_BLOB}"', '"../../evil"', "", '"x"', "a" * 300, "é"),
    "X-Repo-Commit": (_COMMIT, "b" * 40, "", "../../evil", "main"),
    "X-Linked-Size": (str(len(_FILE)), "0", "-1", "1e9", "x", "9" * 40),
    "X-Linked-Etag": (f'"{"c" * 64}"', "x", ""),
    "X-Error-Code": ("RepoNotFound", "RevisionNotFound", "EntryNotFound", "GatedRepo", "x"),
    "X-Error-Message": ("no", "x" * 5000, "\x1b[31m"),
    "Content-Length": (str(len(_FILE)), "0", "1", "-1", "99999999999", "x", ""),
    "Content-Type": ("text/html", "application/json", "", "application/json; charset=utf-16"),
    "Content-Encoding": ("gzip", "deflate", "identity", "x"),
    "Content-Range": ("bytes 0-9/10", "bytes */10", "x"),
    "Retry-After": ("0", "5", "61", "-5", "soon", "9" * 400, "Thu, 01 Jan 1970 00:00:00 GMT"),
    "RateLimit": ('"api";r=0;t=5', '"api";r=0;t=99999999999', "x", '"api";r=x;t='),
    "Location": ("/x", "https://elsewhere.invalid/x", "file:///etc/passwd", "", "\x7f", "/\n"),
    "X-Xet-Hash": ("a" * 64, "x"),
    "Link": ('<x>; rel="xet-auth"', '<>; rel="next"', '</api>; rel="next"'),
}  # fmt: skip
_STATUSES = (
    200, 200, 200, 200, 200, 200, 200, 204, 206, 301, 302, 307, 308, 304, 400, 401, 403, 404, 408,
    416, 418, 429, 500, 502, 503, 504, 520,
)  # fmt: skip
_MB = 1 << 20
_MOST_MB = 3000


class HubAnswers:
    """An input is a JSON object: the answer to each kind of request, or a list of answers in turn.

    An answer has a status, headers, and a body: `json`, or `text` in Latin-1, or `gzip_mb` or
    `endless`, which are many spaces.
    """

    def __init__(self, folder: Path) -> None:
        # Before huggingface_hub is imported, which reads them once.
        os.environ["HF_HOME"] = str(folder / "hf")
        for name in ("HF_ENDPOINT", "HF_TOKEN", "HF_HUB_OFFLINE"):
            os.environ.pop(name, None)
        time.sleep = lambda seconds: None  # type: ignore[assignment]
        from huggingface_hub import set_client_factory
        from huggingface_hub.utils import _http

        client = _http._GLOBAL_CLIENT_FACTORY()
        self._httpx = importlib.import_module(type(client).__module__.split(".")[0])
        self._folder = folder / "files"
        self._answers: dict[str, Any] = {}
        set_client_factory(self._client)
        info = {
            "id": "EleutherAI/pythia-14m", "modelId": "EleutherAI/pythia-14m", "sha": _COMMIT,
            "private": False, "gated": False, "tags": [], "downloads": 1,
            "lastModified": "2023-04-03T00:00:00.000Z",
            "siblings": [
                {"rfilename": "config.json", "size": len(_FILE), "blobId": _BLOB},
                {"rfilename": "tokenizer.json", "size": len(_FILE), "blobId": _BLOB},
                {"rfilename": "model.safetensors", "size": len(_FILE), "blobId": "d" * 40,
                 "lfs": {"sha256": _SHA256, "size": len(_FILE), "pointerSize": 134}},
            ],
        }  # fmt: skip
        branch = {"name": "step64", "ref": "refs/heads/step64", "targetCommit": _COMMIT}
        headers = {
            "ETag": f'"{_BLOB}"',
            "X-Repo-Commit": _COMMIT,
            "Content-Length": str(len(_FILE)),
        }
        self._valid: dict[str, Any] = {
            "api": {"status": 200, "headers": {}, "json": info},
            "refs": {"status": 200, "headers": {}, "json": {"branches": [branch], "tags": []}},
            "head": {"status": 200, "headers": headers, "text": ""},
            "get": {"status": 200, "headers": headers, "text": _FILE.decode()},
        }
        self.valid = json.dumps(self._valid).encode()

    def make(self, random: Random) -> bytes:
        answers = dict(self._valid)
        for _ in range(random.choice((1, 1, 1, 2))):
            kind = random.choice(("api", "api", "api", "refs", "head", "get"))
            answers[kind] = self._answer(random, kind)
            if random.random() < 0.1:
                answers[kind] = [self._answer(random, kind) for _ in range(random.randint(0, 4))]
        return json.dumps(answers).encode()

    def _answer(self, random: Random, kind: str) -> dict[str, Any]:
        answer = {**self._valid[kind], "headers": dict(self._valid[kind]["headers"])}
        chance = random.random()
        if "json" in answer and chance < 0.6:
            content = mutated_json(random, answer["json"])
            if random.random() < 0.3 and isinstance(content, dict):
                self._change_files(random, content)
            answer["json"] = content
            if random.random() < 0.1:
                answer["text"] = json_bytes(random, answer.pop("json")).decode("latin-1")
        elif chance < 0.9:
            if random.random() < 0.4:
                answer["status"] = random.choice(_STATUSES)
            for name in random.sample(list(_HEADERS), random.choice((0, 1, 1, 2))):
                answer["headers"][name] = random.choice((*_HEADERS[name], random.choice(TEXTS)))
        elif chance < 0.997:
            answer.pop("json", None)
            body = random.choice((_FILE, b"", b"<html>Welcome</html>", b"null", b"[]", b"{}", b"5"))
            answer["text"] = mutated_bytes(random, body).decode("latin-1")
        else:
            answer[random.choice(("gzip_mb", "endless"))] = random.choice((1, _MOST_MB))
        return answer

    @staticmethod
    def _change_files(random: Random, content: dict[str, Any]) -> None:
        files = content.get("siblings")
        if not isinstance(files, list):
            return
        name = random.choice((
            *TEXTS, "model-00001-of-00002.safetensors", "model-1-of-2.safetensors/../../evil",
            "model.safetensors.index.json", "pytorch_model.bin", "config.json", 5, None,
        ))  # fmt: skip
        size = random.choice((*NUMBERS, "5", None))
        digest = random.choice((_BLOB, "a" * 64, "A" * 64, "g" * 40, None, 5, ""))
        files.append({"rfilename": name, "size": size, "blobId": digest})
        if random.random() < 0.5:
            files[-1]["lfs"] = random.choice(
                (None, {}, {"sha256": digest, "size": size}, odd_value(random))
            )

    def check(self, data: bytes) -> None:
        from pythia_cli.checkpoints import hub
        from pythia_cli.checkpoints.plan import plan_fetch

        self._answers = json.loads(data)
        with contextlib.suppress(PythiaError):
            assert all(isinstance(name, str) for name in hub.branches("EleutherAI/pythia-14m"))
        plan = plan_fetch(_CHECKPOINT)
        json.dumps(plan.to_dict())
        assert plan.n_bytes >= 0, "a negative size"
        for name in plan.names:
            assert Path(name).name == name, f"a name that leads elsewhere: {name!r}"
        is_usual = all(self._answers.get(kind) == self._valid[kind] for kind in ("head", "get"))
        if is_usual and len(data) % 8:
            return  # a transfer takes most of the time
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir()
        for name in plan.names:
            stated = plan.origin(name).files[name]
            self._fetch(plan.origin(name), name)
            content = (self._folder / name).read_bytes()
            git = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            own = (hashlib.sha256(content).hexdigest(), git)
            assert stated.sha256 in own or stated.blob_id in own, "a file that is not verified"

    def _fetch(self, revision: Any, name: str) -> None:
        from pythia_cli.checkpoints.hub_fetch import fetch

        fetch(revision, name, self._folder / name, pause=lambda seconds: None)

    def _client(self) -> Any:
        transport = self._httpx.MockTransport(self._respond)
        return self._httpx.Client(transport=transport, follow_redirects=True, timeout=None)

    def _respond(self, request: Any) -> Any:
        path = request.url.path
        kind = request.method.lower()
        if path.startswith("/api/"):
            kind = "refs" if path.endswith("/refs") else "api"
        answer = self._answers.get(kind)
        if isinstance(answer, list):
            answer = answer.pop(0) if answer else None
        if answer is None:
            return self._httpx.Response(404)
        headers = [
            (name.encode("latin-1", "replace"), value.encode("utf-8", "surrogatepass"))
            for name, value in answer["headers"].items()
        ]
        if "gzip_mb" in answer:
            headers.append((b"Content-Encoding", b"gzip"))
            content = _pieces(_zipped(answer["gzip_mb"]))
        elif "endless" in answer:
            content = _spaces(answer["endless"])
        else:
            body = json.dumps(answer["json"]) if "json" in answer else answer["text"]
            content = _pieces(body.encode("latin-1", "replace"))
        # An iterator is read as it is needed, as from a network; bytes would be read at once.
        return self._httpx.Response(answer["status"], headers=headers, content=content)


def _pieces(data: bytes) -> Iterator[bytes]:
    for at in range(0, len(data), 1 << 16):
        yield data[at : at + (1 << 16)]


def _spaces(mb: int) -> Iterator[bytes]:
    for _ in range(mb):
        yield b" " * _MB


def _zipped(mb: int) -> bytes:
    """So many MiB of spaces, by repeating a compressed block."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    head = packer.compress(b"") + packer.flush(zlib.Z_FULL_FLUSH)
    return head + (packer.compress(b" " * _MB) + packer.flush(zlib.Z_FULL_FLUSH)) * mb
