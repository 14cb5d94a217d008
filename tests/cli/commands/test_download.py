"""`pythia download` against a Hub on loopback, in its good days and in its bad ones."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pythia_cli.weights.int8_file import Int8File
from tests.cli.running import Pythia, Result, listing, without_model_lines
from tests.cli.screens import screen_of
from tests.fakes.hub import Branch, Faults, Hub, commit_of
from tests.fakes.suite import (
    BIN_STEP,
    DUPLICATE_STEP,
    EMPTY_STEP,
    MODEL,
    REPO,
    WRONG_HASH_STEP,
    make_repository,
)

USAGE, NOT_FOUND, NETWORK, NOT_AUTHORISED, INTEGRITY, RESOURCE = 2, 3, 4, 5, 6, 7
TOKEN = "hf_canaryCANARYcanaryCANARYcanary0"
WEIGHTS = "model.safetensors"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"


@pytest.fixture(scope="module")
def repos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Branch]]:
    return make_repository(tmp_path_factory.mktemp("hub"))


@pytest.fixture
def hub(repos: dict[str, dict[str, Branch]]) -> Iterator[Hub]:
    with Hub(repos) as served:
        yield served


@pytest.fixture
def user(pythia: Pythia, tmp_path: Path, hub: Hub) -> Callable[..., Result]:
    """user(...): the command with an empty store, an empty home and the fake Hub."""
    own = replace(pythia, store=tmp_path / "store")

    def run(*arguments: str | Path, **more: Any) -> Result:
        env = {
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(tmp_path / "hf"),
            "HF_TOKEN": TOKEN,
            "HOME": str(tmp_path),
            **more.pop("env", {}),
        }
        result = own(*arguments, env=env, **more)
        assert TOKEN not in result.out + result.err
        assert "Traceback" not in result.err
        assert "secret-" not in result.out + result.err
        return result

    return run


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def download(user: Callable[..., Result], *arguments: str, **more: Any) -> Result:
    return user("download", "-m", MODEL, *arguments, **more)


def failed(result: Result, status: int) -> str:
    """The error line, the last line, with a hint."""
    assert result.status == status, result
    line = result.err.splitlines()[-1]
    assert line.startswith("error: "), result
    assert any(part in line for part in ("; try", "; did you mean ")), result
    return line


def installed(store: Path) -> list[str]:
    return sorted(
        f"{path.parent.parent.name}@{path.parent.name.removeprefix('step')}"
        for path in store.glob("checkpoints/*/*/manifest.json")
    )


def clean(store: Path, *, partial: bool = False) -> bool:
    """Whether nothing lies about beside what is installed, and (partial) what has arrived."""
    expected = ("checkpoints/", "tokenizers/", *(("partial/",) if partial else ()))
    names = [path for path in listing(store) if not path.startswith(expected)]
    return names in ([], ["active.json"]) and not list(store.glob("incoming/*"))


def test_a_session(user: Callable[..., Result], hub: Hub, store: Path, tmp_path: Path) -> None:
    done = download(user, "-c", "0,64,512,main", "--json")
    assert [(r["status"], r["step"]) for r in done.records] == [
        ("installed", step) for step in (0, 64, 512, 143000)
    ]
    weights = hub.repos[REPO]["step64"].folder / WEIGHTS  # type: ignore[operator]
    assert done.records[1]["source"] == {
        "repo": REPO,
        "revision": "step64",
        "commit": commit_of(REPO, "step64"),
        "sha256": hub.sha256(weights),
        "files": {WEIGHTS: hub.sha256(weights)},
    }
    # Nothing but what is needed was asked for, and each file of weights once.
    asked = {path.split()[1].split("?")[0].rsplit("/", 1)[1] for _, path, _ in hub.requests}
    assert {n for n in asked if "." in n} == {WEIGHTS, "config.json", "tokenizer.json"}
    assert [name for name, _ in hub.transfers] == [WEIGHTS] * 4

    listed = user("checkpoint", "list", "--json").records
    assert [(r["step"], r["tokens_seen"], r["active"]) for r in listed] == [
        (0, 0, False),
        (64, 64 * 2_097_152, False),
        (512, 512 * 2_097_152, False),
        (143000, 143000 * 2_097_152, False),
    ]
    user("checkpoint", "use", f"{MODEL}@512")
    assert user("checkpoint", "current").out == f"{MODEL}@512\n"
    before = len(hub.requests)
    said = user("generate", "It is a truth", "-n", "8", "--temperature", "0")
    assert said.err.startswith(f"{MODEL} step512, int8, after 1.07 billion tokens\n")
    figures = [
        user("perplexity", "-", "-c", step, "--json", stdin=b"It was the best of times. " * 20)
        for step in ("0", "64", "512", "main")
    ]
    nll = [figure.record["nll"] for figure in figures]
    assert nll == sorted(nll, reverse=True)
    assert figures[1].record["source"]["commit"] == commit_of(REPO, "step64")
    assert len(user("checkpoint", "verify").out.splitlines()) == 4
    again = download(user, "-c", "0,64", "--json")
    assert [r["status"] for r in again.records] == ["present", "present"]
    assert len(hub.requests) == before  # what is installed needs the network no more

    refused = user("checkpoint", "remove", "0,64", status=USAGE)
    assert refused.err == f"error: would remove {MODEL}@0, {MODEL}@64; try: add --yes\n"
    user("checkpoint", "remove", "0,64", "--yes")
    assert installed(store) == [f"{MODEL}@143000", f"{MODEL}@512"]
    user("checkpoint", "remove", "all", "--yes")
    assert installed(store) == []
    assert clean(store)
    gone = failed(user("generate", "hi", status=None), NOT_FOUND)
    assert gone == (
        f"error: {MODEL} step512 is not installed; try: pythia download -m {MODEL} -c 512"
    )


def test_the_plan(user: Callable[..., Result], hub: Hub, store: Path) -> None:
    planned = download(user, "-c", "0,512", "--dry-run")
    assert planned.out.splitlines()[-1] == "2 to fetch, 56.8 MB"
    records = download(user, "-c", "log", "--dry-run", "--json", status=None).records
    assert [(r["status"], r["step"]) for r in records if r["status"] == "planned"] == [
        ("planned", step) for step in (0, 64, 512)
    ]
    assert {r["step"] for r in records if r["status"] == "failed"} == {1, 2, 4, 8, 16, 32, 128, 256}
    assert hub.transfers == []
    assert not store.exists()


@pytest.mark.parametrize("name", [f"{MODEL}@512", f"{REPO}@512"])
def test_a_name_may_hold_the_step_and_the_owner(user: Callable[..., Result], name: str) -> None:
    (planned,) = user("download", "-m", name, "--dry-run", "--json").records
    assert (planned["model"], planned["step"]) == (MODEL, 512)


def test_a_pause_that_the_hub_asks_for_is_made(user: Callable[..., Result], hub: Hub) -> None:
    hub.faults = Faults(api_status=[429], retry_after=3)
    started = time.monotonic()
    planned = download(user, "-c", "64", "--dry-run")
    assert time.monotonic() - started > 3
    assert "trying again in 4 s\n" in planned.err


def test_what_is_installed_is_not_certified(user: Callable[..., Result], tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("It is a truth universally acknowledged, that a single man in possession")
    download(user, "-c", "64")
    again = download(user, "-c", "64", "--certify", str(text), "--json")
    assert (again.record["status"], again.record["certificate"]) == ("present", None)
    assert again.err.endswith("not changed; --replace installs them again\n")


def test_a_bin_file(user: Callable[..., Result], store: Path) -> None:
    download(user, "-c", str(BIN_STEP))
    (path,) = store.glob(f"checkpoints/{MODEL}/step{BIN_STEP}/model-*")
    assert list(Int8File(path).source.files) == ["pytorch_model.bin"]


def test_a_wrong_hash(user: Callable[..., Result], store: Path) -> None:
    line = failed(download(user, "-c", f"{WRONG_HASH_STEP},512", status=None), INTEGRITY)
    assert "the Hub says abab" in line
    # The others are installed all the same.
    assert installed(store) == [f"{MODEL}@512"]
    assert clean(store)


def test_a_duplicate_is_reported(user: Callable[..., Result]) -> None:
    download(user, "-c", "512")
    shown = download(user, "-c", str(DUPLICATE_STEP))
    assert f"{WEIGHTS} is the same file as in {MODEL}@512" in shown.err


def test_a_duplicate_within_one_run_is_reported(user: Callable[..., Result]) -> None:
    shown = download(user, "-c", f"512,{DUPLICATE_STEP}")
    assert f"step{DUPLICATE_STEP}: {WEIGHTS} is the same file as in {MODEL}@512" in shown.err


def test_a_branch_without_weights(user: Callable[..., Result], store: Path) -> None:
    line = failed(download(user, "-c", str(EMPTY_STEP), status=None), NOT_FOUND)
    assert "holds no weights" in line
    assert installed(store) == []


def test_failures_do_not_stop_the_others_and_are_all_reported(
    user: Callable[..., Result], hub: Hub, store: Path, tmp_path: Path
) -> None:
    source = hub.repos[REPO]["step512"].folder
    assert source is not None
    llama = tmp_path / "llama"
    shutil.copytree(source, llama)
    (llama / "config.json").write_text(json.dumps({"model_type": "llama"}))
    hub.repos = {REPO: {**hub.repos[REPO], "step6000": Branch("6" * 40, llama)}}
    result = download(user, "-c", f"64,{EMPTY_STEP},6000,main", status=None)
    assert "holds no weights" in failed(result, NOT_FOUND)
    assert f"failed: {REPO} step{EMPTY_STEP} holds no weights\n" in result.err
    assert f"failed: {REPO} step6000 config.json: model_type is 'llama'" in result.err
    assert installed(store) == [f"{MODEL}@143000", f"{MODEL}@64"]


def test_without_a_network_one_request_is_enough_for_all(user: Callable[..., Result]) -> None:
    started = time.monotonic()
    env = {"HF_ENDPOINT": "http://127.0.0.1:9"}
    failed(download(user, "-c", "all", status=None, env=env), NETWORK)
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("columns", [80, 40])
def test_progress_of_several_in_a_terminal(
    pythia: Pythia, hub: Hub, store: Path, tmp_path: Path, columns: int
) -> None:
    """The second is still being fetched when the first one's bars go."""
    hub.faults = Faults(pause_seconds=0.002)
    own = replace(pythia, store=store)
    env = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf")}
    shown = screen_of(own, "download", "-m", MODEL, "-c", "64,512,main", columns=columns, **env)
    text = "".join(line.ljust(columns) for line in shown)
    assert text.count("installed pythia-14m@") == 3
    assert "fetching pythia-14m" not in text.replace("fetching EleutherAI/", "")


