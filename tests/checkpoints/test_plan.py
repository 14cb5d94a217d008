"""What there is to fetch, found out from the Hub or from the Hugging Face cache."""

from __future__ import annotations

import shutil
from pathlib import Path

import huggingface_hub
import huggingface_hub.constants as constants
import pytest

from pythia_cli.checkpoints import plan as planning
from pythia_cli.checkpoints.plan import (
    FetchPlan,
    check_disk,
    doubts,
    plan_fetch,
    plan_fetches,
    same_weights,
)
from pythia_cli.checkpoints.store import Store
from pythia_cli.errors import NoRoom, NotAuthorised, NotCached, NotOnHub, Unreachable
from pythia_cli.suite.checkpoint import Checkpoint
from tests.fakes.hub import Branch, Faults, Hub, commit_of
from tests.fakes.suite import BIN_STEP, DUPLICATE_STEP, EMPTY_STEP, MODEL, REPO

WEIGHTS = "model.safetensors"


def step(number: int) -> Checkpoint:
    return Checkpoint(MODEL, number)


def test_a_plan(suite_hub: Hub) -> None:
    plan = plan_fetch(step(64))
    folder = suite_hub.repos[REPO]["step64"].folder
    assert folder is not None
    names = ("config.json", "tokenizer.json", WEIGHTS)
    assert plan.names == names
    sizes = {name: (folder / name).stat().st_size for name in names}
    assert plan.n_bytes == sum(sizes.values())
    assert plan.sha256 == {WEIGHTS: suite_hub.sha256(folder / WEIGHTS)}
    assert plan.to_dict() == {
        "model": MODEL,
        "checkpoint": "step64",
        "step": 64,
        "tokens_seen": 64 * 2_097_152,
        "repo": REPO,
        "answered_by": None,
        "commit": commit_of(REPO, "step64"),
        "files": sizes,
        "cached": [],
        "n_bytes_to_fetch": plan.n_bytes,
    }
    assert "\n" not in repr(plan)
    assert len(repr(plan)) < 100
    assert plan_fetch(step(BIN_STEP)).weights == ("pytorch_model.bin",)
    assert suite_hub.transfers == []


def test_a_branch_without_a_tokenizer_uses_that_of_main(suite_hub: Hub, tmp_path: Path) -> None:
    source = suite_hub.repos[REPO]["step64"].folder
    assert source is not None
    bare = shutil.copytree(source, tmp_path / "bare")
    (bare / "tokenizer.json").unlink()
    suite_hub.repos = {REPO: {**suite_hub.repos[REPO], "step6000": Branch("6" * 40, bare)}}
    plan = plan_fetch(step(6000))
    assert plan.tokenizer_from.name == "main"
    assert plan.origin("tokenizer.json").name == "main"
    assert plan.origin(WEIGHTS).name == "step6000"
    (bare / "config.json").unlink()
    with pytest.raises(NotOnHub, match=r"step6000 lacks config\.json"):
        plan_fetch(step(6000))


def test_what_is_not_there_says_what_was_reported(suite_hub: Hub) -> None:
    with pytest.raises(NotOnHub, match="holds no weights") as raised:
        plan_fetch(step(EMPTY_STEP))
    assert (raised.value.checkpoint, raised.value.problem) == (step(EMPTY_STEP), None)
    wrong = Checkpoint("pythia-2.8b", 1)
    with pytest.raises(NotOnHub, match="no such repository, revision or file") as raised:
        plan_fetch(wrong)
    assert raised.value.checkpoint == wrong
    assert raised.value.problem is not None
    assert "those of the end of training" in raised.value.problem
    with pytest.raises(NotOnHub, match="mine is not on the Hub"):
        plan_fetch(Checkpoint("mine", 1))


def test_errors_of_one_keep_no_other_out(suite_hub: Hub) -> None:
    found = plan_fetches([step(512), step(1), step(64), step(EMPTY_STEP)])
    assert list(found) == [step(512), step(1), step(64), step(EMPTY_STEP)]
    kinds = [type(what) for what in found.values()]
    assert kinds == [FetchPlan, NotOnHub, FetchPlan, NotOnHub]


