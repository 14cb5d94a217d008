"""Bad input and flags of the commands that measure items: one line with the place and what to
type, the exit status, and with --skip-errors the other items all the same."""

from __future__ import annotations

import gzip
import json
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pythia_cli.cli import app
from tests.cli import length

USAGE, NOT_FOUND, RESOURCE, LOCKED = 2, 3, 7, 8

FILES = {
    "ok.txt": b"one two\nthree\n",
    "ok.tsv": b"id\tsentence\n1\tone two\n2\tthree\n",
    "empty.txt": b"",
    "blank.txt": b"one\n\nthree\n",
    "latin1.txt": b"one\ncaf\xe9\nthree\n",
    "all-latin1.txt": b"caf\xe9\n",
    "utf16.txt": "one\ntwo\n".encode("utf-16"),
    "utf16le.tsv": "text\tn\none\t1\n".encode("utf-16-le"),
    "utf16be.tsv": "text\tn\none\t1\n".encode("utf-16-be"),
    "utf32.txt": "one\ntwo\n".encode("utf-32"),
    "a.tsv.gz": gzip.compress(b"text\none\n"),
    "zip.txt": b"PK\x03\x04\xff",
    "binary.txt": bytes(range(256)),
    "ragged.tsv": b"text\tn\none\t1\ntwo\nthree\t3\n",
    "ragged.csv": b"text,n\none,1\ntwo, or three,2\nthree,3\n",
    "said.tsv": b'text\tn\n"Hello" she said\t1\ntwo\t2\n',
    "open.tsv": b'text\tn\none\t1\n"two\t2\nthree\t3\n',
    "odd.tsv": b'text\tn\none\t1\n"a" b\t"c\nd\te"\n',
    "nul.tsv": b"text\tn\none\t1\ntw\0o\t2\n",
    "twice.tsv": b"text\ttext\none\ttwo\n",
    "unnamed.csv": b",text\n0,one\n",
    "header.tsv": b"text\tn\n",
    "empty-cell.tsv": b"text\tn\none\t1\n\t2\nthree\t3\n",
    "number.jsonl": b'{"text": "one"}\n{"text": 7}\n',
    "null.jsonl": b'{"text": "one"}\n{"text": null}\n',
    "nofield.jsonl": b'{"text": "one"}\n{"txt": "two"}\n',
    "broken.jsonl": b'{"text": "one"}\n{"text": "two\n{"text": "three"}\n',
    "string.jsonl": b'{"text": "one"}\n"two"\n',
    "keys.jsonl": b'{"text": "one", "text": "two"}\n',
    "half.jsonl": b'{"text": "\\ud800"}\n',
    "array.jsonl": b'[{"text": "one"},\n {"text": "two"}]\n',
    "pretty.jsonl": b'{\n "text": "one"\n}\n',
    "deep.jsonl": b'{"text": {"a": [1]}}\n',
    "long.txt": b"one\n" + b"x" * (65 << 20) + b"\nthree\n",
    "word.txt": b"one\n" + b"x" * (9 << 20) + b"\nthree\n",
    "no.parquet": b"text\n",
}