def test_a_branch_that_is_not_there(user: Callable[..., Result]) -> None:
    line = failed(download(user, "-c", "5000", status=None), NOT_FOUND)
    assert f"{REPO} step5000: the Hub has no such" in line


def test_weights_of_another_step_are_noticed(user: Callable[..., Result], hub: Hub) -> None:
    """A branch may hold the end of training, as 85 of pythia-2.8b do, or its beginning."""
    branches = hub.repos[REPO]
    late, early = branches["step143000"], branches["step0"]
    hub.repos = {REPO: {**branches, "step8": late, "step9000": early}}
    done = download(user, "-c", "8,64,9000", "--json")
    assert [record["status"] for record in done.records] == ["installed"] * 3
    problems = [record["content"]["problem"] for record in done.records]
    assert "step 8 should have at least 9.5" in problems[0]
    assert problems[1] is None
    assert "step 9000 should have at most 8.5" in problems[2]
    noticed = [line for line in done.err.splitlines() if "probably the weights" in line]
    assert noticed == [f"{MODEL}@8: {problems[0]}", f"{MODEL}@9000: {problems[2]}"]


def test_audit(user: Callable[..., Result], hub: Hub) -> None:
    record = user("checkpoint", "audit", "-m", MODEL, "--json").record
    assert record["n_branches"] == 8
    assert record["same_weights"] == [[512, DUPLICATE_STEP]]
    assert record["no_weights"] == [EMPTY_STEP]
    assert len(record["no_branch"]) == 154 - 8
    assert "steps 0 and 1 hold the same values" in record["reported"]["0"]
    assert record["reported"]["1"] == record["reported"]["0"]
    assert "contested" in record["reported"]["2"]
    hub.repos = {REPO: {**hub.repos[REPO], "main": hub.repos[REPO]["step64"]}}
    shown = user("checkpoint", "audit", "-m", MODEL).out
    assert "main holds other files than the last step\n" in shown
    assert "reported: until 27 February 2026" in shown
    assert f"the same weights: steps 512, {DUPLICATE_STEP}\n" in shown
    assert hub.transfers == []


