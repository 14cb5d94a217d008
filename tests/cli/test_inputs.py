"""Input texts: notices of what is odd, commands that convert, and what is waited for."""

from __future__ import annotations

import gzip
import os
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pythia_cli.cli.inputs import read_lines, read_prompt, read_text
from pythia_cli.cli.output import Notices
from pythia_cli.errors import InputError, NotUtf8
from tests.cli.running import Pythia, error_line, without_model_lines
from tests.text.test_decode import archive

Start = Callable[..., "subprocess.Popen[bytes]"]
TEXT = "It was a dark and stormy night.\nHe said no.\n"


@pytest.mark.parametrize(
    ("data", "command", "text"),
    [
        (TEXT.encode("utf-16"), "iconv -f utf-16 -t utf-8", TEXT),
        (TEXT.encode("utf-16-be"), "iconv -f utf-16be -t utf-8", TEXT),
        (TEXT.encode("utf-32"), "iconv -f utf-32 -t utf-8", TEXT),
        (f"{TEXT}caf\u00e9.".encode("latin1"), "iconv -f latin1 -t utf-8", f"{TEXT}caf\u00e9."),
        (f"{TEXT}\u201c".encode("cp1252"), "iconv -f windows-1252 -t utf-8", f"{TEXT}\u201c"),
        (f"\u00e9{TEXT}caf\u00e9".encode()[:-1], "head -c 49", f"\u00e9{TEXT}caf"),
        (gzip.compress(TEXT.encode(), mtime=0), "gunzip -c", TEXT),
        (archive(TEXT.encode()), "tar -xOf", TEXT),
    ],
)
def test_the_hint_does_what_is_needed(
    pythia: Pythia, tmp_path: Path, data: bytes, command: str, text: str
) -> None:
    path = tmp_path / "a book.txt"
    path.write_bytes(data)
    line = error_line(pythia("perplexity", path, status=None), 2)
    hint, _, _ = line.partition("; try: ")[2].partition("  #")
    assert hint == f"{command} {shlex.quote(str(path))}"
    made = subprocess.run([*command.split(), path], capture_output=True, check=True, timeout=60)
    assert made.stdout.decode() == text


def test_the_hint_for_a_name_that_begins_with_a_minus_sign(pythia: Pythia, tmp_path: Path) -> None:
    (tmp_path / "-x.txt").write_bytes(f"{TEXT}caf\u00e9.".encode("latin1"))
    line = error_line(pythia("perplexity", "--", "-x.txt", cwd=tmp_path, status=None), 2)
    hint = line.partition("; try: ")[2]
    made = subprocess.run(shlex.split(hint), cwd=tmp_path, capture_output=True, check=True)
    assert made.stdout.decode() == f"{TEXT}caf\u00e9."


def test_control_characters_of_a_name_stay_in_it(pythia: Pythia, tmp_path: Path) -> None:
    name = "\x1b[31m\nx.txt"
    (tmp_path / name).write_bytes(f"{TEXT}caf\u00e9.".encode("latin1"))
    assert "\x1b" not in error_line(pythia("perplexity", name, cwd=tmp_path, status=None), 2)
    (tmp_path / name).write_bytes(b"Call\r\nme\r\n")
    (notice,) = without_model_lines(pythia("perplexity", name, cwd=tmp_path).err)
    assert "CR LF" in notice
    assert "\x1b" not in notice


def test_latin1_is_not_suggested_for_what_it_cannot_be(pythia: Pythia) -> None:
    for data in (bytes(range(256)), "\u543e\u8f29\u306f\u732b".encode("shift-jis")):
        line = error_line(pythia("perplexity", "-", stdin=data, status=None), 2)
        assert "latin1" not in line


