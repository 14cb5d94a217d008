"""A checkpoint's name."""

from __future__ import annotations

import pytest

from pythia_cli.errors import UnknownName, UsageError
from pythia_cli.suite.checkpoint import Checkpoint, parse_name


def test_a_name_is_model_and_step() -> None:
    assert parse_name("pythia-70m@512") == Checkpoint("pythia-70m", 512)
    assert parse_name("pythia-70m@main") == Checkpoint("pythia-70m", 143_000)
    assert parse_name("EleutherAI/pythia-70m@3000") == Checkpoint("pythia-70m", 3000)
    assert parse_name("pythia-160m-weight-seed3@0") == Checkpoint("pythia-160m-weight-seed3", 0)
    assert parse_name("pythia-1.4b-v0@step1000") == Checkpoint("pythia-1.4b-v0", 1000)
    assert parse_name("my.model_2@step7") == Checkpoint("my.model_2", 7)
    for name in ("Mine", "console", "com", "com10", "null.con", "x.y"):
        assert parse_name(f"{name}@1") == Checkpoint(name, 1)


@pytest.mark.parametrize(
    "text",
    [
        "pythia-70m", "@3", "demo@3000", "local-x@3", "../x@3", "a/b@3", "a b@3", ".x@3", "-x@3",
        "con@3", "NUL@3", "aux.x@3", "Com1@3", "lpt9.tar.gz@3", "mine.@3", "mine..@3",
        "Pythia-70M@512", "Demo@3", "LOCAL-x@3",
        "x" * 97 + "@3", "a\n@3", "mine@main", "mine@-1", "mine@1e3", "mine@\u0663", "mine@", "",
    ],
)  # fmt: skip
def test_a_name_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_name(text)


@pytest.mark.parametrize("step", ["3", "last", "3@4", "\u0663"])
def test_a_name_of_a_step_that_is_not_there_is_refused(step: str) -> None:
    with pytest.raises(UnknownName, match=r"checkpoint of pythia-70m"):
        parse_name(f"pythia-70m@{step}")


def test_a_checkpoint_is_a_revision_of_the_hub() -> None:
    checkpoint = Checkpoint("pythia-410m", 3000)
    assert checkpoint.revision == "step3000"
    assert checkpoint.tokens_seen == 3000 * 2_097_152
    assert str(checkpoint) == "pythia-410m@3000"
    assert parse_name(str(checkpoint)) == checkpoint
    assert Checkpoint("mine", 3).tokens_seen is None
    # Their batches had twice as many tokens, but the branches are named in steps of this size.
    assert Checkpoint("pythia-1.4b-v0", 1000).tokens_seen == 1000 * 2_097_152
    assert sorted([Checkpoint("b", 1), Checkpoint("a", 20), Checkpoint("a", 3)]) == [
        Checkpoint("a", 3),
        Checkpoint("a", 20),
        Checkpoint("b", 1),
    ]


def test_the_fields_that_every_record_has() -> None:
    assert Checkpoint("pythia-70m", 64).to_dict() == {
        "model": "pythia-70m",
        "checkpoint": "step64",
        "step": 64,
        "tokens_seen": 64 * 2_097_152,
    }
    assert Checkpoint("mine", 64).to_dict()["tokens_seen"] is None