FAULTS: list[tuple[str, Faults, int, str]] = [
    ("cut short", Faults(truncate=100_000), NETWORK, "cannot be reached (RemoteProtocolError)"),
    ("wrong bytes", Faults(wrong_bytes=True), INTEGRITY, "has sha256"),
    ("401", Faults(api_status_for_ever=401), NOT_AUTHORISED, "hf auth login"),
    ("403", Faults(api_status_for_ever=403, gated=True), NOT_AUTHORISED, "ask for access"),
    (
        "429",
        Faults(api_status_for_ever=429, retry_after=3600),
        NETWORK,
        "asks for a pause of 3600 s",
    ),
    ("5xx for ever", Faults(api_status_for_ever=503), NETWORK, "answered with status 503"),
    ("CDN 5xx for ever", Faults(cdn_status_for_ever=500), NETWORK, "answered with status 500"),
    ("captive portal", Faults(captive_portal=True), NETWORK, "is not a Hugging Face Hub"),
    ("no hashes", Faults(siblings={"lfs": None, "blobId": None}), INTEGRITY, "cannot be verified"),
    ("no names", Faults(siblings={"rfilename": 5}), NETWORK, "its answer has no valid rfilename"),
    ("a long answer", Faults(api_extra=10_000_000), NETWORK, "its answer has more than 8 MB"),
    ("a pointer", Faults(instead=POINTER), INTEGRITY, "is a Git LFS pointer in place of"),
    ("more bytes", Faults(no_length=True, file_extra=10**6), INTEGRITY, "has more than the"),
]


