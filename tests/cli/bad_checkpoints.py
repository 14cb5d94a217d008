"""Float checkpoints that must be refused, each a good one with one thing broken."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

WEIGHTS = "model.safetensors"
DENSE = "gpt_neox.layers.1.attention.dense.weight"
RAN = "the-pickle-ran"


class RunsCode:
    """Unpickling it would make a file named RAN."""

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (RAN, "w")


def truncated(folder: Path) -> None:
    data = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(data[:-100])


def no_weights(folder: Path) -> None:
    (folder / WEIGHTS).unlink()


def no_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def no_shard(folder: Path) -> None:
    no_weights(folder)
    shard = "model-00001-of-00002.safetensors"
    index = {"weight_map": {DENSE: shard}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def shard_elsewhere(folder: Path) -> None:
    no_weights(folder)
    index = {"weight_map": {DENSE: "../nan/model.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def broken_config(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "gpt_neox",')


def config(**fields: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))

    return change


def tensors(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def changed(folder: Path) -> None:
        found = load_file(folder / WEIGHTS)
        change(found)
        save_file(found, folder / WEIGHTS)

    return changed


def legacy_pickle(folder: Path) -> None:
    no_weights(folder)
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(RunsCode(), protocol=2))


def zipped_pickle(folder: Path) -> None:
    """As torch.save lays it out."""
    no_weights(folder)
    with zipfile.ZipFile(folder / "pytorch_model.bin", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({DENSE: RunsCode()}, protocol=2))
        archive.writestr("archive/byteorder", "little")
        archive.writestr("archive/version", "3\n")


def pointer(name: str) -> Callable[[Path], None]:
    """What a clone without Git LFS has in place of a file."""
    text = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 911251784\n"

    def change(folder: Path) -> None:
        if name.startswith("model-"):
            no_shard(folder)
        elif name.endswith(".bin"):
            no_weights(folder)
        (folder / name).write_text(text)

    return change


def large_config(folder: Path) -> None:
    os.truncate(folder / "config.json", 2 << 30)


# Folder name -> what is done to it.
BROKEN: dict[str, Callable[[Path], None]] = {
    "truncated": truncated,
    "no-weights": no_weights,
    "no-tokenizer": no_tokenizer,
    "no-shard": no_shard,
    "shard-elsewhere": shard_elsewhere,
    "broken-config": broken_config,
    "llama": config(model_type="llama"),
    "tied": config(tie_word_embeddings=True),
    "scaled-rope": config(rope_scaling={"type": "linear", "factor": 2.0}),
    "missing": tensors(lambda found: found.pop(DENSE)),
    "extra": tensors(lambda found: found.update({"lora.weight": np.zeros(3, np.float16)})),
    "transposed": tensors(lambda found: found.update({DENSE: found[DENSE][:, :-1].copy()})),
    "nan": tensors(lambda found: found[DENSE].__setitem__((0, 3), np.nan)),
    "integers": tensors(lambda found: found.update({DENSE: found[DENSE].astype(np.int32)})),
    "legacy-pickle": legacy_pickle,
    "zipped-pickle": zipped_pickle,
    "lfs-weights": pointer(WEIGHTS),
    "lfs-bin": pointer("pytorch_model.bin"),
    "lfs-shard": pointer("model-00001-of-00002.safetensors"),
    "lfs-config": pointer("config.json"),
    "lfs-tokenizer": pointer("tokenizer.json"),
    "large-config": large_config,
    "wide": config(hidden_size=10**400),
    "deep": config(num_hidden_layers=10**9),
    "rotated": config(rotary_pct=10**400),
}


def write_broken(into: Path, good: Path, tokenizer: Path) -> None:
    """All of BROKEN as folders, and the `good` one they are made from."""
    shutil.copytree(good, into / "good")
    shutil.copy(tokenizer, into / "good/tokenizer.json")
    for name, change in BROKEN.items():
        shutil.copytree(into / "good", into / name)
        change(into / name)
