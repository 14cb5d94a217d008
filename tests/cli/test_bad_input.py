"""Bad input of every kind: one line that says what and where, the exit status of its kind, nothing
on stdout, and a store as it was."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.cli.bad_checkpoints import DENSE, RAN, write_broken
from tests.cli.running import Pythia, Result, error_line, listing, together
from tests.conftest import GOLDEN

USAGE, NOT_FOUND, NETWORK, INTEGRITY, RESOURCE = 2, 3, 4, 6, 7

# A command, its exit status, and what its line says.
REQUESTS = [
    ("perplexity empty.txt", USAGE, "empty.txt: is empty"),
    ("perplexity binary.dat", USAGE, "binary.dat ... not UTF-8 ... 0x80 at offset 128"),
    ("perplexity missing.txt", NOT_FOUND, "missing.txt does not exist"),
    ("perplexity texts", USAGE, "texts: is a folder"),
    ("perplexity letter.txt", USAGE, "letter.txt: has 1 tokens ... at least 2 ... --bos"),
    ("perplexity short.txt --protocol llama.cpp", USAGE, "short.txt ... at least 512"),
    ("perplexity text.txt --protocol mlm", USAGE, "'mlm' ... 'stride', 'llama.cpp'"),
    ("perplexity text.txt --stride 0", USAGE, "'--stride': 0 is not in the range x>=1"),
    ("perplexity text.txt --context 1", USAGE, "'--context': 1 is not in the range x>=2"),
    ("perplexity text.txt --context 513", USAGE, "--context is 513 ... 2 to 512"),
    ("perplexity text.txt --protocol lm-eval --no-bos", USAGE, "--no-bos"),
    ("perplexity text.txt --protocol lm-eval --stride 9", USAGE, "--stride is 9; expected none"),
    ("perplexity text.txt --dtype int4", USAGE, "int4"),
    ("perplexity text.txt --per-token texts", USAGE, "texts ... folder"),
    ("perplexity text.txt --per-token no/where", RESOURCE, "no/where: ... mkdir"),
    ("perplexity", USAGE, "FILES"),
    ("generate", USAGE, "there is no prompt ... pythia generate"),
    ("generate hi --temperature -1", USAGE, "--temperature is -1.0; expected 0 or more"),
    ("generate hi --temperature inf", USAGE, "--temperature is inf; ... 0 or more, and finite"),
    ("generate hi --stop a --stop ''", USAGE, "--stop is ''; expected a text that is not empty"),
    ("generate hi --temperature warm", USAGE, "'--temperature'"),
    ("generate hi --top-p 2", USAGE, "--top-p is 2.0"),
    ("generate hi -n 0", USAGE, "'--max-tokens'"),
    ("generate hi --seed -1", USAGE, "'--seed'"),
    ("generate hi --colour", USAGE, "--colour ... pythia_cli generate --help"),
    ("generate hi --prompt-file text.txt", USAGE, "not both"),
    ("generate --prompt-file empty.txt", USAGE, "empty.txt: has no prompts"),
    ("chat", USAGE, "No such command 'chat'"),
    ("generate hi -c 12", NOT_FOUND, "checkpoint of demo '12' ... 0 or 64"),
    ("generate hi -m pythia-411m", NOT_FOUND, "model 'pythia-411m' ... pythia-410m"),
    ("generate hi -m pythia-70m -c 3", NOT_FOUND, "checkpoint of pythia-70m '3' ... 2 or 4"),
    ("generate hi -m texts", USAGE, "texts: not a checkpoint folder ... config.json"),
    ("generate hi -m ./nowhere", NOT_FOUND, "nowhere does not exist"),
    ("generate hi -m ./text.txt", USAGE, "text.txt: not a folder"),
    ("generate hi -m ./good -c 3", USAGE, "./good is a local folder, which holds one step"),
    ("checkpoint use pythia-70m@1", NOT_FOUND, "pythia-70m step1 is not installed"),
    ("generate hi -m DEMO", NOT_FOUND, "model 'DEMO'; did you mean demo?"),
    ("generate hi -m https://huggingface.co/evil/x", NOT_FOUND, "model 'https://huggingface.co/e"),
    ("bench -c 64,512", USAGE, "'64,512' names several steps, where one is expected"),
    ("generate hi -c 64,512", USAGE, "-c 64,512 names several checkpoints, which give a table"),
    ("download --from good -m pythia-70m -c 0,1", USAGE, "'0,1' names several steps"),
    ("download --from good -m pythia-70m -c 0", USAGE,
     "good/config.json: num_hidden_layers is ... as pythia-70m has it ... pythia quantize"),
    ("checkpoint audit -m demo", NOT_FOUND, "checkpoint list --available -m pythia-410m"),
    ("checkpoint use newest", NOT_FOUND, "'newest'"),
    ("quantize good --as demo@3000", USAGE, "'demo' is a reserved name"),
    ("quantize good --as mine", USAGE, "'mine' ... expected MODEL@STEP"),
    ("quantize good --as mine@last", USAGE, "'last' is not a step"),
    ("quantize good --as pythia-70m@3", NOT_FOUND, "checkpoint of pythia-70m '3'"),
    ("quantize good", USAGE, "--as"),
    ("quantize good --as mine@1 --certify letter.txt", USAGE, "letter.txt ... too short"),
    ("quantize good --as mine@1 --certify none.txt", NOT_FOUND, "none.txt does not exist"),
    ("quantize text.txt --as mine@1", USAGE, "text.txt: not a folder"),
    ("quantize nowhere --as mine@1", NOT_FOUND, "nowhere does not exist"),
    ("generate hi -m ./nan", INTEGRITY, "nan/model.safetensors ... holds NaN"),
    ("generate hi -m ./tied", USAGE, "tied/config.json: tie_word_embeddings"),
]  # fmt: skip

# A folder of bad_checkpoints.py, the exit status of quantizing it, and what its line says.
CHECKPOINTS = [
    ("truncated", INTEGRITY, "truncated/model.safetensors: not a whole safetensors file"),
    ("no-weights", USAGE, "no-weights ... neither model.safetensors nor pytorch_model.bin"),
    ("no-tokenizer", NOT_FOUND, "no-tokenizer/tokenizer.json does not exist"),
    ("no-shard", NOT_FOUND, "model-00001-of-00002.safetensors does not exist"),
    ("shard-elsewhere", INTEGRITY, "index.json ... '../nan/model.safetensors'"),
    ("broken-config", INTEGRITY, "broken-config/config.json: not JSON"),
    ("llama", USAGE, "llama/config.json: model_type is 'llama'; expected 'gpt_neox'"),
    ("tied", USAGE, "tied/config.json: tie_word_embeddings is True"),
    ("scaled-rope", USAGE, "scaled-rope/config.json: rope_scaling"),
    ("missing", INTEGRITY, f"{DENSE} is missing"),
    ("extra", INTEGRITY, "lora.weight is not part of the model"),
    ("transposed", INTEGRITY, f"{DENSE} has shape [32, 31]; ... [32, 32]"),
    ("nan", INTEGRITY, f"{DENSE} holds NaN values"),
    ("integers", INTEGRITY, f"{DENSE} is I32; expected F16, BF16 or F32"),
    ("legacy-pickle", INTEGRITY, "refused: reading it would run code ... open"),
    ("zipped-pickle", INTEGRITY, "refused: reading it would run code ... open"),
    ("lfs-weights", INTEGRITY, "model.safetensors: is a Git LFS pointer ... git lfs pull"),
    ("lfs-bin", INTEGRITY, "pytorch_model.bin: is a Git LFS pointer ... git lfs pull"),
    ("lfs-shard", INTEGRITY, "00001-of-00002.safetensors: is a Git LFS pointer ... git lfs pull"),
    ("lfs-config", INTEGRITY, "config.json: is a Git LFS pointer ... git lfs pull"),
    ("lfs-tokenizer", INTEGRITY, "tokenizer.json: is a Git LFS pointer ... git lfs pull"),
    ("large-config", INTEGRITY, "large-config/config.json: has more than 4 MiB"),
    ("wide", USAGE, "wide/config.json: hidden_size is 1000 ... 000; expected a whole number"),
    ("deep", USAGE, "deep/config.json: num_hidden_layers is 1000000000; expected"),
    ("rotated", USAGE, "rotated/config.json: rotary_pct is 1000 ... 000; expected a number"),
]  # fmt: skip

# What is read from standard input.
NO_TEXT = ["generate", "generate --prompt-file -", "perplexity -"]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of bad files and bad checkpoints, and some good text."""
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "empty.txt").write_bytes(b"")
    (folder / "binary.dat").write_bytes(bytes(range(256)))
    (folder / "text.txt").write_text("It is a truth universally acknowledged.\n" * 9)
    (folder / "short.txt").write_text("It is a truth.")
    (folder / "letter.txt").write_text("a")
    (folder / "texts").mkdir()
    write_broken(folder, GOLDEN / "models/head8-f16", GOLDEN / "tokenizer/tiny.json")
    return folder