@pytest.mark.parametrize(
    ("faults", "status", "message"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS]
)
def test_a_fault_is_reported_and_leaves_nothing(
    user: Callable[..., Result],
    hub: Hub,
    store: Path,
    faults: Faults,
    status: int,
    message: str,
) -> None:
    hub.faults = replace(faults)
    result = download(user, "-c", "64", status=None)
    assert message in failed(result, status)
    assert len([x for x in result.err.splitlines() if x.startswith("error")]) == 1
    assert installed(store) == []
    assert clean(store, partial=status == NETWORK)
    hub.faults = Faults()
    download(user, "-c", "64")
    assert installed(store) == [f"{MODEL}@64"]
    assert clean(store)


@pytest.mark.parametrize(
    "faults",
    [
        Faults(api_status=[500, 502]),
        Faults(api_status=[429], retry_after=1),
        Faults(truncate=15_000_000, truncate_times=1),
        Faults(truncate=100_000, truncate_times=2),
        Faults(etag="../../../../outside"),
        Faults(no_commit=True),
        Faults(no_range=True, truncate=15_000_000, truncate_times=1),
        Faults(extra_files=("../outside.bin", "/etc/passwd", "a\nb.json", "evil.py")),
    ],
    ids=[
        *("5xx twice", "429 for a second", "cut once late", "cut twice"),
        *("hostile etag", "no commit", "cut, and all again", "hostile names"),
    ],
)
def test_what_passes_is_outlasted(
    user: Callable[..., Result], hub: Hub, store: Path, faults: Faults
) -> None:
    hub.faults = faults
    download(user, "-c", "64")
    assert installed(store) == [f"{MODEL}@64"]
    user("checkpoint", "verify")
    assert clean(store)


def test_a_reset_connection(user: Callable[..., Result], hub: Hub, store: Path) -> None:
    hub.faults = Faults(reset=True)
    failed(download(user, "-c", "64", status=None), NETWORK)
    assert installed(store) == []
    assert clean(store, partial=True)


