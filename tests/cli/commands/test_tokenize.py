"""`pythia tokenize`: what each format shows, and that ids give the text back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pythia_cli.checkpoints.demo import DEMO_FOLDER
from pythia_cli.text.tokenizer import PythiaTokenizer
from tests.cli.running import Pythia, error_line, together, without_model_lines

NASTY = "It is a caf\u00e9,\t\U0001f701 \\n\r\n<|endoftext|>  \u2028end\n\n"
LINE = "demo step3000, tokenizer: of a small built-in model, not of a Pythia\n"


def test_a_table_of_tabs_in_a_pipe(pythia: Pythia, demo_tokenizer: PythiaTokenizer) -> None:
    done = pythia("tokenize", NASTY)
    head, *lines = done.out.split("\n")[:-1]
    assert head == "position\tid\tpiece\tn_bytes"
    rows = [line.split("\t") for line in lines]
    assert all(len(row) == 4 for row in rows)
    positions, ids, pieces, n_bytes = zip(*rows, strict=True)
    assert list(map(int, positions)) == list(range(len(rows)))
    assert list(map(int, ids)) == demo_tokenizer.encode(NASTY).tolist()
    assert sum(map(int, n_bytes)) == len(NASTY.encode())
    assert {"\\t", "\\r\\n" if "\\r\\n" in pieces else "\\r", "<|endoftext|>"} <= set(pieces)
    assert done.err == LINE


def test_ids_give_the_text_back(pythia: Pythia, tmp_path: Path) -> None:
    (tmp_path / "text.bin").write_bytes(NASTY.encode())
    ids = pythia("tokenize", "--ids", "text.bin", cwd=tmp_path, stdin=b"")
    piped = pythia("tokenize", "--ids", stdin=NASTY.encode())
    assert ids.stdout == piped.stdout
    assert ids.out.count("\n") == 1
    back, as_arguments = together(
        [
            lambda: pythia("tokenize", "--decode", stdin=ids.stdout),
            lambda: pythia("tokenize", "--decode", *ids.out.split()),
        ]
    )
    assert back.stdout == as_arguments.stdout == NASTY.encode()


def test_half_a_character_survives_a_pipe(pythia: Pythia) -> None:
    ids = pythia("tokenize", "--ids", "\U0001f701").out.split()
    assert len(ids) > 1
    one = pythia("tokenize", "--decode", ids[0])
    assert one.stdout == "\U0001f701".encode()[: len(one.stdout)]
    assert 0 < len(one.stdout) < 4
    record = pythia("tokenize", "--decode", "--json", stdin=f"{ids[0]}\n[{ids[1]}]\n".encode())
    assert [r["text"] for r in record.records] == ["\ufffd", "\ufffd"]
    assert record.records[0]["n_bytes"] == [len(one.stdout)]


def test_records(pythia: Pythia, tmp_path: Path, demo_tokenizer: PythiaTokenizer) -> None:
    (tmp_path / "a.txt").write_text("It was")
    (tmp_path / "bad.txt").write_bytes(b"caf\xe9\n")
    done = pythia("tokenize", "a.txt", "bad.txt", "no such text", "--json", cwd=tmp_path, status=2)
    first, bad, last = done.records
    assert first == {
        "file": "a.txt",
        "model": "demo",
        "checkpoint": "step3000",
        "text": "It was",
        "token_ids": demo_tokenizer.encode("It was").tolist(),
        "pieces": ["It", " was"],
        "n_bytes": [2, 4],
        "n_tokens": 2,
    }
    assert (bad["file"], set(bad)) == ("bad.txt", {"file", "model", "checkpoint", "error"})
    assert (last["file"], last["text"]) == (None, "no such text")
    (line,) = without_model_lines(done.err)
    assert line.startswith("error: bad.txt: is not UTF-8 text")


def test_numbers_of_tokens(pythia: Pythia, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("It was")
    done = pythia("tokenize", "--count", "a.txt", "-", "", cwd=tmp_path, stdin=b"It")
    assert done.out == "2\ta.txt\n1\n0\n"


def test_what_is_read_and_what_is_a_text(pythia: Pythia, tmp_path: Path) -> None:
    (tmp_path / "word").write_text("It was it was it was")
    read, text, missing = together(
        lambda arguments=arguments: pythia("tokenize", "--json", *arguments, cwd=tmp_path)
        for arguments in (["word"], ["word", "--text"], ["book.txt"])
    )
    assert (read.record["file"], read.record["n_tokens"]) == ("word", 6)
    assert (text.record["file"], text.record["text"]) == (None, "word")
    assert without_model_lines(text.err) == []
    (notice,) = without_model_lines(read.err)
    assert "--text" in notice
    (notice,) = without_model_lines(missing.err)
    assert notice == "book.txt: there is no such file, so this is tokenized as a text"


def test_a_text_that_is_not_in_nfc_is_said_to_be(pythia: Pythia) -> None:
    done = pythia("tokenize", "--json", "cafe\u0301")
    assert sum(done.record["n_bytes"]) == len("cafe\u0301".encode())
    (notice,) = without_model_lines(done.err)
    assert "NFC" in notice


def test_plain_text(pythia: Pythia) -> None:
    special, plain = together(
        lambda more=more: pythia("tokenize", "--count", "<|endoftext|>", *more)
        for more in ([], ["--plain-text"])
    )
    assert int(special.out) == 1 < int(plain.out)


def test_a_folder_and_a_step_of_the_demo_need_no_weights(pythia: Pythia, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    shutil.copy(DEMO_FOLDER / "step64" / "tokenizer.json", tmp_path / "mine")
    of_folder = pythia("tokenize", "--json", "It was", "-m", "./mine", cwd=tmp_path)
    of_step = pythia("tokenize", "--json", "It was", "-m", "demo@64")
    assert of_folder.record["token_ids"] == of_step.record["token_ids"]
    assert (of_folder.record["model"], of_folder.record["checkpoint"]) == ("mine", None)
    assert of_step.record["checkpoint"] == "step64"
    assert not (pythia.store / "checkpoints" / "demo" / "step64").exists()


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["--ids", "--count", "a"], 2, "only one of --ids, --count and --json"),
        (["--decode", "--ids", "1"], 2, "--decode"),
        (["--decode", "1", "two"], 2, "the arguments: 'two' is not a token id; try: pythia token"),
        (["--decode", "1", "9999999"], 2, "token 2 has the id 9999999; the tokenizer has ids from"),
        (["--decode", "1,,2"], 2, "a comma has no id beside it"),
        (["--decode", "--", "-1"], 2, "'-1' is not a token id"),
        (["-", "-"], 2, "given twice"),
        (["a", "-m", "pythia-410m"], 3, "is not installed; try: pythia download"),
        (["a", "-m", "./nowhere"], 3, "nowhere"),
        (["a", "-m", "nonsense"], 3, "unknown model"),
    ],
)
def test_errors(pythia: Pythia, arguments: list[str], status: int, says: str) -> None:
    assert says in error_line(pythia("tokenize", *arguments, status=None), status)


def test_bad_ids_on_standard_input_have_their_line(pythia: Pythia) -> None:
    done = pythia("tokenize", "--decode", stdin=b"1 2\n3 x 4\n", status=None)
    assert "standard input, line 2: 'x' is not a token id" in error_line(done, 2)


def test_a_damaged_tokenizer(in_own_store: Pythia) -> None:
    (path,) = (in_own_store.store / "tokenizers").glob("*.json")
    content = json.loads(path.read_text())
    content["version"] = "2.0"
    path.write_text(json.dumps(content))
    assert "is not the tokenizer that" in error_line(in_own_store("tokenize", "a", status=None), 6)
    path.unlink()
    assert "is missing" in error_line(in_own_store("tokenize", "a", status=None), 6)