def quantize(folder: str) -> str:
    return f"quantize {folder} --as mine@1"


@pytest.fixture(scope="module")
def results(pythia: Pythia, inputs: Path, request: pytest.FixtureRequest) -> dict[str, Result]:
    """What came of the commands of the tests chosen, run two at a time."""
    chosen = [getattr(item, "callspec", None) for item in request.session.items]
    parameters = [value for spec in chosen if spec for value in spec.params.values()]
    wanted = {value for value in parameters if isinstance(value, str)}
    commands = [command for command, _, _ in REQUESTS if command in wanted]
    commands += [quantize(folder) for folder, _, _ in CHECKPOINTS if folder in wanted]
    before = listing(pythia.store), listing(inputs)
    done = together(
        lambda command=command: pythia(*shlex.split(command), cwd=inputs, status=None)
        for command in commands
    )
    assert (listing(pythia.store), listing(inputs)) == before
    return dict(zip(commands, done, strict=True))


def check(result: Result, status: int, says: str) -> None:
    line = error_line(result, status)
    for words in says.split(" ... "):
        assert words in line


@pytest.mark.parametrize(("command", "status", "says"), REQUESTS)
def test_bad_request(results: dict[str, Result], command: str, status: int, says: str) -> None:
    check(results[command], status, says)


