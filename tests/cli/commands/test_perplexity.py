"""`pythia perplexity`: records, protocols, token records, and both number formats."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pythia_cli.text.tokenizer import PythiaTokenizer
from tests.cli.running import MODULE, Pythia, error_line, together, without_model_lines

FIELDS = {
    "file", "model", "checkpoint", "step", "tokens_seen", "source", "quantization",
    "tokenizer_sha256", "dtype", "precision", "protocol", "context", "stride", "bos", "plain_text",
    "ids", "nll", "mean_nll", "n_tokens", "n_bytes", "n_words",
    "perplexity", "bits_per_byte", "byte_perplexity", "word_perplexity", "stderr", "n_correct",
    "accuracy", "seconds", "tokens_per_second",
}  # fmt: skip
IDENTITY = {"model", "checkpoint", "step", "tokens_seen"}
TOKEN_FIELDS = {
    "file", *IDENTITY, "precision", "position", "token_id", "text", "n_bytes", "nll", "entropy",
    "rank",
}  # fmt: skip


@pytest.fixture(scope="module")
def scored(
    pythia: Pythia, short_text: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The record of the short text, and its token records."""
    path = tmp_path_factory.mktemp("tokens") / "tokens.jsonl"
    done = pythia("perplexity", short_text, "--json", "--per-token", path)
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    return done.record, [json.loads(line) for line in path.read_text().splitlines()]


def test_record(scored: tuple[dict[str, Any], list[Any]], short_text: Path) -> None:
    record, _ = scored
    assert set(record) == FIELDS
    assert record["file"] == str(short_text)
    assert (record["model"], record["checkpoint"]) == ("demo", "step3000")
    assert set(record["source"]) == {"repo", "revision", "commit", "sha256"}
    assert (record["protocol"], record["context"], record["stride"]) == ("stride", 512, 256)
    assert (record["bos"], record["dtype"], record["precision"]) == (False, "int8", "exact")
    assert (record["step"], record["tokens_seen"]) == (3000, None)
    n, nll = record["n_tokens"], record["nll"]
    assert record["mean_nll"] == nll / n
    assert record["perplexity"] == pytest.approx(math.exp(nll / n))
    assert record["bits_per_byte"] == pytest.approx(nll / math.log(2) / record["n_bytes"])
    assert record["byte_perplexity"] == pytest.approx(math.exp(nll / record["n_bytes"]))
    assert record["word_perplexity"] == pytest.approx(math.exp(nll / record["n_words"]))
    assert record["tokens_per_second"] == pytest.approx(n / record["seconds"])


def test_per_token(
    scored: tuple[dict[str, Any], list[dict[str, Any]]],
    short_text: Path,
    demo_tokenizer: PythiaTokenizer,
) -> None:
    record, tokens = scored
    text = short_text.read_text(encoding="utf-8")
    assert all(set(token) == TOKEN_FIELDS for token in tokens)
    assert [token["token_id"] for token in tokens] == demo_tokenizer.encode(text).tolist()
    assert [token["position"] for token in tokens] == list(range(len(tokens)))
    assert sum(token["n_bytes"] for token in tokens) == len(text.encode())
    assert (tokens[0]["nll"], tokens[0]["entropy"], tokens[0]["rank"]) == (None, None, None)
    scored_tokens = tokens[1:]
    assert math.fsum(token["nll"] for token in scored_tokens) == record["nll"]
    assert len(scored_tokens) == record["n_tokens"]
    assert sum(token["n_bytes"] for token in scored_tokens) == record["n_bytes"]
    first_ranked = [token for token in scored_tokens if token["rank"] == 0]
    assert 0.1 < len(first_ranked) / len(tokens) < 0.9
    assert record["n_correct"] == len(first_ranked)
    assert record["accuracy"] == len(first_ranked) / len(scored_tokens)
    assert all(0 < token["entropy"] < math.log(4096) for token in scored_tokens)