NOTICES = [
    (b"\xef\xbb\xbfCall me", "begins with a byte-order mark, which is left out"),
    (b"\xef\xbb\xbf" * 2 + b"Call me", "begins with a byte-order mark, which is left out"),
    (
        b"He was\n\xef\xbb\xbfShe was\n",
        "has byte-order marks after its beginning, each of which is scored; otherwise: sed ",
    ),
    (b"Call\0me", "has NUL characters, each of which is scored; otherwise: tr -d '\\0' < {file}"),
    (
        b"Call\r\nme\n",
        "has lines that end in CR LF, and each CR is scored; otherwise: tr -d '\\r' < {file}",
    ),
    (b'{"text": "a"}\n{"text": "b"}\n', "looks like JSON lines, all of which is scored"),
    (b"1\tb\n2\td\n3\tf\n", "looks like a table (TSV), all of which is scored; otherwise: cut -f"),
]


@pytest.mark.parametrize(("data", "says"), NOTICES)
def test_odd_texts_are_read_with_a_notice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], data: bytes, says: str
) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(data)
    assert read_text(path) == data.decode().lstrip("\ufeff")
    err = capsys.readouterr().err
    assert says.format(file=path) in err
    assert err.startswith(f"{path}: ")
    assert err.count("\n") == 1
    read_text(path, Notices(quiet=True, verbose=False))
    assert capsys.readouterr().err == ""


def test_a_byte_order_mark_changes_no_figure(pythia: Pythia, tmp_path: Path) -> None:
    (tmp_path / "plain.txt").write_text(TEXT)
    (tmp_path / "marked.txt").write_text(TEXT, encoding="utf-8-sig")
    (tmp_path / "twice.txt").write_text(f"\ufeff{TEXT}", encoding="utf-8-sig")
    files = ("plain.txt", "marked.txt", "twice.txt")
    plain, *marked, total = pythia("perplexity", *files, "--json", cwd=tmp_path).records
    for record in marked:
        assert (record["nll"], record["n_bytes"]) == (plain["nll"], plain["n_bytes"])
    assert total["n_tokens"] == 3 * plain["n_tokens"]


def test_the_command_beside_a_notice_leaves_marks_out(pythia: Pythia, tmp_path: Path) -> None:
    (tmp_path / "a book.txt").write_text(f"\ufeff{TEXT}\ufeff{TEXT}", encoding="utf-8")
    _, notice = without_model_lines(pythia("perplexity", "a book.txt", cwd=tmp_path).err)
    command = notice.partition("; otherwise: ")[2]
    made = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, check=True)
    assert made.stdout.decode() == TEXT * 2


