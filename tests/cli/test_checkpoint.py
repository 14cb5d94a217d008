"""`pythia checkpoint`: list, use, current; and that commands follow the choice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.cli.running import Pythia, Result, error_line, listing
from tests.conftest import DEMO

FIELDS = {
    "model", "checkpoint", "step", "tokens_seen", "n_bytes", "active", "certificate", "folder",
}  # fmt: skip


def test_the_first_run_installs_the_demo(first_run: tuple[Pythia, Result]) -> None:
    pythia, result = first_run
    model, hint, compiling = result.err.splitlines()
    assert model == "demo step3000, int8: a small built-in model, not a Pythia"
    assert hint.startswith("for pythia-410m: hf download EleutherAI/pythia-410m ")
    assert compiling.startswith("compiling kernels")
    assert pythia("checkpoint", "list", "--json").record["active"] is True


def test_list(pythia: Pythia) -> None:
    record = pythia("checkpoint", "list", "--json").record
    assert set(record) == FIELDS
    assert (record["model"], record["checkpoint"], record["step"]) == ("demo", "step3000", 3000)
    assert record["tokens_seen"] is None
    assert record["n_bytes"] == sum(p.stat().st_size for p in Path(record["folder"]).iterdir())
    assert pythia("checkpoint", "list").out == "* demo@3000  2.3 MB\n"


def test_nothing_is_written_by_looking(pythia: Pythia, tmp_path: Path) -> None:
    fresh = replace(pythia, store=tmp_path / "store")
    assert fresh("checkpoint", "list").stdout == b""
    assert fresh("checkpoint", "list", "--json").stdout == b""
    assert fresh("checkpoint", "current").out == "demo@3000\n"
    assert list(tmp_path.iterdir()) == []


def test_commands_follow_the_active_checkpoint(in_own_store: Pythia) -> None:
    in_own_store("quantize", DEMO / "step0", "--as", "mine@1")
    in_own_store("quantize", DEMO / "step64", "--as", "mine@2")

    def running(*options: str) -> tuple[str, str]:
        record = in_own_store("generate", "hi", "-n", "1", "--json", *options).record
        return record["model"], record["checkpoint"]

    assert running() == ("demo", "step3000")
    said = in_own_store("checkpoint", "use", "mine@1")
    assert (said.stdout, said.err) == (b"", "mine@1 is now active\n")
    assert running() == ("mine", "step1")
    assert running("-c", "2") == ("mine", "step2")
    assert running("-m", "mine") == ("mine", "step2")  # its last one
    assert running("-m", "demo") == ("demo", "step3000")
    scored = in_own_store("perplexity", "-", "--json", stdin=b"Call me").record
    assert (scored["model"], scored["checkpoint"]) == ("mine", "step1")
    (said_of_it,) = in_own_store("generate", "hi", "-n", "1").err.splitlines()
    assert said_of_it == "mine step1, int8"
    # A step alone stays with the active model.
    assert in_own_store("checkpoint", "use", "step2", "-q").err == ""
    current = in_own_store("checkpoint", "current", "--json").record
    assert current == {"model": "mine", "step": 2, "checkpoint": "step2"}
    listed = in_own_store("checkpoint", "list", "--json").records
    assert [(r["model"], r["step"], r["active"]) for r in listed] == [
        ("demo", 3000, False),
        ("mine", 1, False),
        ("mine", 2, True),
    ]


def test_use_installs_a_step_of_the_demo(in_own_store: Pythia) -> None:
    in_own_store("checkpoint", "use", "main")
    in_own_store("checkpoint", "use", "-m", "demo", "512")
    assert in_own_store("checkpoint", "current").out == "demo@512\n"
    assert in_own_store("checkpoint", "list").out.splitlines()[0].startswith("* demo@512")


def test_a_failing_use_keeps_the_choice(in_own_store: Pythia) -> None:
    in_own_store("checkpoint", "use", "demo@3000")
    before = listing(in_own_store.store)
    hint = error_line(in_own_store("checkpoint", "use", "pythia-70m@1", status=None), 3)
    assert "hf download EleutherAI/pythia-70m --revision step1" in hint
    assert listing(in_own_store.store) == before


def test_without_a_subcommand_it_says_what_there_is(pythia: Pythia) -> None:
    for arguments in ((), ("checkpoint",)):
        done = pythia(*arguments)
        assert done.out == pythia(*arguments, "--help").out
        assert done.err == ""


def test_version(pythia: Pythia) -> None:
    assert pythia("--version").out.startswith("pythia 0.")
