"""One file of a revision: fetched, from where an earlier download stopped, and verified."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from pythia_cli.checkpoints import hub, hub_fetch
from pythia_cli.checkpoints.hub_revision import Revision
from pythia_cli.errors import (
    DamagedDownload,
    NetworkError,
    NotAHub,
    NotOnHub,
    ResourceError,
    Unreachable,
)
from tests.checkpoints.conftest import DATA, REPO
from tests.checkpoints.test_hub_requests import NO_ADDRESSES
from tests.fakes.hub import Faults, Hub, _CdnHandler
from tests.reporting import Counted

SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def revision(served: Hub) -> Revision:
    return hub.resolve(REPO, "main")


def asked_ranges(served: Hub) -> list[str | None]:
    """The Range header of each request to the CDN."""
    cdn = [headers for port, _, headers in served.requests if port == "cdn"]
    return [{k.lower(): v for k, v in headers.items()}.get("range") for headers in cdn]


def test_files_are_fetched_and_counted(revision: Revision, tmp_path: Path) -> None:
    arrived, checked = Counted(), Counted()
    path = tmp_path / "large"
    sha256 = hub_fetch.fetch(revision, "large.bin", path, arrived=arrived, checked=checked)
    assert (sha256, path.read_bytes()) == (SHA256, DATA)
    assert (arrived.done, checked.done) == (len(DATA), 0)  # hashed as it arrived
    hub_fetch.fetch(revision, "small.json", tmp_path / "small")
    assert json.loads((tmp_path / "small").read_text()) == {"a": 1}
    with pytest.raises(NotOnHub, match=r"has no other\.bin"):
        hub_fetch.fetch(revision, "other.bin", tmp_path / "other")


@pytest.mark.parametrize("name", ["large.bin", "small.json"])
def test_every_byte_is_checked(revision: Revision, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    hub_fetch.fetch(revision, name, path)
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(DamagedDownload, match="the Hub says"):
        hub_fetch.check(revision, name, path)
    path.write_bytes(data[:-1])
    with pytest.raises(
        DamagedDownload, match=f"has {len(data) - 1} bytes, but the Hub says {len(data)}"
    ):
        hub_fetch.check(revision, name, path)


def test_a_folder_that_cannot_be_written(revision: Revision, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ResourceError, match="cannot be written"):
        hub_fetch.fetch(revision, "large.bin", tmp_path / "file/below")


def test_it_goes_on_where_an_earlier_one_stopped(
    served: Hub, revision: Revision, tmp_path: Path
) -> None:
    path, arrived, checked = tmp_path / "partial", Counted(), Counted()
    path.write_bytes(DATA[:900_000])
    found = hub_fetch.fetch(revision, "large.bin", path, arrived=arrived, checked=checked)
    assert found == SHA256
    assert asked_ranges(served) == ["bytes=900000-"]
    assert (arrived.done, checked.done) == (len(DATA) - 900_000, 900_000)
    assert hub_fetch.fetch(revision, "large.bin", path) == SHA256
    assert len(asked_ranges(served)) == 1  # there was nothing to ask for


def test_what_arrived_is_kept_when_the_connection_is_lost(
    served: Hub, revision: Revision, tmp_path: Path, pauses: list[float]
) -> None:
    served.faults = Faults(truncate=100_000)
    path = tmp_path / "partial"
    with pytest.raises(Unreachable, match="RemoteProtocolError"):
        hub_fetch.fetch(revision, "large.bin", path)
    assert path.read_bytes() == DATA[:300_000]  # three attempts
    assert asked_ranges(served) == [None, "bytes=100000-", "bytes=200000-"]


def test_a_clean_end_before_the_last_byte_is_no_end(
    served: Hub, revision: Revision, tmp_path: Path, pauses: list[float]
) -> None:
    served.faults = Faults(no_length=True, truncate=100_000)
    with pytest.raises(NetworkError, match="the transfer was cut short"):
        hub_fetch.fetch(revision, "large.bin", tmp_path / "partial")
    served.faults = Faults()
    assert hub_fetch.fetch(revision, "large.bin", tmp_path / "partial") == SHA256


@pytest.mark.parametrize("size", [100, 900_000, len(DATA), len(DATA) + 1])
def test_a_damaged_part_is_dropped_and_all_is_fetched_once(
    served: Hub, revision: Revision, tmp_path: Path, size: int
) -> None:
    path = tmp_path / "partial"
    path.write_bytes(b"x" * size)
    assert hub_fetch.fetch(revision, "large.bin", path) == SHA256
    assert asked_ranges(served)[-1] is None
    served.faults = Faults(wrong_bytes=True)
    path.write_bytes(DATA[:900_000])
    before = len(served.transfers)
    with pytest.raises(DamagedDownload, match="has sha256"):
        hub_fetch.fetch(revision, "large.bin", path)
    assert len(served.transfers) == before + 2
    assert not path.exists()


def test_a_server_that_sends_all_of_it(served: Hub, revision: Revision, tmp_path: Path) -> None:
    path, arrived = tmp_path / "partial", Counted()
    path.write_bytes(DATA[:900_000])
    served.faults = Faults(no_range=True, truncate=500_000, truncate_times=1)
    assert hub_fetch.fetch(revision, "large.bin", path, arrived=arrived) == SHA256
    assert [n for _, n in served.transfers] == [500_000, len(DATA)]
    assert arrived.done == len(DATA) - 900_000
    assert asked_ranges(served) == ["bytes=900000-", "bytes=500000-"]


def test_a_file_is_left_alone_when_the_transfer_was_stopped(
    served: Hub, revision: Revision, tmp_path: Path
) -> None:
    """The answer came late, and somebody else goes on with the file."""

    class Stopped(Exception):
        pass

    class Stops(Counted):
        def advance(self, amount: int) -> None:
            raise Stopped

    path = tmp_path / "partial"
    for faults in (Faults(instead=b"damaged"), Faults(no_range=True), Faults()):
        path.write_bytes(DATA[:900_000])
        served.faults = faults
        with pytest.raises(Stopped):
            hub_fetch.fetch(revision, "large.bin", path, arrived=Stops())
        assert path.read_bytes() == DATA[:900_000]


def test_a_file_that_another_process_has_removed(revision: Revision, tmp_path: Path) -> None:
    class Removes(Counted):
        def advance(self, amount: int) -> None:
            path.unlink(missing_ok=True)

    path = tmp_path / "partial"
    with pytest.raises(ResourceError, match="No such file"):
        hub_fetch.fetch(revision, "large.bin", path, arrived=Removes())


def test_a_file_that_is_compressed_unasked(
    served: Hub, revision: Revision, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(self: _CdnHandler) -> None:
        self.answer(200, gzip.compress(DATA), {"Content-Encoding": "gzip"})

    monkeypatch.setattr(_CdnHandler, "serve", answer)
    with pytest.raises(NotAHub, match="compresses its answers"):
        hub_fetch.fetch(revision, "large.bin", tmp_path / "partial")


def test_a_server_with_fewer_bytes(served: Hub, revision: Revision, tmp_path: Path) -> None:
    path = tmp_path / "partial"
    path.write_bytes(DATA[:900_000])
    served.faults = Faults(cdn_status=[416])
    assert hub_fetch.fetch(revision, "large.bin", path) == SHA256
    assert asked_ranges(served) == ["bytes=900000-", None]


def test_what_is_not_our_own_file_is_not_written_to(revision: Revision, tmp_path: Path) -> None:
    theirs, path = tmp_path / "theirs", tmp_path / "partial"
    for link in (os.symlink, os.link):
        theirs.write_bytes(b"their own")
        link(theirs, path)
        assert hub_fetch.fetch(revision, "large.bin", path) == SHA256
        assert theirs.read_bytes() == b"their own"
        assert not path.is_symlink()
        path.unlink()
    os.mkfifo(path)
    assert hub_fetch.fetch(revision, "large.bin", path) == SHA256


@pytest.mark.parametrize("start", [0, 900_000])
def test_never_more_bytes_than_announced(
    served: Hub, revision: Revision, tmp_path: Path, start: int
) -> None:
    written: list[int] = []

    class Watched(Counted):
        def advance(self, amount: int) -> None:
            written.append(path.stat().st_size)

    path = tmp_path / "partial"
    path.write_bytes(DATA[:start])
    served.faults = Faults(no_length=True, file_extra=10_000_000)
    with pytest.raises(DamagedDownload, match=f"has more than the {len(DATA)} bytes"):
        hub_fetch.fetch(revision, "large.bin", path, arrived=Watched())
    assert max(written) <= len(DATA)
    assert not path.exists()


def test_a_mirror_that_states_no_commit(served: Hub, revision: Revision, tmp_path: Path) -> None:
    """The hash is enough: it says which bytes they are."""
    served.faults = Faults(no_commit=True)
    assert hub_fetch.fetch(revision, "large.bin", tmp_path / "large") == SHA256


def test_a_file_of_another_commit(served: Hub, revision: Revision, tmp_path: Path) -> None:
    served.repos[REPO]["main"].commit, asked = "f" * 40, revision.commit
    served.repos = {REPO: {asked: served.repos[REPO]["main"]}}
    with pytest.raises(DamagedDownload, match="another commit"):
        hub_fetch.fetch(revision, "large.bin", tmp_path / "large")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1024000\n",
            "is a Git LFS pointer in place of the file's content",
        ),
        (b"<html>", "has 6 bytes, but the Hub says 1024000"),
        (b"", "has 0 bytes"),
    ],
)
def test_something_else_in_place_of_it(
    served: Hub, revision: Revision, tmp_path: Path, content: bytes, text: str
) -> None:
    served.faults = Faults(instead=content)
    with pytest.raises(DamagedDownload, match=text):
        hub_fetch.fetch(revision, "large.bin", tmp_path / "large")
    path = tmp_path / "cached"
    path.write_bytes(content)
    with pytest.raises(DamagedDownload, match=text):
        hub_fetch.check(revision, "large.bin", path)


@pytest.mark.parametrize("stated", [f"bytes {'9' * 5000}-", "bytes 1-", "bytes -5", "\xb2", ""])
def test_another_part_of_it(served: Hub, revision: Revision, tmp_path: Path, stated: str) -> None:
    path = tmp_path / "partial"
    path.write_bytes(DATA[:900_000])
    served.faults = Faults(content_range=stated or " ")
    assert hub_fetch.fetch(revision, "large.bin", path) == SHA256  # all of it, anew


@pytest.mark.parametrize("location", NO_ADDRESSES)
def test_a_cdn_that_redirects_to_no_address(
    served: Hub, revision: Revision, tmp_path: Path, location: str
) -> None:
    served.faults = Faults(cdn_location=location)
    with pytest.raises(NotAHub, match="redirects to something else than an http or https address"):
        hub_fetch.fetch(revision, "large.bin", tmp_path / "large")


def test_a_web_page_in_place_of_it(served: Hub, revision: Revision, tmp_path: Path) -> None:
    path = tmp_path / "partial"
    path.write_bytes(DATA[:900_000])
    served.faults = Faults(captive_portal=True)
    with pytest.raises(NotAHub, match="a web page in place of a file"):
        hub_fetch.fetch(revision, "large.bin", path)
    assert path.read_bytes() == DATA[:900_000]


def test_what_cannot_be_verified_is_not_used(revision: Revision, tmp_path: Path) -> None:
    without = replace(revision.files["large.bin"], sha256=None, blob_id=None)
    bare = replace(revision, files={"large.bin": without})
    path = tmp_path / "large"
    with pytest.raises(DamagedDownload, match="cannot be verified, and is not used"):
        hub_fetch.fetch(bare, "large.bin", path)
    path.write_bytes(DATA)
    with pytest.raises(DamagedDownload, match="cannot be verified, and is not used"):
        hub_fetch.check(bare, "large.bin", path)
