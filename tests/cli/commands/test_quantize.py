"""`pythia quantize`: a float folder becomes an installed checkpoint, with its figures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pythia_cli.release import ARITHMETIC
from tests.cli.running import Pythia, error_line, listing
from tests.conftest import DEMO, GOLDEN

CERTIFICATE = {
    "text_name", "text_sha256", "n_tokens", "context", "float_nll", "int8_nll", "delta_nll",
    "kl_mean", "kl_median", "kl_p99", "kl_max", "top1_agreement",
}  # fmt: skip


COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def certified(
    pythia: Pythia, short_text: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Pythia, dict[str, Any]]:
    """A store that holds mine@7 with a certificate, and the record of making it."""
    own = replace(pythia, store=tmp_path_factory.mktemp("quantize") / "store")
    done = own(
        "quantize", DEMO / "step3000", "--as", "mine@7", "--certify", short_text, "--json",
        "--commit", COMMIT,
    )  # fmt: skip
    assert "installed mine@7: 2.4 MB" in done.err
    assert "top-1 agreement" in done.err
    return own, done.record


def test_record(certified: tuple[Pythia, dict[str, Any]], short_text: Path) -> None:
    _, record = certified
    assert (record["model"], record["step"]) == ("mine", 7)
    assert record["source_folder"] == str((DEMO / "step3000").resolve())
    assert record["source"]["commit"] == COMMIT
    assert record["quantization"] == "int8-row-least-squares-corrected-feedback"
    assert Path(record["folder"]).is_dir()
    certificate = record["certificate"]
    assert set(certificate) == {*CERTIFICATE, "fast"}
    assert set(certificate["fast"]) < {*CERTIFICATE, "arithmetic"}
    assert certificate["fast"]["arithmetic"] == ARITHMETIC["fast"]
    assert certificate["kl_mean"] < certificate["fast"]["kl_mean"] < 1e-3
    assert certificate["text_name"] == short_text.name
    assert certificate["delta_nll"] == pytest.approx(
        certificate["int8_nll"] - certificate["float_nll"]
    )
    assert abs(certificate["delta_nll"]) < 1e-3
    assert 0 < certificate["kl_median"] <= certificate["kl_p99"] <= certificate["kl_max"]
    assert certificate["kl_mean"] < 1e-3
    assert certificate["top1_agreement"] > 0.97


def test_the_certificate_is_kept(certified: tuple[Pythia, dict[str, Any]]) -> None:
    own, record = certified
    listed = own("checkpoint", "list", "--json").record
    assert (listed["model"], listed["step"], listed["checkpoint"]) == ("mine", 7, "step7")
    assert listed["certificate"] == record["certificate"]
    assert "mine@7" in (line := own("checkpoint", "list").out)
    assert f"KL {record['certificate']['kl_mean']:.2g}" in line


def test_it_runs_as_the_one_it_was_made_from(
    certified: tuple[Pythia, dict[str, Any]], pythia: Pythia
) -> None:
    own, _ = certified
    drawn = ("generate", "It was", "-n", "9", "--seed", "2", "--json")
    ours = own(*drawn, "-m", "mine").record
    assert (ours["model"], ours["checkpoint"]) == ("mine", "step7")
    assert ours["token_ids"] == pythia(*drawn).record["token_ids"]


def test_an_installed_name_is_not_overwritten(certified: tuple[Pythia, dict[str, Any]]) -> None:
    own, _ = certified
    before = listing(own.store)
    line = error_line(own("quantize", DEMO / "step0", "--as", "mine@7", status=None), 2)
    assert "mine@7 is already installed" in line
    assert "--replace" in line
    assert listing(own.store) == before


def test_replace(in_own_store: Pythia, short_text: Path) -> None:
    quantize = ("quantize", "--as", "mine@3000", "--json", "-q")
    first = in_own_store(*quantize, DEMO / "step0")
    second = in_own_store(*quantize, DEMO / "step64", "--replace")
    assert first.err == second.err == ""
    assert first.record["source"]["sha256"] != second.record["source"]["sha256"]
    assert second.record["source"]["repo"] is None
    record = in_own_store("perplexity", short_text, "--json", "-m", "mine", "-c", "3000").record
    assert record["source"]["sha256"] == second.record["source"]["sha256"]
    assert len([f for f in listing(in_own_store.store) if "mine" in f]) == 2


def test_without_json_stdout_stays_empty(in_own_store: Pythia) -> None:
    done = in_own_store("quantize", DEMO / "step0", "--as", "mine@1", "-v")
    assert done.stdout == b""
    assert len(done.err.splitlines()) == 2


def test_a_local_folder_is_quantized_when_it_is_used(in_own_store: Pythia, tmp_path: Path) -> None:
    folder = tmp_path / "fine tune"
    folder.mkdir()
    for path in (DEMO / "step0").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    generate = ("generate", "hi", "-n", "2", "--seed", "1", "--json", "-m", folder)
    first = in_own_store(*generate).record
    assert (first["model"], first["checkpoint"]) == (str(folder.resolve()), None)
    installed = listing(in_own_store.store)
    assert in_own_store(*generate).record["token_ids"] == first["token_ids"]
    assert listing(in_own_store.store) == installed
    # A folder that changed is quantized again.
    (folder / "model.safetensors").write_bytes((DEMO / "step3000/model.safetensors").read_bytes())
    assert in_own_store(*generate).record["model"] == first["model"]
    now = listing(in_own_store.store)
    assert len(now) == len(installed)
    assert now != installed


def test_shards_of_pickles(in_own_store: Pythia, tmp_path: Path) -> None:
    name = "head80-sharded-bin"
    folder = tmp_path / name
    folder.mkdir()
    for path in (GOLDEN / "models" / name).iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "tokenizer.json").write_bytes((GOLDEN / "tokenizer/tiny.json").read_bytes())
    record = in_own_store("quantize", folder, "--as", "golden@1", "--json").record
    assert len(record["source"]["files"]) == 2


def test_a_pythia_s_name_is_for_its_shape(in_own_store: Pythia) -> None:
    refused = in_own_store("quantize", DEMO / "step0", "--as", "pythia-410m@1000", status=2)
    assert "n_layers is 6; expected 24, as pythia-410m has it" in refused.err
    assert not any("pythia-410m" in file for file in listing(in_own_store.store))


@pytest.mark.parametrize("commit", ["", "0123abc", COMMIT.upper(), f"{COMMIT}\n", "\x1b[31m"])
def test_what_is_no_commit_is_not_recorded(pythia: Pythia, commit: str) -> None:
    arguments = ("quantize", DEMO / "step0", "--as", "mine@1", "--commit", commit)
    line = error_line(pythia(*arguments, status=None), 2)
    assert line == (
        f"error: --commit is {commit!r}; expected a commit on the Hub: 40 digits from 0-9 and a-f"
    )
