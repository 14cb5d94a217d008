"""The cache of compiled kernels: which folders are trusted, and damaged files."""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pythia_cli import kernels
from pythia_cli.files.publishing import published
from pythia_cli.jit import object_cache
from pythia_cli.jit.object_cache import CompiledKernel, ObjectCache, packed, unpacked

KERNELS = {
    "one": CompiledKernel("symbol_1", '{"x": "int"}', b"\x00code"),
    "two": CompiledKernel("symbol_2", "{}", b"more code"),
}
SOURCES = Path(kernels.__file__).parent


def opened() -> ObjectCache:
    return ObjectCache(SOURCES)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the cache will create."""
    monkeypatch.setenv("PYTHIA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache/kernels"


def written() -> str:
    """Write; return the problem, or an empty string."""
    cache = opened()
    cache.write(KERNELS)
    return cache.problem


def kept(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


def test_reads_what_it_wrote(folder: Path) -> None:
    assert opened().read() is None
    assert written() == ""
    assert opened().read() == KERNELS
    assert folder.stat().st_mode & 0o777 == 0o700
    assert kept(folder).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("at", [0, 20, -1])
def test_a_damaged_file_is_not_used_and_is_replaced(folder: Path, at: int) -> None:
    opened().write(KERNELS)
    data = bytearray(kept(folder).read_bytes())
    data[at] ^= 1
    kept(folder).write_bytes(data)
    cache = opened()
    assert cache.read() is None
    assert cache.fault == "is damaged"
    cache.write(KERNELS)
    assert cache.problem == ""
    assert opened().read() == KERNELS


@pytest.mark.parametrize("size", [0, 5, 40, 60])
def test_a_file_cut_short_is_not_used(folder: Path, size: int) -> None:
    opened().write(KERNELS)
    kept(folder).write_bytes(kept(folder).read_bytes()[:size])
    cache = opened()
    assert cache.read() is None
    assert cache.fault == "is damaged"


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o722])
def test_a_folder_that_others_can_write_is_not_trusted(folder: Path, mode: int) -> None:
    opened().write(KERNELS)
    folder.chmod(mode)
    assert opened().read() is None
    assert "may be written by others" in written()


def test_a_folder_of_another_user_is_not_trusted(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened().write(KERNELS)
    status = os.stat(folder)
    theirs = os.stat_result((*status[:4], 12_345, *status[5:]))
    monkeypatch.setattr(Path, "stat", lambda path, **more: theirs)
    assert opened().read() is None
    assert "belongs to another user" in opened().problem


def test_a_folder_of_root_is_trusted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For example, one that is part of a container image."""
    opened().write(KERNELS)
    status = os.stat(folder)
    roots = os.stat_result((*status[:4], 0, *status[5:]))
    of_file = os.stat(kept(folder))
    roots_file = os.stat_result((*of_file[:4], 0, *of_file[5:]))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "stat", lambda path, **more: roots)
        patch.setattr(object_cache.os, "fstat", lambda descriptor: roots_file)
        patch.setattr(object_cache.os, "getuid", lambda: 12_345)
        assert opened().read() == KERNELS


@pytest.mark.parametrize(
    ("owner", "mode", "fault"),
    [
        (12_345, 0o600, "belongs to another user"),
        (None, 0o620, "may be written by others (chmod go-w)"),
        (None, 0o602, "may be written by others (chmod go-w)"),
        (0, 0o644, ""),
    ],
)
def test_a_file_that_others_can_have_written_is_not_used_and_is_replaced(
    folder: Path, monkeypatch: pytest.MonkeyPatch, owner: int | None, mode: int, fault: str
) -> None:
    """As one that was put there while the folder could be written by everybody."""
    opened().write(KERNELS)
    kept(folder).chmod(mode)
    fstat = os.fstat

    def theirs(descriptor: int) -> os.stat_result:
        status = fstat(descriptor)
        uid = owner if owner is not None else status.st_uid
        return os.stat_result((*status[:4], uid, *status[5:]))

    with monkeypatch.context() as patch:
        patch.setattr(object_cache.os, "fstat", theirs)
        cache = opened()
        assert (cache.read() is None) == (fault != "")
        assert cache.fault == fault
    if fault:
        cache.write(KERNELS)
    assert opened().read() == KERNELS


def test_a_link_or_a_pipe_is_not_read(folder: Path, tmp_path: Path) -> None:
    opened().write(KERNELS)
    path = kept(folder)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert opened().read() is None
    path.unlink()
    os.mkfifo(path)
    cache = opened()
    assert (cache.read(), cache.fault) == (None, "is no file")
    assert written() == ""
    assert opened().read() == KERNELS


