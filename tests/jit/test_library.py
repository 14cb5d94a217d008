"""Kernels compiled in a child process and called by name. Uses a library of one kernel."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from pythia_cli.errors import PythiaError, UsageError
from pythia_cli.jit import compile_process, library
from pythia_cli.jit.compile_process import compile_kernels
from pythia_cli.jit.library import Library
from tests.reporting import Recording

KERNEL = """
    from pythia_cli.jit.declare import kernel
    from pythia_cli.jit.signature import Doubles1

    @kernel
    def add(x: Doubles1, n: int, by: float) -> None:
        for i in range(n):
            x[i] += by
"""


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the module `only_adds`, which has one kernel; and an empty cache."""
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / "only_adds.py").write_text(textwrap.dedent(KERNEL))
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHIA_CACHE", str(tmp_path / "cache"))
    return folder


def script(folder: Path, cache: Path, **more: Any) -> subprocess.CompletedProcess[str]:
    """Load and call the kernel in another process, whose current folder is another one."""
    code = f"""
        import json, os, sys
        import numpy as np
        sys.path.insert(0, {str(folder)!r})
        from pathlib import Path
        from pythia_cli.jit.library import Library
        from pythia_cli.reporting import Reporter
        os.chdir("/")  # as in a notebook
        notes = []
        reporter = Reporter()
        reporter.note = notes.append
        kernels = Library(Path({str(folder)!r}), ["only_adds"])
        kernels.load(reporter)
        x = np.zeros(3)
        kernels.call("add", x=x, n=2, by=1.5)
        print(json.dumps([x.tolist(), notes, "numba" in sys.modules]))
    """
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=os.environ | {"PYTHIA_CACHE": str(cache)},
        capture_output=True, text=True, timeout=120, check=False, **more,
    )  # fmt: skip


def test_compiles_once_with_a_note_and_without_numba_here(sources: Path, tmp_path: Path) -> None:
    cache, found = tmp_path / "cache", []
    for _ in range(2):
        done = script(sources, cache)
        assert (done.returncode, done.stderr) == (0, "")
        found.append(json.loads(done.stdout))
    note = "compiling kernels for this processor, once: 20 to 30 seconds"
    assert found == [[[1.5, 1.5, 0.0], [note], False], [[1.5, 1.5, 0.0], [], False]]
    (kept,) = (cache / "kernels").iterdir()
    kept.write_bytes(kept.read_bytes()[:-1])
    *_, notes, _ = json.loads(script(sources, cache).stdout)
    assert notes == [f"{kept} is damaged, and is compiled again", note]


def test_without_a_cache_it_works_and_notes_why(sources: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    done = script(sources, tmp_path / "file/cache")
    x, (_, note), _ = json.loads(done.stdout)
    assert x == [1.5, 1.5, 0.0]
    assert "so that every run compiles its kernels again" in note
    assert "PYTHIA_CACHE" in note


def test_an_error_in_the_child_is_reported(sources: Path) -> None:
    (sources / "only_adds.py").write_text("raise SystemError('no such luck')")
    with pytest.raises(PythiaError, match="status 1: SystemError: no such luck") as raised:
        Library(sources, ["only_adds"]).load()
    assert "Traceback" in "".join(raised.value.__notes__)


def test_a_child_that_cannot_start_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compile_process.sys, "executable", "/nowhere/python")
    with pytest.raises(PythiaError, match="/nowhere/python"):
        compile_kernels(["json"])


def test_each_group_has_the_kernels_of_its_own_modules(sources: Path, tmp_path: Path) -> None:
    more = (sources / "only_adds.py").read_text().replace("def add(", "def add_more(")
    (sources / "adds_more.py").write_text(f"import only_adds\n{more}")
    assert set(compile_kernels(["adds_more"])) == {"add_more"}
    assert set(compile_kernels(["only_adds"], ["adds_more"])) == {"add", "add_more"}


