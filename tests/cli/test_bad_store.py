"""A store that is damaged, not a folder or full: one error line, and no change."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pythia_cli.checkpoints.store import Store
from pythia_cli.cli.hints import hint_for
from pythia_cli.errors import StoreNotWritable
from tests.cli.running import Pythia, Result, error_line, listing, together
from tests.conftest import DEMO
from tests.no_files import folder, pipe

INSTALLED = "checkpoints/demo/step3000"
WEIGHTS = f"{INSTALLED}/model-*.int8.safetensors"
GENERATE, FLOAT32 = "generate hi -n 1", "perplexity - --dtype float32"
QUANTIZE = f"quantize {shlex.quote(str(DEMO / 'step0'))} --as mine@1"
NOT_FOUND, INTEGRITY, RESOURCE = 3, 6, 7


def flipped(place: int) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[place] ^= 1
        path.write_bytes(data)

    return damage


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def holding(content: object) -> Callable[[Path], None]:
    text = content if isinstance(content, str) else json.dumps(content)
    return lambda path: path.write_text(text) and None


def without(field: str) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        content = json.loads(path.read_text())
        del content[field]
        path.write_text(json.dumps(content))

    return damage


def changed(**fields: object) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))

    return damage


def replaced_by(put: Callable[[Path], None]) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        path.unlink()
        put(path)

    return damage


# A file, what happens to it, a command that needs it, and its exit status.
DAMAGES = [
    (WEIGHTS, flipped(2), GENERATE, INTEGRITY),
    (WEIGHTS, flipped(40), GENERATE, INTEGRITY),
    (WEIGHTS, cut, GENERATE, INTEGRITY),
    (WEIGHTS, holding(""), GENERATE, INTEGRITY),
    (WEIGHTS, holding("text" * 99), "perplexity -", INTEGRITY),
    (f"{INSTALLED}/manifest.json", holding('{"source_f'), FLOAT32, INTEGRITY),
    (f"{INSTALLED}/manifest.json", holding([]), FLOAT32, INTEGRITY),
    (f"{INSTALLED}/manifest.json", without("source_folder"), FLOAT32, INTEGRITY),
    (f"{INSTALLED}/manifest.json", without("source_files"), FLOAT32, INTEGRITY),
    (f"{INSTALLED}/manifest.json", changed(certificate={"kl_mean": 10**400}), GENERATE, INTEGRITY),
    (f"{INSTALLED}/manifest.json", changed(tokenizer_sha256="../other"), GENERATE, INTEGRITY),
    (f"{INSTALLED}/manifest.json", changed(quantization="int4"), GENERATE, INTEGRITY),
    ("active.json", holding("{"), GENERATE, INTEGRITY),
    ("active.json", holding({}), "checkpoint current", INTEGRITY),
    ("active.json", holding({"model": "demo", "step": "3000"}), "checkpoint list", INTEGRITY),
    ("active.json", holding({"model": "../demo", "step": 3000}), GENERATE, INTEGRITY),
    ("active.json", holding({"model": "gone", "step": 3}), GENERATE, NOT_FOUND),
    ("tokenizers/*.json", Path.unlink, GENERATE, INTEGRITY),
    ("tokenizers/*.json", replaced_by(folder), GENERATE, INTEGRITY),
    ("tokenizers/*.json", replaced_by(pipe), GENERATE, INTEGRITY),
    (f"{INSTALLED}/manifest.json", replaced_by(pipe), GENERATE, INTEGRITY),
    (WEIGHTS, replaced_by(pipe), GENERATE, INTEGRITY),
    ("tokenizers/*.json", holding("{}"), GENERATE, INTEGRITY),
]  # fmt: skip


@pytest.fixture(scope="module")
def damaged(pythia: Pythia, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, Result]]:
    """For each of DAMAGES the name of the file, and what came of the command."""
    names, runs, stores = [], [], []
    for file, damage, command, _ in DAMAGES:
        store = tmp_path_factory.mktemp("damaged") / "store"
        shutil.copytree(pythia.store, store)
        path = next(store.glob(file), store / file)
        damage(path)
        own = replace(pythia, store=store)
        runs.append(
            lambda own=own, command=command: own(
                *shlex.split(command), stdin=b"It was.", status=None
            )
        )
        names.append(path.name)
        stores.append(store)
    before = [listing(store) for store in stores]
    done = together(runs)
    assert [listing(store) for store in stores] == before
    return list(zip(names, done, strict=True))


@pytest.mark.parametrize("case", range(len(DAMAGES)), ids=[f"{d[0]} {d[2]}" for d in DAMAGES])
def test_damage(damaged: list[tuple[str, Result]], case: int) -> None:
    name, result = damaged[case]
    status = DAMAGES[case][3]
    line = error_line(result, status)
    assert name in line or name == "active.json"
    assert "; try: " in line or status == NOT_FOUND


@pytest.mark.parametrize("put", [holding("{}"), folder])
def test_a_damaged_active_file_can_be_replaced(
    in_own_store: Pythia, put: Callable[[Path], None]
) -> None:
    put(in_own_store.store / "active.json")
    _, _, hint = error_line(in_own_store("generate", "hi", status=None), INTEGRITY).partition(
        "; try: pythia "
    )
    in_own_store(*shlex.split(hint))
    assert in_own_store("checkpoint", "current").out == "demo@3000\n"


@pytest.mark.parametrize("command", [GENERATE, "checkpoint use 512", QUANTIZE])
def test_the_store_is_below_a_file(pythia: Pythia, tmp_path: Path, command: str) -> None:
    (tmp_path / "file").write_text("in the way")
    below = replace(pythia, store=tmp_path / "file/store")
    line = error_line(below(*shlex.split(command), status=None), RESOURCE)
    assert "the store cannot be written" in line
    assert "--store" in line
    assert [path.name for path in tmp_path.rglob("*")] == ["file"]


@pytest.mark.parametrize("place", ["incoming", "checkpoints", "checkpoints/mine", "tokenizers"])
def test_a_file_stands_in_the_way(pythia: Pythia, tmp_path: Path, place: str) -> None:
    path = tmp_path / "store" / place
    path.parent.mkdir(parents=True)
    path.write_text("in the way")
    before = listing(tmp_path)
    own = replace(pythia, store=tmp_path / "store")
    error_line(own(*shlex.split(QUANTIZE), status=None), RESOURCE)
    assert listing(tmp_path) == before


@pytest.mark.parametrize("n_bytes", [1000, 1_000_000])
def test_the_disk_is_full(in_own_store: Pythia, n_bytes: int) -> None:
    program = (
        "import resource; from pythia_cli.cli.app import main;"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({n_bytes}, {n_bytes})); main()"
    )
    before = listing(in_own_store.store)
    result = in_own_store(
        *shlex.split(QUANTIZE), command=(sys.executable, "-c", program), status=None
    )
    assert "the store cannot be written (File too large)" in error_line(result, RESOURCE)
    assert listing(in_own_store.store) == before


def test_the_disk_is_full_for_token_records(pythia: Pythia, tmp_path: Path) -> None:
    program = (
        "import resource; from pythia_cli.cli.app import main;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200)); main()"
    )
    result = pythia(
        "perplexity", "-", "--per-token", tmp_path / "tokens.jsonl", "--json",
        stdin=b"It is a truth universally acknowledged", status=None,
        command=(sys.executable, "-c", program),
    )  # fmt: skip
    assert result.status == RESOURCE
    assert result.err.splitlines()[-1].startswith("error: ")
    assert list(tmp_path.iterdir()) == []


def test_a_store_of_the_first_version_serves(in_own_store: Pythia) -> None:
    """The manifest as it was written before there were versions, by a package elsewhere."""
    (folder,) = in_own_store.store.glob(INSTALLED)
    (weights,) = folder.glob("model-*")
    manifest = json.loads((folder / "manifest.json").read_text())
    for field in ("version", "weights", "certificate"):
        del manifest[field]
    manifest["source_folder"] = "/gone/pythia_cli/demo/step3000"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    weights.rename(folder / "model.int8.safetensors")
    in_own_store(*shlex.split(GENERATE))
    in_own_store(*shlex.split(FLOAT32), stdin=b"It was.")
    in_own_store("checkpoint", "verify")
    assert in_own_store("checkpoint", "list", "--json").record["certificate"] is None
    in_own_store("checkpoint", "remove", "3000", "--yes")
    assert not folder.exists()


def test_another_demo_in_the_store_has_no_float_weights_here(in_own_store: Pythia) -> None:
    """As after an upgrade to a pythia with another demo suite."""
    built_in = in_own_store.store / "checkpoints/demo"
    in_own_store("generate", "hi", "-n", "1", "-c", "64")
    shutil.rmtree(built_in / "step3000")
    manifest = json.loads((built_in / "step64/manifest.json").read_text())
    (built_in / "step64").rename(built_in / "step3000")
    (built_in / "step3000/manifest.json").write_text(json.dumps({**manifest, "step": 3000}))
    line = error_line(in_own_store(*shlex.split(FLOAT32), stdin=b"It was.", status=None), NOT_FOUND)
    _, _, hint = line.partition("; try: pythia ")
    in_own_store(*shlex.split(hint), "--yes")
    in_own_store(*shlex.split(FLOAT32), stdin=b"It was.")


def test_a_newer_checkpoint_is_not_called_damaged(in_own_store: Pythia) -> None:
    path = in_own_store.store / INSTALLED / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": 99}))
    for command in (GENERATE, "checkpoint use demo@3000", "checkpoint verify", "checkpoint list"):
        done = in_own_store(*shlex.split(command), status=None)
        assert "by a newer pythia" in done.err
        assert "remove" not in done.out + done.err
        if command != "checkpoint list":
            assert done.status == INTEGRITY
            assert done.err.endswith(
                "; try: upgrade pythia, or choose another store with --store\n"
            )
    doctor = in_own_store("doctor", "--json", env={"HF_HUB_OFFLINE": "1"}).record
    (found,) = [f for f in doctor["findings"] if f["name"] == "checkpoint"]
    assert found["hint"].startswith("upgrade")


@pytest.mark.parametrize("certificate", [{}, {"kl_mean": None, "delta_nll": "text"}])
def test_a_strange_certificate_hides_no_checkpoint(
    in_own_store: Pythia, certificate: dict[str, object]
) -> None:
    path = in_own_store.store / INSTALLED / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "certificate": certificate}))
    assert in_own_store("checkpoint", "list", "--json").record["certificate"] == certificate
    listed = in_own_store("checkpoint", "list")
    assert (listed.err, listed.out[:11]) == ("", "* demo@3000")


@pytest.mark.parametrize("name", ["incoming", "checkpoints/demo"])
def test_a_link_in_the_store_is_not_written_through(
    in_own_store: Pythia, tmp_path: Path, name: str
) -> None:
    linked = in_own_store.store / name
    linked.rename(tmp_path / "elsewhere")
    linked.symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/me@example.org").mkdir()
    (tmp_path / "elsewhere/me@example.org/mail").write_text("precious")
    in_own_store("generate", "hi", "-n", "1")
    line = error_line(in_own_store("checkpoint", "remove", "3000", "--yes", status=None), RESOURCE)
    assert line == (
        f"error: {linked}: is a link, and pythia writes only into folders of the store itself;"
        " try: replace the link with a folder; only the store itself may be a link"
    )
    assert (tmp_path / "elsewhere/me@example.org/mail").read_text() == "precious"


def test_a_lack_of_permission_is_not_called_a_lack_of_space(tmp_path: Path) -> None:
    for number, hint in ((13, "ask its owner for access"), (28, "free disk space")):
        with pytest.raises(StoreNotWritable) as raised, Store(tmp_path).writing():
            raise OSError(number, "no", str(tmp_path / "locks"))
        assert (hint_for(raised.value) or "").startswith(hint)