def test_the_precision_is_in_every_record(pythia: Pythia, tmp_path: Path) -> None:
    path, fast = tmp_path / "tokens.jsonl", ("--precision", "fast")
    done = pythia("perplexity", "-", *fast, "-q", "--per-token", path, stdin=b"It was a truth")
    assert done.out.rstrip().endswith(", precision fast)")
    assert {json.loads(line)["precision"] for line in path.read_text().splitlines()} == {"fast"}
    drawn = pythia("generate", "It", "-n", "1", "--seed", "1", *fast, "--json").record
    assert drawn["precision"] == "fast"


def test_per_token_writes_bytes_that_are_no_text_as_escapes(pythia: Pythia, tmp_path: Path) -> None:
    path = tmp_path / "tokens.jsonl"
    pythia("perplexity", "-", "--per-token", path, stdin="snow \u2603 man".encode())
    tokens = [json.loads(line) for line in path.read_text().splitlines()]
    pieces = [
        bytes.fromhex(t["text"].replace("\\x", "")) if "\\x" in t["text"] else t["text"].encode()
        for t in tokens
    ]
    assert b"".join(pieces) == "snow \u2603 man".encode()
    assert any("\\x" in t["text"] for t in tokens)


def test_many_files_and_their_total(pythia: Pythia, short_text: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("It is a truth universally acknowledged.\n" * 9)
    done = pythia("perplexity", short_text, other, "-", "--json", stdin=b"Call me")
    *parts, total = done.records
    assert [r["file"] for r in done.records] == [str(short_text), str(other), "-", None]
    for field in ("nll", "n_tokens", "n_bytes", "n_words"):
        assert total[field] == pytest.approx(sum(part[field] for part in parts))
    assert total["perplexity"] == pytest.approx(math.exp(total["nll"] / total["n_tokens"]))
    assert total["accuracy"] == sum(part["n_correct"] for part in parts) / total["n_tokens"]


FIGURES = (
    "nll", "n_tokens", "n_bytes", "n_words", "perplexity", "bits_per_byte", "accuracy", "stderr",
)  # fmt: skip


def test_ids_have_the_figures_of_their_text(
    pythia: Pythia,
    scored: tuple[dict[str, Any], list[dict[str, Any]]],
    tmp_path: Path,
) -> None:
    record, tokens = scored
    ids = [token["token_id"] for token in tokens]
    (tmp_path / "ids.txt").write_text("\n".join(map(str, ids)))
    np.save(tmp_path / "ids.npy", np.array(ids, np.uint16))
    done = pythia(
        "perplexity", "--ids", "ids.txt", "ids.npy", "-", "--json", "--per-token", "tokens.jsonl",
        cwd=tmp_path, stdin=json.dumps(ids).encode(),
    )  # fmt: skip
    *each, total = done.records
    assert len(each) == 3
    for one in each:
        assert one["ids"] is True
        assert [one[name] for name in FIGURES] == [record[name] for name in FIGURES]
    assert record["ids"] is False
    assert (total["n_tokens"], total["ids"]) == (3 * record["n_tokens"], True)
    lines = (tmp_path / "tokens.jsonl").read_text().splitlines()
    found = [{**json.loads(line), "file": tokens[0]["file"]} for line in lines[: len(tokens)]]
    assert found == tokens


def test_lines_of_ids_are_documents(
    pythia: Pythia, tmp_path: Path, demo_tokenizer: PythiaTokenizer
) -> None:
    texts = ["It is a truth universally acknowledged.", "", "She was not", "It"]
    (tmp_path / "text.txt").write_text("\n".join(texts))
    ids = [" ".join(map(str, demo_tokenizer.encode(text).tolist())) for text in texts]
    (tmp_path / "ids.txt").write_text("\n".join(ids))
    arguments = ("--protocol", "document", "--bos", "--json")
    by_text, by_ids = together(
        lambda more=more: pythia("perplexity", *more, *arguments, cwd=tmp_path)
        for more in (["text.txt"], ["ids.txt", "--ids"])
    )
    for name in FIGURES:
        assert by_ids.record[name] == by_text.record[name]


def test_half_characters_count_with_their_bytes(
    pythia: Pythia, demo_tokenizer: PythiaTokenizer
) -> None:
    first, second, *_ = demo_tokenizer.encode("\U0001f701").tolist()
    words = demo_tokenizer.encode(" It was").tolist()
    ids = " ".join(map(str, [second, *words, first])).encode()
    as_json, shown = together(
        lambda how=how: pythia("perplexity", "--ids", "--bos", how, "-", stdin=ids)
        for how in ("--json", "--show")
    )
    assert as_json.record["n_bytes"] == len(" It was") + 2
    assert as_json.record["n_words"] == 3
    assert re.sub(r"\{[^}]*\}", "", shown.out).startswith("\ufffd It was\ufffd\n")


@pytest.mark.parametrize(
    ("ids", "more", "says"),
    [
        ("1 2\n3 x", [], "standard input, line 2: 'x' is not a token id; try: pythia tokenize"),
        ("1 9999999", [], "standard input: token 2 has the id 9999999; the tokenizer has ids"),
        ("1\n2 9999999", ["--protocol", "document"], "line 2, token 2 has the id 9999999"),
        ("", [], "standard input: is empty"),
        ("5", [], "has 1 tokens; the stride protocol needs at least 2"),
    ],
)
def test_what_is_no_ids(pythia: Pythia, ids: str, more: list[str], says: str) -> None:
    done = pythia("perplexity", "--ids", "-", *more, stdin=ids.encode(), status=None)
    assert says in error_line(done, 2)


@pytest.fixture
def some_bad(tmp_path: Path) -> Path:
    """A folder of texts, of which b.txt, d.txt and e.txt cannot be scored."""
    for name in ("a.txt", "c.txt"):
        (tmp_path / name).write_text("It is a truth universally acknowledged.\n" * 3)
    (tmp_path / "b.txt").write_bytes(b"")
    (tmp_path / "d.txt").write_text("It was.", encoding="utf-16")
    return tmp_path


FILES = ("a.txt", "b.txt", "c.txt", "d.txt", "e.txt")


def test_a_bad_file_does_not_end_a_batch(pythia: Pythia, some_bad: Path) -> None:
    done = pythia("perplexity", *FILES, "--per-token", "t.jsonl", cwd=some_bad, status=2)
    lines = done.out.splitlines()
    assert [line.split(": ")[0] for line in lines] == [
        "a.txt",
        "c.txt",
        "total without 3 failed files",
    ]
    assert lines[0].partition(": ")[2] == lines[1].partition(": ")[2]
    errors = [line for line in without_model_lines(done.err) if line.startswith("error: ")]
    assert [line.split()[1].rstrip(":") for line in errors] == ["d.txt", "e.txt", "b.txt"]
    tokens = [json.loads(line) for line in (some_bad / "t.jsonl").read_text().splitlines()]
    assert {token["file"] for token in tokens} == {"a.txt", "c.txt"}


def test_bad_files_have_records_in_their_place(pythia: Pythia, some_bad: Path) -> None:
    done = pythia("perplexity", *FILES, "--json", "-q", cwd=some_bad, status=2)
    *parts, total = done.records
    assert [record["file"] for record in parts] == list(FILES)
    assert ["error" in record for record in parts] == [False, True, False, True, True]
    assert all({*IDENTITY} <= set(record) for record in done.records)
    assert set(parts[1]) == {"file", *IDENTITY, "error"}
    assert total["failed"] == ["b.txt", "d.txt", "e.txt"]
    assert total["nll"] == parts[0]["nll"] + parts[2]["nll"]
    assert len(done.err.splitlines()) == 3


def test_the_first_failure_gives_the_status(pythia: Pythia, some_bad: Path) -> None:
    done = pythia("perplexity", "e.txt", "a.txt", "d.txt", cwd=some_bad, status=3)
    assert len(done.out.splitlines()) == 2
    done = pythia("perplexity", "e.txt", "b.txt", "--html", "x.html", cwd=some_bad, status=3)
    assert done.out == ""
    assert not (some_bad / "x.html").exists()


def test_text_for_people(pythia: Pythia, scored: tuple[dict[str, Any], Any]) -> None:
    record, _ = scored
    done = pythia("perplexity", record["file"], "-v")
    (line,) = done.out.splitlines()
    assert f"perplexity {record['perplexity']:.4f}" in line
    assert f"bits per byte {record['bits_per_byte']:.4f}" in line
    assert f"mean nll {record['mean_nll']:.4f} nats a token" in line
    assert "(stride, context 512, stride 256)" in line
    assert "protocol stride, context 512, stride 256" in done.err
    assert "tokens/s" in done.err


def test_protocols(pythia: Pythia, short_text: Path, demo_tokenizer: PythiaTokenizer) -> None:
    text = short_text.read_text(encoding="utf-8")
    n = len(demo_tokenizer.encode(text))
    lines = [len(demo_tokenizer.encode(line)) for line in text.splitlines() if line.strip()]

    options = [
        ("stride", "--context", "100", "--stride", "100"),
        ("llama.cpp", "--context", "128"),
        ("lm-eval",),
        ("document",),
        ("document", "--bos"),
    ]
    disjoint, llama, rolling, documents, from_the_start = (
        done.record
        for done in together(
            lambda chosen=chosen: pythia("perplexity", short_text, "--json", "--protocol", *chosen)
            for chosen in options
        )
    )
    assert disjoint["n_tokens"] == n - math.ceil(n / 100)
    assert llama["n_tokens"] == n // 128 * 63
    assert (llama["context"], llama["stride"]) == (128, 128)
    assert (rolling["n_tokens"], rolling["bos"]) == (n, True)
    assert rolling["n_bytes"] == len(text.encode())
    assert rolling["n_words"] == len(re.split(r"\s+", text))
    assert documents["n_tokens"] == sum(lines) - len(lines)
    assert (from_the_start["n_tokens"], from_the_start["bos"]) == (sum(lines), True)
    # Less context predicts worse, and the order is known.
    mean = [r["nll"] / r["n_tokens"] for r in (documents, disjoint, llama, rolling)]
    assert mean[0] > mean[1] > mean[3]
    assert all(2 < value < 6 for value in mean)


def test_float32_agrees(pythia: Pythia, scored: tuple[dict[str, Any], Any]) -> None:
    int8, _ = scored
    float32 = pythia("perplexity", int8["file"], "--json", "--dtype", "float32").record
    assert set(float32) == FIELDS
    assert (float32["dtype"], float32["quantization"]) == ("float32", None)
    assert float32["source"] == int8["source"]
    assert float32["n_tokens"] == int8["n_tokens"]
    assert abs(float32["nll"] - int8["nll"]) / int8["n_tokens"] < 1e-3
    assert float32["nll"] != int8["nll"]


def test_steps(in_own_store: Pythia, scored: tuple[dict[str, Any], Any]) -> None:
    trained, _ = scored
    means = [trained["nll"] / trained["n_tokens"]]
    runs = together(
        lambda step=step: in_own_store("perplexity", trained["file"], "--json", "-c", step)
        for step in ("step512", "0")
    )
    assert [run.record["checkpoint"] for run in runs] == ["step512", "step0"]
    means += [run.record["nll"] / run.record["n_tokens"] for run in runs]
    assert means == sorted(means)
    assert means[-1] == pytest.approx(math.log(4096), abs=0.1)


def test_per_token_into_a_pipe(pythia: Pythia) -> None:
    """A device or a pipe is written as it stands; only a file is put in place as a whole."""
    shell = ("sh", "-c", 'exec 3>&1 >/dev/null; exec "$@"', "sh", *MODULE)
    done = pythia("perplexity", "-", "--per-token", "/dev/fd/3", stdin=b"Call me", command=shell)
    assert all(set(record) == TOKEN_FIELDS for record in done.records)
    assert len(done.records) > 1


def test_standard_input_has_one_name_in_errors(pythia: Pythia) -> None:
    for data, says in ((b"", "is empty"), (b"a", "has 1 tokens"), (b"\xff\xfea", "is not UTF-8")):
        line = error_line(pythia("perplexity", "-", stdin=data, status=None), 2)
        assert line.startswith(f"error: standard input: {says}")