def test_an_error_in_one_child_ends_the_others(sources: Path, tmp_path: Path) -> None:
    path, started = tmp_path / "pid", time.monotonic()
    (sources / "waits.py").write_text(
        "import os, time\n"
        f"open({str(path)!r} + 'x', 'w').write(str(os.getpid()))\n"
        f"os.rename({str(path)!r} + 'x', {str(path)!r})\n"
        "time.sleep(60)"
    )
    (sources / "fails.py").write_text(
        "import os, time\n"
        f"while not os.path.exists({str(path)!r}): time.sleep(0.01)\n"
        "raise SystemError('no such luck')"
    )
    with pytest.raises(PythiaError, match="no such luck"):
        compile_kernels(["fails"], ["waits"])
    with pytest.raises(ProcessLookupError):
        os.kill(int(path.read_text()), 0)
    assert time.monotonic() < started + 50  # nobody waited for its end


@pytest.mark.parametrize("program", ["print('hello')", ""])
def test_a_child_that_writes_no_kernels_is_an_error(
    sources: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    monkeypatch.setattr(compile_process, "_CHILD", program)
    with pytest.raises(PythiaError, match="failed with status 0: no message"):
        compile_kernels(["only_adds"])


def test_a_wait_in_steps_loses_no_output(sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compile_process, "STEP_SECONDS", 0.01)
    assert set(compile_kernels(["only_adds"])) == {"add"}


def test_an_interpreter_without_a_name_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compile_process.sys, "executable", None)
    with pytest.raises(PythiaError, match=r"sys\.executable"):
        compile_kernels(["json"])


def test_a_current_folder_that_is_gone_does_not_matter(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    monkeypatch.syspath_prepend("relative")
    assert set(compile_kernels(["only_adds"])) == {"add"}


def test_output_of_the_child_is_not_mixed_with_kernels(sources: Path) -> None:
    path = sources / "only_adds.py"
    path.write_text("print('NUMBA_DUMP prints to stdout')\n" + path.read_text())
    assert set(compile_kernels(["only_adds"])) == {"add"}


def test_an_unknown_tier_is_refused_before_compiling(
    sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHIA_SIMD", "best")
    notes = Recording()
    with pytest.raises(UsageError, match="PYTHIA_SIMD"):
        Library(sources, ["only_adds"]).load(notes)
    assert notes.notes == []


def children() -> set[int]:
    """Running child processes of this one."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if int(parent) == os.getpid() and state != "Z":
            found.add(int(path.parent.name))
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_an_interrupt_ends_the_child(sources: Path) -> None:
    (sources / "only_adds.py").write_text("import time; time.sleep(60)")
    before, started = children(), time.monotonic()

    def interrupt_when_it_runs() -> None:
        while not children() - before:
            time.sleep(0.01)
        time.sleep(0.2)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)  # type: ignore[arg-type]

    interrupting = threading.Thread(target=interrupt_when_it_runs)
    interrupting.start()
    with pytest.raises(KeyboardInterrupt):
        Library(sources, ["only_adds"]).load()
    interrupting.join()
    while children() - before:
        assert time.monotonic() < started + 20
        time.sleep(0.01)


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_child_does_not_outlive_a_killed_caller(sources: Path, tmp_path: Path) -> None:
    (sources / "only_adds.py").write_text(
        f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n"
        "time.sleep(60)"
    )
    code = (
        f"import sys; sys.path.insert(0, {str(sources)!r})\n"
        "from pythia_cli.jit.compile_process import compile_kernels\n"
        "compile_kernels(['only_adds'])"
    )
    caller = subprocess.Popen([sys.executable, "-c", code])
    deadline = time.monotonic() + 30
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    child = int((tmp_path / "pid").read_text())
    assert os.getsid(child) == child, "Ctrl-C in the terminal would reach the child"
    caller.kill()
    caller.wait()
    while Path(f"/proc/{child}/cmdline").exists() and Path(f"/proc/{child}/cmdline").read_bytes():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_work_in_a_thread_returns_and_raises_as_usual() -> None:
    assert library._uninterrupted(lambda: threading.current_thread().name) == "pythia-llvm"
    error = KeyError("no")

    def fail() -> None:
        raise error

    with pytest.raises(KeyError) as raised:
        library._uninterrupted(fail)
    assert raised.value is error


def test_an_interrupt_ends_the_wait_but_not_the_work() -> None:
    go_on, finished = threading.Event(), threading.Event()

    def work() -> None:
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)  # type: ignore[arg-type]
        go_on.wait(30)
        finished.set()

    with pytest.raises(KeyboardInterrupt):
        library._uninterrupted(work)
    assert not finished.is_set()
    go_on.set()
    assert finished.wait(30)