def test_a_folder_that_others_could_replace_is_not_trusted(folder: Path) -> None:
    opened().write(KERNELS)
    above = folder.parent.parent
    above.chmod(0o777)
    assert opened().read() is None
    assert f"{above} may be written by others" in written()
    above.chmod(0o1777)  # as /tmp: only the owner of the folder can replace it
    assert opened().read() == KERNELS


def test_a_file_in_its_place_means_no_cache(folder: Path) -> None:
    folder.parent.write_text("not a folder")
    assert opened().read() is None
    assert written() != ""


def test_a_write_that_fails_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(object_cache.os, "fsync", full)
    assert written() != ""
    assert list(folder.iterdir()) == []


def test_an_interrupt_while_writing_leaves_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(object_cache.os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        opened().write(KERNELS)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("n_bytes", [1, 8, 9, 20, 60])
def test_packed_kernels_cut_short_are_refused(n_bytes: int) -> None:
    data = packed(KERNELS)
    assert unpacked(data) == KERNELS
    with pytest.raises(ValueError, match=r"packed|argument"):
        unpacked(data[:-n_bytes])


def test_the_key_depends_on_every_source_and_the_processor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tiles").mkdir()
    one, other = tmp_path / "one.py", tmp_path / "tiles/other.py"
    one.write_text("a"), other.write_text("b")

    def key() -> str:
        return object_cache._key(object_cache._sources(tmp_path))

    keys = [key()]
    other.write_text("c")
    keys.append(key())
    monkeypatch.setenv("NUMBA_LOOP_VECTORIZE", "0")
    keys.append(key())
    monkeypatch.setenv("PYTHIA_SIMD", "plain")
    keys.append(key())
    assert len(set(keys)) == 4


def test_two_processors_share_a_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As nodes of a cluster do: each has a file of its own, however their writes interleave."""
    of_processor = {"old": ("old", "sse4_2"), "new": ("new", "avx512f")}
    other = {"one": CompiledKernel("symbol_1", "{}", b"other code")}

    def on(processor: str) -> ObjectCache:
        monkeypatch.setattr(object_cache.identity, "of_processor", lambda: of_processor[processor])
        return opened()

    old, new = on("old"), on("new")
    assert old.path != new.path
    new.write({"one": KERNELS["one"]})
    with published(old.path) as file:  # type: ignore[arg-type]
        file.write(b"half of it")
        new.write(other)
        assert (old.read(), new.read()) == (None, other)
    old.write(KERNELS)
    assert (on("old").read(), on("new").read()) == (KERNELS, other)
    assert {path.name for path in folder.iterdir()} == {old.path.name, new.path.name}  # type: ignore[union-attr]


def test_many_processes_of_two_processors_at_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each writes and reads all the time; nobody reads what is torn, or another processor's."""
    caches = {}
    for processor in ("old", "new"):
        monkeypatch.setattr(object_cache.identity, "of_processor", lambda p=processor: (p,))
        code = processor.encode() * 5000
        caches[processor] = opened(), {"one": CompiledKernel("symbol", "{}", code)}
    caches["old"][0].write(caches["old"][1])
    caches["new"][0].write(caches["new"][1])

    def work(processor: str) -> None:
        cache, kernels = caches[processor]
        for _ in range(20):
            cache.write(kernels)
            assert (cache.read(), cache.fault, cache.problem) == (kernels, "", "")

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, ["old", "new"] * 3))
    assert len(list(folder.iterdir())) == 2


def test_every_file_with_jitted_code_is_among_the_sources() -> None:
    package = SOURCES.parent
    jitted = {
        path
        for path in package.rglob("*.py")
        if re.search("@(jit|inlined|kernel|intrinsic)\n", path.read_text(encoding="utf-8"))
    }
    assert len(jitted) > 10
    assert jitted <= set(object_cache._sources(SOURCES))


@pytest.mark.parametrize("body", [b"odd", packed(KERNELS)[:-1], packed(KERNELS) + b"\0" * 8])
def test_a_whole_file_of_another_layout_is_not_used(folder: Path, body: bytes) -> None:
    opened().write(KERNELS)
    kept(folder).write_bytes(object_cache._MAGIC + object_cache._sha256(body) + body)
    cache = opened()
    assert cache.read() is None
    assert cache.fault == "is damaged"


def test_a_cache_file_without_kernels_is_not_used(folder: Path) -> None:
    opened().write({})
    cache = opened()
    assert cache.read() is None
    assert cache.fault == "is damaged"