def test_notices_of_prompts_of_which_some_are_not_utf8(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "prompts.txt"
    path.write_bytes(b"It was\n\xef\xbb\xbfShe was\ncaf\xe9\n")
    first, second, third = read_lines(path, Notices(), used="part of a prompt")
    assert (first, second) == ("It was", "\ufeffShe was")
    assert isinstance(third, NotUtf8)
    assert "each of which is part of a prompt" in capsys.readouterr().err


def test_line_ends_do_not_matter_between_documents(pythia: Pythia, tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(b"It was one.\r\nIt was two.\r\n")
    done = pythia("perplexity", path, "--protocol", "document")
    assert without_model_lines(done.err) == []
    (line,) = without_model_lines(pythia("perplexity", path).err)
    assert "CR LF" in line


class _Stdin:
    """A standard input that is a pipe."""

    def __init__(self, data: bytes) -> None:
        reader, writer = os.pipe()
        os.write(writer, data)
        os.close(writer)
        self.buffer = os.fdopen(reader, "rb")

    def isatty(self) -> bool:
        return False


@pytest.mark.parametrize(
    ("piped", "prompt", "n_notices"),
    [
        (b"", None, 0),
        (b"\n", "", 0),
        (b"It was\n", "It was", 0),
        (b"It was\r\n", "It was", 0),
        (b"It was\r", "It was", 0),
        (b"It was\n\n", "It was\n", 0),
        (b"\xef\xbb\xbfIt was\r\n", "It was", 1),
        (b"one\r\ntwo\r\n", "one\r\ntwo", 1),
        (b'{"a": 1}\n{"b": 2}\n', '{"a": 1}\n{"b": 2}', 0),
    ],
)
def test_a_piped_prompt(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    piped: bytes,
    prompt: str | None,
    n_notices: int,
) -> None:
    stdin = _Stdin(piped)
    monkeypatch.setattr("sys.stdin", stdin)
    assert read_prompt(Notices(quiet=False, verbose=False)) == prompt
    stdin.buffer.close()
    assert capsys.readouterr().err.count("\n") == n_notices


def test_a_prompt_is_the_same_from_a_pipe_and_a_file(pythia: Pythia, tmp_path: Path) -> None:
    path = tmp_path / "prompt.txt"
    path.write_bytes(b"She looked at him and\r\n")
    piped = pythia("generate", "-n", "1", "--json", stdin=path.read_bytes())
    filed = pythia("generate", "-n", "1", "--json", "--prompt-file", path)
    assert piped.record["prompt"] == filed.record["prompt"] == "She looked at him and"


WAITS = [
    ("generate", "She looked at him and", "-n", "2"),
    ("generate", "--prompt-file", "-", "-n", "2"),
    ("perplexity", "-"),
]


@pytest.mark.parametrize("command", WAITS)
def test_what_is_waited_for_is_said(start: Start, command: tuple[str, ...]) -> None:
    process = start(*command, stdin=subprocess.PIPE)
    assert process.stderr is not None
    assert process.stdin is not None
    assert process.stderr.readline().startswith(b"waiting for standard input (")
    process.stdin.write(b"It was a dark night.\n")
    process.stdin.close()
    process.stdin = None
    out, err = process.communicate(timeout=60)
    assert without_model_lines(err.decode()) == []
    assert process.returncode == 0
    assert out


@pytest.mark.parametrize("command", WAITS)
def test_waiting_is_interrupted(start: Start, command: tuple[str, ...]) -> None:
    process = start(*command, stdin=subprocess.PIPE)
    assert process.stderr is not None
    process.stderr.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert without_model_lines(process.stderr.read().decode()) == []


def test_a_named_pipe_is_waited_for(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    process = start("perplexity", path)
    assert process.stderr is not None
    assert process.stderr.readline() == f"waiting for {path}\n".encode()
    path.write_text(TEXT)
    out, _ = process.communicate(timeout=60)
    assert out.startswith(str(path).encode())


def test_quiet_waits_in_silence(start: Start) -> None:
    process = start("generate", "It was", "-n", "1", "-q", stdin=subprocess.PIPE)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(2)
    _, err = process.communicate(b"", timeout=60)
    assert (process.returncode, err) == (0, b"")


@pytest.fixture
def slowly() -> Iterator[Callable[[int | str], None]]:
    """slowly(file): write the text to a pipe, for longer than is waited before a notice."""
    threads = []

    def write(file: int | str) -> None:
        with open(file, "wb", buffering=0) as pipe:
            for _ in range(8):
                pipe.write(b"word ")
                time.sleep(0.05)

    def begin(file: int | str) -> None:
        threads.append(threading.Thread(target=write, args=[file]))
        threads[-1].start()

    yield begin
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("is_named", [False, True])
def test_data_in_time_gives_no_notice(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    slowly: Callable[[int | str], None],
    is_named: bool,
) -> None:
    reader, writer = os.pipe()

    class Slow:
        buffer = os.fdopen(reader, "rb")

        def isatty(self) -> bool:
            return False

    monkeypatch.setattr("sys.stdin", Slow())
    monkeypatch.setattr("pythia_cli.cli.waiting._SILENT_SECONDS", 0.3)
    path = str(tmp_path / "pipe")
    os.mkfifo(path)
    slowly(path if is_named else writer)
    text = read_text(path if is_named else "-")
    if is_named:
        os.close(writer)
    Slow.buffer.close()
    assert text == "word " * 8
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="the device that never ends")
def test_what_never_ends_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pythia_cli.files.reading.MOST_TEXT", 5 << 20)
    with pytest.raises(InputError, match=r"^/dev/zero: has more than 5 MiB; split it$"):
        read_text("/dev/zero")
    with open("/dev/zero", "rb") as stdin:

        class Zeros:
            buffer = stdin

            def isatty(self) -> bool:
                return False

        monkeypatch.setattr("sys.stdin", Zeros())
        with pytest.raises(InputError, match=r"^standard input: has more than 5 MiB"):
            read_text("-")
    assert capsys.readouterr().err == ""