@pytest.mark.parametrize(
    ("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
def test_an_interrupted_download_goes_on(
    user: Callable[..., Result],
    pythia: Pythia,
    hub: Hub,
    store: Path,
    tmp_path: Path,
    start: Callable[..., subprocess.Popen[bytes]],
    sent: signal.Signals,
    status: int,
) -> None:
    hub.faults = Faults(pause_seconds=0.01)
    env = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf")}
    process = start("download", "-m", MODEL, "-c", "64", of=replace(pythia, store=store), env=env)
    until = time.monotonic() + 60
    while not any(n > 2_000_000 for _, n in hub.transfers) and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(sent)
    _, err = process.communicate(timeout=60)
    assert process.returncode == status
    assert clean(store, partial=True) or sent == signal.SIGKILL
    if sent != signal.SIGKILL:
        assert err.decode().endswith("are kept; the same download goes on from there\n")
    hub.faults = Faults()
    download(user, "-c", "64")
    size = (hub.repos[REPO]["step64"].folder / WEIGHTS).stat().st_size  # type: ignore[operator]
    assert hub.transfers[-1][1] < size - 2_000_000
    user("checkpoint", "verify")
    assert clean(store)


@pytest.mark.parametrize(
    "command",
    [("download", "-m", MODEL, "--dry-run"), ("checkpoint", "audit", "-m", MODEL), ("doctor",)],
)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ALL_PROXY", "socks://127.0.0.1:1"),
        ("https_proxy", "http://[::1"),
        ("HF_TOKEN", "\u201chf_a\u201d"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named(
    user: Callable[..., Result], hub: Hub, command: tuple[str, ...], name: str, value: str
) -> None:
    result = user(*command, status=None, env={name: value})
    if command == ("doctor",):
        assert result.status != 1
        assert f"unset {name}" in result.out
    else:
        assert failed(result, USAGE).startswith(f"error: {name} ")
    assert "Hugging Face Hub" not in result.out + result.err
    assert hub.requests == []


def test_failures_of_one_kind_share_a_line(user: Callable[..., Result]) -> None:
    result = download(user, "-c", "1,2,4,1000:143000:1000", "--dry-run", status=NOT_FOUND)
    gone = "1,2,4,5000:142000:1000"
    assert result.err.splitlines()[:2] == [
        f"failed: 141 steps ({gone}): {REPO}: the Hub has no such repository, revision or file",
        f"failed: {REPO} step{EMPTY_STEP} holds no weights",
    ]
    assert len(result.err.splitlines()) == 3


def test_a_redirection_is_said_and_recorded(user: Callable[..., Result], hub: Hub) -> None:
    other = "EleutherAI/pythia-x"
    hub.faults = Faults(answers_for=other)
    said = f"{REPO}: the Hub answered for {other}; that is what is fetched and recorded\n"
    planned = download(user, "-c", "64,512", "--dry-run", "--json")
    assert planned.err == said
    assert {(r["repo"], r["answered_by"]) for r in planned.records} == {(REPO, other)}
    done = download(user, "-c", "64", "--json")
    assert said in done.err
    assert (done.record["model"], done.record["source"]["repo"]) == (MODEL, other)
    user("checkpoint", "verify")
    audited = user("checkpoint", "audit", "-m", MODEL, "--json").record
    assert audited["answered_by"] == other
    assert f"the Hub answered for {other}\n" in user("checkpoint", "audit", "-m", MODEL).out


def test_a_transfer_that_stalls_is_given_up(
    user: Callable[..., Result], hub: Hub, store: Path
) -> None:
    hub.faults = Faults(drip_seconds=0.2)
    program = (
        "from pythia_cli.checkpoints import transfer; from pythia_cli.cli.app import main;"
        "transfer._STALL_SECONDS = 2.0; main()"
    )
    stalled = download(user, "-c", "64", status=None, command=(sys.executable, "-c", program))
    assert "almost nothing arrived" in failed(stalled, NETWORK)
    assert installed(store) == []


def test_a_token_reaches_nobody_else(
    user: Callable[..., Result], hub: Hub, repos: dict[str, dict[str, Branch]], store: Path
) -> None:
    with Hub({}) as elsewhere:
        hub.faults = Faults(redirect_to=elsewhere.url)
        failed(download(user, "-c", "64", status=None), NOT_FOUND)
        hub.faults = Faults()
        download(user, "-c", "64")
        without = [
            path
            for port, path, headers in hub.requests
            if port == "hub" and headers.get("authorization") != f"Bearer {TOKEN}"
        ]
        assert without == []
        others = [h for port, _, h in hub.requests if port == "cdn"]
        others += [headers for _, _, headers in elsewhere.requests]
        assert others
        assert not any(TOKEN in str(headers) for headers in others)
    for path in store.rglob("*"):
        if path.is_file():
            assert TOKEN.encode() not in path.read_bytes()


def test_eight_at_once(user: Callable[..., Result], hub: Hub, store: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(lambda _: download(user, "-c", "512", "--json"), range(8)))
    assert sorted(run.record["status"] for run in runs) == ["installed"] + ["present"] * 7
    assert [name for name, _ in hub.transfers] == [WEIGHTS]
    assert any("waiting for another pythia" in run.err for run in runs)
    user("checkpoint", "verify")
    assert clean(store)


def test_the_cache_of_transformers_is_used_and_kept(
    user: Callable[..., Result], hub: Hub, store: Path, tmp_path: Path
) -> None:
    program = (
        f"import huggingface_hub as h; [h.hf_hub_download({REPO!r}, n, revision='step64')"
        " for n in ('config.json', 'tokenizer.json', 'model.safetensors')]"
    )
    user(command=(sys.executable, "-c", program))
    cache = listing(tmp_path / "hf")
    assert len(hub.transfers) == 1
    planned = download(user, "-c", "64", "--dry-run", "--json").record
    assert planned["n_bytes_to_fetch"] == 0
    record = download(user, "-c", "64", "--json").record
    assert len(hub.transfers) == 1
    assert listing(tmp_path / "hf") == cache
    assert Path(record["source_folder"]).is_relative_to(tmp_path / "hf")
    text = b"It was the best of times, it was the worst of times."
    user("perplexity", "-", "-m", MODEL, "-c", "64", "--dtype", "float32", stdin=text)
    # Offline it is all there is.
    before = len(hub.requests)
    download(user, "-c", "64", "--offline", "--replace")
    download(user, "-c", "64", "--replace", env={"HF_HUB_OFFLINE": "1"})
    line = failed(download(user, "-c", "512", "--offline", status=None), NOT_FOUND)
    assert "is not in the Hugging Face cache" in line
    assert len(hub.requests) == before
    # To be kept in the store, it is copied.
    kept = download(user, "-c", "64", "--replace", "--keep-original", "--json").record
    original = Path(kept["source_folder"])
    assert original.is_relative_to(store)
    assert not any(path.is_symlink() for path in original.iterdir())
    assert len(hub.transfers) == 1
    # A damaged copy there is not trusted, and not touched.
    (blob,) = [p for p in (tmp_path / "hf").rglob("blobs/*") if p.stat().st_size > 10**6 * 5]
    blob.write_bytes(blob.read_bytes()[:-1] + b"x")
    damaged = listing(tmp_path / "hf")
    before = len(hub.requests)
    failed(download(user, "-c", "64", "--replace", "--offline", status=None), INTEGRITY)
    assert len(hub.requests) == before
    download(user, "-c", "64", "--replace")
    assert len(hub.transfers) == 2
    assert listing(tmp_path / "hf") == damaged
    user("checkpoint", "verify")


def test_the_original_is_kept(user: Callable[..., Result], store: Path) -> None:
    download(user, "-c", "64")
    text = b"It was the best of times, it was the worst of times."
    perplexity = ("perplexity", "-", "-m", MODEL, "-c", "64", "--dtype", "float32")
    line = failed(user(*perplexity, stdin=text, status=None), NOT_FOUND)
    hint = re.search(r"try: pythia (.*)", line)
    assert hint is not None
    user(*hint.group(1).split())
    user(*perplexity, stdin=text)
    # Which is verified too.
    (original,) = store.glob(f"checkpoints/{MODEL}/step64/original-*/{WEIGHTS}")
    data = bytearray(original.read_bytes())
    data[-1] ^= 1
    original.write_bytes(data)
    printed = user("checkpoint", "verify", status=INTEGRITY).out
    assert printed == f"{MODEL}@64  {WEIGHTS} (its original) is damaged\n"
    original.unlink()
    original.mkdir()
    printed = user("checkpoint", "verify", status=INTEGRITY).out
    assert printed == f"{MODEL}@64  {WEIGHTS} (its original) is not a regular file\n"


def test_from_a_folder(user: Callable[..., Result], hub: Hub, store: Path) -> None:
    folder = hub.repos[REPO]["step512"].folder
    assert folder is not None
    hub.requests.clear()
    download(user, "-c", "512", "--from", folder)
    assert installed(store) == [f"{MODEL}@512"]
    assert hub.requests == []
    failed(download(user, "-c", "512", "--from", folder, status=None), USAGE)


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("-m", "demo"), USAGE),
        (("-m", "pythia-14"), NOT_FOUND),
        (("-m", MODEL, "-c", "3"), NOT_FOUND),
        (("-m", MODEL, "-c", "1001:1999"), USAGE),
        (("-m", MODEL, "-c", ""), NOT_FOUND),
        (("-m", f"{MODEL}@64", "-c", "512"), USAGE),
        (("-m", f"{MODEL}@3"), NOT_FOUND),
        (("-m", MODEL, "--from", "."), USAGE),
        (("-m", MODEL, "-c", "64", "--from", ".", "--dry-run"), USAGE),
        (("-m", MODEL, "--wait", "-1"), USAGE),
    ],
)
def test_wrong_words(user: Callable[..., Result], arguments: Any, status: int, hub: Hub) -> None:
    failed(user("download", *arguments, status=None), status)
    assert hub.requests == []


