"""`pythia generate`: what goes where, what can be repeated, and the fields of its record."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from pythia_cli.text.tokenizer import PythiaTokenizer
from tests.cli.running import Pythia, error_line, together, without_model_lines

PROMPT = "It was"
DRAW = (PROMPT, "-n", "24", "--seed", "3")

FIELDS = {
    "model", "checkpoint", "step", "tokens_seen", "precision", "prompt", "text", "token_ids",
    "n_prompt_tokens", "n_generated",
    "finish_reason", "seed", "prefill_seconds", "decode_seconds", "prefill_tokens_per_second",
    "decode_tokens_per_second", "load_seconds", "temperature", "top_k", "top_p", "min_p",
    "repetition_penalty", "max_tokens", "stop", "ignore_eos", "n_prompt_tokens_cut",
}  # fmt: skip


@pytest.fixture(scope="module")
def drawn(pythia: Pythia) -> dict[str, Any]:
    """The record of DRAW with one thread."""
    return pythia("generate", *DRAW, "--json", "-t", "1").record


def test_record(drawn: dict[str, Any]) -> None:
    assert set(drawn) == FIELDS
    assert (drawn["model"], drawn["checkpoint"]) == ("demo", "step3000")
    assert (drawn["step"], drawn["tokens_seen"], drawn["precision"]) == (3000, None, "exact")
    assert (drawn["prompt"], drawn["seed"]) == (PROMPT, 3)
    assert drawn["n_generated"] == len(drawn["token_ids"]) == drawn["max_tokens"] == 24
    assert (drawn["n_prompt_tokens"], drawn["finish_reason"]) == (2, "length")
    assert drawn["prefill_seconds"] * drawn["prefill_tokens_per_second"] == pytest.approx(2)
    assert drawn["decode_seconds"] * drawn["decode_tokens_per_second"] == pytest.approx(23)
    assert drawn["load_seconds"] > 0
    plain_model = {"temperature": 1, "top_k": 0, "top_p": 1, "min_p": 0, "repetition_penalty": 1}
    assert {name: drawn[name] for name in plain_model} == plain_model


def test_text_on_stdout_and_the_model_on_stderr(pythia: Pythia, drawn: dict[str, Any]) -> None:
    done = pythia("generate", *DRAW)
    assert done.out == drawn["text"] + "\n"
    assert done.err.startswith("demo step3000, int8: a small built-in model, not a Pythia\n")
    assert without_model_lines(done.err) == []


def test_quiet_unstreamed_and_with_two_threads(pythia: Pythia, drawn: dict[str, Any]) -> None:
    done = pythia("generate", *DRAW, "-q", "--no-stream", "-t", "2")
    assert (done.out, done.err) == (drawn["text"] + "\n", "")


def test_samples_are_one_object_a_line(pythia: Pythia, drawn: dict[str, Any]) -> None:
    done = pythia("generate", *DRAW, "--num-samples", "3", "--json", env={"PYTHIA_THREADS": ""})
    samples = [record["token_ids"] for record in done.records]
    assert samples[0] == drawn["token_ids"]
    assert len(samples) == 3
    assert samples[0] != samples[1] != samples[2] != samples[0]


def test_samples_are_one_paragraph_each_as_text(pythia: Pythia) -> None:
    done = pythia("generate", "It", "-n", "3", "--temp", "0", "--num-samples", "2", "--echo")
    half = done.out[: len(done.out) // 2]
    assert half.startswith("It")
    assert half.endswith("\n")
    assert done.out == half * 2


def test_standard_input_comes_before_the_prompt(pythia: Pythia) -> None:
    one = ("generate", "-n", "1", "--json")
    both, alone = together(
        [
            lambda: pythia(*one, "was", stdin=b"It\n"),
            lambda: pythia(*one, stdin="Caf\u00e9 \n\n".encode()),
        ]
    )
    assert both.record["prompt"] == "It\nwas"
    assert alone.record["prompt"] == "Caf\u00e9 \n"


def test_stop(pythia: Pythia, drawn: dict[str, Any]) -> None:
    text = drawn["text"]
    stop = text[len(text) // 2 :][:4]
    arguments = ("generate", *DRAW, "--stop", stop, "--stop", "\u2603")
    as_record, as_text = together(
        [lambda: pythia(*arguments, "--json"), lambda: pythia(*arguments)]
    )
    record = as_record.record
    assert record["text"] == text[: text.index(stop)]
    assert (record["finish_reason"], record["stop"]) == ("stop", [stop, "\u2603"])
    assert as_text.out == record["text"] + "\n"


def test_echo(pythia: Pythia, drawn: dict[str, Any]) -> None:
    assert pythia("generate", *DRAW, "--echo", "--no-stream").out == PROMPT + drawn["text"] + "\n"


def test_prompt_file(pythia: Pythia, tmp_path: Path, drawn: dict[str, Any]) -> None:
    # Only the end of a line ends it, as for every other tool.
    prompts = [PROMPT, "", "a\x0cform\u2028feed", "last"]
    path = tmp_path / "prompts.txt"
    path.write_bytes("\r\n".join(prompts).encode())
    arguments = ("--seed", "3", "-n", "24", "--json", "--num-samples", "2")
    records = pythia("generate", "--prompt-file", path, *arguments).records
    assert [r["prompt"] for r in records] == [p for p in prompts for _ in range(2)]
    assert records[0]["token_ids"] == drawn["token_ids"]


def test_the_end_of_a_long_prompt(pythia: Pythia, eval_text: str) -> None:
    long = eval_text[:4000].encode()
    done, just_enough = together(
        lambda n=n: pythia("generate", "--truncate-prompt", "-n", n, "--json", stdin=long)
        for n in ("5", "1")
    )
    assert done.record["n_prompt_tokens"] == 512 - 5
    assert just_enough.record["n_prompt_tokens"] == 511
    for record, n in ((done.record, 5), (just_enough.record, 1)):
        assert (record["n_generated"], record["finish_reason"]) == (n, "length")
        assert record["n_prompt_tokens_cut"] > 0
    assert just_enough.record["decode_tokens_per_second"] is None
    assert without_model_lines(done.err + just_enough.err) == []


def test_context_full(pythia: Pythia) -> None:
    done = pythia("generate", "a " * 508, "-n", "9", "--json", "--ignore-eos")
    assert done.record["n_prompt_tokens"] + done.record["n_generated"] == 512
    n = done.record["n_generated"]
    assert n < 9
    assert f"stopped after {n} tokens: the context of 512 is full" in done.err


def test_more_tokens_than_the_context_holds(pythia: Pythia, eval_text: str) -> None:
    """A quarter of the context is for the end of the prompt."""
    long = eval_text[:4000].encode()
    done = pythia(
        "generate", "--truncate-prompt", "-n", "999", "--json", "--ignore-eos", stdin=long
    )
    assert done.record["n_prompt_tokens"] == 128
    assert done.record["n_generated"] == 512 - 128


def test_a_prompt_that_is_too_long_does_not_end_a_batch(
    pythia: Pythia, tmp_path: Path, drawn: dict[str, Any]
) -> None:
    path = tmp_path / "prompts.txt"
    path.write_text(f"{'a ' * 999}\n{PROMPT}\n{'b ' * 999}\nShe\n")
    command = ("generate", "--prompt-file", path, *DRAW[1:])
    as_records, as_text = together(
        [lambda: pythia(*command, "--json", status=2), lambda: pythia(*command, status=2)]
    )
    records = as_records.records
    assert [record["prompt"][:2] for record in records] == ["a ", "It", "b ", "Sh"]
    assert ["error" in record for record in records] == [True, False, True, False]
    assert records[1]["token_ids"] == drawn["token_ids"]
    assert as_text.out == "".join(records[i]["text"] + "\n" for i in (1, 3))
    for line, number in zip(without_model_lines(as_text.err), (1, 3), strict=True):
        assert line.startswith(f"error: {path}, line {number}: the prompt has ")


def test_a_prompt_that_is_not_utf8_does_not_end_a_batch(
    pythia: Pythia, tmp_path: Path, drawn: dict[str, Any]
) -> None:
    path = tmp_path / "prompts.txt"
    path.write_bytes(f"caf\u00e9\n{PROMPT}\n".encode() + b"It's a caf\xe9.\r\nShe")
    command = ("generate", *DRAW[1:], "--prompt-file")
    as_records, as_text, piped = together(
        [
            lambda: pythia(*command, path, "--json", status=2),
            lambda: pythia(*command, path, status=2),
            lambda: pythia(*command, "-", stdin=path.read_bytes(), status=2),
        ]
    )
    records = as_records.records
    assert [record["prompt"] for record in records] == ["caf\u00e9", PROMPT, None, "She"]
    assert records[1]["token_ids"] == drawn["token_ids"]
    says = "line 3 is not UTF-8 text: byte 0xe9 at offset 10; it looks like Latin-1"
    assert records[2]["error"] == f"{path}: {says}"
    assert records[2]["step"] == 3000
    assert as_text.out == "".join(records[i]["text"] + "\n" for i in (0, 1, 3)) == piped.out
    (line,) = without_model_lines(as_text.err)
    assert line == f"error: {path}: {says}; try: sed -n 3p {path} | iconv -f latin1 -t utf-8"
    (line,) = without_model_lines(piped.err)
    assert line == (f"error: standard input: {says}; try: sed -n 3p | iconv -f latin1 -t utf-8")


@pytest.mark.parametrize(
    ("data", "guess"),
    [
        ("It was\nShe\n".encode("utf-16"), "UTF-16"),
        (gzip.compress(b"It was\nShe\n" * 9, mtime=0), "gzip"),
        (b"caf\xe9\n", "Latin-1"),
    ],
)
def test_prompts_that_are_all_no_text(
    pythia: Pythia, tmp_path: Path, data: bytes, guess: str
) -> None:
    path = tmp_path / "prompts.txt"
    path.write_bytes(data)
    line = error_line(pythia("generate", "--prompt-file", path, status=None), 2)
    assert line.startswith(f"error: {path}: is not UTF-8 text")
    assert f"looks like {guess}; try: " in line


def test_prompt_too_long(pythia: Pythia, eval_text: str) -> None:
    long = eval_text[:4000]
    line = error_line(pythia("generate", long, status=None), 2)
    n_tokens = int(line.split("the prompt has ")[1].split()[0])
    assert n_tokens > 512
    assert "holds 512" in line
    assert "--truncate-prompt" in line


def test_verbose(pythia: Pythia) -> None:
    err = pythia("generate", PROMPT, "-n", "4", "-v").err
    for word in ("seed ", "load ", "prefill 2 tokens", "decode 4 tokens", "tokens/s", "length"):
        assert word in err


def test_empty_prompt_is_the_beginning_of_a_text(pythia: Pythia) -> None:
    arguments = ("-n", "3", "--json", "--seed", "5")
    empty, marker = together(
        lambda prompt=prompt: pythia("generate", prompt, *arguments)
        for prompt in ("", "<|endoftext|>")
    )
    assert empty.record["prompt"] == ""
    assert empty.record["n_prompt_tokens"] == marker.record["n_prompt_tokens"] == 1
    assert empty.record["token_ids"] == marker.record["token_ids"]


def test_the_random_seed_is_reported(pythia: Pythia) -> None:
    first = pythia("generate", PROMPT, "-n", "8", "--json").record
    again = pythia("generate", PROMPT, "-n", "8", "--json", "--seed", str(first["seed"])).record
    assert again["token_ids"] == first["token_ids"]


def test_top_logprobs(pythia: Pythia, drawn: dict[str, Any]) -> None:
    record = pythia("generate", *DRAW, "--json", "--top-logprobs", "2").record
    assert set(record) == {*FIELDS, "logprobs"}
    assert record["token_ids"] == drawn["token_ids"]
    tokens = record["logprobs"]
    assert [token["token_id"] for token in tokens] == record["token_ids"]
    assert "".join(token["text"] for token in tokens) == record["text"]
    assert all(set(token) == {"token_id", "text", "logprob", "top"} for token in tokens)
    for token in tokens:
        first, second = token["top"]
        assert 0 >= first["logprob"] >= second["logprob"]
        assert first["logprob"] >= token["logprob"]
        assert set(first) == {"token_id", "text", "logprob"}
    line = error_line(pythia("generate", PROMPT, "--top-logprobs", "2", status=None), 2)
    assert "--json" in line


@pytest.mark.parametrize("spelling", ["{} {}", "[{}, {}]"])
def test_ids_are_a_prompt(
    pythia: Pythia, drawn: dict[str, Any], demo_tokenizer: PythiaTokenizer, spelling: str
) -> None:
    it, was = demo_tokenizer.encode(PROMPT).tolist()
    command = ("generate", *DRAW[1:], "--ids", "--json")
    whole, halves = together(
        [
            lambda: pythia(*command, spelling.format(it, was)),
            lambda: pythia(*command, str(was), stdin=f"[{it}]\n".encode()),
        ]
    )
    for done in (whole, halves):
        assert set(done.record) == {*FIELDS, "prompt_token_ids"}
        assert done.record["token_ids"] == drawn["token_ids"]
        assert (done.record["prompt"], done.record["prompt_token_ids"]) == (PROMPT, [it, was])


def test_a_file_of_ids(
    pythia: Pythia, tmp_path: Path, drawn: dict[str, Any], demo_tokenizer: PythiaTokenizer
) -> None:
    it, was = demo_tokenizer.encode(PROMPT).tolist()
    path = tmp_path / "ids.txt"
    path.write_text(f"{it} {was}\nIt was\n\n9999999 1\n{it},{was}\n{'5 ' * 600}\n")
    done = pythia("generate", "--ids", "--prompt-file", path, *DRAW[1:], "--json", status=2)
    good, text, empty, unknown, again, long = done.records
    assert good["token_ids"] == again["token_ids"] == drawn["token_ids"]
    assert empty["prompt_token_ids"] == []
    assert [bad["prompt"] for bad in (text, unknown)] == [None, None]
    assert text["error"] == f"{path}, line 2: 'It' is not a token id"
    says = "line 4: token 1 has the id 9999999; the tokenizer has ids from 0 to 4077"
    assert unknown["error"] == f"{path}, {says}"
    assert long["prompt_token_ids"] == [5] * 600
    assert "line 6: the prompt has 600 tokens" in long["error"]
    assert len(without_model_lines(done.err)) == 3


@pytest.mark.parametrize("bad", ["9999999", "It was", "1,,2"])
def test_a_prompt_that_is_no_ids(pythia: Pythia, bad: str) -> None:
    line = error_line(pythia("generate", "--ids", bad, "-n", "1", "--json", status=None), 2)
    assert "; try: pythia tokenize --ids" in line


def test_plain_text(pythia: Pythia) -> None:
    record = pythia("generate", "<|endoftext|>", "-n", "1", "--json", "--plain-text").record
    assert record["n_prompt_tokens"] > 1