@pytest.mark.parametrize(("folder", "status", "says"), CHECKPOINTS)
def test_bad_checkpoint(
    results: dict[str, Result], inputs: Path, folder: str, status: int, says: str
) -> None:
    check(results[quantize(folder)], status, says)
    assert not (inputs / RAN).exists()


@pytest.mark.parametrize("command", NO_TEXT)
def test_standard_input_is_no_text(pythia: Pythia, command: str) -> None:
    result = pythia(*shlex.split(command), stdin=b"ab\xffcd", status=None)
    check(result, USAGE, "standard input: is not UTF-8 ... 0xff at offset 2")


@pytest.mark.parametrize("option", [(), ("hi", "--stop")])
def test_an_argument_is_no_text(pythia: Pythia, option: tuple[str, ...]) -> None:
    no_text = b"ab\xffcd".decode(errors="surrogateescape")
    check(pythia("generate", *option, no_text, status=None), USAGE, "not UTF-8 ... 0xff")


def test_not_installed_comes_with_the_commands_that_install_it(pythia: Pythia) -> None:
    result = pythia("generate", "hi", "-m", "pythia-410m", "-c", "3000", status=None)
    what, _, hint = error_line(result, NOT_FOUND).partition("; try: ")
    assert what == "error: pythia-410m step3000 is not installed"
    assert hint == "pythia download -m pythia-410m -c 3000"
    # It is taken at its word: all that it lacks is a Hub.
    env = {"HF_ENDPOINT": "http://127.0.0.1:9"}
    result = pythia(*shlex.split(hint)[1:], env=env, status=None)
    again, line = result.err.splitlines()
    assert (again, result.status) == ("the Hub cannot answer now; trying again in 3 s", NETWORK)
    assert "EleutherAI/pythia-410m step3000: the Hub cannot be reached" in line


@pytest.mark.parametrize(
    "endpoint", ["http://[::1", "http://x:99999", "nonsense", "ftp://x", "http://a..b"]
)
def test_an_endpoint_that_is_none(pythia: Pythia, endpoint: str) -> None:
    for command in (("download",), ("checkpoint", "audit", "-m", "pythia-14m")):
        result = pythia(*command, env={"HF_ENDPOINT": endpoint}, status=None)
        check(result, USAGE, "HF_ENDPOINT is not an http or https address")


def test_bad_number_of_threads_in_the_environment(pythia: Pythia) -> None:
    for value in ("zero", "0"):
        result = pythia("generate", "hi", env={"PYTHIA_THREADS": value}, status=None)
        check(result, USAGE, "PYTHIA_THREADS")
        result = pythia("checkpoint", "verify", env={"PYTHIA_THREADS": value}, status=None)
        check(result, USAGE, "PYTHIA_THREADS")


def test_a_range_without_a_step(pythia: Pythia) -> None:
    """The steps are an argument of two commands, and an option of one."""
    for command in (
        ("checkpoint", "verify", "5:6", "-m", "pythia-410m"),
        ("checkpoint", "remove", "5:6", "-m", "pythia-410m"),
        ("download", "-c", "5:6"),
    ):
        result = pythia(*command, status=None)
        check(result, USAGE, "steps is '5:6'; expected")
        assert "1000:10000:1000, for every" in result.err
