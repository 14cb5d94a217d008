"""Names of checkpoints as users type them, and as folders of a store are called."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from pathlib import Path
from random import Random

from pythia_cli.checkpoints.resolve import is_local_folder, resolve
from pythia_cli.checkpoints.store import Store
from pythia_cli.errors import PythiaError
from pythia_cli.suite.checkpoint import parse_name, split_name
from tests.fuzz.mutate import TEXTS, mutated_bytes

_MODELS = (
    "pythia-14m", "pythia-410m-deduped", "EleutherAI/pythia-70m", "demo", "mine", "a.b_c-1",
    "local-x-12345678", "MINE", "x" * 96, "x" * 97, "con", "nul.txt", "lpt1", "a.", "-a", ".a",
)  # fmt: skip
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*@[0-9]+")
_STEPS = ("0", "64", "3000", "step512", "main", "143000", "07", "999999999", "1000000000", "x", "")


class Names:
    def __init__(self, folder: Path) -> None:
        self.valid = b"mine@64"
        self._store = Store(folder / "store")
        self._checkpoints = self._store.folder / "checkpoints"

    def make(self, random: Random) -> bytes:
        model = random.choice((*_MODELS, random.choice(TEXTS)))
        joint = random.choice(("@",) * 12 + ("", "@@", "/", " @ "))
        text = model + joint + random.choice((*_STEPS, random.choice(TEXTS)))
        data = text.encode("utf-8", "surrogatepass")
        return mutated_bytes(random, data) if random.random() < 0.3 else data

    def check(self, data: bytes) -> None:
        text = data.decode("utf-8", "surrogateescape")
        self._check_folder(text)
        for tried in (split_name, lambda t: is_local_folder(t, self._store), self._resolve):
            with contextlib.suppress(PythiaError):
                tried(text)
        checkpoint = parse_name(text)
        assert parse_name(str(checkpoint)) == checkpoint
        place = self._store.place(checkpoint)
        assert place.parent.parent == self._checkpoints, f"not in the store: {place}"
        assert os.path.normpath(place) == str(place), f"leads elsewhere: {place}"
        assert self._store.find(checkpoint) is None

    def _resolve(self, text: str) -> None:
        assert resolve(text, None, self._store).step >= 0

    def _check_folder(self, text: str) -> None:
        """A folder of this name in a store is listed only if the name is a valid one."""
        name = text.partition("@")[0]
        if "/" in name:
            return
        try:
            folder = self._checkpoints / name / "step1"
            folder.mkdir(parents=True)
            (folder / "manifest.json").touch()
        except (OSError, ValueError):
            return  # the system has no such name
        try:
            for installed in self._store.installed():
                listed = str(installed.checkpoint)
                assert _PLAIN.fullmatch(listed), f"not a name, but listed: {listed!r}"
        finally:
            shutil.rmtree(self._store.folder)
