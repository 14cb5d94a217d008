"""From names to open models."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pythia_cli
from pythia_cli.checkpoints import install as installing
from pythia_cli.checkpoints.store import Store
from pythia_cli.errors import NotInstalled, UnknownName, UsageError
from pythia_cli.library.load import without_float_weights
from pythia_cli.weights.float_checkpoint import FloatCheckpoint
from tests.publishing import FIRST, SECOND, publish


def test_the_active_checkpoint_is_the_default(store: Store, small: FloatCheckpoint) -> None:
    with pythia_cli.load(store=store) as demo:
        assert str(demo.checkpoint) == "demo@3000"
    publish(store, small, FIRST)
    store.use(FIRST)
    with pythia_cli.load(store=str(store.folder)) as own:
        assert own.checkpoint == FIRST


def test_a_local_folder(store: Store, demo_folder: Callable[[int], Path]) -> None:
    folder = demo_folder(0)
    with pythia_cli.load(folder, store=store) as model:
        assert model.provenance()["model"] == str(folder.resolve())
    with pytest.raises(UsageError, match="local folder"):
        pythia_cli.load(folder, 3, store=store)


def test_what_is_not_installed_is_downloaded_if_asked(
    store: Store, small: FloatCheckpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotInstalled) as caught:
        pythia_cli.load("pythia-14m", 64, store=store)
    assert (caught.value.model, caught.value.step, caught.value.downloadable) == (
        "pythia-14m", 64, True,
    )  # fmt: skip
    assert caught.value.__notes__ == ['pythia_cli.install("pythia-14m", 64) fetches it']
    fetched: list[tuple[str, int]] = []

    def install(model: str, step: int, **more: object) -> None:
        fetched.append((model, step))
        publish(store, small, pythia_cli.Checkpoint(model, step))

    monkeypatch.setattr(installing, "install", install)
    with pythia_cli.load("EleutherAI/pythia-14m@64", store=store, download=True) as model:
        assert str(model.checkpoint) == "pythia-14m@64"
    assert fetched == [("pythia-14m", 64)]


def test_wrong_words(store: Store) -> None:
    with pytest.raises(UnknownName, match="did you mean"):
        pythia_cli.load("pythia-411m", store=store)
    with pytest.raises(UsageError, match="dtype"):
        pythia_cli.load("demo", dtype="int4", store=store)  # type: ignore[arg-type]


def test_checkpoints_are_opened_in_turn(store: Store, small: FloatCheckpoint) -> None:
    publish(store, small, SECOND)
    publish(store, small, FIRST)
    seen = []
    for model in pythia_cli.checkpoints("mine", store=store):
        assert all(other._is_closed for other in seen)
        seen.append(model)
    assert [model.checkpoint for model in seen] == [FIRST, SECOND]
    assert all(model._is_closed for model in seen)
    only = [str(m.checkpoint) for m in pythia_cli.checkpoints("mine", [2], store=store)]
    assert only == ["mine@2"]


def test_a_missing_checkpoint_is_named_before_the_first_is_opened(store: Store) -> None:
    with pytest.raises(NotInstalled):
        pythia_cli.checkpoints("pythia-14m", "log", store=store)
    with pytest.raises(UsageError, match="step"):
        pythia_cli.checkpoints("demo@64", store=store)


@pytest.mark.parametrize("steps", [64, "64", [64], np.array([64]), np.int64(64)])
def test_steps_in_every_form(steps: Any) -> None:
    assert [str(m.checkpoint) for m in pythia_cli.checkpoints("demo", steps)] == ["demo@64"]


def test_float_weights_that_were_not_kept(store: Store, small: FloatCheckpoint) -> None:
    demo = pythia_cli.Checkpoint("demo", 3000)
    kept, dropped = publish(store, small, FIRST), publish(store, small, SECOND)
    manifest = {**dropped.manifest, "source_folder": None}
    (dropped.folder / "manifest.json").write_text(json.dumps(manifest))
    named = [demo, kept.checkpoint, dropped.checkpoint]
    assert without_float_weights(named, store) == [SECOND]
    with pytest.raises(NotInstalled):
        without_float_weights([pythia_cli.Checkpoint("pythia-14m", 0)], store)