# A command behind `length`, its status, what its line says, in order.
REFUSED = [
    ("none.tsv", NOT_FOUND, "none.tsv does not exist"),
    (".", USAGE, ".: is a folder; name its files"),
    ("''", USAGE, "the name of an input: is empty"),
    ("empty.txt", USAGE, "empty.txt: is empty: there are no items"),
    ("header.tsv", USAGE, "header.tsv: has no rows: there are no items"),
    ("utf16.txt", USAGE, "not UTF-8 ... UTF-16; try: iconv -f utf-16 -t utf-8 utf16.txt"),
    ("utf16le.tsv", USAGE, "UTF-16LE; try: iconv -f utf-16le -t utf-8 utf16le.tsv"),
    ("utf16be.tsv", USAGE, "UTF-16BE; try: iconv -f utf-16be -t utf-8 utf16be.tsv"),
    ("utf32.txt", USAGE, "UTF-32; try: iconv -f utf-32 -t utf-8 utf32.txt"),
    ("a.tsv.gz", USAGE, "gzip; try: gunzip -c a.tsv.gz"),
    ("zip.txt", USAGE, "zip; try: unzip -p zip.txt"),
    ("binary.txt", USAGE, "binary data; try: give a text file"),
    ("twice.tsv", USAGE, "twice.tsv: the header (line 1) names column 'text' twice"),
    ("unnamed.csv", USAGE, "unnamed.csv: the header (line 1) has no name for column 1: the index"),
    ("ok.tsv --column sentense", USAGE, "no column 'sentense'; did you mean sentence?; try:"
                                        " --column sentence"),
    ("ok.tsv --column gold", USAGE, "no column 'gold'; there are: id, sentence; try:"
     " --column NAME"),
    ("ok.tsv", USAGE, "ok.tsv: has no column 'text'; there are: id, sentence; try: --column NAME"),
    ("deep.jsonl --field text.b", USAGE, "no column 'text.b'"),
    ("array.jsonl", USAGE, "is a JSON array; expected JSON lines ... jq -c '.[]' array.jsonl"),
    ("pretty.jsonl", USAGE, "is JSON over several lines; ... try: jq -c . pretty.jsonl"),
    ("no.parquet", USAGE, "no.parquet: cannot be read as Parquet"),
    ("ok.txt --input-format xml", USAGE, "'--input-format': 'xml' is not one of"),
    ("ok.txt -0 --input-format tsv", USAGE, "--null and --input-format tsv exclude each other"),
    ("ok.txt --format xlsx", USAGE, "'--format': 'xlsx' is not one of"),
    ("ok.txt --json --format csv", USAGE, "--json and --format csv exclude each other"),
    ("ok.txt --json -o x.tsv", USAGE, "--json writes to stdout, and --output to a file; try: --f"),
    ("ok.txt --format parquet", USAGE, "Parquet is not written to stdout; try: --output FILE.par"),
    ("ok.txt --resume", USAGE, "--resume needs the file that it goes on with; try: --output FILE"),
    ("ok.txt -o .", USAGE, ".: is a folder; name a file to write"),
    ("ok.txt -o ok.txt", USAGE, "ok.txt: is one of the texts; name another file to write"),
    ("ok.txt -o ./ok.txt --resume", USAGE, "ok.txt: is one of the texts"),
    ("ok.txt -o none/x.tsv", RESOURCE, "none/x.tsv: cannot be written ... mkdir"),
    ("ok.txt -o /dev/null --resume", USAGE, "only a file can be resumed"),
    ("ok.txt -c 3,4", NOT_FOUND, "unknown checkpoint of demo '3'"),
    ("ok.txt -c 1:2", USAGE, "steps is '1:2'; expected a range with a published step"),
    ("ok.txt -m pythia-410m -c 512,1000", NOT_FOUND, "pythia-410m step512 is not installed; try:"
                                                     " pythia download -m pythia-410m -c 512"),
    ("ok.txt -m pythia-410m -c installed", NOT_FOUND, "no checkpoint of pythia-410m is installed"),
    ("ok.txt -m demo@3000 -c 64,512", USAGE, "'demo@3000' includes a step; expected only a model"),
    ("- -", USAGE, "standard input was given twice"),
    ("", USAGE, "Missing argument 'FILES...'"),
]  # fmt: skip

