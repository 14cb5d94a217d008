"""What a machine does not give: memory, threads, open files, a working folder. One line each."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.cli.running import MODULE, Pythia, error_line, without_model_lines

RESOURCE, NOT_FOUND, USAGE = 7, 3, 2
GENERATE = ("generate", "It was", "-n", "3", "--seed", "1")
VERIFY = ("checkpoint", "verify")
QUANTIZE = ("quantize", "src", "--as", "a@1")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits differ by system")


def limited(limit: str) -> tuple[str, ...]:
    return ("sh", "-c", f'ulimit {limit}; exec "$@"', "sh", *MODULE)


@pytest.mark.parametrize("kib", [150_000, 300_000])
@pytest.mark.parametrize("command", [GENERATE, VERIFY])
def test_little_address_space(pythia: Pythia, command: tuple[str, ...], kib: int) -> None:
    """numpy's BLAS would end the process, or raise SIGINT; so numpy is not imported then.

    With much less, what fails depends on whether Python has to compile our files first.
    """
    line = error_line(pythia(*command, command=limited(f"-v {kib}"), status=None), RESOURCE)
    assert "memory" in line or "threads" in line
    assert "ulimit -v" in line


def test_a_thread_that_would_find_no_memory_is_not_started(pythia: Pythia) -> None:
    """Python would wait for its first words for ever."""
    script = """if True:
        import mmap, threading
        from pythia_cli.cli import address_space
        address_space.watch()
        kept = []
        try:
            while True:
                kept.append(mmap.mmap(-1, 32 << 20))
        except OSError:
            pass
        for kind in (MemoryError, RuntimeError):
            try:
                threading.Thread(target=print).start()
            except kind:
                print("refused")
    """
    command = (*limited("-v 300000")[:4], sys.executable, "-c", script)
    assert pythia(command=command).out == "refused\n" * 2


def test_a_limit_that_is_enough(pythia: Pythia) -> None:
    assert pythia(*GENERATE, command=limited("-v 900000")).out


def test_help_needs_little(pythia: Pythia) -> None:
    assert pythia("--help", command=limited("-v 100000")).err == ""


@pytest.mark.parametrize(
    ("name", "ours", "other"),
    [("OPENBLAS_NUM_THREADS", "1", "3"), ("OMP_WAIT_POLICY", "PASSIVE", "ACTIVE")],
)
def test_threads_of_others_unless_the_user_says_otherwise(
    pythia: Pythia, name: str, ours: str, other: str
) -> None:
    """BLAS has one; those of torch sleep while they wait."""
    script = (
        "import os, sys; from pythia_cli.cli import app;"
        f" app.run = lambda: print(os.environ['{name}']) or 0; app.main()"
    )
    command = (sys.executable, "-c", script)
    assert pythia(command=command, env={name: other}).out == f"{other}\n"
    assert pythia(command=("env", "-u", name, *command)).out == f"{ours}\n"


@pytest.mark.parametrize("files", [6, 8, 16])
@pytest.mark.parametrize("command", [GENERATE, VERIFY, QUANTIZE])
def test_few_open_files(
    in_own_store: Pythia, command: tuple[str, ...], files: int, tmp_path: Path
) -> None:
    """Never a traceback of a thread, nor a file called missing that is there.

    Python itself needs 4. Where they are enough, nothing is left out.
    """
    (tmp_path / "src").symlink_to(Path(__file__).parent.parent.parent / "pythia_cli/demo/step0")
    done = in_own_store(*command, command=limited(f"-n {files}"), cwd=tmp_path, status=None)
    assert "Traceback" not in done.err
    assert "No such file" not in done.out + done.err
    if done.status == 0:
        said = {VERIFY: "demo@3000  ok\n", QUANTIZE: ""}
        assert done.out == (in_own_store(*command).out if command == GENERATE else said[command])
        assert (in_own_store.store / "checkpoints/a/step1").exists() is (command == QUANTIZE)
    else:
        *_, line = without_model_lines(done.err)
        assert line.startswith("error: ")
        assert "Too many open files" in done.out + done.err or "too many open" in line
        assert "disk space" not in line
        assert done.status == RESOURCE  # and no good checkpoint is called damaged


def test_a_file_that_may_not_grow(pythia: Pythia, tmp_path: Path, short_text: Path) -> None:
    command = ("perplexity", short_text, "--per-token", "tokens", "--html", "page")
    done = pythia(*command, command=limited("-f 8"), cwd=tmp_path, status=RESOURCE)
    assert without_model_lines(done.err) == [
        "error: tokens: cannot be written (File too large); try: allow larger files (ulimit -f)"
    ]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "command", [(*GENERATE, "--store", "x"), ("quantize", "./src", "--as", "a@1")]
)
def test_the_working_folder_is_gone(
    pythia: Pythia, command: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "gone").mkdir()
    inside = ("sh", "-c", 'cd gone && rmdir ../gone && exec "$@"', "sh", *MODULE)
    env = {"PYTHONPATH": str(Path(__file__).parent.parent.parent)}
    done = pythia(*command, command=inside, cwd=tmp_path, env=env, status=None)
    error_line(done, NOT_FOUND)


def test_completion_that_no_shell_asked_for(pythia: Pythia) -> None:
    for env in ({}, {"COMP_WORDS": "pythia gen"}, {"COMP_WORDS": "pythia", "COMP_CWORD": "x"}):
        asked = {"_PYTHIA_COMPLETE": "complete_bash", **env}
        command = (str(Path(sys.executable).parent / "pythia"),)
        line = error_line(pythia(command=command, env=asked, status=None), USAGE)
        assert line.endswith("; try: unset _PYTHIA_COMPLETE")