def test_without_a_network_one_question_is_enough(
    pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    original = planning.hub.resolve

    def resolve(repo: str, name: str, **more: object) -> object:
        asked.append(name)
        return original(repo, name)

    monkeypatch.setattr(planning.hub, "resolve", resolve)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    found = plan_fetches([step(1000 * n) for n in range(1, 101)])
    assert {type(what) for what in found.values()} == {Unreachable}
    assert len(asked) <= 8


def test_a_login_is_asked_for_once(suite_hub: Hub) -> None:
    suite_hub.faults = Faults(api_status_for_ever=401)
    found = plan_fetches([step(1000 * n) for n in range(1, 101)])
    assert {type(what) for what in found.values()} == {NotAuthorised}
    assert len(suite_hub.requests) <= 16


def test_the_cache(suite_hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("config.json", "tokenizer.json"):
        huggingface_hub.hf_hub_download(
            REPO, name, revision="step64", cache_dir=tmp_path / "cache", endpoint=suite_hub.url
        )
    plan = plan_fetch(step(64))
    assert plan.to_dict()["cached"] == ["config.json", "tokenizer.json"]
    assert plan.n_bytes == plan.size(WEIGHTS)
    before = len(suite_hub.requests)
    with pytest.raises(NotOnHub, match="holds no weights"):  # as far as the cache knows
        plan_fetch(step(64), offline=True)
    assert isinstance(plan_fetches([step(512)], offline=True)[step(512)], NotCached)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert isinstance(plan_fetches([step(512)])[step(512)], NotCached)
    assert len(suite_hub.requests) == before


def test_doubts(suite_hub: Hub, store: Store) -> None:
    plans = [plan_fetch(step(n)) for n in (0, 512, DUPLICATE_STEP)]
    of_model, of_step, equal = sorted(doubts(store, plans), reverse=True)
    assert of_model.startswith(f"{MODEL}: reported: until 27 February 2026")
    assert of_step.startswith(f"{MODEL} step 0: reported: steps 0 and 1 hold the same values")
    assert equal == f"{REPO} step{DUPLICATE_STEP}: {WEIGHTS} is the same file as in {MODEL}@512"
    assert list(same_weights(store, plans)) == [(plans[2], step(512))]
    assert len(list(doubts(store, plans[1:2]))) == 1


def test_an_answer_for_another_repository_is_said_and_recorded(
    suite_hub: Hub, store: Store
) -> None:
    """The Hub redirects a repository that was renamed, and names the new one in its answer."""
    suite_hub.faults = Faults(answers_for="EleutherAI/pythia-14m-deduped")
    plans = [plan_fetch(step(n)) for n in (64, 512)]
    assert {plan.revision.repo for plan in plans} == {REPO}
    assert plans[0].to_dict()["answered_by"] == "EleutherAI/pythia-14m-deduped"
    (line,) = [line for line in doubts(store, plans) if "answered" in line]
    assert line.startswith(f"{REPO}: the Hub answered for EleutherAI/pythia-14m-deduped;")
    suite_hub.faults = Faults(answers_for="eleutherai/PYTHIA-14m")
    assert plan_fetch(step(64)).revision.answered_by is None
    suite_hub.faults = Faults(answers_for="no repository\n")
    assert plan_fetch(step(64)).revision.answered_by is None


def test_room_on_the_disk(suite_hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    plans = [plan_fetch(step(n)) for n in (0, 64, 512)]
    check_disk(store, plans, [0] * 3, keep_original=True)
    n_float = plans[0].n_bytes
    usage = shutil.disk_usage
    n_int8 = planning.data_bytes(planning.MODELS[MODEL])

    def leave(n_bytes: int) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(path)._replace(free=n_bytes))

    leave(2 * n_float + 3 * n_int8 + 100_000)
    check_disk(store, plans, [0] * 3, keep_original=False)
    with pytest.raises(NoRoom, match="installing 3 checkpoints needs"):
        check_disk(store, plans, [0] * 3, keep_original=True)
    leave(n_float)
    with pytest.raises(NoRoom, match=f"installing {MODEL}@0 needs"):
        check_disk(store, plans[:1], [0], keep_original=False)
    check_disk(store, plans[:1], [n_int8 + 100_000], keep_original=False)