# Files with one bad item: what its line says, and how many items are measured without it. None: the
# run ends there in any case.
SKIPPED: list[tuple[str, str, int | None]] = [
    ("blank.txt", "blank.txt, line 2: is empty; try: add --skip-errors to leave it out", 2),
    ("latin1.txt", "line 2 is not UTF-8 text: byte 0xe9 at offset 3; it looks like Latin-1; try:"
     " sed -n 2p latin1.txt | iconv -f latin1 -t utf-8; or add --skip-errors", 2),
    ("all-latin1.txt", "line 1 is not UTF-8", 0),
    ("ragged.tsv", "ragged.tsv, line 3: has 1 cell, where the header has 2", 2),
    ("ragged.csv", "ragged.csv, line 3: has 3 cells, where the header has 2", 2),
    ("said.tsv", "line 2: a quote is closed before the end of its cell; try: --no-quotes, if quotes"
     " are part of the text; of R, write.table(qmethod", 1),
    ("open.tsv", "line 3: a quote is opened and never closed; nothing behind it is read; try:"
     " --no-quotes, if quotes are part of the text", None),
    ("odd.tsv", "line 3: its quotes do not match; nothing behind it is read", None),
    ("nul.tsv", "line 3: holds a NUL character", 1),
    ("empty-cell.tsv", "line 3: field 'text' is empty", 2),
    ("number.jsonl", "line 2: field 'text' is a number; expected a text", 1),
    ("null.jsonl", "line 2: field 'text' is null; expected a text", 1),
    ("nofield.jsonl", "line 2: has no field 'text'; did you mean txt?", 1),
    ("broken.jsonl", "line 2: is not JSON (", 2),
    ("string.jsonl", "line 2: is not a JSON object", 1),
    ("keys.jsonl", "line 1: is not JSON (a key appears twice in an object)", 0),
    ("half.jsonl", "line 1: holds half of a surrogate pair", 0),
    ("deep.jsonl", "line 1: field 'text' is an object; expected a text", 0),
    ("long.txt", "line 2: has 68 MB; at most 64 MiB are read", 2),
    ("word.txt", "line 2: ", 2),  # the tokenizer's own limit of a word
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("items")
    for name, data in FILES.items():
        (made / name).write_bytes(data)
    return made


@dataclass(frozen=True)
class Done:
    status: int
    out: str
    err: str

    @property
    def errors(self) -> list[str]:
        return [line for line in self.err.splitlines() if line.startswith("error: ")]


Run = Callable[[str], Done]


@pytest.fixture
def length_of(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Run]:
    """Runs the command in this process: most of these runs open no model."""
    monkeypatch.chdir(folder)
    before = sorted(folder.iterdir())
    places = dict(app._Subcommands.places)
    length.register()

    def run_it(arguments: str) -> Done:
        capfd.readouterr()
        status = app.run(
            ["length", *shlex.split(arguments), *([] if "-m " in arguments else ["-m", "demo"])]
        )
        return Done(status, *capfd.readouterr())

    yield run_it
    app._Subcommands.places.clear()
    app._Subcommands.places.update(places)
    assert sorted(folder.iterdir()) == before


def says(line: str, words: str) -> bool:
    at = 0
    for part in words.split(" ... "):
        found = line.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return True


@pytest.mark.parametrize(("arguments", "status", "words"), REFUSED)
def test_refused(length_of: Run, arguments: str, status: int, words: str) -> None:
    if "parquet" in arguments:
        pytest.importorskip("pyarrow")
    done = length_of(arguments)
    (line,) = done.errors
    assert (done.status, done.out.removesuffix("model\tstep\titem\tid\tn_tokens\terror\n")) == (
        status,
        "",
    )
    assert says(line, words), line


@pytest.mark.parametrize(("file", "words", "n_others"), SKIPPED)
def test_skipped(length_of: Run, file: str, words: str, n_others: int | None) -> None:
    done = length_of(f"{file} --json")
    (line,) = done.errors
    assert done.status == USAGE
    assert says(line, words), line
    assert ("--skip-errors" in line) == (n_others is not None)
    before = [json.loads(line) for line in done.out.splitlines()]
    done = length_of(f"{file} --json --skip-errors")
    records = [json.loads(line) for line in done.out.splitlines()]
    assert done.status == USAGE
    if n_others is None:
        assert records == before
        assert says(done.errors[-1], words)
        return
    bad = [record for record in records if "error" in record]
    assert len(records) - len(bad) == n_others
    assert bad[0]["error"] in line
    assert [line for line in done.errors if bad[0]["error"] in line]
    assert [record["item"] for record in records] == list(range(1, len(records) + 1))


def test_at_least_40_kinds() -> None:
    assert len(REFUSED) + len(SKIPPED) >= 40
