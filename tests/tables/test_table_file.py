"""Tables in files: whole or not at all, resumed to the same bytes, refused if they are others'."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pythia_cli.errors import InputError, IntegrityError, LockTimeout, ResourceError
from pythia_cli.files.locks import lock
from pythia_cli.tables.item import Item
from pythia_cli.tables.problems import CannotResume, UnfinishedTable
from tests.failing import CALLS, failures, without_locks
from tests.reporting import Recording
from tests.tables.fakes import FakeModel, length
from tests.tables.runs import names, run, write_items

SUFFIXES = [".tsv", ".csv", ".jsonl"]


class Stops(Exception):
    """What ends a run early."""


def stopping(after: int, error: BaseException | None = None) -> Any:
    """The measure, which fails after so many batches."""
    n = 0

    def measure(model: FakeModel, items: Sequence[Item]) -> Any:
        nonlocal n
        n += 1
        if n > after:
            raise error or Stops
        return length(model, items)

    return measure


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "items.jsonl"
    write_items(path, 10)
    return path


@pytest.fixture
def whole(tmp_path: Path, source: Path) -> dict[str, bytes]:
    """What an undisturbed run writes, by suffix."""
    written = {}
    for suffix in SUFFIXES:
        run(source, tmp_path / f"whole{suffix}")
        written[suffix] = (tmp_path / f"whole{suffix}").read_bytes()
    return written


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("after", [0, 1, 3, 4, 5, 7])
def test_a_run_that_ends_early_is_resumed(
    tmp_path: Path, source: Path, whole: dict[str, bytes], suffix: str, after: int
) -> None:
    out = tmp_path / f"out{suffix}"
    error = KeyboardInterrupt() if after % 2 else Stops()
    with pytest.raises(type(error)):
        run(source, out, measure=stopping(after, error))
    left = names(tmp_path, out.name)
    assert left == ([".partial", ".partial.json"] if after else [])
    n_done = 0
    if after:
        progress = json.loads(Path(f"{out}.partial.json").read_text())
        n_done = sum(entry["n_items"] for entry in progress["checkpoints"])
        assert n_done == {1: 3, 3: 9, 4: 10, 5: 13, 7: 19}[after]
    assert run(source, out, resume=True).n_rows == 20 - n_done
    assert out.read_bytes() == whole[suffix]
    assert names(tmp_path, out.name) == ["", ".meta.json"]


def test_without_resume_nothing_is_lost(tmp_path: Path, source: Path) -> None:
    out = tmp_path / "out.tsv"
    with pytest.raises(Stops):
        run(source, out, measure=stopping(2))
    before = {
        name: (tmp_path / f"out.tsv{name}").read_bytes() for name in names(tmp_path, "out.tsv")
    }
    with pytest.raises(UnfinishedTable) as raised:
        run(source, out)
    assert raised.value.difference is None
    assert str(raised.value) == f"{out}: an earlier run ended after 6 items, in {out}.partial"
    with pytest.raises(UnfinishedTable, match="an earlier run with another command ended"):
        run(source, out, identity={"command": "other"})
    assert before == {name: (tmp_path / f"out.tsv{name}").read_bytes() for name in before}
    Path(f"{out}.partial").unlink()  # as the hint says
    run(source, out)
    assert names(tmp_path, out.name) == ["", ".meta.json"]


def test_an_earlier_table_stays_until_the_new_one_is_whole(tmp_path: Path, source: Path) -> None:
    out = tmp_path / "out.tsv"
    out.write_text("before")
    with pytest.raises(Stops):
        run(source, out, measure=stopping(2))
    assert out.read_text() == "before"
    run(source, out, resume=True)
    assert out.read_text().count("\nfake\t") == 20


def test_another_run_is_not_resumed(tmp_path: Path, source: Path) -> None:
    out = tmp_path / "out.tsv"
    old = {"command": "length", "options": {"base": 2, "bos": True}}
    with pytest.raises(Stops):
        run(source, out, measure=stopping(2), identity=old)

    def refused(**other: Any) -> str:
        with pytest.raises(CannotResume) as raised:
            run(source, out, **{"resume": True, "identity": old, **other})
        return str(raised.value)

    assert refused(identity={**old, "options": {"base": "e", "bos": True}}) == (
        f"{out}: cannot be resumed: out.tsv.partial was made with another options.base"
    )
    assert "another options.bos" in refused(identity={**old, "options": {"base": 2}})
    assert "another new" in refused(identity={**old, "new": 1})
    assert "its checkpoint 1 has another step" in refused(models=[FakeModel(1), FakeModel(512)])
    source.write_text(source.read_text().replace("id4", "other"))
    assert "the first 6 items of" in refused()
    write_items(source, 5)
    assert "items.jsonl are not those of before" in refused()
    write_items(source, 10)
    with Path(f"{out}.partial").open("r+b") as file:
        file.truncate(9)
    assert "was cut short" in refused()
    Path(f"{out}.partial").unlink()
    assert "out.tsv.partial is gone" in refused()


def test_other_columns_are_another_run(tmp_path: Path, source: Path) -> None:
    out = tmp_path / "out.tsv"
    run(source, out)
    source.write_text(source.read_text().replace('"id":', '"name":'))
    with pytest.raises(CannotResume, match=r"out\.tsv was made with another columns"):
        run(source, out, resume=True)


def test_a_complete_table_has_nothing_left_to_do(tmp_path: Path, source: Path) -> None:
    for suffix in [*SUFFIXES, ".parquet"]:
        if suffix == ".parquet":
            pytest.importorskip("pyarrow")
        out = tmp_path / f"out{suffix}"
        run(source, out, resume=True)  # there was no earlier run
        before = out.stat().st_mtime_ns, out.read_bytes()
        models = [FakeModel(64), FakeModel(512)]
        assert run(source, out, models=models, resume=True).n_rows == 0
        assert [model.asked for model in models] == [[], []]
        assert (out.stat().st_mtime_ns, out.read_bytes()) == before
        assert names(tmp_path, out.name) == ["", ".meta.json"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_more_items_than_before(tmp_path: Path, source: Path, suffix: str) -> None:
    out = tmp_path / f"out{suffix}"
    run(source, out, models=[FakeModel()])
    write_items(source, 17)
    with pytest.raises(Stops):
        run(source, out, models=[FakeModel()], resume=True, measure=stopping(1))
    assert out.exists()
    assert run(source, out, models=[FakeModel()], resume=True).n_rows == 4
    fresh = tmp_path / f"fresh{suffix}"
    run(source, fresh, models=[FakeModel()])
    assert out.read_bytes() == fresh.read_bytes()


def test_more_items_for_several_checkpoints(tmp_path: Path, source: Path) -> None:
    out = tmp_path / "out.tsv"
    run(source, out)
    write_items(source, 11)
    with pytest.raises(CannotResume, match="has more items than the 10 of before"):
        run(source, out, resume=True)


def test_more_items_than_a_parquet_file_has(tmp_path: Path, source: Path) -> None:
    pytest.importorskip("pyarrow")
    out = tmp_path / "out.parquet"
    run(source, out, models=[FakeModel()])
    write_items(source, 11)
    with pytest.raises(CannotResume, match="rows cannot be added to Parquet"):
        run(source, out, models=[FakeModel()], resume=True)


def test_more_checkpoints_than_before(tmp_path: Path, source: Path) -> None:
    out, fresh = tmp_path / "out.tsv", tmp_path / "fresh.tsv"
    run(source, out, models=[FakeModel(64)])
    models = [FakeModel(64), FakeModel(512)]
    assert run(source, out, models=models, resume=True).n_rows == 10
    assert models[0].asked == []
    run(source, fresh)
    assert out.read_bytes() == fresh.read_bytes()


def test_a_table_that_was_changed_or_is_no_table(tmp_path: Path, source: Path) -> None:
    out = tmp_path / "out.tsv"
    out.write_text("mine")
    with pytest.raises(CannotResume, match=r"it is there, but .*meta\.json, which says of what"):
        run(source, out, resume=True)
    run(source, out)
    with out.open("a") as file:
        file.write("more\n")
    with pytest.raises(CannotResume, match="it was changed since it was written"):
        run(source, out, resume=True)
    partial = Path(f"{out}.partial")
    partial.write_text("mine")
    with pytest.raises(InputError, match=r"out\.tsv\.partial: is in the way"):
        run(source, out)
    assert partial.read_text() == "mine"
    partial.unlink()
    for content in ("{}", "nonsense", '{"version": 99}'):
        Path(f"{out}.partial.json").write_text(content)
        with pytest.raises(IntegrityError, match=r"out\.tsv\.partial\.json"):
            run(source, out)


def test_provenance_is_beside_the_table(tmp_path: Path, source: Path) -> None:
    run(source, tmp_path / "out.tsv", identity={"command": "x", "options": {"a": 1}})
    meta = json.loads((tmp_path / "out.tsv.meta.json").read_text())
    assert meta["identity"] == {"command": "x", "options": {"a": 1}, "format": "tsv"}
    first = meta["checkpoints"][0]
    assert first["provenance"]["source"] == {"files": {"a": "b"}}
    assert (first["n_items"], first["n_rows"], first["n_errors"]) == (10, 10, 0)
    assert list(meta["columns"])[:5] == ["model", "step", "precision", "item", "id"]
    assert first["certificate"] == {"kl_mean": 1e-4}


def test_a_second_process_is_refused(tmp_path: Path, source: Path) -> None:
    out = tmp_path / "out.tsv"
    with lock(Path(f"{out}.partial.lock"), "out", 0), pytest.raises(LockTimeout) as raised:
        run(source, out)
    assert raised.value.seconds == 0
    assert not out.exists()
    run(source, out)


@pytest.mark.skipif(sys.platform == "win32", reason="uses fcntl")
@pytest.mark.parametrize("number", [None, errno.ENOSYS])
def test_where_files_cannot_be_locked(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch, number: int | None
) -> None:
    without_locks(monkeypatch, number)
    notes = Recording()
    run(source, tmp_path / "out.tsv", reporter=notes)
    (note,) = notes.notes
    assert "files cannot be locked here" in note
    assert names(tmp_path, "out.tsv") == ["", ".meta.json"]


def test_where_nothing_can_be_written(tmp_path: Path, source: Path) -> None:
    with pytest.raises(InputError, match="is a folder"):
        run(source, tmp_path)
    with pytest.raises(ResourceError, match=r"none/out\.tsv: cannot be written"):
        run(source, tmp_path / "none" / "out.tsv")
    assert not (tmp_path / "none").exists()


def test_a_table_in_place_of_its_items(source: Path) -> None:
    before = source.read_bytes()
    with pytest.raises(InputError, match="is one of the inputs; name another file to write"):
        run(source, source)
    assert source.read_bytes() == before
    assert names(source.parent, source.name) == [""]


@pytest.mark.skipif(sys.platform == "win32", reason="uses links")
def test_a_link_is_followed(tmp_path: Path, source: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link.tsv").symlink_to(tmp_path / "there" / "out.tsv")
    run(source, tmp_path / "link.tsv")
    assert (tmp_path / "link.tsv").is_symlink()
    assert names(tmp_path / "there", "out.tsv") == ["", ".meta.json"]


@pytest.mark.parametrize("fail", CALLS)
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_after_every_failure_the_run_is_resumed(
    tmp_path: Path, source: Path, whole: dict[str, bytes], fail: Any, number: int
) -> None:
    out = tmp_path / "out.tsv"
    for error in failures(
        fail, OSError(number, os.strerror(number)), lambda: run(source, out, resume=True)
    ):
        assert isinstance(error, ResourceError)
        run(source, out, resume=True)
        assert out.read_bytes() == whole[".tsv"]
        assert names(tmp_path, out.name) == ["", ".meta.json"]
        out.unlink()
        Path(f"{out}.meta.json").unlink()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.parametrize(("suffix", "every"), [(".tsv", 13), (".jsonl", 29), (".parquet", 31)])
def test_killed_at_every_moment(tmp_path: Path, suffix: str, every: int) -> None:
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    command = [sys.executable, "-m", "tests.tables.kills", str(tmp_path), suffix, str(every)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 10
