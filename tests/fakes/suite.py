"""The demo suite as a repository of EleutherAI's would be: pythia-14m, steps as branches.

The demo has the body of a Pythia-14m; its vocabulary is padded to that model's here, with rows of
zeros that are never sampled, so that what is served is a trained model under a published name.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from pythia_cli.suite.models import MODELS
from pythia_cli.suite.steps import DEMO_STEPS
from tests.conftest import DEMO
from tests.fakes.hub import Branch, commit_of

MODEL = "pythia-14m"
REPO = f"EleutherAI/{MODEL}"
# The demo's four steps stand for these of the run; the last is its end.
STEPS = {0: 0, 64: 64, 512: 512, 143000: 3000}
BIN_STEP, WRONG_HASH_STEP, DUPLICATE_STEP, EMPTY_STEP = 1000, 2000, 3000, 4000


def make_repository(folder: Path) -> dict[str, dict[str, Branch]]:
    """Write the checkpoints below `folder`; the repository for fakes.hub.Hub.

    Besides STEPS and main: a step as pytorch_model.bin, one whose sha256 is stated wrongly, one
    with the weights of step 512, and one without weights.
    """
    branches: dict[str, Branch] = {}

    def add(step: int, source: Path | None, **stated: str) -> None:
        name = f"step{step}"
        hashes = {"model.safetensors": stated["sha256"]} if stated else {}
        branches[name] = Branch(commit_of(REPO, name), source, hashes)

    for step, demo_step in STEPS.items():
        add(step, make_checkpoint(folder / f"step{step}", DEMO / f"step{demo_step}"))
    add(BIN_STEP, _as_bin(folder / "step64", folder / f"step{BIN_STEP}"))
    add(WRONG_HASH_STEP, folder / "step0", sha256="ab" * 32)
    add(DUPLICATE_STEP, folder / "step512")
    empty = folder / f"step{EMPTY_STEP}"
    empty.mkdir()
    for name in ("config.json", "tokenizer.json"):
        shutil.copy(folder / "step0" / name, empty)
    add(EMPTY_STEP, empty)
    branches["main"] = Branch(commit_of(REPO, "main"), folder / "step143000")
    return {REPO: branches}


def make_checkpoint(folder: Path, demo: Path, model: str = MODEL) -> Path:
    """A step of the demo under the vocabulary and context of a Pythia model with its body."""
    config = MODELS[model]
    folder.mkdir(parents=True)
    tensors = dict(load_file(demo / "model.safetensors"))
    for name in ("gpt_neox.embed_in.weight", "embed_out.weight"):
        padded = np.zeros((config.d_vocab, config.d_model), tensors[name].dtype)
        padded[: len(tensors[name])] = tensors[name]
        tensors[name] = padded
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    published: dict[str, Any] = json.loads((demo / "config.json").read_text())
    published |= {"vocab_size": config.d_vocab, "max_position_embeddings": config.n_ctx}
    (folder / "config.json").write_text(json.dumps(published))
    shutil.copy(demo / "tokenizer.json", folder)
    # What is there besides, and must not be fetched.
    (folder / "README.md").write_text("A model card.\n")
    return folder


def _as_bin(source: Path, folder: Path) -> Path:
    import torch

    folder.mkdir()
    tensors = {n: torch.from_numpy(t) for n, t in load_file(source / "model.safetensors").items()}
    torch.save(tensors, folder / "pytorch_model.bin")
    for name in ("config.json", "tokenizer.json"):
        shutil.copy(source / name, folder)
    return folder


assert set(STEPS.values()) == set(DEMO_STEPS)
