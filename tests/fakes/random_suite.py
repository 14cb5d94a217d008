"""Steps of pythia-14m with random weights, as a repository on the Hub."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from pythia_cli.suite.models import MODELS
from pythia_cli.weights.float_checkpoint import expected_tensors
from tests.conftest import GOLDEN
from tests.fakes.hub import Branch, commit_of
from tests.float_folders import hf_config

MODEL = "pythia-14m"
REPO = f"EleutherAI/{MODEL}"
STEPS = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000)


def make_random_steps(folder: Path, steps: tuple[int, ...] = STEPS) -> dict[str, dict[str, Branch]]:
    """Write the checkpoints below `folder`; the repository for fakes.hub.Hub."""
    branches = {}
    for step in steps:
        place = folder / f"step{step}"
        _write(place, step)
        branches[place.name] = Branch(commit_of(REPO, place.name), place)
    return {REPO: branches}


def _write(folder: Path, seed: int) -> None:
    folder.mkdir(parents=True)
    config = MODELS[MODEL]
    generator = np.random.default_rng(seed)
    tensors = {
        name: (generator.standard_normal(shape, np.float32) * 0.02).astype(np.float16)
        for name, shape in expected_tensors(config).items()
    }
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(json.dumps(hf_config(config)))
    shutil.copy(GOLDEN / "tokenizer" / "tokenizer.json", folder)