def test_the_disk_is_too_small(
    user: Callable[..., Result], hub: Hub, store: Path, tmp_path: Path
) -> None:
    download(user, "-c", "512")
    before = listing(store)
    limit = (
        "import resource; from pythia_cli.cli.app import main;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000_000, 20_000_000)); main()"
    )
    full = download(user, "-c", "64", status=None, command=(sys.executable, "-c", limit))
    failed(full, RESOURCE)
    shutil.rmtree(store / "partial")  # what has arrived
    assert listing(store) == before
    nothing_free = (
        "import shutil; from pythia_cli.cli.app import main;"
        "usage = shutil.disk_usage; shutil.disk_usage = lambda p: usage(p)._replace(free=10**7);"
        "main()"
    )
    small = download(user, "-c", "64", status=None, command=(sys.executable, "-c", nothing_free))
    assert "needs 43 MB, and 10 MB are free" in failed(small, RESOURCE)
    assert listing(store) == before
    user("checkpoint", "verify")


def test_certified(user: Callable[..., Result], tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("It is a truth universally acknowledged, that a single man in possession")
    record = download(user, "-c", "512", "--certify", str(text), "--json").record
    assert record["certificate"]["kl_mean"] < 0.1
    assert json.loads(user("checkpoint", "list", "--json").out)["certificate"]


def test_shards(user: Callable[..., Result], hub: Hub, tmp_path: Path, store: Path) -> None:
    from safetensors.numpy import load_file, save_file

    source = hub.repos[REPO]["step512"].folder
    assert source is not None
    folder = tmp_path / "sharded"
    folder.mkdir()
    tensors = load_file(source / WEIGHTS)
    names = sorted(tensors)
    weight_map = {}
    for i, part in enumerate((names[:20], names[20:]), start=1):
        shard = f"model-{i:05}-of-00002.safetensors"
        save_file({n: tensors[n] for n in part}, folder / shard)
        weight_map |= dict.fromkeys(part, shard)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    shutil.copy(source / "config.json", folder)
    # No tokenizer of its own: a model has but one.
    hub.repos = {REPO: {**hub.repos[REPO], "step6000": Branch("6" * 40, folder)}}
    record = download(user, "-c", "6000", "--json").record
    assert sorted(record["source"]["files"]) == sorted(set(weight_map.values()))
    user("checkpoint", "verify")
    assert (
        without_model_lines(user("generate", "It", "-n", "2", "-m", MODEL, "-c", "6000").err) == []
    )


def test_every_field_of_json_is_documented(user: Callable[..., Result], hub: Hub) -> None:
    page = (Path(__file__).resolve().parents[3] / "docs/output.md").read_text(encoding="utf-8")
    records = download(user, "-c", "64", "--dry-run", "--json").records
    records += download(user, "-c", f"64,{EMPTY_STEP}", "--json", status=NOT_FOUND).records
    assert {record["status"] for record in records} == {"planned", "installed", "failed"}
    records += user("checkpoint", "verify", "--json").records
    records += user("checkpoint", "audit", "-m", MODEL, "--json").records
    records += user("checkpoint", "list", "--available", "-m", MODEL, "--json").records
    records += user("doctor", "--json").records
    fields = {field for record in records for field in record}
    fields |= set(records[-1]["findings"][0])
    assert {field for field in fields if f"`{field}`" not in page} == set()
