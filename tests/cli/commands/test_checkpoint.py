"""`pythia checkpoint`: list, use, current; and that commands follow the choice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.cli.running import Pythia, error_line, listing, together
from tests.conftest import DEMO

FIELDS = {
    "model", "checkpoint", "step", "tokens_seen", "installed", "n_bytes", "active", "certificate",
    "folder", "reported",
}  # fmt: skip


def test_list(pythia: Pythia) -> None:
    record = pythia("checkpoint", "list", "--json").record
    assert set(record) == FIELDS
    assert (record["model"], record["checkpoint"], record["step"]) == ("demo", "step3000", 3000)
    assert record["tokens_seen"] is None
    assert record["n_bytes"] == sum(p.stat().st_size for p in Path(record["folder"]).iterdir())
    assert pythia("checkpoint", "list").out == f"* {'demo@3000':<24} {'2.4':>9} MB\n"


def test_published_steps_with_what_is_reported_of_them(pythia: Pythia) -> None:
    available = pythia("checkpoint", "list", "--available", "-m", "pythia-2.8b", "--json")
    reported = {record["step"]: record["reported"] for record in available.records}
    assert len(reported) == 154
    assert len([step for step, texts in reported.items() if "issues 205" in str(texts)]) == 85
    assert reported[66000] == []
    assert "pythia-2.8b, 85 steps from 0 to 140000: reported: the weights" in available.err
    assert len(available.err.splitlines()) == 3
    first = pythia("checkpoint", "list", "--available", "-m", "EleutherAI/pythia-1.4b-v0")
    lines = first.out.splitlines()
    assert len(lines) == 143
    assert lines[0].split() == ["pythia-1.4b-v0@1000", "-", "2.097", "G", "tokens"]
    assert "twice that of its optimizer steps" in first.err


def test_every_record_has_the_step_and_the_tokens_seen(
    in_own_store: Pythia, tmp_path: Path
) -> None:
    """The tokens are null for what is no Pythia, and so is the step of a local folder."""
    in_own_store("quantize", DEMO / "step64", "--as", "mine@64")
    named = ("-m", "mine@64", "--json")
    runs = together(
        lambda command=command: in_own_store(*command, stdin=b"It was")
        for command in (
            ("generate", "-n", "1", *named),
            ("perplexity", "-", *named),
            ("checkpoint", "verify", *named),
            ("checkpoint", "list", "-m", "mine", "--json"),
            ("bench", *named, "--rounds", "1"),
            ("quantize", DEMO / "step64", "--as", "mine@64", "--replace", "--json"),
        )
    )
    in_own_store("checkpoint", "use", "mine@64")
    runs.append(in_own_store("checkpoint", "current", "--json"))
    for run in runs:
        place = [run.record[field] for field in ("model", "checkpoint", "step", "tokens_seen")]
        assert place == ["mine", "step64", 64, None]
    local = in_own_store("generate", "It", "-n", "1", "-m", DEMO / "step64", "--json").record
    assert [local[field] for field in ("checkpoint", "step", "tokens_seen")] == [None] * 3


def test_nothing_is_written_by_looking(pythia: Pythia, tmp_path: Path) -> None:
    fresh = replace(pythia, store=tmp_path / "store")
    assert fresh("checkpoint", "list", "--json").stdout == b""
    assert fresh("checkpoint", "current").out == "demo@3000\n"
    assert list(tmp_path.iterdir()) == []


def test_commands_follow_the_active_checkpoint(in_own_store: Pythia) -> None:
    together(
        lambda step=step: in_own_store("quantize", DEMO / "step0", "--as", f"mine@{step}")
        for step in (1, 2)
    )
    said = in_own_store("checkpoint", "use", "mine@1")
    assert (said.stdout, said.err) == (b"", "mine@1 is now active\n")
    generate = ("generate", "hi", "-n", "1", "--json")
    runs = together(
        lambda command=command: in_own_store(*command, stdin=b"Call me")
        for command in (
            generate,
            (*generate, "-c", "2"),
            (*generate, "-m", "mine"),  # its last one
            (*generate, "-m", "demo"),
            ("perplexity", "-", "--json"),
        )
    )
    assert [(run.record["model"], run.record["checkpoint"]) for run in runs] == [
        ("mine", "step1"),
        ("mine", "step2"),
        ("mine", "step2"),
        ("demo", "step3000"),
        ("mine", "step1"),
    ]
    assert runs[0].err == "mine step1, int8\n"
    # A step alone stays with the active model.
    assert in_own_store("checkpoint", "use", "step2", "-q").err == ""
    current = in_own_store("checkpoint", "current", "--json").record
    assert current == {
        "model": "mine",
        "step": 2,
        "checkpoint": "step2",
        "tokens_seen": None,
    }
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
    assert hint.endswith("; try: pythia download -m pythia-70m -c 1")
    assert listing(in_own_store.store) == before


def test_without_a_subcommand_it_says_what_there_is(pythia: Pythia) -> None:
    for arguments in ((), ("checkpoint",)):
        done = pythia(*arguments)
        assert done.out == pythia(*arguments, "--help").out
        assert done.err == ""


def test_version(pythia: Pythia) -> None:
    assert pythia("--version").out.startswith("pythia 0.")
