"""What an audit finds from hashes alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pythia_cli.checkpoints.audit import audit
from pythia_cli.errors import NetworkError, NotOnHub
from tests.fakes.hub import Branch, Faults, Hub
from tests.fakes.suite import BIN_STEP, DUPLICATE_STEP, EMPTY_STEP, MODEL, REPO
from tests.reporting import Recording


def test_an_audit(suite_hub: Hub, reporter: Recording) -> None:
    found = audit(MODEL, reporter=reporter)
    assert found.n_branches == 8
    assert found.same_weights == [[512, DUPLICATE_STEP]]
    assert found.same_shards == []
    assert found.no_weights == [EMPTY_STEP]
    assert len(found.no_branch) == 154 - 8
    assert sorted(found.reported) == [0, 1, 2]
    assert (found.main_differs, found.answered_by) == (False, None)
    (note,) = found.notes
    assert note.startswith("until 27 February 2026")
    assert list(found.to_dict()) == [
        *("model", "n_branches", "no_branch", "no_weights", "same_weights", "same_shards"),
        *("main_differs", "answered_by", "reported", "notes"),
    ]
    json.dumps(found.to_dict())
    (task,) = reporter.tasks
    assert (task.label, task.total, task.done, task.ended) == (
        f"asking for {MODEL}",
        154,
        154,
        True,
    )
    assert suite_hub.transfers == []


def test_an_answer_for_another_repository(suite_hub: Hub) -> None:
    assert audit(MODEL).answered_by is None
    suite_hub.faults = Faults(answers_for="EleutherAI/pythia-x")
    assert audit(MODEL).answered_by == "EleutherAI/pythia-x"


def test_shards_that_are_shared(suite_hub: Hub, tmp_path: Path) -> None:
    source = suite_hub.repos[REPO]["step64"].folder
    assert source is not None
    branches = {}
    for number, second in ((1000, b"one"), (2000, b"two")):
        folder = tmp_path / str(number)
        folder.mkdir()
        for name in ("config.json", "tokenizer.json"):
            shutil.copy(source / name, folder)
        (folder / "model.safetensors.index.json").write_text("{}")
        (folder / "model-00001-of-00002.safetensors").write_bytes(b"shared")
        (folder / "model-00002-of-00002.safetensors").write_bytes(second)
        branches[f"step{number}"] = Branch(f"{number:040}", folder)
    suite_hub.repos = {REPO: branches}
    found = audit(MODEL)
    assert (found.same_weights, found.same_shards) == ([], [[1000, 2000]])


def test_a_main_that_is_not_the_last_step(suite_hub: Hub) -> None:
    branches = suite_hub.repos[REPO]
    suite_hub.repos = {REPO: {**branches, "main": branches["step64"]}}
    assert audit(MODEL).main_differs
    suite_hub.repos = {REPO: {**branches, "main": branches[f"step{EMPTY_STEP}"]}}
    assert not audit(MODEL).main_differs  # main has no weights: nothing to compare
    suite_hub.repos = {REPO: {**branches, "main": branches[f"step{BIN_STEP}"]}}
    assert not audit(MODEL).main_differs  # nor if it has them in another form only


def test_a_repository_that_was_renamed(suite_hub: Hub) -> None:
    suite_hub.faults = Faults(answers_for="EleutherAI/pythia-14m-deduped")
    assert audit(MODEL).answered_by == "EleutherAI/pythia-14m-deduped"


@pytest.mark.parametrize("model", ["demo", "mine"])
def test_what_is_not_on_the_hub(suite_hub: Hub, model: str) -> None:
    with pytest.raises(NotOnHub, match=f"{model} is not on the Hub"):
        audit(model)
    assert suite_hub.requests == []


def test_a_hub_that_fails(suite_hub: Hub) -> None:
    suite_hub.faults = Faults(api_status_for_ever=503)
    with pytest.raises(NetworkError, match="status 503"):
        audit(MODEL)
