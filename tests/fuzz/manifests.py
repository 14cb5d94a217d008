"""The manifest of an installed checkpoint, and the file that names the active one."""

from __future__ import annotations

import contextlib
import json
import zlib
from pathlib import Path
from random import Random

import pythia_cli
from pythia_cli.checkpoints.verify import verify
from pythia_cli.errors import PythiaError
from tests.fuzz.mutate import TEXTS, json_bytes, mutated_json
from tests.fuzz.samples import int8_file, split_safetensors
from tests.fuzz.stores import CHECKPOINT, TOKENIZER_SHA256, FuzzStore, manifest_for

_CERTIFICATE = {
    "text_sha256": "a" * 64, "tokens": 4096, "ppl_float32": 20.1, "ppl_int8": 20.2, "kl": 1e-3,
}  # fmt: skip


class Manifests:
    """The input is written as manifest.json and as active.json."""

    def __init__(self, folder: Path) -> None:
        self._place = FuzzStore(folder)
        self._place.weights.write_bytes(int8_file(TOKENIZER_SHA256))
        self._place.store.folder.joinpath("active.json").touch()
        header, _ = split_safetensors(self._place.weights.read_bytes())
        self._manifest = manifest_for(header)
        self._manifest["source_files"] = {"model.safetensors": [1, 2]}
        self.valid = json.dumps(self._manifest).encode()

    def make(self, random: Random) -> bytes:
        content = dict(self._manifest)
        if random.random() < 0.1:
            content["certificate"] = mutated_json(random, _CERTIFICATE)
        if random.random() < 0.2:  # as the first version wrote it
            del content["version"]
        if random.random() < 0.2:
            content["weights"] = random.choice((*TEXTS, "model.int8.safetensors", "manifest.json"))
        if random.random() < 0.1:
            content["source_folder"] = random.choice(TEXTS)
        return json_bytes(random, mutated_json(random, content))

    def check(self, data: bytes) -> None:
        store = self._place.store
        self._place.manifest.write_bytes(data)
        (store.folder / "active.json").write_bytes(data)
        for read in (store.active, self._list, lambda: verify(store, CHECKPOINT)):
            with contextlib.suppress(PythiaError):
                read()
        if data == self.valid or zlib.crc32(data) % 4 == 0:
            with contextlib.suppress(PythiaError):  # its float weights are nowhere
                pythia_cli.load(str(CHECKPOINT), store=store, dtype="float32").prepare()
        with pythia_cli.load(str(CHECKPOINT), store=store, n_threads=1) as model:
            json.dumps(model.provenance())
            str(model)
            assert model.tokenize("It was not").n_bytes.sum() == 10

    def _list(self) -> None:
        for installed in self._place.store.installed():
            json.dumps(installed.to_dict())
            assert installed.n_bytes() > 0
            assert installed.weights.parent == installed.folder
